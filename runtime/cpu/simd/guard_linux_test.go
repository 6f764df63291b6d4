package simd

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"dumbtorch/ir/kernel"
)

// guarded returns n bytes that end at a page that cannot be touched.
func guarded(t *testing.T, n int) []byte {
	page := unix.Getpagesize()
	size := (n + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	require.NoError(t, unix.Mprotect(mem[size:], unix.PROT_NONE))
	t.Cleanup(func() { require.NoError(t, unix.Munmap(mem)) })
	return mem[size-n : size : size]
}

// TestGuardPages runs every length on streams that end at the end of memory.
func TestGuardPages(t *testing.T) { eachForm(t, testGuardPages) }

func testGuardPages(t *testing.T, wide bool) {
	b := newBuilder(wide)
	x, sx := b.Load(Stream{Type: F32})
	m, sm := b.Load(Stream{Type: Bool})
	y, ok := b.Unary(kernel.Neg, F32, x)
	require.True(t, ok)
	v := b.Select(m, y, x)
	lt, ok := b.Binary(kernel.Lt, F32, v, x)
	require.True(t, ok)
	out, outBool := b.Store(Stream{Type: F32}, v), b.Store(Stream{Type: Bool}, lt)
	l := compile(t, b)
	for n := 1; n <= 67; n++ {
		mx, mm, mo, mb := guarded(t, 4*n), guarded(t, n), guarded(t, 4*n), guarded(t, n)
		for i := range n {
			setF32(mx, i, float32(i+1))
			mm[i] = byte(i & 1)
		}
		var args Args
		args.Streams[sx], args.Streams[sm] = unsafe.Pointer(&mx[0]), unsafe.Pointer(&mm[0])
		args.Streams[out], args.Streams[outBool] = unsafe.Pointer(&mo[0]), unsafe.Pointer(&mb[0])
		l.Run(&args, 1, n)
		for i := range n {
			want := float64(i+1) * float64(1-2*(i&1))
			require.Equal(t, want, scalar(F32, mo, i).Float())
			require.EqualValues(t, i&1, mb[i])
		}
	}
	require.NoError(t, l.Free())
}

// TestLoadIf loads through a window that begins before its memory and ends
// behind it.
func TestLoadIf(t *testing.T) {
	eachForm(t, func(t *testing.T, wide bool) {
		for n := 1; n <= 40; n++ {
			for _, fixed := range []bool{false, true} {
				const before = 3
				width := before + n + 5
				b := newBuilder(wide)
				lane := b.Lane()
				v, ok := b.Binary(kernel.Sub, I32, lane, b.Const(before))
				require.True(t, ok)
				mask, ok := b.Binary(kernel.Lt, U32, v, b.Const(uint32(n)))
				require.True(t, ok)
				x, in := b.LoadIf(Stream{Type: F32}, mask)
				out := b.Store(Stream{Type: F32, Step: 4 * width}, x)
				compiled := 0
				if fixed {
					compiled = width
				}
				l, err := b.Compile(compiled)
				require.NoError(t, err)
				part, res := guarded(t, 4*n), guarded(t, 2*4*width)
				for i := range n {
					setF32(part, i, float32(i+1))
				}
				args := new(Args)
				args.Streams[in], args.Shift[in] = unsafe.Pointer(&part[0]), -4*before
				args.Streams[out] = unsafe.Pointer(&res[0])
				l.Run(args, 2, width)
				require.NoError(t, l.Free())
				for i := range 2 * width {
					want := float64(i%width - before + 1)
					if i%width < before || i%width >= before+n {
						want = 0
					}
					require.Equal(t, want, scalar(F32, res, i).Float(), "lane %d of %d", i, width)
				}
			}
		}
	})
}

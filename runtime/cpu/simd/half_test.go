package simd

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

// Rounding gives the bits of the conversions in package types at numbers all
// over float32 and around every tie between two halves; widening at every
// pattern.
func TestHalves(t *testing.T) { eachForm(t, testHalves) }

func testHalves(t *testing.T, wide bool) {
	for typ, f := range map[Type]struct {
		round func(float32) uint16
		widen func(uint16) float32
	}{
		F16:  {func(x float32) uint16 { return uint16(types.ToFloat16(x)) }, func(h uint16) float32 { return types.Float16(h).Float32() }},
		BF16: {func(x float32) uint16 { return uint16(types.ToBFloat16(x)) }, func(h uint16) float32 { return types.BFloat16(h).Float32() }},
	} {
		var x []float32
		var h []uint16
		for bits := uint64(0); bits < 1<<32; bits += 40961 {
			x = append(x, math.Float32frombits(uint32(bits)))
		}
		for u := range 1 << 16 {
			u := uint16(u)
			h = append(h, u)
			if u&0x1f == 0 || u&0x7fff > 0x7be0 && u&0x7fff < 0x7c20 {
				tie := (f.widen(u) + f.widen(u+1)) / 2
				x = append(x, f.widen(u), tie, math.Nextafter32(tie, 0), math.Nextafter32(tie, float32(math.Inf(1))))
			}
		}
		b := newBuilder(wide)
		v, in := b.Load(Stream{Type: F32})
		r, ok := b.Convert(F32, typ, v)
		require.True(t, ok)
		out := b.Store(Stream{Type: typ}, r)
		got := make([]uint16, len(x))
		args := new(Args)
		args.Streams[in], args.Streams[out] = unsafe.Pointer(&x[0]), unsafe.Pointer(&got[0])
		compile(t, b).Run(args, 1, len(x))
		for i := range x {
			if want := f.round(x[i]); got[i] != want {
				t.Fatalf("%v of bits %#x rounds to %#x, want %#x", x[i], math.Float32bits(x[i]), got[i], want)
			}
		}

		b = newBuilder(wide)
		v, in = b.Load(Stream{Type: typ})
		out = b.Store(Stream{Type: F32}, v)
		back := make([]float32, len(h))
		args.Streams[in], args.Streams[out] = unsafe.Pointer(&h[0]), unsafe.Pointer(&back[0])
		compile(t, b).Run(args, 1, len(h))
		for i := range h {
			if want := f.widen(h[i]); math.Float32bits(back[i]) != math.Float32bits(want) {
				t.Fatalf("%#x widens to %v, want %v", h[i], back[i], want)
			}
		}
	}
}

package gemm

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fenced returns n numbers between two pages that cannot be touched, at the start or at the end of the memory between them.
func fenced(t *testing.T, n int, end bool) []float32 {
	page := unix.Getpagesize()
	size := (4*n + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	require.NoError(t, err)
	require.NoError(t, unix.Mprotect(mem[:page], unix.PROT_NONE))
	require.NoError(t, unix.Mprotect(mem[page+size:], unix.PROT_NONE))
	t.Cleanup(func() { require.NoError(t, unix.Munmap(mem)) })
	at := page
	if end {
		at += size - 4*n
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[at])), n)
}

// TestGuardPages multiplies through windows, and by operands in memory, where nothing beyond them can be read or written.
func TestGuardPages(t *testing.T) { onEveryLevel(t, guardPages) }

func guardPages(t *testing.T) {
	for _, end := range []bool{false, true} {
		for _, m := range []image{{2, 5, 6, 3, 1, 1}, {3, 13, 15, 3, 1, 0}, {1, 9, 9, 2, 1, 0}, {2, 4, 33, 3, 1, 1}, {1, 7, 7, 1, 2, 0}} {
			data := fenced(t, m.channels*m.height*m.width, end)
			for i := range data {
				data[i] = float32(i % 7)
			}
			for _, turned := range []bool{false, true} {
				w := m.window(turned)
				rows, k := len(w.Rows), len(w.Steps)
				for _, others := range []int{2, 13, 33} {
					y, c := fenced(t, others*k, end), fenced(t, rows*others, end)
					for i := range y {
						y[i] = float32(i % 5)
					}
					for asA := range 2 {
						for stride := range 2 {
							s := &Strided[float32]{Data: y, Stride: k, KStride: 1}
							if stride == 1 {
								s.Stride, s.KStride = 1, others
							}
							g := &Product[float32]{Plan: mustPlan[float32](rows, others, k), C: c, LDC: others}
							if asA == 0 {
								g.Plan, g.LDC = mustPlan[float32](others, rows, k), rows
							}
							x := NewWindowOf(g.Plan, w, make([]float32, w.Memory()))
							x.Bind(data, 0)
							g.A, g.B = x, s
							if asA == 0 {
								g.A, g.B = s, x
							}
							require.NoError(t, g.Check())
							execute(g, 1, 77)
							for i := range rows {
								for j := range others {
									sum := float32(0)
									for p := range k {
										pixel, step := i, p
										if turned {
											pixel, step = p, i
										}
										sum += m.at(data, pixel, step) * y[j*s.Stride+p*s.KStride]
									}
									at := i*others + j
									if asA == 0 {
										at = j*rows + i
									}
									if c[at] != sum {
										require.Equal(t, sum, c[at])
									}
								}
							}
						}
					}
				}
			}
		}
	}
}

package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// An image is an array [channels, height, width] seen through windows of size x size at a distance of stride, with a padding of
// zeros: pixel p of channel c under element (i, j) of the window.
type image struct {
	channels, height, width, size, stride, pad int
}

func (m image) across(n int) int { return (n+2*m.pad-m.size)/m.stride + 1 }

// window returns the window with the pixels as rows and channels and elements as steps, or the other way round.
func (m image) window(turned bool) *Window {
	h, w := m.height+2*m.pad, m.width+2*m.pad
	v := &Window{
		Size: h*w + WindowSlack,
		Dims: []WindowDim{{h, m.pad, m.pad + m.height, int64(m.width), w}, {w, m.pad, m.pad + m.width, 1, 1}},
	}
	for c := range m.channels {
		v.Planes = append(v.Planes, int64(c*m.height*m.width-m.pad*m.width-m.pad))
	}
	if m.pad == 0 {
		v.Size, v.Dims, v.Planes = 0, nil, nil
	}
	plane, row := int64(v.Size), int64(w)
	if m.pad == 0 {
		plane = int64(h * w)
	}
	for y := range m.across(m.height) {
		for x := range m.across(m.width) {
			v.Rows, v.RowPlanes = append(v.Rows, int64(y*m.stride)*row+int64(x*m.stride)), append(v.RowPlanes, 0)
		}
	}
	for c := range m.channels {
		for i := range m.size {
			for j := range m.size {
				v.Steps, v.StepPlanes = append(v.Steps, int64(c)*plane+int64(i)*row+int64(j)), append(v.StepPlanes, min(c, v.Size*c))
			}
		}
	}
	if turned {
		v.Rows, v.Steps, v.RowPlanes, v.StepPlanes = v.Steps, v.Rows, v.StepPlanes, v.RowPlanes
	}
	v.Init()
	return v
}

// at returns the value of a pixel under an element of the window.
func (m image) at(data []float32, pixel, step int) float32 {
	y, x := pixel/m.across(m.width)*m.stride-m.pad, pixel%m.across(m.width)*m.stride-m.pad
	c := step / (m.size * m.size)
	y, x = y+step/m.size%m.size, x+step%m.size
	if y < 0 || y >= m.height || x < 0 || x >= m.width {
		return 0
	}
	return data[(c*m.height+y)*m.width+x]
}

// TestWindows multiplies through windows, as A and as B, along rows and along steps, over several pages and after the array has
// changed: the bits are those of the same operand in memory.
func TestWindows(t *testing.T) { onEveryLevel(t, windows) }

func windows(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, m := range []image{
		{2, 5, 6, 3, 1, 1}, {5, 14, 14, 3, 1, 1}, {3, 9, 31, 5, 1, 2}, {4, 12, 11, 3, 1, 0}, {2, 17, 20, 3, 2, 1}, {1, 40, 33, 2, 1, 0}, {7, 3, 3, 3, 1, 2},
	} {
		for _, turned := range []bool{false, true} {
			for pages := 1; pages <= 3; pages += 2 {
				t.Run(fmt.Sprintf("%+v %v %d", m, turned, pages), func(t *testing.T) {
					w := m.window(turned)
					size := m.channels * m.height * m.width
					if w.Pages = nil; pages > 1 {
						for p := range pages {
							w.Pages = append(w.Pages, int64((pages-1-p)*size))
						}
					}
					w.Init()
					rows, steps := len(w.Rows), len(w.Steps)*pages
					x := newMatrix(rows, steps, "k-major", normal[float32](r))
					data := make([]float32, pages*size)
					fill := func() {
						for i := range data {
							data[i] = float32(r.NormFloat64())
						}
						for i := range rows {
							for k := range steps {
								page, pixel, step := k/len(w.Steps), i, k%len(w.Steps)
								if turned {
									pixel, step = step, pixel
								}
								x.strided.Data[i*x.strided.Stride+k*x.strided.KStride] = m.at(data[(pages-1-page)*size:], pixel, step)
							}
						}
					}
					const others = 21
					y := newMatrix(others, steps, "k-major", normal[float32](r))
					asA, asB := mustPlan[float32](rows, others, steps).WithPages(len(w.Steps)), mustPlan[float32](others, rows, steps).WithPages(len(w.Steps))
					a, b := NewWindowOf(asA, w, make([]float32, w.Memory())), NewWindowOf(asB, w, make([]float32, w.Memory()))
					for range 2 {
						fill()
						a.Bind(data, 0)
						b.Bind(data, 0)
						requireProduct(t, asA, a, &y.strided, 1, 77, sequential(x, y, rows, others, steps))
						requireProduct(t, asB, &y.strided, b, 1, 77, sequential(y, x, others, rows, steps))
					}
				})
			}
		}
	}
}

// TestPages multiplies operands whose steps come in pages.
func TestPages(t *testing.T) { onEveryLevel(t, pages) }

func pages(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range [][4]int{{20, 33, 70, 3}, {5, 40, 7, 9}, {13, 17, 600, 2}} { // m, n, steps of a page, pages
		m, n, page, count := s[0], s[1], s[2], s[3]
		k := page * count
		a, b := newMatrix(m, k, "k-major", normal[float32](r)), newMatrix(n, k, "k-major", normal[float32](r))
		want := sequential(a, b, m, n, k)
		paged := func(x matrix[float32], rows int) *Strided[float32] {
			p := &Strided[float32]{Data: make([]float32, rows*k), Stride: page, KStride: 1, Page: page, PageStride: rows * page}
			for i := range rows {
				for j := range k {
					p.Data[i*page+p.step(j)] = x.at(i, j)
				}
			}
			return p
		}
		plan := mustPlan[float32](m, n, k)
		pa, pb := paged(a, m), paged(b, n)
		requireProduct(t, plan, pa, pb, 2, 77, want)
		requireProduct(t, plan.WithPages(page), pa, pb, 2, 77, want)
		short := *pb
		short.Data = short.Data[:len(short.Data)-1]
		require.ErrorIs(t, (&Product[float32]{Plan: plan, A: pa, B: &short, C: make([]float32, m*n), LDC: n}).Check(), ErrBounds)
	}
}

package backendtest

import (
	"fmt"
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A convolution of x [n,c,h,w] by weights [o,c,kh,kw].
type convolution struct {
	n, c, h, w, o, kh, kw int
	stride, pad, dilation int
}

func (v convolution) size(n, k int) int { return (n+2*v.pad-v.dilation*(k-1)-1)/v.stride + 1 }

// testConvolutions has products whose operands are read through windows: a convolution, and the gradients of its operands.
func testConvolutions(t *testing.T, s *suite) {
	for _, v := range []convolution{
		{2, 3, 10, 9, 4, 3, 3, 1, 1, 1},
		{3, 5, 14, 14, 13, 3, 3, 1, 1, 1},
		{2, 4, 12, 17, 6, 3, 2, 1, 0, 1},
		{2, 3, 15, 16, 9, 3, 3, 2, 1, 1},
		{2, 3, 11, 13, 5, 3, 3, 1, 2, 2},
		{2, 2, 9, 40, 4, 5, 7, 3, 3, 1},
		{9, 8, 30, 31, 2, 3, 3, 1, 1, 1},
		{5, 2, 33, 31, 3, 2, 2, 1, 0, 1},
	} {
		for _, d := range []types.DType{types.F32, types.F64, types.I32} {
			if d != types.F32 && v.n > 3 {
				continue
			}
			t.Run(fmt.Sprintf("%+v %s", v, d), func(t *testing.T) {
				s.check(t, v.forward(d), Exact)
				s.check(t, v.weightGradient(d), Exact)
				if v.stride == 1 {
					s.check(t, v.dataGradient(d), Exact)
				}
			})
		}
	}
}

// testDepthwise has convolutions of each channel by its own weights, and their gradients.
func testDepthwise(t *testing.T, s *suite) {
	for _, v := range []convolution{
		{2, 3, 14, 15, 0, 3, 3, 1, 1, 1},
		{3, 17, 9, 11, 0, 3, 3, 1, 1, 1},
		{2, 4, 21, 20, 0, 5, 3, 2, 2, 1},
		{2, 2, 16, 33, 0, 2, 3, 1, 0, 2},
	} {
		for _, d := range []types.DType{types.F32, types.F64, types.I32} {
			t.Run(fmt.Sprintf("%+v %s", v, d), func(t *testing.T) {
				oh, ow := v.size(v.h, v.kh), v.size(v.w, v.kw)
				xs, ws, ys := whole(d, v.n*v.c*v.h*v.w, 1), whole(d, v.c*v.kh*v.kw, 2), whole(d, v.n*v.c*oh*ow, 3)
				build := func(dims, folded []int, f func(m *product, a, k []*kernel.Axis) *kernel.Expr) *kernel.Kernel {
					m := &product{maker: newMaker("depthwise")}
					a := m.axes(append(dims, folded...)...)
					a, k := a[:len(dims)], a[len(dims):]
					sum := m.sum(f(m, a, k), k...)
					m.write(m.add(sum, sum), a...)
					m.write(sum, a...)
					return m.general()
				}
				forward := build([]int{v.n, v.c, oh, ow}, []int{v.kh, v.kw}, func(m *product, a, k []*kernel.Axis) *kernel.Expr {
					x := m.in(d, xs.len())
					e := v.at(m, x, v.c, v.h, v.w, m.Var(a[0]), m.Var(a[1]), v.window(m, a[2], k[0]), v.window(m, a[3], k[1]))
					return m.mul(e, m.read(d, a[1], k[0], k[1]))
				})
				s.check(t, single(forward, xs, ws), Exact)
				weights := build([]int{v.c, v.kh, v.kw}, []int{v.n, oh, ow}, func(m *product, a, k []*kernel.Axis) *kernel.Expr {
					x := m.in(d, xs.len())
					e := v.at(m, x, v.c, v.h, v.w, m.Var(k[0]), m.Var(a[0]), v.window(m, k[1], a[1]), v.window(m, k[2], a[2]))
					return m.mul(m.read(d, k[0], a[0], k[1], k[2]), e)
				})
				s.check(t, single(weights, xs, ys), Exact)
				if v.stride > 1 {
					return
				}
				data := build([]int{v.n, v.c, v.h, v.w}, []int{v.kh, v.kw}, func(m *product, a, k []*kernel.Axis) *kernel.Expr {
					y := m.in(d, ys.len())
					e := v.at(m, y, v.c, oh, ow, m.Var(a[0]), m.Var(a[1]), v.back(m, a[2], k[0]), v.back(m, a[3], k[1]))
					return m.mul(e, m.read(d, a[1], k[0], k[1]))
				})
				s.check(t, single(data, ys, ws), Exact)
			})
		}
	}
}

// at is the place of element (n,c,h,w) of an array of the given sizes, or zero beyond its borders.
func (v convolution) at(p *product, x, channels, height, width int, n, c, h, w *kernel.Expr) *kernel.Expr {
	ix := p.IAdd(p.IMul(p.IAdd(p.IMul(p.IAdd(p.IMul(n, int64(channels)), c), int64(height)), h), int64(width)), w)
	inside := p.AllOf(p.Within(h, 0, int64(height)), p.Within(w, 0, int64(width)))
	return p.If(inside, p.load(x, ix), p.ConstInt(p.maker.k.Params[x].DType, 0))
}

// window is where a window that is at i looks with its element k.
func (v convolution) window(p *product, i, k *kernel.Axis) *kernel.Expr {
	return p.IAdd(p.IAdd(p.IMul(p.Var(i), int64(v.stride)), p.IMul(p.Var(k), int64(v.dilation))), p.Int(int64(-v.pad)))
}

// back is the window of stride 1 that looks at i with its element k.
func (v convolution) back(p *product, i, k *kernel.Axis) *kernel.Expr {
	return p.ISub(p.IAdd(p.Var(i), p.Int(int64(v.pad))), p.IMul(p.Var(k), int64(v.dilation)))
}

func (v convolution) arrays(d types.DType) (x, w, y array) {
	return whole(d, v.n*v.c*v.h*v.w, 1), whole(d, v.o*v.c*v.kh*v.kw, 2), whole(d, v.n*v.o*v.size(v.h, v.kh)*v.size(v.w, v.kw), 3)
}

func (v convolution) forward(d types.DType) *draft {
	p := newProduct(nil, []int{v.o}, []int{v.n, v.size(v.h, v.kh), v.size(v.w, v.kw)}, []int{v.c, v.kh, v.kw})
	xs, ws, _ := v.arrays(d)
	x := p.in(d, xs.len())
	b := v.at(p, x, v.c, v.h, v.w, p.Var(p.n[0]), p.Var(p.k[0]), v.window(p, p.n[1], p.k[1]), v.window(p, p.n[2], p.k[2]))
	y := p.of(p.read(d, p.m[0], p.k[0], p.k[1], p.k[2]), b)
	bias := p.read(d, p.m[0])
	p.write(p.Bin(kernel.Max, p.add(y, bias), p.ConstInt(d, 0)), p.n[0], p.m[0], p.n[1], p.n[2])
	return single(p.kernel(), xs, ws, whole(d, v.o, 4))
}

func (v convolution) weightGradient(d types.DType) *draft {
	p := newProduct(nil, []int{v.o}, []int{v.c, v.kh, v.kw}, []int{v.n, v.size(v.h, v.kh), v.size(v.w, v.kw)})
	xs, ws, ys := v.arrays(d)
	x := p.in(d, xs.len())
	b := v.at(p, x, v.c, v.h, v.w, p.Var(p.k[0]), p.Var(p.n[0]), v.window(p, p.k[1], p.n[1]), v.window(p, p.k[2], p.n[2]))
	g := p.of(p.read(d, p.k[0], p.m[0], p.k[1], p.k[2]), b)
	p.write(p.sub(p.read(d, p.result()...), g), p.result()...)
	return single(p.kernel(), xs, ys, ws)
}

func (v convolution) dataGradient(d types.DType) *draft {
	oh, ow := v.size(v.h, v.kh), v.size(v.w, v.kw)
	p := newProduct(nil, []int{v.c}, []int{v.n, v.h, v.w}, []int{v.o, v.kh, v.kw})
	_, ws, ys := v.arrays(d)
	y := p.in(d, ys.len())
	b := v.at(p, y, v.o, oh, ow, p.Var(p.n[0]), p.Var(p.k[0]), v.back(p, p.n[1], p.k[1]), v.back(p, p.n[2], p.k[2]))
	p.write(p.of(p.read(d, p.k[0], p.m[0], p.k[1], p.k[2]), b), p.n[0], p.m[0], p.n[1], p.n[2])
	return single(p.kernel(), ys, ws)
}

package backendtest

import (
	"fmt"
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A product builds the kernel of a contraction: axes by role, extents of 1
// left out.
type product struct {
	*maker
	batch, m, n, k []*kernel.Axis
	a, b, fold     *kernel.Expr
}

func newProduct(batch, ms, ns, ks []int) *product {
	p := &product{maker: newMaker("contract")}
	some := func(extents []int) []*kernel.Axis {
		var as []*kernel.Axis
		for _, n := range extents {
			if n > 1 {
				as = append(as, p.axes(n)...)
			}
		}
		return as
	}
	p.batch, p.m, p.n, p.k = some(batch), some(ms), some(ns), some(ks)
	return p
}

func join(lists ...[]*kernel.Axis) []*kernel.Axis {
	var as []*kernel.Axis
	for _, l := range lists {
		as = append(as, l...)
	}
	return as
}

// result are the axes of the stores.
func (p *product) result() []*kernel.Axis { return join(p.batch, p.m, p.n) }

// of sets the factors and returns the result; of halves it is rounded once.
func (p *product) of(a, b *kernel.Expr) *kernel.Expr {
	d := a.DType
	p.a, p.b = p.Cast(a, d.Arith()), p.Cast(b, d.Arith())
	p.fold = p.sum(p.mul(p.a, p.b), p.k...)
	return p.Cast(p.fold, d)
}

// kernel is a contraction where both factors have axes of their own.
func (p *product) kernel() *kernel.Kernel {
	if len(p.m) == 0 || len(p.n) == 0 {
		return p.general()
	}
	return p.done(kernel.Schedule{Form: kernel.Contract, Contract: &kernel.Contraction{
		Fold: p.fold, A: p.a, B: p.b, Batch: p.batch, M: p.m, N: p.n, K: p.k,
	}})
}

var productSizes = [][3]int{ // m, n, k
	{2, 2, 2}, {1, 5, 3}, {7, 1, 9}, {3, 5, 7}, {4, 16, 8}, {16, 4, 33}, {64, 64, 64}, {65, 63, 17}, {5, 300, 2}, {130, 10, 257}, {33, 65, 130}, {6, 17, 1000},
}

func testContract(t *testing.T, s *suite) {
	for _, d := range []types.DType{types.F32, types.F64, types.I32, types.I64, types.F16, types.BF16} {
		for _, sz := range productSizes {
			if d.IsHalf() && sz[0]*sz[1]*sz[2] > 1<<16 {
				continue // the products are those of f32
			}
			t.Run(fmt.Sprintf("%s %dx%dx%d", d, sz[0], sz[1], sz[2]), func(t *testing.T) {
				for layout := range 4 {
					if d != types.F32 && layout%3 != 0 {
						continue
					}
					p := newProduct(nil, sz[:1], sz[1:2], sz[2:])
					p.write(p.of(p.operands(d, layout)), p.result()...)
					s.check(t, single(p.kernel(), whole(d, sz[0]*sz[2], 1), whole(d, sz[2]*sz[1], 2)), Exact)
				}
			})
		}
	}
	t.Run("large", func(t *testing.T) {
		p := newProduct(nil, []int{150}, []int{160}, []int{100})
		p.write(p.of(p.operands(types.F32, 2)), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 15000, 1), whole(types.F32, 16000, 2)), Exact)
	})
	t.Run("batch", func(t *testing.T) {
		for _, sz := range productSizes {
			if sz[0]*sz[1]*sz[2] > 1<<16 {
				continue
			}
			for layout := range 4 {
				p := newProduct([]int{3, 2}, sz[:1], sz[1:2], sz[2:])
				p.write(p.of(p.operands(types.F32, layout)), p.result()...)
				s.check(t, single(p.kernel(), whole(types.F32, 6*sz[0]*sz[2], 1), whole(types.F32, 6*sz[2]*sz[1], 2)), Exact)
			}
		}
	})
	t.Run("lists", func(t *testing.T) {
		for layout := range 4 {
			p := newProduct([]int{2}, []int{3, 5}, []int{4, 6}, []int{7, 3})
			p.write(p.of(p.operands(types.F32, layout)), p.result()...)
			s.check(t, single(p.kernel(), whole(types.F32, 2*15*21, 1), whole(types.F32, 2*21*24, 2)), Exact)
		}
		// Attention's heads: [batch, time, head, dim] of both operands.
		p := newProduct([]int{2, 3}, []int{9}, []int{11}, []int{8})
		a := p.read(types.F32, p.batch[0], p.m[0], p.batch[1], p.k[0])
		b := p.read(types.F32, p.batch[0], p.n[0], p.batch[1], p.k[0])
		p.write(p.mul(p.of(a, b), p.Const(types.F32, 0.125)), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 2*3*9*8, 1), whole(types.F32, 2*3*11*8, 2)), Exact)
	})
	t.Run("rounded", func(t *testing.T) {
		p := newProduct(nil, []int{50}, []int{70}, []int{900})
		p.write(p.of(p.operands(types.F32, 0)), p.result()...)
		s.check(t, single(p.kernel(), normal(types.F32, 45000, 1), normal(types.F32, 63000, 2)), Tolerance{Absolute: 2e-4})
	})
	t.Run("epilogue", func(t *testing.T) { testEpilogue(t, s) })
	t.Run("update", func(t *testing.T) { testUpdate(t, s) })
	t.Run("convolutions", func(t *testing.T) { testConvolutions(t, s) })
	t.Run("depthwise", func(t *testing.T) { testDepthwise(t, s) })
	t.Run("operands", func(t *testing.T) { testOperands(t, s) })
}

// operands reads both factors row-major, transposed as the bits of layout say.
func (p *product) operands(d types.DType, layout int) (a, b *kernel.Expr) {
	x, y := join(p.batch, p.m, p.k), join(p.batch, p.k, p.n)
	if layout&1 != 0 {
		x = join(p.batch, p.k, p.m)
	}
	if layout&2 != 0 {
		y = join(p.batch, p.n, p.k)
	}
	return p.read(d, x...), p.read(d, y...)
}

// testEpilogue uses the product at its point: bias, activation and mask, a
// residual, an update, in several stores.
func testEpilogue(t *testing.T, s *suite) {
	for _, sz := range productSizes {
		if sz[0] == 1 || sz[1] == 1 {
			continue // no axis for bias or scale
		}
		p := newProduct(nil, sz[:1], sz[1:2], sz[2:])
		c := p.of(p.operands(types.F32, 2))
		bias, scale, residual := p.read(types.F32, p.n...), p.read(types.F32, p.m...), p.read(types.F32, p.result()...)
		h := p.add(c, bias)
		positive := p.Bin(kernel.Lt, p.Const(types.F32, 0), h)
		relu := p.Select(positive, h, p.Const(types.F32, 0))
		p.write(relu, p.result()...)
		p.write(positive, p.result()...)
		p.write(p.add(p.mul(relu, scale), residual), p.result()...)
		causal := p.Ge0(p.ISub(p.Var(p.m[0]), p.Var(p.n[0])))
		p.write(p.If(causal, h, p.Const(types.F32, -1e9)), p.result()...)
		transposed := p.out(types.F32, sz[0]*sz[1])
		p.store(transposed, p.at(p.n[0], p.m[0]), c, p.result()...)
		in := []array{whole(types.F32, sz[0]*sz[2], 1), whole(types.F32, sz[2]*sz[1], 2), whole(types.F32, sz[1], 3), whole(types.F32, sz[0], 4), whole(types.F32, sz[0]*sz[1], 5)}
		s.check(t, single(p.kernel(), in...), Exact)
	}
}

// testUpdate has stores that one loop over a whole tile can do: the update of weights by momentum in place of the old ones, and a
// scale of each row.
func testUpdate(t *testing.T, s *suite) {
	for _, sz := range [][3]int{{2, 2, 2}, {3, 5, 7}, {16, 4, 33}, {24, 64, 20}, {40, 10, 130}, {50, 301, 5}, {30, 40, 600}} {
		for layout := range 4 {
			p := newProduct([]int{2}, sz[:1], sz[1:2], sz[2:])
			c := p.of(p.operands(types.F32, layout))
			n := 2 * sz[0] * sz[1]
			v := p.add(p.mul(p.read(types.F32, p.result()...), p.Const(types.F32, 0.5)), c)
			w := p.sub(p.read(types.F32, p.result()...), p.mul(p.load(p.in(types.F32, 1), p.Int(0)), v))
			in := []array{whole(types.F32, 2*sz[0]*sz[2], 1), whole(types.F32, 2*sz[2]*sz[1], 2), whole(types.F32, n, 3), whole(types.F32, n, 4), of(types.F32, 0.25)}
			if layout%2 == 0 {
				p.write(v, p.result()...)
				p.write(w, p.result()...)
				d := newDraft()
				var args []int
				for i, a := range in {
					if i == 2 || i == 3 {
						args = append(args, d.variable(a))
					} else {
						args = append(args, d.input(a))
					}
				}
				d.launch(p.kernel(), append(args, args[2], args[3])...)
				s.check(t, d, Exact)
				continue
			}
			p.write(p.add(p.mul(w, p.read(types.F32, p.m...)), p.read(types.F32, p.n...)), p.result()...)
			s.check(t, single(p.kernel(), append(in, whole(types.F32, sz[0], 5), whole(types.F32, sz[1], 6))...), Exact)
		}
	}
	// More columns than a tile of the product has, through every element size.
	p := newProduct(nil, []int{6}, []int{1100}, []int{3})
	c := p.of(p.operands(types.F32, 0))
	for _, d := range allTypes {
		p.write(p.Cast(c, d), p.result()...)
		p.write(p.Cast(p.Cast(p.add(c, p.Const(types.F32, 9.75)), d), types.F32), p.result()...)
	}
	s.check(t, single(p.kernel(), whole(types.F32, 18, 1), whole(types.F32, 3300, 2)), Exact)
}

// testOperands has factors that are more than a load.
func testOperands(t *testing.T, s *suite) {
	t.Run("computed", func(t *testing.T) {
		p := newProduct(nil, []int{37}, []int{29}, []int{41})
		a, b := p.operands(types.F32, 1)
		a = p.Bin(kernel.Max, p.sub(a, p.Const(types.F32, 1)), p.Const(types.F32, 0))
		b = p.Cast(p.Cast(b, types.I32), types.F32)
		p.write(p.of(a, b), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 37*41, 1), whole(types.F32, 41*29, 2)), Exact)
	})
	t.Run("broadcast", func(t *testing.T) {
		p := newProduct([]int{4}, []int{10}, []int{12}, []int{6})
		a := p.mul(p.read(types.F32, p.m[0], p.k[0]), p.read(types.F32, p.batch[0]))
		b := p.mul(p.read(types.F32, p.batch[0], p.k[0]), p.read(types.F32, p.n[0]))
		p.write(p.of(a, b), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 60, 1), whole(types.F32, 4, 2), whole(types.F32, 24, 3), whole(types.F32, 12, 4)), Exact)
	})
	t.Run("guarded", func(t *testing.T) {
		// A matrix padded by two rows and columns on each side.
		p := newProduct(nil, []int{14}, []int{9}, []int{24})
		x := p.in(types.F32, 10*20)
		i, k := p.IAdd(p.Var(p.m[0]), p.Int(-2)), p.IAdd(p.Var(p.k[0]), p.Int(-2))
		a := p.If(p.AllOf(p.Within(i, 0, 10), p.Within(k, 0, 20)), p.load(x, p.IAdd(p.IMul(i, 20), k)), p.Const(types.F32, 0))
		p.write(p.of(a, p.read(types.F32, p.k[0], p.n[0])), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 200, 1), whole(types.F32, 24*9, 2)), Exact)
	})
	t.Run("gathered", func(t *testing.T) {
		p := newProduct(nil, []int{25}, []int{18}, []int{16})
		table, at := p.in(types.F32, 8*16), p.in(types.I32, 25)
		row := p.CheckIndex(p.load(at, p.Var(p.m[0])), 8, p.Site("gather"))
		a := p.load(table, p.IAdd(p.IMul(row, 16), p.Var(p.k[0])))
		p.write(p.of(a, p.read(types.F32, p.n[0], p.k[0])), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 128, 1), indices(types.I32, 25, 8, 2), whole(types.F32, 18*16, 3)), Exact)
	})
	t.Run("convolution", func(t *testing.T) {
		// x[2,3,10,9] by w[4,3,3,3] with padding 1.
		p := newProduct(nil, []int{2, 10, 9}, []int{4}, []int{3, 3, 3})
		x := p.in(types.F32, 2*3*10*9)
		h := p.IAdd(p.IAdd(p.Var(p.m[1]), p.Var(p.k[1])), p.Int(-1))
		w := p.IAdd(p.IAdd(p.Var(p.m[2]), p.Var(p.k[2])), p.Int(-1))
		at := p.IAdd(p.IMul(p.IAdd(p.IMul(p.IAdd(p.IMul(p.Var(p.m[0]), 3), p.Var(p.k[0])), 10), h), 9), w)
		a := p.If(p.AllOf(p.Within(h, 0, 10), p.Within(w, 0, 9)), p.load(x, at), p.Const(types.F32, 0))
		b := p.read(types.F32, p.n[0], p.k[0], p.k[1], p.k[2])
		p.write(p.of(a, b), p.m[0], p.n[0], p.m[1], p.m[2])
		s.check(t, single(p.kernel(), whole(types.F32, 540, 1), whole(types.F32, 108, 2)), Exact)
	})
	t.Run("same buffer", func(t *testing.T) {
		p := newProduct(nil, []int{31}, []int{31}, []int{44})
		x := p.in(types.F32, 31*44)
		p.write(p.of(p.load(x, p.at(p.m[0], p.k[0])), p.load(x, p.at(p.n[0], p.k[0]))), p.result()...)
		s.check(t, single(p.kernel(), whole(types.F32, 31*44, 1)), Exact)
	})
}

package backendtest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// rowNear is the tolerance of row programs over normal floats: sums of positive
// numbers, in another order, of values within a few ulp.
var rowNear = Tolerance{Ulps: 64, Absolute: 1e-5}

var rowShapes = [][2]int{{2, 2}, {3, 7}, {65, 3}, {5, 64}, {2, 1000}, {33, 129}, {1030, 5}, {2003, 9}, {3, 5003}}

func testRows(t *testing.T, s *suite) {
	for _, sh := range rowShapes {
		t.Run(fmt.Sprintf("%dx%d", sh[0], sh[1]), func(t *testing.T) {
			r, c := sh[0], sh[1]
			for _, d := range []types.DType{types.F32, types.F64} {
				s.check(t, single(softmax(d, r, c), normal(d, r*c, 1)), rowNear)
				s.check(t, single(layerNorm(d, r, c), normal(d, r*c, 1), normal(d, c, 2), normal(d, c, 3)), Tolerance{Ulps: 64, Absolute: 1e-4})
				s.check(t, single(statistics(d, r, c), whole(d, r*c, 1), whole(d, r*c, 2)), Exact)
			}
			s.check(t, single(crossEntropy(r, c), normal(types.F32, r*c, 1), indices(types.I32, r, c, 2)), rowNear)
			for _, d := range []types.DType{types.I32, types.I64, types.U8, types.Bool} {
				s.check(t, single(integerRows(d, r, c), whole(d, r*c, 1)), Exact)
			}
			s.check(t, single(columnSums(r, c), whole(types.F32, r*c, 1), whole(types.F32, r*c, 2)), Exact)
			s.check(t, single(argmax(r, c), whole(types.F32, r*c, 5)), Exact)
		})
	}
	t.Run("argmax of nan", func(t *testing.T) {
		s.check(t, single(argmax(3, 4), of(types.F32, 1, math.NaN(), 3, math.NaN(), math.Inf(-1), math.Inf(-1), 0, 0, 2, 2, 1, 2)), Exact)
	})
	t.Run("softmax of extremes", func(t *testing.T) {
		s.check(t, single(softmax(types.F32, 5, 3), of(types.F32,
			1e30, 0, -1e30, math.Inf(-1), 1, 2, math.Inf(1), 0, 0, math.NaN(), 1, 1, math.Inf(-1), math.Inf(-1), math.Inf(-1))), rowNear)
	})
	t.Run("one row", func(t *testing.T) {
		for _, n := range []int{2, 31, 4099} {
			m := newMaker("row")
			a := m.axes(n)
			x := m.read(types.F32, a...)
			most := m.FoldAxes(kernel.Max, a, x)
			m.write(m.sub(x, most), a...)
			m.write(m.sum(m.mul(x, x), a...))
			s.check(t, single(m.rows(nil, a), whole(types.F32, n, 1)), Exact)
		}
	})
	t.Run("axes", func(t *testing.T) { testRowAxes(t, s) })
	t.Run("pooling", func(t *testing.T) { testPooling(t, s) })
	t.Run("guarded", func(t *testing.T) {
		// Causal softmax: masked scores count as -inf.
		m := newMaker("causal")
		a := m.axes(4, 19, 19)
		x := m.read(types.F32, a...)
		x = m.If(m.Ge0(m.ISub(m.Var(a[1]), m.Var(a[2]))), x, m.Const(types.F32, math.Inf(-1)))
		e := m.Un(kernel.Exp, m.sub(x, m.FoldAxes(kernel.Max, a[2:], x)))
		m.write(m.div(e, m.sum(e, a[2])), a...)
		s.check(t, single(m.rows(a[:2], a[2:]), normal(types.F32, 4*19*19, 1)), rowNear)
	})
	t.Run("gathered rows", func(t *testing.T) {
		m := newMaker("embedding")
		a := m.axes(21, 48)
		table, at := m.in(types.F32, 10*48), m.in(types.I64, 21)
		v := m.CheckIndex(m.load(at, m.Var(a[0])), 10, m.Site("gather"))
		x := m.load(table, m.IAdd(m.IMul(v, 48), m.Var(a[1])))
		m.write(m.sub(x, m.FoldAxes(kernel.Max, a[1:], x)), a...)
		m.write(m.sum(x, a[1]), a[0])
		s.check(t, single(m.rows(a[:1], a[1:]), whole(types.F32, 480, 1), indices(types.I64, 21, 10, 2)), Exact)
	})
}

func softmax(d types.DType, r, c int) *kernel.Kernel {
	m := newMaker("softmax")
	a := m.axes(r, c)
	x := m.read(d, a...)
	e := m.Un(kernel.Exp, m.sub(x, m.FoldAxes(kernel.Max, a[1:], x)))
	m.write(m.div(e, m.sum(e, a[1])), a...)
	return m.rows(a[:1], a[1:])
}

// layerNorm stores the normalised rows, and mean and rstd of every row.
func layerNorm(d types.DType, r, c int) *kernel.Kernel {
	m := newMaker("layernorm")
	a := m.axes(r, c)
	x, gamma, beta := m.read(d, a...), m.read(d, a[1]), m.read(d, a[1])
	n := m.Const(d, float64(c))
	mean := m.div(m.sum(x, a[1]), n)
	diff := m.sub(x, mean)
	rstd := m.Un(kernel.Rsqrt, m.add(m.div(m.sum(m.mul(diff, diff), a[1]), n), m.Const(d, 1e-2)))
	m.write(m.add(m.mul(m.mul(diff, rstd), gamma), beta), a...)
	m.write(mean, a[0])
	m.write(rstd, a[0])
	return m.rows(a[:1], a[1:])
}

// statistics has row folds, full values and sinks of every kind that use them:
// column sums of full values, a sum of row values, a sum of everything.
func statistics(d types.DType, r, c int) *kernel.Kernel {
	m := newMaker("statistics")
	a := m.axes(r, c)
	x, y := m.read(d, a...), m.read(d, a...)
	most := m.FoldAxes(kernel.Max, a[1:], x)
	least := m.FoldAxes(kernel.Min, a[1:], y)
	z := m.mul(m.sub(x, most), m.add(y, least))
	total := m.sum(z, a[1])
	m.write(z, a...)
	m.write(total, a[0])
	m.write(m.mul(m.sum(z, a[0]), m.Const(d, 0.5)), a[1])
	m.write(m.FoldAxes(kernel.Max, a[:1], m.sub(x, most)), a[1])
	m.write(m.sum(m.add(most, least), a[0]))
	m.write(m.sum(total, a[0]))
	return m.rows(a[:1], a[1:])
}

// crossEntropy stores the mean loss and its gradient by the logits.
func crossEntropy(r, c int) *kernel.Kernel {
	m := newMaker("crossentropy")
	a := m.axes(r, c)
	x := m.read(types.F32, a...)
	labels := m.in(types.I32, r)
	label := m.CheckIndex(m.load(labels, m.Var(a[0])), int64(c), m.Site("label"))
	most := m.FoldAxes(kernel.Max, a[1:], x)
	e := m.Un(kernel.Exp, m.sub(x, most))
	sum := m.sum(e, a[1])
	picked := m.load(0, m.IAdd(m.IMul(m.Var(a[0]), int64(c)), label))
	loss := m.sub(m.add(m.Un(kernel.Log, sum), most), picked)
	scale := m.Const(types.F32, 1/float64(r))
	hit := m.If(m.Eq0(m.ISub(m.Var(a[1]), label)), m.Const(types.F32, 1), m.Const(types.F32, 0))
	m.write(m.mul(m.sub(m.div(e, sum), hit), scale), a...)
	m.write(m.mul(m.sum(loss, a[0]), scale))
	return m.rows(a[:1], a[1:])
}

func integerRows(d types.DType, r, c int) *kernel.Kernel {
	m := newMaker("integers")
	a := m.axes(r, c)
	x := m.read(d, a...)
	for _, op := range foldOps(d) {
		m.write(m.FoldAxes(op, a[1:], x), a[0])
		m.write(m.FoldAxes(op, a[:1], x), a[1])
	}
	m.write(m.Bin(kernel.Eq, x, m.FoldAxes(kernel.Max, a[1:], x)), a...)
	return m.rows(a[:1], a[1:])
}

// columnSums has no row folds: sinks over the columns and a sum of everything.
func columnSums(r, c int) *kernel.Kernel {
	m := newMaker("columns")
	a := m.axes(r, c)
	x, y := m.read(types.F32, a...), m.read(types.F32, a...)
	z := m.mul(x, y)
	m.write(m.sum(z, a[0]), a[1])
	m.write(m.mul(m.sum(x, a[0]), m.Const(types.F32, 0.25)), a[1])
	m.write(m.FoldAxes(kernel.Min, a[:1], z), a[1])
	m.write(z, a...)
	return m.rows(a[:1], a[1:])
}

// argmax stores the greatest element's place (the first, and a NaN is the
// greatest) and value.
func argmax(r, c int) *kernel.Kernel {
	m := newMaker("argmax")
	a := m.axes(r, c)
	x := m.read(types.F32, a...)
	most := m.FoldAxes(kernel.Max, a[1:], x)
	hit := m.Bin(kernel.Or, m.Bin(kernel.Eq, x, most), m.Bin(kernel.Ne, x, x))
	place := m.FromIndex(m.Var(a[1]), types.I64)
	m.write(m.FoldAxes(kernel.Min, a[1:], m.Select(hit, place, m.ConstInt(types.I64, int64(c)))), a[0])
	m.write(most, a[0])
	return m.rows(a[:1], a[1:])
}

// testRowAxes has several outer and inner axes, rows that are columns in
// memory, and sinks that keep some of the outer axes.
func testRowAxes(t *testing.T, s *suite) {
	m := newMaker("axes")
	a := m.axes(3, 5, 4, 6)
	outer, inner := a[:2], a[2:]
	x := m.read(types.F32, a...)
	most := m.FoldAxes(kernel.Max, inner, x)
	m.write(m.sub(x, most), a...)
	m.write(most, outer...)
	m.write(m.sum(m.mul(x, most), outer...), inner...)
	m.write(m.sum(most, outer...))
	s.check(t, single(m.rows(outer, inner), whole(types.F32, 360, 1)), Exact)

	for _, sh := range rowShapes {
		r, c := sh[0], sh[1]
		m := newMaker("strided")
		a := m.axes(r, c)
		x := m.load(m.in(types.F32, r*c), m.at(a[1], a[0]))
		least := m.FoldAxes(kernel.Min, a[1:], x)
		out := m.out(types.F32, r*c)
		m.store(out, m.at(a[1], a[0]), m.sub(x, least), a...)
		m.write(m.sum(m.sub(x, least), a[1]), a[0])
		s.check(t, single(m.rows(a[:1], a[1:]), whole(types.F32, r*c, 1)), Exact)
	}

	// Batch norm's statistics: the row of a channel is batch and pixels.
	m = newMaker("batchnorm")
	a = m.axes(7, 4, 9) // channel, batch, pixel
	x = m.load(m.in(types.F32, 252), m.at(a[1], a[0], a[2]))
	sum := m.sum(x, a[1], a[2])
	m.write(sum, a[0])
	out := m.out(types.F32, 252)
	m.store(out, m.at(a[1], a[0], a[2]), m.sub(m.mul(x, m.Const(types.F32, 36)), sum), a...)
	s.check(t, single(m.rows(a[:1], a[1:]), whole(types.F32, 252, 1)), Exact)
}

// testPooling has many rows of few elements, those of windows side by side: what max-pooling stores, its gradient in the place of
// its operand, and the sum of that for each channel.
func testPooling(t *testing.T, s *suite) {
	for _, size := range [][4]int{{40, 14, 2, 2}, {9, 31, 3, 3}, {70, 17, 1, 4}, {33, 40, 1, 2}, {1030, 3, 4, 1}} {
		channels, n, kh, kw := size[0], size[1], size[2], size[3]
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			m := newMaker("pooling")
			a := m.axes(3, channels, 2, kh, n, kw)
			inner := []*kernel.Axis{a[3], a[5]}
			if kh == 1 {
				inner = inner[1:]
			} else if kw == 1 {
				inner = inner[:1]
			}
			var axes []*kernel.Axis
			for _, x := range a {
				if x.Extent > 1 {
					axes = append(axes, x)
				}
			}
			outer := []*kernel.Axis{a[0], a[1], a[2], a[4]}
			x, gradient := m.read(types.F32, axes...), m.read(types.F32, outer...)
			most := m.FoldAxes(kernel.Max, inner, x)
			at := m.FromIndex(m.at(inner...), types.I32)
			first := m.FoldAxes(kernel.Min, inner, m.Select(m.Bin(kernel.Eq, x, most), at, m.ConstInt(types.I32, 1<<30)))
			g := m.Select(m.Bin(kernel.Eq, at, first), gradient, m.Const(types.F32, 0))
			m.write(m.add(g, x), axes...)
			total, rows := 3*channels*2*kh*n*kw, 3*channels*2*n
			alone := newDraft()
			v := alone.variable(whole(types.F32, total, 1))
			alone.launch(m.rows(outer, inner), v, alone.input(whole(types.F32, rows, 2)), v)
			s.check(t, alone, Exact)
			m.k = &kernel.Kernel{Name: "pooling", Params: slices.Clone(m.k.Params), Stores: slices.Clone(m.k.Stores)}
			m.write(most, outer...)
			var folded []*kernel.Axis
			for _, x := range axes {
				if x != a[1] {
					folded = append(folded, x)
				}
			}
			m.write(m.sum(g, folded...), a[1])
			s.check(t, single(m.rows(outer, inner), whole(types.F32, total, 1), whole(types.F32, rows, 2)), Exact)
		})
	}
}

package backendtest

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// testRandom compares random kernels of every form. Their floats are whole
// numbers, and what folds take is small, so that every order gives one result.
func testRandom(t *testing.T, s *suite) {
	for _, f := range []struct {
		name string
		make func(g *generator) *kernel.Kernel
	}{
		{"pointwise", randomPointwise},
		{"groups", randomGroups},
		{"general", randomGeneral},
		{"rows", randomRows},
		{"contract", randomContract},
	} {
		t.Run(f.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				g := &generator{T: rt, maker: newMaker("random"), points: 1}
				s.check(rt, g.program(f.make(g)), Exact)
			})
		})
	}
}

// A generator draws expressions.
type generator struct {
	*rapid.T
	*maker
	leaves []*kernel.Expr // data that expressions may use: folds
	stores []pending
	points int // of all axes together
}

// maxPoints bounds the points of a random kernel, more or less.
const maxPoints = 1 << 12

// pending is a store whose parameter is made after all that are read.
type pending struct {
	value *kernel.Expr
	axes  []*kernel.Axis
}

// program is the program of one launch of the kernel, with values for what it reads.
func (g *generator) program(k *kernel.Kernel) *draft {
	var in []array
	for i, q := range k.Params {
		if !q.Out {
			in = append(in, whole(q.DType, q.Len, uint64(i)))
		}
	}
	return single(k, in...)
}

func (g *generator) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.T, label) }

func (g *generator) chance(label string, percent int) bool { return g.pick(label, 100) < percent }

func (g *generator) newAxes(label string, from, to int) []*kernel.Axis {
	var extents []int
	for range from + g.pick(label, to-from+1) {
		n := 2 + g.pick("extent", 7)
		if g.chance("long", 10) {
			n = 65 + g.pick("extent", 70)
		}
		n = min(n, max(2, maxPoints/g.points))
		g.points *= n
		extents = append(extents, n)
	}
	return g.axes(extents...)
}

func (g *generator) dtype() types.DType { return allTypes[g.pick("type", len(allTypes))] }

// index draws an index over axes; its range is arbitrary.
func (g *generator) index(axes []*kernel.Axis) *kernel.Expr {
	e := g.Int(int64(g.pick("constant", 5)))
	if g.chance("flat", 40) {
		e = g.at(axes...)
	} else {
		for _, a := range axes {
			e = g.IAdd(e, g.IMul(g.Var(a), int64(g.pick("coefficient", 7)-3)))
		}
	}
	switch g.pick("quotient", 6) {
	case 0:
		e = g.IDiv(e, int64(2+g.pick("divisor", 6)))
	case 1:
		e = g.IMod(e, int64(2+g.pick("divisor", 6)))
	}
	return e
}

func (g *generator) pred(axes []*kernel.Axis) *kernel.Expr {
	x := g.index(axes)
	lo, hi := x.Range()
	x = g.IAdd(x, g.Int(-(lo+hi)/2))
	if g.chance("equal", 30) {
		return g.Eq0(x)
	}
	return g.Ge0(x)
}

// element draws a load over axes. Behind a guard its index may leave the
// buffer where the guard does not hold.
func (g *generator) element(d types.DType, axes []*kernel.Axis) *kernel.Expr {
	ix := g.index(axes)
	lo, hi := ix.Range()
	ix = g.IAdd(ix, g.Int(-lo))
	n := hi - lo + 1
	if len(g.k.Params) > 12 || n > 1<<16 {
		return g.ConstInt(d, int64(g.pick("constant", 4)))
	}
	if g.chance("guarded", 20) {
		cut := int64(g.pick("cut", int(n)))
		inside := g.Within(ix, cut, n-cut)
		return g.If(inside, g.load(g.in(d, int(n-cut)), g.IAdd(ix, g.Int(-cut))), g.ConstInt(d, 1))
	}
	return g.load(g.in(d, int(n)+g.pick("slack", 3)), ix)
}

var (
	exactFloat = []kernel.Op{kernel.Add, kernel.Sub, kernel.Mul, kernel.Max, kernel.Min}
	exactInt   = append([]kernel.Op{kernel.Div, kernel.Rem, kernel.And, kernel.Or, kernel.Xor, kernel.Shl, kernel.Shr}, exactFloat...)
	exactBool  = []kernel.Op{kernel.And, kernel.Or, kernel.Xor, kernel.Max, kernel.Min}
	compares   = []kernel.Op{kernel.Lt, kernel.Le, kernel.Eq, kernel.Ne}
)

// data draws an expression of type d over axes.
func (g *generator) data(d types.DType, axes []*kernel.Axis, depth int) *kernel.Expr {
	if depth == 0 {
		switch c := g.pick("leaf", 8); {
		case c == 0:
			return g.ConstInt(d, int64(g.pick("constant", 5)))
		case c == 1:
			return g.Cast(g.FromIndex(g.index(axes), types.I64), d)
		case c < 5 && len(g.leaves) > 0:
			if e := g.leaves[g.pick("value", len(g.leaves))]; e.Free()&^kernel.SetOf(axes) == 0 {
				return g.small(g.Cast(e, d), 8)
			}
		}
		return g.element(d, axes)
	}
	sub := func(d types.DType) *kernel.Expr { return g.data(d, axes, depth-1-g.pick("depth", depth)) }
	switch g.pick("kind", 9) {
	case 0:
		return g.Cast(sub(g.dtype()), d)
	case 1:
		return g.Select(sub(types.Bool), sub(d), sub(d))
	case 2:
		return g.If(g.pred(axes), sub(d), sub(d))
	case 3:
		if d == types.Bool {
			t := g.dtype()
			return g.Bin(compares[g.pick("comparison", len(compares))], sub(t), sub(t))
		}
		return g.Un([]kernel.Op{kernel.Neg, kernel.Abs, kernel.Sign}[g.pick("op", 3)], sub(d))
	case 4:
		return g.Cast(g.FromPred(g.pred(axes)), d)
	}
	ops := exactInt
	switch {
	case d.IsFloat():
		ops = exactFloat
	case d == types.Bool:
		ops = exactBool
	}
	e := g.Bin(ops[g.pick("op", len(ops))], sub(d), sub(d))
	if d.IsFloat() {
		return g.small(e, 1000)
	}
	return e
}

// small limits a float's magnitude.
func (g *generator) small(e *kernel.Expr, limit float64) *kernel.Expr {
	if !e.DType.IsFloat() {
		return e
	}
	return g.Bin(kernel.Max, g.Bin(kernel.Min, e, g.Const(e.DType, limit)), g.Const(e.DType, -limit))
}

// fold draws a fold over the given axes; its value is over the others.
func (g *generator) fold(d types.DType, over, axes []*kernel.Axis) *kernel.Expr {
	ops := foldOps(d)
	op := ops[g.pick("fold", len(ops))]
	limit := 8.0
	if op == kernel.Mul {
		limit = 1
	}
	body := g.small(g.data(d, join(axes, over), g.pick("depth", 3)), limit)
	return g.FoldAxes(op, over, body)
}

func (g *generator) store(v *kernel.Expr, axes []*kernel.Axis) {
	g.stores = append(g.stores, pending{v, axes})
}

// finish makes the stores.
func (g *generator) finish() {
	for _, s := range g.stores {
		g.write(s.value, s.axes...)
	}
}

func randomPointwise(g *generator) *kernel.Kernel {
	axes := g.newAxes("axes", 0, 3)
	for range 1 + g.pick("stores", 3) {
		g.store(g.data(g.dtype(), axes, g.pick("depth", 5)), axes)
	}
	g.finish()
	return g.pointwise()
}

func randomGroups(g *generator) *kernel.Kernel {
	for range 2 + g.pick("groups", 3) {
		axes := g.newAxes("axes", 1, 2)
		for range 1 + g.pick("stores", 2) {
			g.store(g.data(g.dtype(), axes, g.pick("depth", 3)), axes)
		}
	}
	g.finish()
	return g.groups()
}

func randomGeneral(g *generator) *kernel.Kernel {
	outer, inner := g.newAxes("outer", 0, 2), g.newAxes("inner", 1, 2)
	for range 1 + g.pick("folds", 3) {
		g.leaves = append(g.leaves, g.fold(g.dtype(), inner, outer))
	}
	for range 1 + g.pick("stores", 2) {
		axes := outer
		if g.chance("full", 30) {
			axes = join(outer, inner)
		}
		g.store(g.data(g.dtype(), axes, g.pick("depth", 3)), axes)
	}
	g.store(g.leaves[0], outer)
	g.finish()
	return g.general()
}

// randomRows stores full values, row values and sinks over row statistics.
func randomRows(g *generator) *kernel.Kernel {
	outer, inner := g.newAxes("outer", 1, 2), g.newAxes("inner", 1, 2)
	for range g.pick("folds", 3) {
		g.leaves = append(g.leaves, g.fold(g.dtype(), inner, outer))
	}
	for _, f := range g.leaves {
		if g.chance("row", 50) {
			g.store(f, outer)
		}
	}
	for range g.pick("full", 3) {
		g.store(g.data(g.dtype(), join(outer, inner), g.pick("depth", 3)), join(outer, inner))
	}
	for range g.pick("sinks", 3) {
		g.store(g.fold(g.dtype(), outer, inner), inner)
	}
	if len(g.stores) == 0 || g.chance("total", 30) {
		g.store(g.fold(g.dtype(), outer, nil), nil)
	}
	g.stores = slices.DeleteFunc(g.stores, func(p pending) bool { return p.value.Free()&^kernel.SetOf(p.axes) != 0 })
	g.finish()
	return g.fitting(g.rows(outer, inner))
}

// fitting leaves a kernel without a structure where its folds lost axes on
// which their values do not depend.
func (g *generator) fitting(k *kernel.Kernel) *kernel.Kernel {
	if k.CheckSchedule(k.Sched) != nil {
		k.Sched = kernel.Schedule{}
	}
	return k
}

func randomContract(g *generator) *kernel.Kernel {
	p := &product{maker: g.maker}
	p.batch, p.m, p.n, p.k = g.newAxes("batch", 0, 1), g.newAxes("m", 1, 2), g.newAxes("n", 1, 2), g.newAxes("k", 1, 2)
	d := []types.DType{types.F32, types.F32, types.F64, types.I32, types.I64, types.F16, types.BF16}[g.pick("type", 7)]
	factor := func(axes []*kernel.Axis) *kernel.Expr {
		e := g.read(d, rapid.Permutation(axes).Draw(g.T, "order")...)
		if g.chance("computed", 30) {
			e = g.small(g.add(e, g.data(d, axes, 1)), 8)
		}
		return e
	}
	c := p.of(factor(join(p.batch, p.m, p.k)), factor(join(p.batch, p.n, p.k)))
	g.leaves = append(g.leaves, c)
	result := p.result()
	g.store(c, result)
	for range g.pick("stores", 3) {
		g.store(g.data(g.dtype(), result, g.pick("depth", 4)), result)
	}
	g.finish()
	return g.fitting(p.kernel())
}

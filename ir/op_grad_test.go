package ir

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// gradients walks the graph from y backwards and returns the cotangents of wrt,
// nil where y does not depend on them; gy is y's own.
func gradients(b *Builder, y, gy *Node, wrt ...*Node) []*Node {
	ct := map[*Node]*Node{y: gy}
	for i := y.ID; i >= 0; i-- {
		n := b.G.Nodes[i]
		g := ct[n]
		if g == nil || n.Is(NoGrad) || n.Op.Def().VJP == nil || !n.DType().IsFloat() {
			continue
		}
		for k, c := range n.Op.Def().VJP(b, n, g) {
			a := n.Args[k]
			if c == nil {
				continue
			}
			if ct[a] != nil {
				c = b.Add(ct[a], c)
			}
			ct[a] = c
		}
	}
	out := make([]*Node, len(wrt))
	for i, n := range wrt {
		out[i] = ct[n]
	}
	return out
}

// gradCase is a function of f64 inputs drawn from [lo, hi).
type gradCase struct {
	op     Op
	name   string
	lo, hi float64
	dims   [][]int
	f      func(b *Builder, x []*Node) *Node
}

// weighted returns sum(y*w) with fixed weights.
func weighted(b *Builder, rng *rand.Rand, y *Node) *Node {
	data := make(array, y.Shape().Size())
	w := b.Input("w", y.Type)
	for i := range data {
		data[i] = kernel.FloatScalar(types.F64, rng.Float64()-0.5)
	}
	b.G.Nodes[w.ID].Attr.Data = nil
	weights[w] = data
	return b.Sum(b.Mul(y, w), seq(len(y.Shape()))...)
}

var weights = map[*Node]array{}

// The gradient along one random direction against the five-point difference
// quotient, for the function and for its gradient.
func (c gradCase) run(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	clear(weights)
	b := NewBuilder(c.name)
	var xs []*Node
	at, dir := map[*Node]array{}, map[*Node][]float64{}
	for _, dims := range c.dims {
		x := b.Input("x", types.Of(types.F64, dims...))
		for range x.Shape().Size() {
			at[x] = append(at[x], kernel.FloatScalar(types.F64, c.lo+(c.hi-c.lo)*rng.Float64()))
			dir[x] = append(dir[x], rng.Float64()-0.5)
		}
		xs = append(xs, x)
	}
	loss := weighted(b, rng, c.f(b, xs))
	for order := 1; order <= 2; order++ {
		gs := gradients(b, loss, b.Const(loss.Type, 1), xs...)
		eval := func(n *Node, h float64) []float64 {
			vs := newValues(t, false)
			for w, a := range weights {
				vs.of[w] = a
			}
			for _, x := range xs {
				moved := array{}
				for i, v := range at[x] {
					moved = append(moved, kernel.FloatScalar(types.F64, v.Float()+h*dir[x][i]))
				}
				vs.of[x] = moved
			}
			return vs.floats(n)
		}
		const h = 1e-3
		l := func(k float64) float64 { return eval(loss, k*h)[0] }
		want := (8*(l(1)-l(-1)) - (l(2) - l(-2))) / (12 * h)
		got := 0.0
		var next *Node
		for i, x := range xs {
			if gs[i] == nil {
				continue
			}
			require.True(t, gs[i].Type.Equal(x.Type))
			for j, g := range eval(gs[i], 0) {
				got += g * dir[x][j]
			}
			term := weighted(b, rng, gs[i])
			if next != nil {
				term = b.Add(next, term)
			}
			next = term
		}
		require.InDelta(t, want, got, 1e-8*(1+math.Abs(want)), "order %d", order)
		if next == nil {
			return
		}
		loss = next
	}
}

func gradCases() []gradCase {
	v := [][]int{{7}}
	vv := [][]int{{6}, {6}}
	un := func(op Op, lo, hi float64) gradCase {
		return gradCase{op, op.String(), lo, hi, v, func(b *Builder, x []*Node) *Node { return b.Un(op, x[0]) }}
	}
	bin := func(op Op, lo, hi float64) gradCase {
		return gradCase{op, op.String(), lo, hi, vv, func(b *Builder, x []*Node) *Node { return b.Bin(op, x[0], x[1]) }}
	}
	on := func(op Op, name string, f func(b *Builder, x []*Node) *Node, dims ...[]int) gradCase {
		return gradCase{op, op.String() + " " + name, -1, 1, dims, f}
	}
	index := func(b *Builder, d int64, fs ...float64) *Node {
		x := b.Input("i", types.Of(types.I32, len(fs)))
		weights[x] = floatsOf(types.I32, fs...)
		return x
	}
	cases := []gradCase{
		un(OpNeg, -1, 1), un(OpAbs, 0.1, 1), un(OpAbs, -1, -0.1), un(OpExp, -1, 1), un(OpExpm1, -1, 1), un(OpLog, 0.5, 2), un(OpLog1p, -0.4, 2),
		un(OpSqrt, 0.5, 2), un(OpRsqrt, 0.5, 2), un(OpSin, -3, 3), un(OpCos, -3, 3), un(OpTanh, -2, 2), un(OpSigmoid, -3, 3), un(OpErf, -2, 2),
		bin(OpAdd, -1, 1), bin(OpSub, -1, 1), bin(OpMul, -1, 1), bin(OpDiv, 0.5, 2), bin(OpRem, 0.5, 2), bin(OpPow, 0.5, 2), bin(OpMax, -1, 1), bin(OpMin, -1, 1),
		on(OpWhere, "", func(b *Builder, x []*Node) *Node { return b.Where(b.Bin(OpLt, x[0], x[1]), b.Mul(x[0], x[0]), x[1]) }, []int{5}, []int{5}),
		on(OpCast, "to f64 and back", func(b *Builder, x []*Node) *Node {
			return b.Add(x[0], b.Sub(b.Cast(b.Cast(x[0], types.F64), types.F64), b.New(OpCast, Attr{Mode: "f64"}, b.Mul(x[0], x[0]))))
		}, []int{3}),
		on(OpBroadcast, "", func(b *Builder, x []*Node) *Node {
			return b.Broadcast(b.Mul(x[0], x[0]), []int{2, 3, 4, 1}, []int{1, 2, 3})
		}, []int{3, 1, 1}),
		on(OpBroadcast, "to nothing", func(b *Builder, x []*Node) *Node { return b.Broadcast(x[0], []int{2, 0}, []int{0, 1}) }, []int{2, 1}),
		on(OpReshape, "", func(b *Builder, x []*Node) *Node { return b.Reshape(b.Mul(x[0], x[0]), 3, 4) }, []int{2, 1, 6}),
		on(OpTranspose, "", func(b *Builder, x []*Node) *Node { return b.Transpose(b.Mul(x[0], x[0]), 2, 0, 1) }, []int{2, 3, 4}),
		on(OpSlice, "", func(b *Builder, x []*Node) *Node {
			return b.Slice(b.Mul(x[0], x[0]), []int{1, 5}, []int{2, 3}, []int{2, -2})
		}, []int{4, 6}),
		on(OpPad, "", func(b *Builder, x []*Node) *Node {
			return b.Pad(b.Mul(x[0], x[0]), 2, []int{1, -3}, []int{9, 5}, []int{2, 2})
		}, []int{4, 5}),
		on(OpPad, "beyond", func(b *Builder, x []*Node) *Node { return b.Pad(x[0], 2, []int{1, 7}, []int{9, 5}, []int{2, 2}) }, []int{4, 5}),
		on(OpConcat, "", func(b *Builder, x []*Node) *Node { return b.Concat(1, x[0], b.Mul(x[1], x[1]), x[0], x[2]) }, []int{2, 3}, []int{2, 1}, []int{2, 0}),
		on(OpWindow, "", func(b *Builder, x []*Node) *Node {
			return b.Window(b.Mul(x[0], x[0]), 3, []int{1, 2}, []int{3, 2}, []int{2, 1}, []int{1, 0}, []int{1, 1})
		}, []int{2, 5, 4}),
		on(OpUnwindow, "", func(b *Builder, x []*Node) *Node {
			return b.Unwindow(b.Mul(x[0], x[0]), []int{2, 5}, []int{1}, []int{3}, []int{2}, []int{1})
		}, []int{2, 3, 3}),
		on(OpSum, "", func(b *Builder, x []*Node) *Node { return b.Sum(b.Mul(x[0], x[0]), 0, 2) }, []int{2, 3, 4}),
		on(OpProd, "", func(b *Builder, x []*Node) *Node { return b.Reduce(OpProd, x[0], 0, 2) }, []int{3, 2, 3}),
		on(OpProd, "of one", func(b *Builder, x []*Node) *Node { return b.Reduce(OpProd, b.Mul(x[0], x[0]), 1) }, []int{3, 1}),
		on(OpReduceMax, "", func(b *Builder, x []*Node) *Node { return b.Reduce(OpReduceMax, b.Mul(x[0], x[0]), 0, 2) }, []int{2, 3, 4}),
		on(OpReduceMin, "", func(b *Builder, x []*Node) *Node { return b.Reduce(OpReduceMin, b.Mul(x[0], x[0]), 1) }, []int{2, 3, 4}),
		on(OpReduceMin, "first", func(b *Builder, x []*Node) *Node { return b.ReduceFirst(OpReduceMin, b.Mul(x[0], x[0]), 0, 2) }, []int{2, 3, 4}),
		on(OpGather, "rows", func(b *Builder, x []*Node) *Node {
			return b.Gather("vd,n->nd", b.Mul(x[0], x[0]), index(b, 4, 3, 0, 3))
		}, []int{4, 2}),
		on(OpGather, "one per row", func(b *Builder, x []*Node) *Node { return b.Gather("rv,r->r", b.Mul(x[0], x[0]), index(b, 4, 3, 0, 1)) }, []int{3, 4}),
		on(OpScatterAdd, "rows", func(b *Builder, x []*Node) *Node {
			return b.ScatterAdd("n,nd->dv", []int{2, 4}, index(b, 4, 3, 0, 3), b.Mul(x[0], x[0]))
		}, []int{3, 2}),
		on(OpScatterAdd, "one per row", func(b *Builder, x []*Node) *Node {
			return b.ScatterAdd("r,r->vr", []int{4, 3}, index(b, 4, 3, 0, 3), b.Mul(x[0], x[0]))
		}, []int{3}),
		on(OpBarrier, "", func(b *Builder, x []*Node) *Node { return b.Barrier(b.Mul(x[0], x[0]), x[1]) }, []int{3}, []int{2}),
	}
	for _, labels := range []string{"mk,kn->mn", "bmk,bnk->bmn", "mk,mk->", "k,k->k", "mk,n->m", ",mn->nm", "abc,cad->db"} {
		cases = append(cases, on(OpContract, labels, nil))
		c := &cases[len(cases)-1]
		la, lb, _ := SplitLabels(labels)
		size := map[rune]int{'m': 2, 'k': 3, 'n': 4, 'b': 2, 'a': 2, 'c': 3, 'd': 4}
		for _, l := range []string{la, lb} {
			dims := []int{}
			for _, r := range l {
				dims = append(dims, size[r])
			}
			c.dims = append(c.dims, dims)
		}
		c.f = func(b *Builder, x []*Node) *Node { return b.Contract(labels, x[0], x[1]) }
	}
	return cases
}

func TestGradients(t *testing.T) {
	seen := map[Op]bool{OpCustomVJP: true} // has a test of its own
	for _, c := range gradCases() {
		seen[c.op] = true
		t.Run(c.name, c.run)
	}
	for _, d := range Ops() {
		require.True(t, seen[d.Op] || d.VJP == nil, "%s has a gradient and no case", d.Name)
	}
}

// Where the gradient is a convention, it is PyTorch's: the numbers are those of
// torch 2.15.0, summed results as loss. "prod nan" is not: PyTorch divides by the
// element, which makes the gradient at the NaN itself NaN.
func TestGradientConventions(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	first := func(op Op) func(b *Builder, x []*Node) *Node {
		return func(b *Builder, x []*Node) *Node { return b.ReduceFirst(op, x[0], 0) }
	}
	reduce := func(op Op) func(b *Builder, x []*Node) *Node {
		return func(b *Builder, x []*Node) *Node { return b.Reduce(op, x[0], 0) }
	}
	bin := func(op Op) func(b *Builder, x []*Node) *Node {
		return func(b *Builder, x []*Node) *Node { return b.Bin(op, x[0], x[1]) }
	}
	for name, c := range map[string]struct {
		f    func(b *Builder, x []*Node) *Node
		x    [][]float64
		want [][]float64
	}{
		"amax ties":       {reduce(OpReduceMax), [][]float64{{1, 3, 3}}, [][]float64{{0, 0.5, 0.5}}},
		"amax nan":        {reduce(OpReduceMax), [][]float64{{1, nan, 3}}, [][]float64{{nan, nan, nan}}},
		"amin ties":       {reduce(OpReduceMin), [][]float64{{3, 1, 1}}, [][]float64{{0, 0.5, 0.5}}},
		"max ties":        {first(OpReduceMax), [][]float64{{1, 3, 3}}, [][]float64{{0, 1, 0}}},
		"max nan":         {first(OpReduceMax), [][]float64{{1, nan, 3, nan}}, [][]float64{{0, 1, 0, 0}}},
		"maximum":         {bin(OpMax), [][]float64{{1, nan, 2, nan}, {nan, 1, 2, nan}}, [][]float64{{1, 1, 0.5, 1}, {1, 1, 0.5, 1}}},
		"minimum":         {bin(OpMin), [][]float64{{1, nan, 2, 1}, {nan, 1, 2, 2}}, [][]float64{{1, 1, 0.5, 1}, {1, 1, 0.5, 0}}},
		"remainder":       {bin(OpRem), [][]float64{{1, 5}, {0.1, 3}}, [][]float64{{1, 1}, {-9, -1}}},
		"prod one zero":   {reduce(OpProd), [][]float64{{1, 0, 2}}, [][]float64{{0, 2, 0}}},
		"prod two zeros":  {reduce(OpProd), [][]float64{{0, 0, 2}}, [][]float64{{0, 0, 0}}},
		"prod nan":        {reduce(OpProd), [][]float64{{2, 3, nan}}, [][]float64{{nan, nan, 6}}},
		"prod zero inf":   {reduce(OpProd), [][]float64{{2, 0, inf}}, [][]float64{{nan, inf, 0}}},
		"prod zero nan":   {reduce(OpProd), [][]float64{{2, 0, nan}}, [][]float64{{nan, nan, 0}}},
		"prod many":       {reduce(OpProd), [][]float64{{2, 3, 5, 7, 11, 13}}, [][]float64{{15015, 10010, 6006, 4290, 2730, 2310}}},
		"pow":             {bin(OpPow), [][]float64{{0, 0, -1, 2, 0}, {0, 2, 2, 0, -1}}, [][]float64{{0, 0, -2, 0, -inf}, {0, 0, nan, math.Ln2, -inf}}},
		"abs":             {func(b *Builder, x []*Node) *Node { return b.Un(OpAbs, x[0]) }, [][]float64{{-2, 0, 3}}, [][]float64{{-1, 0, 1}}},
		"div by infinity": {bin(OpDiv), [][]float64{{0, 1}, {1e-320, inf}}, [][]float64{{inf, 0}, {0, 0}}},
	} {
		b := NewBuilder(name)
		vs := newValues(t, false)
		var xs []*Node
		for _, fs := range c.x {
			x := b.Input("x", types.Of(types.F64, len(fs)))
			vs.of[x] = floatsOf(types.F64, fs...)
			xs = append(xs, x)
		}
		y := c.f(b, xs)
		for i, g := range gradients(b, y, b.Const(y.Type, 1), xs...) {
			for j, v := range vs.floats(g) {
				require.True(t, same(c.want[i][j], v), "%s: operand %d, element %d: want %v, got %v", name, i, j, c.want[i][j], v)
			}
		}
	}
}

// The mixed second derivative of a product at two zeros is the product of the
// others.
func TestProdSecondDerivativeAtZeros(t *testing.T) {
	b := NewBuilder("prod")
	x := b.Input("x", types.Of(types.F64, 4))
	vs := newValues(t, false)
	vs.of[x] = floatsOf(types.F64, 0, 3, 0, 5)
	y := b.Reduce(OpProd, x, 0)
	g := gradients(b, y, b.Const(y.Type, 1), x)[0]
	g0 := b.Reshape(b.Slice(g, []int{0}, []int{1}, []int{1}))
	h := gradients(b, g0, b.Const(g0.Type, 1), x)[0]
	require.Equal(t, []float64{0, 0, 15, 0}, vs.floats(h))
}

func TestNoGradient(t *testing.T) {
	b := NewBuilder("none")
	x := b.Input("x", types.Of(types.F64, 3))
	i := b.Cast(x, types.I64)
	for _, y := range []*Node{b.StopGradient(x), b.Un(OpFloor, x), b.Cast(i, types.F64)} {
		require.Nil(t, gradients(b, y, b.Const(y.Type, 1), x)[0], y.Op.String())
	}
}

func TestCustomGradient(t *testing.T) {
	b := NewBuilder("custom")
	x, z := b.Input("x", types.Of(types.F64, 2)), b.Input("z", types.Of(types.F64))
	vs := newValues(t, false)
	vs.of[x], vs.of[z] = floatsOf(types.F64, 2, 3), floatsOf(types.F64, 1)
	y := b.CustomVJP(b.Mul(x, x), func(b *Builder, n, g *Node) []*Node {
		return []*Node{b.Scale(g, 10), nil}
	}, x, z)
	gs := gradients(b, y, b.Const(y.Type, 1), x, z)
	require.Equal(t, []float64{4, 9}, vs.floats(y))
	require.Equal(t, []float64{10, 10}, vs.floats(gs[0]))
	require.Nil(t, gs[1])

	ask := func(n *Node) func() { return func() { gradients(b, n, b.Const(n.Type, 1), x) } }
	require.ErrorContains(t, mistake(ask(b.New(OpCustomVJP, Attr{}, x, x))), "custom gradient is not available in a graph read from text")
	few := b.CustomVJP(x, func(b *Builder, n, g *Node) []*Node { return []*Node{g} }, x, z)
	require.ErrorContains(t, mistake(ask(few)), "the gradient returned 1 cotangents for 2 operands")
	wrong := b.CustomVJP(x, func(b *Builder, n, g *Node) []*Node { return []*Node{g} }, z)
	require.ErrorContains(t, mistake(ask(wrong)), "cotangent 0 is f64[2], the operand f64[]")
}

package graph_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

type gradTest struct {
	name string
	f    func(x, y *graph.Node) *graph.Node
}

// gradTests are functions of x, f64[2,3], and y, f64[3,2], whose elements are
// distinct and away from kinks.
var gradTests = []gradTest{
	{"add broadcast", func(x, y *graph.Node) *graph.Node { return x.Index(0, 0).Add(y.T()) }},
	{"sub", func(x, y *graph.Node) *graph.Node { return x.Sub(y.T()) }},
	{"mul used twice", func(x, y *graph.Node) *graph.Node { return x.Mul(x).Mul(y.T()).Add(x) }},
	{"div", func(x, y *graph.Node) *graph.Node { return x.Div(y.T()) }},
	{"rem", func(x, y *graph.Node) *graph.Node { return x.Rem(y.T()) }},
	{"pow", func(x, y *graph.Node) *graph.Node { return x.Pow(y.T()) }},
	{"pow scalar", func(x, y *graph.Node) *graph.Node { return x.PowScalar(3).Mul(y.T()) }},
	{"maximum", func(x, y *graph.Node) *graph.Node { return x.Maximum(y.T()).Minimum(x.MulScalar(1.5)) }},
	{"unary", func(x, y *graph.Node) *graph.Node {
		return x.Exp().Log1p().Sin().Mul(y.T().Sqrt().Tanh()).Add(x.Erf().Sigmoid().Cos()).Add(y.T().Rsqrt().Expm1().Log().Abs().Neg())
	}},
	{"relu", func(x, y *graph.Node) *graph.Node { return x.Sub(y.T()).ReLU().Clamp(0.01, 100) }},
	{"where", func(x, y *graph.Node) *graph.Node { return graph.Where(x.Less(y.T()), x, y.T().MulScalar(2)) }},
	{"cast", func(x, y *graph.Node) *graph.Node { return x.Mul(y.T().Cast(graph.F64)) }},
	{"shape", func(x, y *graph.Node) *graph.Node {
		return x.Reshape(3, 1, 2).Squeeze(1).Mul(y).Flatten(0, 1).Unsqueeze(0).BroadcastTo(2, 6).Swap(0, 1)
	}},
	{"slices", func(x, y *graph.Node) *graph.Node {
		return x.Slice(1, graph.End, graph.End, -2).Mul(y.Slice(0, 1, graph.End, 1)).Flip(0).Add(y.Index(0, -1))
	}},
	{"pad", func(x, y *graph.Node) *graph.Node {
		return x.Pad(1, graph.Padding{Low: 1, High: -1, Interior: 2}, graph.Padding{Low: -1}).Mul(y.Index(0, 0))
	}},
	{"join", func(x, y *graph.Node) *graph.Node {
		return graph.Concat(1, x, y.T()).Mul(graph.Stack(0, x.Flatten(0, 1), y.Flatten(0, 1)))
	}},
	{"split", func(x, y *graph.Node) *graph.Node {
		p := x.Split(1, 1, 2)
		return p[0].Mul(p[1]).Add(y.T().Index(1, 0).Unsqueeze(1))
	}},
	{"window", func(x, y *graph.Node) *graph.Node {
		w := graph.Window{Axes: []int{1}, Size: []int{2}, Low: []int{1}}
		v := x.Window(w)
		return v.Mul(v).Unwindow(w, 2, 3).Mul(y.T())
	}},
	{"reductions", func(x, y *graph.Node) *graph.Node {
		return x.Sum(0).Mul(y.Mean(1)).Add(x.Prod(0)).Add(y.Prod()).Mul(x.Amax(0)).Sub(y.Amin(1, graph.KeepDims))
	}},
	{"max", func(x, y *graph.Node) *graph.Node {
		v, _ := x.Max(1)
		w, _ := y.Min(0)
		return v.Mul(w)
	}},
	{"softmax", func(x, y *graph.Node) *graph.Node { return x.Softmax(-1).Mul(y.T()).LogSoftmax(0) }},
	{"log_sum_exp", func(x, y *graph.Node) *graph.Node { return x.LogSumExp(1).Mul(y.LogSumExp()) }},
	{"matmul", func(x, y *graph.Node) *graph.Node { return x.MatMul(y).MatMul(x) }},
	{"matmul batches", func(x, y *graph.Node) *graph.Node { return x.Reshape(2, 1, 1, 3).MatMul(y.Reshape(1, 3, 2)) }},
	{"matmul vectors", func(x, y *graph.Node) *graph.Node { return x.Index(0, 0).MatMul(y).Outer(y.Index(1, 0)) }},
	{"einsum", func(x, y *graph.Node) *graph.Node { return graph.Einsum("ij,jk->kj", x, y) }},
	{"einsum sums", func(x, y *graph.Node) *graph.Node { return graph.Einsum("ij,kl->li", x, y) }},
	{"gather", func(x, y *graph.Node) *graph.Node {
		g := x.Graph()
		return x.Gather(1, i64(g, []int64{2, 2, 0, 1}, 2, 2)).Mul(y.Take(0, i64(g, []int64{1, 1})))
	}},
	{"scatter_add", func(x, y *graph.Node) *graph.Node {
		return y.ScatterAdd(0, i64(x.Graph(), []int64{1, 1, 0, 2}, 2, 2), x.Mul(x).Slice(1, 0, 2, 1))
	}},
	{"stop_gradient", func(x, y *graph.Node) *graph.Node {
		s := x.Slice(1, 0, 1, 1) // its value does not depend on what is tested
		return s.Sub(s).StopGradient().Add(x.Mul(y.T()))
	}},
	{"barrier", func(x, y *graph.Node) *graph.Node { return x.Mul(x).Barrier(y).Mul(y.T()) }},
	{"custom_vjp", func(x, y *graph.Node) *graph.Node {
		return graph.CustomVJP(
			func(xs []*graph.Node) *graph.Node { return xs[0].Mul(xs[1]).Sin() },
			func(xs []*graph.Node, z, ct *graph.Node) []*graph.Node {
				d := xs[0].Mul(xs[1]).Cos().Mul(ct)
				return []*graph.Node{d.Mul(xs[1]), d.Mul(xs[0])}
			}, x, y.T())
	}},
}

// numbers are distinct and at least 0.01 apart, also as sums of one of x and
// one of y.
func numbers(n int, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	for i, p := range r.Perm(n) {
		out[i] = 0.37 + 0.21*float64(p) + 0.05*float64(seed) + 0.03*r.Float64()
	}
	return out
}

// weighted reduces v to a scalar that depends on every element.
func weighted(v *graph.Node) *graph.Node {
	w := graph.Arange(v.Graph(), graph.F64, 0, float64(v.Size()), 1).Reshape(v.Shape()...)
	return v.Mul(w.MulScalar(0.7).AddScalar(0.3).Sin()).Sum()
}

func TestGradientsMatchFiniteDifferences(t *testing.T) {
	for _, c := range gradTests {
		t.Run(c.name, func(t *testing.T) {
			first := func(x, y *graph.Node) *graph.Node { return weighted(c.f(x, y)) }
			checkGradient(t, first)
			checkGradient(t, func(x, y *graph.Node) *graph.Node {
				g := x.Graph()
				d := g.Grad(first(x, y), x, y)
				return weighted(d[0]).Add(weighted(d[1]))
			})
		})
	}
}

// checkGradient compares the gradient of loss with central differences in every
// direction of the axes. A loss that does not depend on both has none.
func checkGradient(t *testing.T, loss func(x, y *graph.Node) *graph.Node) {
	t.Helper()
	g, err := graph.Build("grad", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F64, 2, 3), g.Input("y", graph.F64, 3, 2)
		l := loss(x, y)
		// The second derivative of a linear function does not reach x.
		l = l.Add(weighted(x)).Add(weighted(y))
		d := g.Grad(l, x, y)
		g.Output("loss", l)
		g.Output("dx", d[0])
		g.Output("dy", d[1])
	})
	require.NoError(t, err)
	at := map[string][]float64{"x": numbers(6, 1), "y": numbers(6, 2)}
	out := run(t, g.IR(), at)
	const h = 1e-5
	for _, name := range []string{"x", "y"} {
		for i, v := range at[name] {
			at[name][i] = v + h
			up := run(t, g.IR(), at)["loss"][0]
			at[name][i] = v - h
			down := run(t, g.IR(), at)["loss"][0]
			at[name][i] = v
			want := (up - down) / (2 * h)
			require.InDelta(t, want, out["d"+name][i], 1e-7*(1+math.Abs(want)+math.Abs(up)), "d/d%s[%d]", name, i)
		}
	}
}

func TestGradientOfReLUAtZero(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 4)
		g.Output("dx", g.Grad(x.ReLU().Sum(), x)[0])
	})
	require.Equal(t, []float64{0, 0, 1, 1}, run(t, g.IR(), map[string][]float64{"x": {-1, 0, 2, nan}})["dx"])
}

func TestGradientOfMaxGoesToTheFirst(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 4)
		v, _ := x.Max(0)
		g.Output("max", g.Grad(v, x)[0])
		g.Output("amax", g.Grad(x.Amax(), x)[0])
	})
	out := run(t, g.IR(), map[string][]float64{"x": {1, 3, 3, 2}})
	require.Equal(t, []float64{0, 1, 0, 0}, out["max"])
	require.Equal(t, []float64{0, 0.5, 0.5, 0}, out["amax"])
}

func TestNoGradientPasses(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F64)
		var inside *graph.Node
		g.NoGrad(func() { inside = x.Mul(x) })
		g.Output("no_grad", g.Grad(inside.Mul(x), x)[0])
		g.Output("stopped", g.Grad(x.Mul(x).StopGradient(), x)[0])
		g.Output("floor", g.Grad(x.Floor().Add(x), x)[0])
		y, d := graph.ValueAndGrad(func(xs ...*graph.Node) *graph.Node { return xs[0].Mul(xs[1]) }, x, x.AddScalar(1))
		g.Output("value", y)
		g.Output("d0", d[0])
		g.Output("d1", d[1])
	})
	out := run(t, g.IR(), map[string][]float64{"x": {3}})
	require.Equal(t, map[string][]float64{"no_grad": {9}, "stopped": {0}, "floor": {1}, "value": {12}, "d0": {7}, "d1": {3}}, out)
}

func TestVJP(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F64, 2)
		a, b := x.Mul(x), x.MulScalar(3)
		d := graph.VJP([]*graph.Node{a, b, a}, []*graph.Node{f64(g, []float64{1, 2}), f64(g, []float64{10, 20}), f64(g, []float64{1, 0})}, []*graph.Node{x, a, x})
		g.Output("x", d[0])
		g.Output("a", d[1])
		g.Output("again", d[2])
	})
	out := run(t, g.IR(), map[string][]float64{"x": {5, 7}})
	require.Equal(t, map[string][]float64{"x": {50, 88}, "a": {2, 2}, "again": {50, 88}}, out)
}

// A gradient node carries the line of the node that it belongs to.
func TestGradientsCarryTheLineOfTheirNode(t *testing.T) {
	var forward, total int
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F64, 2)
		y := x.Sin()
		loss := y.Sum()
		forward = y.IR().Pos.Line
		total = len(g.IR().Nodes)
		g.Output("dx", g.Grad(loss, x)[0])
	})
	cos := false
	for _, n := range g.IR().Nodes[total:] {
		if n.Op.String() == "cos" {
			cos = true
			require.Equal(t, forward, n.Pos.Line)
		}
	}
	require.True(t, cos)
}

func TestSliceIsPythons(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(0, 6).Draw(r, "n")
		bound := rapid.OneOf(rapid.IntRange(-9, 9), rapid.Just(graph.End))
		start, stop := bound.Draw(r, "start"), bound.Draw(r, "stop")
		step := rapid.SampledFrom([]int{-7, -3, -2, -1, 1, 2, 3, 7}).Draw(r, "step")
		g, err := graph.Build("slice", func(g *graph.Graph) {
			g.Output("y", graph.Arange(g, graph.F64, 0, float64(n), 1).Slice(0, start, stop, step))
		})
		require.NoError(r, err)
		require.Equal(r, python(n, start, stop, step), run(t, g.IR(), nil)["y"])
	})
}

// python selects as list(range(n))[start:stop:step], by looking at every
// element in the step's order.
func python(n, start, stop, step int) []float64 {
	if start != graph.End && start < 0 {
		start = max(start+n, -1)
		if step > 0 {
			start = max(start, 0)
		}
	}
	if stop != graph.End && stop < 0 {
		stop = max(stop+n, -1)
	}
	out := []float64{}
	if step > 0 {
		if start == graph.End {
			start = 0
		}
		for i := start; i < n && i < stop; i += step {
			out = append(out, float64(i))
		}
		return out
	}
	if stop == graph.End {
		stop = -1
	}
	for i := min(start, n-1); i >= 0 && i > stop; i += step {
		out = append(out, float64(i))
	}
	return out
}

func TestBroadcastAndPromotion(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dims := rapid.SliceOfN(rapid.IntRange(0, 3), 0, 3)
		kinds := rapid.SampledFrom(types.DTypes())
		a := types.Type{DType: kinds.Draw(r, "d"), Shape: dims.Draw(r, "s")}
		b := types.Type{DType: kinds.Draw(r, "e"), Shape: dims.Draw(r, "t")}
		var got types.Type
		_, err := graph.Build("equal", func(g *graph.Graph) {
			x := g.Input("a", a.DType, a.Shape...).Equal(g.Input("b", b.DType, b.Shape...))
			got = types.Type{DType: x.IR().Args[0].DType(), Shape: x.Shape()}
			g.Output("x", x)
		})
		want, failed := types.Broadcast(a.Shape, b.Shape)
		if failed != nil {
			require.ErrorIs(r, err, types.ErrBroadcast)
			return
		}
		require.NoError(r, err)
		require.Equal(r, types.Of(types.Promote(a.DType, b.DType), want...).String(), got.String())
	})
}

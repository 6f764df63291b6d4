package gradcheck_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/autodiff/gradcheck"
	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/runtime/tensor"
)

func f64(t testing.TB, data []float64, dims ...int) *tensor.Tensor {
	t.Helper()
	x, err := tensor.From(data, dims...)
	require.NoError(t, err)
	return x
}

func ExampleOptions_Compare() {
	x, err := tensor.From([]float64{-1, 0, 2}, 3)
	if err != nil {
		panic(err)
	}
	softplus := func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return xs[0].Exp().Log1p() }
	fmt.Println(gradcheck.Options{Order: 2}.Compare(softplus, x))
	// Output: <nil>
}

func TestRightGradientsPass(t *testing.T) {
	x, y := f64(t, []float64{0.3, -0.7, 1.1, 0.2, 0.9, -1.3}, 2, 3), f64(t, []float64{0.5, 1.5, -0.25}, 3)
	gradcheck.Options{Order: 3, Directions: 4, Seed: 5}.Check(t, func(_ *graph.Graph, xs []*graph.Node) *graph.Node {
		return xs[0].Mul(xs[1]).Tanh().Exp().MatMul(xs[1])
	}, x, y)
	gradcheck.Check(t, func(_ *graph.Graph, xs []*graph.Node) *graph.Node {
		return xs[0].Take(1, xs[1]).Sin()
	}, x, func() *tensor.Tensor { i, err := tensor.From([]int32{2, 0, 2}, 3); require.NoError(t, err); return i }())
	gradcheck.Options{Order: 2}.Check(t, func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return xs[0].Neg() }, y) // linear
	gradcheck.Check(t, func(g *graph.Graph, _ []*graph.Node) *graph.Node { return graph.Ones(g, graph.F64, 2) })
}

// wrong returns x*w*w with a gradient that is k times too large in w alone.
func wrong(k float64) gradcheck.Func {
	return func(_ *graph.Graph, xs []*graph.Node) *graph.Node {
		return graph.CustomVJP(
			func(x []*graph.Node) *graph.Node { return x[0].Mul(x[1]).Mul(x[1]) },
			func(x []*graph.Node, _, ct *graph.Node) []*graph.Node {
				dx, dw := ct.Mul(x[1]).Mul(x[1]), ct.Mul(x[0]).Mul(x[1]).MulScalar(2*k)
				return []*graph.Node{dx, dw}
			}, xs...)
	}
}

func TestWrongGradientsAreNamed(t *testing.T) {
	x, w := f64(t, []float64{0.3, -0.7}, 2), f64(t, []float64{0.5, 1.5}, 2)
	require.NoError(t, gradcheck.Options{}.Compare(wrong(1), x, w))
	err := gradcheck.Options{}.Compare(wrong(1.00001), x, w)
	require.ErrorContains(t, err, "gradcheck: the gradient of custom_vjp (order 1) differs in direction 0: slope ")
	require.ErrorContains(t, err, "\n\tin x1 f64[2] alone: slope ")
	require.NotContains(t, err.Error(), "in x0")
	require.NoError(t, gradcheck.Options{Tolerance: 1e-3}.Compare(wrong(1.00001), x, w))

	// A second derivative that is wrong where the first is right.
	second := func(_ *graph.Graph, xs []*graph.Node) *graph.Node {
		return graph.CustomVJP(
			func(x []*graph.Node) *graph.Node { return x[0].Mul(x[0]) },
			func(x []*graph.Node, _, ct *graph.Node) []*graph.Node {
				return []*graph.Node{ct.Mul(x[0].StopGradient()).MulScalar(2)}
			}, xs...)
	}
	require.NoError(t, gradcheck.Options{}.Compare(second, x))
	require.ErrorContains(t, gradcheck.Options{Order: 2}.Compare(second, x), "(order 2) differs")
}

func TestMistakesAreErrors(t *testing.T) {
	x, err := tensor.From([]float32{1}, 1)
	require.NoError(t, err)
	id := func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return xs[0] }
	require.ErrorContains(t, gradcheck.Options{}.Compare(id, x), "input 0 is f32[1]: wants f64")
	y := f64(t, []float64{1, 2}, 2)
	whole := func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return xs[0].ArgMax() }
	require.ErrorContains(t, gradcheck.Options{}.Compare(whole, y), "wants a function with a floating-point result")
	broken := func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return xs[0].MatMul(xs[0].Unsqueeze(0)) }
	require.ErrorContains(t, gradcheck.Options{}.Compare(broken, y), "matmul: inner dimensions differ")
}

// The parameters of a layer are checked as its input is.
func TestParametersAreChecked(t *testing.T) {
	layer := func() *nn.Linear {
		return &nn.Linear{
			Weight: graph.NewVariable("weight", types.Of(graph.F64, 2, 3), nn.Uniform(-1, 1)),
			Bias:   graph.NewVariable("bias", types.Of(graph.F64, 2), nn.Uniform(-1, 1)),
		}
	}
	x := f64(t, []float64{0.3, -0.7, 1.1, 0.2, 0.9, -1.3}, 2, 3)
	a, b := layer(), layer()
	model := nn.Sequential{a, nn.Tanh{}, nn.Sigmoid{}, nn.Softmax{Dim: -1}}
	gradcheck.Options{Order: 2, Directions: 2}.Check(t, func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return model.Forward(xs[0]) }, x)
	err := gradcheck.Options{}.Compare(func(g *graph.Graph, xs []*graph.Node) *graph.Node {
		return wrong(2)(g, []*graph.Node{b.Forward(xs[0]), g.Var(b.Bias).BroadcastTo(2, 2)})
	}, x)
	require.ErrorContains(t, err, "\n\tin bias f64[2] alone: slope ")
	require.NotContains(t, err.Error(), "in weight")
}

package graph_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func f64(g *graph.Graph, data []float64, dims ...int) *graph.Node {
	if dims == nil {
		dims = []int{len(data)}
	}
	return graph.Constant(g, data, dims...)
}

func i64(g *graph.Graph, data []int64, dims ...int) *graph.Node {
	if dims == nil {
		dims = []int{len(data)}
	}
	return graph.Constant(g, data, dims...)
}

func count(g *graph.Graph, dims ...int) *graph.Node {
	n := types.Shape(dims).Size()
	return graph.Arange(g, graph.F64, 0, float64(n), 1).Reshape(dims...)
}

type valueTest struct {
	name string
	f    func(g *graph.Graph) *graph.Node
	typ  string
	want []float64
}

// Expected values are PyTorch's, or follow from the definition.
var valueTests = []valueTest{
	{"broadcast add", func(g *graph.Graph) *graph.Node { return count(g, 2, 1).Add(count(g, 3)) }, "f64[2,3]", []float64{0, 1, 2, 1, 2, 3}},
	{"promote i64 and f32", func(g *graph.Graph) *graph.Node { return i64(g, []int64{1, 2}).Mul(graph.Scalar(g, graph.F32, 0.5)) }, "f32[2]", []float64{0.5, 1}},
	{"promote bool and u8", func(g *graph.Graph) *graph.Node {
		return graph.Constant(g, []bool{true, false}, 2).Add(graph.Constant(g, []uint8{255, 7}, 2))
	}, "u8[2]", []float64{0, 7}},
	{"div of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{7, -7}).Div(i64(g, []int64{2})) }, "f32[2]", []float64{3.5, -3.5}},
	{"div scalar of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{7, -7}).DivScalar(2) }, "f32[2]", []float64{3.5, -3.5}},
	{"floor_div of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{7, -7}).FloorDiv(i64(g, []int64{2})) }, "i64[2]", []float64{3, -4}},
	{"floor_div of floats", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{7, -7, 1, 1, -1, 0, 5, -5, 0, inf, 1}).FloorDiv(f64(g, []float64{2, 2, 0.1, inf, inf, -inf, 0, 0, 0, 1, nan}))
	}, "f64[11]", []float64{3, -4, 9, 0, -1, 0, inf, -inf, nan, nan, nan}},
	{"rem", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{7, -7, 7, -7}).Rem(f64(g, []float64{3, 3, -3, -3}))
	}, "f64[4]", []float64{1, 2, -2, -1}},
	{"maximum", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1, nan, 3}).Maximum(f64(g, []float64{2, 0, nan}))
	}, "f64[3]", []float64{2, nan, nan}},
	{"relu", func(g *graph.Graph) *graph.Node { return f64(g, []float64{-1, 0, 2, nan, -inf}).ReLU() }, "f64[5]", []float64{0, 0, 2, nan, 0}},
	{"clamp", func(g *graph.Graph) *graph.Node { return f64(g, []float64{-3, 0.5, 3, nan}).Clamp(-1, 1) }, "f64[4]", []float64{-1, 0.5, 1, nan}},
	{"add scalar to bool", func(g *graph.Graph) *graph.Node { return graph.Constant(g, []bool{true}, 1).AddScalar(2) }, "i64[1]", []float64{3}},
	{"sqrt of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{4, 9}).Sqrt() }, "f32[2]", []float64{2, 3}},
	{"round of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{4, 9}).Round() }, "i64[2]", []float64{4, 9}},
	{"round to even", func(g *graph.Graph) *graph.Node { return f64(g, []float64{0.5, 1.5, -2.5}).Round() }, "f64[3]", []float64{0, 2, -2}},
	{"greater", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, 2, nan}).Greater(f64(g, []float64{1})) }, "bool[3]", []float64{0, 1, 0}},
	{"greater_equal", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1, 0, nan}).GreaterEqual(f64(g, []float64{1}))
	}, "bool[3]", []float64{1, 0, 0}},
	{"not_equal", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1, 0, nan}).NotEqual(f64(g, []float64{1, 1, nan}))
	}, "bool[3]", []float64{0, 1, 1}},
	{"where", func(g *graph.Graph) *graph.Node {
		return graph.Where(graph.Constant(g, []bool{true, false}, 2, 1), count(g, 3), i64(g, []int64{-1}))
	}, "f64[2,3]", []float64{0, 1, 2, -1, -1, -1}},
	{"cast", func(g *graph.Graph) *graph.Node { return f64(g, []float64{-1.9, 2.9}).Cast(graph.I32) }, "i32[2]", []float64{-1, 2}},

	{"reshape -1", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Reshape(3, -1) }, "f64[3,2]", []float64{0, 1, 2, 3, 4, 5}},
	{"flatten", func(g *graph.Graph) *graph.Node { return count(g, 2, 1, 3).Flatten(1, -1) }, "f64[2,3]", []float64{0, 1, 2, 3, 4, 5}},
	{"flatten scalar", func(g *graph.Graph) *graph.Node { return graph.Scalar(g, graph.F64, 3).Flatten(0, -1) }, "f64[1]", []float64{3}},
	{"squeeze", func(g *graph.Graph) *graph.Node { return count(g, 1, 3, 1).Squeeze(-1, 0) }, "f64[3]", []float64{0, 1, 2}},
	{"unsqueeze", func(g *graph.Graph) *graph.Node { return count(g, 3).Unsqueeze(-1) }, "f64[3,1]", []float64{0, 1, 2}},
	{"broadcast_to", func(g *graph.Graph) *graph.Node { return count(g, 2, 1).BroadcastTo(2, 2, 2) }, "f64[2,2,2]", []float64{0, 0, 1, 1, 0, 0, 1, 1}},
	{"transpose", func(g *graph.Graph) *graph.Node { return count(g, 2, 3, 1).Transpose(-1, 1, 0) }, "f64[1,3,2]", []float64{0, 3, 1, 4, 2, 5}},
	{"transpose all", func(g *graph.Graph) *graph.Node { return count(g, 2, 3, 1).Transpose() }, "f64[1,3,2]", []float64{0, 3, 1, 4, 2, 5}},
	{"t", func(g *graph.Graph) *graph.Node { return count(g, 1, 2, 2).T() }, "f64[1,2,2]", []float64{0, 2, 1, 3}},
	{"swap", func(g *graph.Graph) *graph.Node { return count(g, 1, 2, 2).Swap(0, -1) }, "f64[2,2,1]", []float64{0, 2, 1, 3}},
	{"index", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Index(-1, -2) }, "f64[2]", []float64{1, 4}},
	{"flip", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Flip(1) }, "f64[2,3]", []float64{2, 1, 0, 5, 4, 3}},
	{"flip all", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Flip() }, "f64[2,3]", []float64{5, 4, 3, 2, 1, 0}},
	{"flip empty", func(g *graph.Graph) *graph.Node { return count(g, 0, 3).Flip() }, "f64[0,3]", []float64{}},
	{"pad", func(g *graph.Graph) *graph.Node {
		return count(g, 3).AddScalar(1).Pad(9, graph.Padding{Low: 1, High: -1, Interior: 1})
	}, "f64[5]", []float64{9, 1, 9, 2, 9}},
	{"pad negative low", func(g *graph.Graph) *graph.Node { return count(g, 3).Pad(9, graph.Padding{Low: -2, High: 2}) }, "f64[3]", []float64{2, 9, 9}},
	{"concat", func(g *graph.Graph) *graph.Node {
		return graph.Concat(-1, count(g, 2, 1), i64(g, []int64{7, 8, 9, 10}, 2, 2))
	}, "f64[2,3]", []float64{0, 7, 8, 1, 9, 10}},
	{"stack", func(g *graph.Graph) *graph.Node { return graph.Stack(-1, count(g, 2), count(g, 2)) }, "f64[2,2]", []float64{0, 0, 1, 1}},
	{"split", func(g *graph.Graph) *graph.Node {
		p := count(g, 4).Split(0, 1, 3)
		return p[1].Sub(p[0])
	}, "f64[3]", []float64{1, 2, 3}},
	{"window", func(g *graph.Graph) *graph.Node {
		return count(g, 4).Window(graph.Window{Axes: []int{-1}, Size: []int{2}, Stride: []int{2}, Low: []int{1}, High: []int{1}, Fill: -1})
	}, "f64[3,2]", []float64{-1, 0, 1, 2, 3, -1}},
	{"unwindow", func(g *graph.Graph) *graph.Node {
		return count(g, 3, 2).Unwindow(graph.Window{Axes: []int{0}, Size: []int{2}}, 4)
	}, "f64[4]", []float64{0, 3, 7, 5}},

	{"sum", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Sum() }, "f64[]", []float64{15}},
	{"sum of bool", func(g *graph.Graph) *graph.Node { return graph.Constant(g, []bool{true, true}, 2).Sum() }, "i64[]", []float64{2}},
	{"sum kept", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Sum(-1, graph.KeepDims) }, "f64[2,1]", []float64{3, 12}},
	{"sum all kept", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Sum(graph.KeepDims) }, "f64[1,1]", []float64{15}},
	{"sum of two", func(g *graph.Graph) *graph.Node { return count(g, 2, 3, 1).Sum(-1, 0) }, "f64[3]", []float64{3, 5, 7}},
	{"sum of scalar", func(g *graph.Graph) *graph.Node { return graph.Scalar(g, graph.I32, 4).Sum() }, "i64[]", []float64{4}},
	{"mean", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Mean(0) }, "f64[3]", []float64{1.5, 2.5, 3.5}},
	{"mean of nothing", func(g *graph.Graph) *graph.Node { return count(g, 0).Mean() }, "f64[]", []float64{nan}},
	{"prod", func(g *graph.Graph) *graph.Node { return i64(g, []int64{2, 3, 4}).Cast(graph.U8).Prod() }, "i64[]", []float64{24}},
	{"amax", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, 3, nan, 2, 0, -1}, 2, 3).Amax(1) }, "f64[2]", []float64{nan, 2}},
	{"amin", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, 3, 0, 2, 0, -1}, 2, 3).Amin(0) }, "f64[3]", []float64{1, 0, -1}},
	{"argmax ties", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, 3, 3, 2, 0, 2}, 2, 3).ArgMax(-1) }, "i64[2]", []float64{1, 0}},
	{"argmax nan", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, nan, inf, nan}).ArgMax() }, "i64[]", []float64{1}},
	{"argmin nan", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, -inf, nan}).ArgMin(0) }, "i64[]", []float64{2}},
	{"argmax all", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, 3, 5, 2, 7, 2}, 2, 3).ArgMax() }, "i64[]", []float64{4}},
	{"argmax two kept", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1, 3, 5, 2, 7, 2, 9, 0}, 2, 2, 2).ArgMax(0, 2, graph.KeepDims)
	}, "i64[1,2,1]", []float64{2, 2}},
	{"argmax of equal", func(g *graph.Graph) *graph.Node { return f64(g, []float64{-inf, -inf}).ArgMax() }, "i64[]", []float64{0}},
	{"argmax of scalar", func(g *graph.Graph) *graph.Node { return graph.Scalar(g, graph.F32, 3).ArgMax() }, "i64[]", []float64{0}},
	{"argmax of bool", func(g *graph.Graph) *graph.Node { return graph.Constant(g, []bool{false, true}, 2).ArgMax() }, "i64[]", []float64{1}},
	{"max values", func(g *graph.Graph) *graph.Node {
		v, _ := f64(g, []float64{1, 3, 3, 2}, 2, 2).Max(0)
		return v
	}, "f64[2]", []float64{3, 3}},
	{"min indices", func(g *graph.Graph) *graph.Node {
		_, i := f64(g, []float64{1, 3, 1, 2}, 2, 2).Min(0, graph.KeepDims)
		return i
	}, "i64[1,2]", []float64{0, 1}},
	{"softmax", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1000, 1000, 0, math.Log(3)}, 2, 2).Softmax(-1)
	}, "f64[2,2]", []float64{0.5, 0.5, 0.25, 0.75}},
	{"log_softmax", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1000, 1000}).LogSoftmax(0) }, "f64[2]", []float64{-math.Ln2, -math.Ln2}},
	{"softmax of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).Softmax(-1) }, "f64[2,0]", []float64{}},
	{"log_sum_exp", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1000, 1000, -inf, -inf, inf, 0, nan, 0}, 4, 2).LogSumExp(1)
	}, "f64[4]", []float64{1000 + math.Ln2, -inf, inf, nan}},
	{"log_sum_exp of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).LogSumExp(1, graph.KeepDims) }, "f64[2,1]", []float64{-inf, -inf}},
	{"log_sum_exp of scalar", func(g *graph.Graph) *graph.Node { return graph.Scalar(g, graph.F64, 3).LogSumExp() }, "f64[]", []float64{3}},

	{"matmul", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).MatMul(count(g, 3, 2)) }, "f64[2,2]", []float64{10, 13, 28, 40}},
	{"matmul vectors", func(g *graph.Graph) *graph.Node { return count(g, 3).MatMul(count(g, 3)) }, "f64[]", []float64{5}},
	{"matmul row", func(g *graph.Graph) *graph.Node { return count(g, 3).MatMul(count(g, 3, 2)) }, "f64[2]", []float64{10, 13}},
	{"matmul column", func(g *graph.Graph) *graph.Node { return count(g, 2, 2, 3).MatMul(count(g, 3)) }, "f64[2,2]", []float64{5, 14, 23, 32}},
	{"matmul batches", func(g *graph.Graph) *graph.Node { return count(g, 2, 1, 1, 2).MatMul(count(g, 1, 2, 2, 1)) }, "f64[2,2,1,1]", []float64{1, 3, 3, 13}},
	{"matmul promotes", func(g *graph.Graph) *graph.Node { return i64(g, []int64{1, 2}).MatMul(count(g, 2)) }, "f64[]", []float64{2}},
	{"matmul of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).MatMul(count(g, 0, 2)) }, "f64[2,2]", []float64{0, 0, 0, 0}},
	{"outer", func(g *graph.Graph) *graph.Node { return count(g, 2).Outer(count(g, 3)) }, "f64[2,3]", []float64{0, 0, 0, 0, 1, 2}},
	{"dot", func(g *graph.Graph) *graph.Node { return count(g, 3).Dot(count(g, 3)) }, "f64[]", []float64{5}},
	{"einsum matmul", func(g *graph.Graph) *graph.Node { return graph.Einsum("ij,jk->ki", count(g, 2, 3), count(g, 3, 2)) }, "f64[2,2]", []float64{10, 28, 13, 40}},
	{"einsum implicit", func(g *graph.Graph) *graph.Node { return graph.Einsum("ba", count(g, 2, 3)) }, "f64[3,2]", []float64{0, 3, 1, 4, 2, 5}},
	{"einsum implicit product", func(g *graph.Graph) *graph.Node { return graph.Einsum("kj, ik", count(g, 3, 2), count(g, 2, 3)) }, "f64[2,2]", []float64{10, 13, 28, 40}},
	{"einsum sum", func(g *graph.Graph) *graph.Node { return graph.Einsum("ij->", count(g, 2, 3)) }, "f64[]", []float64{15}},
	{"einsum outer", func(g *graph.Graph) *graph.Node { return graph.Einsum("i,j->ji", count(g, 2), count(g, 3)) }, "f64[3,2]", []float64{0, 0, 0, 1, 0, 2}},
	{"einsum presum", func(g *graph.Graph) *graph.Node { return graph.Einsum("ij,k->k", count(g, 2, 3), count(g, 2)) }, "f64[2]", []float64{0, 15}},
	{"einsum ellipsis", func(g *graph.Graph) *graph.Node {
		return graph.Einsum("...ij,...jk->...ik", count(g, 2, 1, 2), count(g, 2, 1))
	}, "f64[2,1,1]", []float64{1, 3}},
	{"einsum ones", func(g *graph.Graph) *graph.Node { return graph.Einsum("ij,ij->i", count(g, 2, 1), count(g, 2, 3)) }, "f64[2]", []float64{0, 12}},
	{"einsum hadamard", func(g *graph.Graph) *graph.Node { return graph.Einsum("ij,ji->ij", count(g, 2, 2), count(g, 2, 2)) }, "f64[2,2]", []float64{0, 2, 2, 9}},

	{"gather", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Gather(-1, i64(g, []int64{2, 0}, 2, 1)) }, "f64[2,1]", []float64{2, 3}},
	{"gather smaller", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Gather(0, i64(g, []int64{1, 0, 1, 1}, 2, 2)) }, "f64[2,2]", []float64{3, 1, 3, 4}},
	{"take", func(g *graph.Graph) *graph.Node { return count(g, 3, 2).Take(0, i64(g, []int64{2, 0, 0, 1}, 2, 2)) }, "f64[2,2,2]", []float64{4, 5, 0, 1, 0, 1, 2, 3}},
	{"take inner", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Take(1, i64(g, []int64{2, 2})) }, "f64[2,2]", []float64{2, 2, 5, 5}},
	{"take one", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Take(1, graph.Scalar(g, graph.U8, 1)) }, "f64[2]", []float64{1, 4}},
	{"scatter_add", func(g *graph.Graph) *graph.Node {
		return count(g, 2, 3).ScatterAdd(1, i64(g, []int64{1, 1, 0, 2}, 2, 2), graph.Ones(g, graph.F64, 2, 2))
	}, "f64[2,3]", []float64{0, 3, 2, 4, 4, 6}},
	{"scatter_add smaller", func(g *graph.Graph) *graph.Node {
		return graph.Zeros(g, graph.F64, 2, 3).ScatterAdd(0, i64(g, []int64{1, 0}, 1, 2), count(g, 1, 2).AddScalar(5))
	}, "f64[2,3]", []float64{0, 6, 0, 5, 0, 0}},
	{"one_hot", func(g *graph.Graph) *graph.Node { return i64(g, []int64{2, 0, 3, -1}).OneHot(3, graph.F32) }, "f32[4,3]", []float64{0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}},
	{"iota", func(g *graph.Graph) *graph.Node { return graph.Iota(g, graph.I32, -1, 2, 2) }, "i32[2,2]", []float64{0, 1, 0, 1}},
	{"arange", func(g *graph.Graph) *graph.Node { return graph.Arange(g, graph.I64, 5, 0, -2) }, "i64[3]", []float64{5, 3, 1}},
	{"full", func(g *graph.Graph) *graph.Node { return graph.Full(g, graph.U8, 255, 2) }, "u8[2]", []float64{255, 255}},
	{"stop_gradient", func(g *graph.Graph) *graph.Node { return count(g, 2).StopGradient() }, "f64[2]", []float64{0, 1}},
	{"barrier after nothing", func(g *graph.Graph) *graph.Node { return count(g, 2).Barrier(count(g, 0).Exp()) }, "f64[2]", []float64{0, 1}},
	{"barrier", func(g *graph.Graph) *graph.Node { return count(g, 2).Barrier(count(g, 3)) }, "f64[2]", []float64{0, 1}},
}

// TestValues computes every value twice: from the bodies of the operations one by one, and through the compiler.
func TestValues(t *testing.T) {
	dev := interp.New(interp.WithPoison())
	for _, c := range slices.Concat(valueTests, functionValues, partValues) {
		t.Run(c.name, func(t *testing.T) {
			var typ string
			g := build(t, func(g *graph.Graph) {
				y := c.f(g)
				typ = y.TypeString()
				g.Output("y", y)
			})
			require.Equal(t, c.typ, typ)
			requireClose(t, c.want, run(t, g.IR(), nil)["y"])
			requireClose(t, c.want, compiled(t, dev, g))
		})
	}
}

// compiled returns the output y of a graph without inputs.
func compiled(t *testing.T, dev device.Device, g *graph.Graph) []float64 {
	s := session.New(dev, session.WithDebug("check"))
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	res, err := step.Run(t.Context(), nil)
	require.NoError(t, err)
	y, err := res.Tensor("y")
	require.NoError(t, err)
	flat, err := y.Reshape(y.Len())
	require.NoError(t, err)
	out := make([]float64, flat.Len())
	for i := range out {
		out[i], err = flat.At(i)
		require.NoError(t, err)
	}
	return out
}

// requireClose fails unless the values are equal within rounding; infinities and NaN must be equal.
func requireClose(t *testing.T, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, w := range want {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			require.True(t, math.IsNaN(w) && math.IsNaN(got[i]) || w == got[i], "%v, want %v", got, want)
		} else {
			require.InDelta(t, w, got[i], 1e-12, "%v, want %v", got, want)
		}
	}
}

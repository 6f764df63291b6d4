package graph_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Values of scans, of parts of matrices and of repetitions.
var partValues = []valueTest{
	one("cumsum", func(x *graph.Node) *graph.Node { return x.CumSum(0) }, []float64{1, 2, 4, 8, 16}, []float64{1, 3, 7, 15, 31}),
	one("cumsum of infinities", func(x *graph.Node) *graph.Node { return x.CumSum(-1) }, []float64{1, inf, 1, -inf, 2}, []float64{1, inf, inf, nan, nan}),
	{"cumsum of rows", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).CumSum(1) }, "f64[2,3]", []float64{0, 1, 3, 3, 7, 12}},
	{"cumsum of columns", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).CumSum(0) }, "f64[2,3]", []float64{0, 1, 2, 3, 5, 7}},
	{"cumsum of bool", func(g *graph.Graph) *graph.Node {
		return graph.Constant(g, []bool{true, false, true}, 3).CumSum(0)
	}, "i64[3]", []float64{1, 1, 2}},
	{"cumsum of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).CumSum(1) }, "f64[2,0]", []float64{}},
	one("cumprod", func(x *graph.Node) *graph.Node { return x.CumProd(0) }, []float64{2, 3, 0, 5}, []float64{2, 6, 0, 0}),
	one("log_cum_sum_exp", func(x *graph.Node) *graph.Node { return x.LogCumSumExp(0).Exp() }, []float64{0, 0, -inf, 0}, []float64{1, 2, 2, 3}),
	one("cummax", func(x *graph.Node) *graph.Node { v, _ := x.CumMax(0); return v }, []float64{1, 3, 2, 3, nan, 5}, []float64{1, 3, 3, 3, nan, nan}),
	typed("cummax indices", "i64", func(x *graph.Node) *graph.Node { _, i := x.CumMax(0); return i }, []float64{1, 3, 2, 3, nan, 5, nan}, []float64{0, 1, 1, 3, 4, 4, 6}),
	typed("cummin indices", "i64", func(x *graph.Node) *graph.Node { _, i := x.CumMin(0); return i }, []float64{1, 3, 1, 0}, []float64{0, 0, 2, 3}),
	{"cummin of bool", func(g *graph.Graph) *graph.Node {
		v, _ := graph.Constant(g, []bool{true, false, true}, 3).CumMin(0)
		return v
	}, "bool[3]", []float64{1, 0, 0}},
	{"cummax of nothing", func(g *graph.Graph) *graph.Node { _, i := count(g, 2, 0).CumMax(1); return i }, "i64[2,0]", []float64{}},
	one("diff", func(x *graph.Node) *graph.Node { return x.Diff(0) }, []float64{1, 4, 2}, []float64{3, -2}),
	{"diff of one", func(g *graph.Graph) *graph.Node { return count(g, 2, 1).Diff(1) }, "f64[2,0]", []float64{}},
	{"diff of bool", func(g *graph.Graph) *graph.Node {
		return graph.Constant(g, []bool{true, false, false}, 3).Diff(0)
	}, "bool[2]", []float64{1, 0}},

	{"tril", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).AddScalar(1).Tril(0) }, "f64[2,3]", []float64{1, 0, 0, 4, 5, 0}},
	{"tril above", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, nan, inf, 4}, 2, 2).Tril(-1) }, "f64[2,2]", []float64{0, 0, inf, 0}},
	{"triu", func(g *graph.Graph) *graph.Node { return count(g, 2, 2, 2).AddScalar(1).Triu(1) }, "f64[2,2,2]", []float64{0, 2, 0, 0, 0, 6, 0, 0}},
	{"triu of bool", func(g *graph.Graph) *graph.Node { return graph.Full(g, graph.Bool, 1, 2, 2).Triu(0) }, "bool[2,2]", []float64{1, 1, 0, 1}},
	{"diagonal", func(g *graph.Graph) *graph.Node { return count(g, 3, 4).Diagonal(1, 0, 1) }, "f64[3]", []float64{1, 6, 11}},
	{"diagonal below", func(g *graph.Graph) *graph.Node { return count(g, 3, 4).Diagonal(-1, -2, -1) }, "f64[2]", []float64{4, 9}},
	{"diagonal outside", func(g *graph.Graph) *graph.Node { return count(g, 3, 4).Diagonal(-9, 0, 1) }, "f64[0]", []float64{}},
	{"diagonal of columns", func(g *graph.Graph) *graph.Node { return count(g, 3, 2, 3).Diagonal(0, 2, 0) }, "f64[2,3]", []float64{0, 7, 14, 3, 10, 17}},
	{"diag_embed", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, inf, 3, 4}, 2, 2).DiagEmbed() }, "f64[2,2,2]", []float64{1, 0, 0, inf, 3, 0, 0, 4}},
	{"trace", func(g *graph.Graph) *graph.Node { return count(g, 3, 3).Trace() }, "f64[]", []float64{12}},
	{"trace of bool", func(g *graph.Graph) *graph.Node { return graph.Eye(g, graph.Bool, 2, 3).Trace() }, "i64[]", []float64{2}},
	{"eye", func(g *graph.Graph) *graph.Node { return graph.Eye(g, graph.F32, 2, 3) }, "f32[2,3]", []float64{1, 0, 0, 0, 1, 0}},
	{"tensor_dot", func(g *graph.Graph) *graph.Node {
		return count(g, 2, 3).TensorDot(count(g, 2, 3, 2), []int{1, 0}, []int{1, 0})
	}, "f64[2]", []float64{110, 125}},
	{"tensor_dot of none", func(g *graph.Graph) *graph.Node { return count(g, 2).TensorDot(count(g, 2), nil, nil) }, "f64[2,2]", []float64{0, 0, 0, 1}},

	{"einsum diagonal", func(g *graph.Graph) *graph.Node { return graph.Einsum("ii->i", count(g, 3, 3)) }, "f64[3]", []float64{0, 4, 8}},
	{"einsum trace", func(g *graph.Graph) *graph.Node { return graph.Einsum("ii", count(g, 3, 3)) }, "f64[]", []float64{12}},
	{"einsum of three equal", func(g *graph.Graph) *graph.Node { return graph.Einsum("iji i", count(g, 2, 2, 2, 2)) }, "f64[2]", []float64{11, 19}},
	{"einsum three", func(g *graph.Graph) *graph.Node {
		return graph.Einsum("ij,jk,kl->il", count(g, 2, 2), count(g, 2, 2), count(g, 2, 2))
	}, "f64[2,2]", []float64{6, 11, 22, 39}},
	{"einsum three with ones", func(g *graph.Graph) *graph.Node {
		return graph.Einsum("ij,ij,ij->j", count(g, 2, 1).AddScalar(1), count(g, 1, 3), count(g, 2, 3))
	}, "f64[3]", []float64{0, 9, 24}},
	{"einsum three summed early", func(g *graph.Graph) *graph.Node {
		return graph.Einsum("ai,bi,c->ac", count(g, 2, 2), count(g, 3, 2), count(g, 2))
	}, "f64[2,2]", []float64{0, 9, 0, 39}},
	{"einsum ellipsis summed", func(g *graph.Graph) *graph.Node { return graph.Einsum("...i->i", count(g, 2, 2, 2)) }, "f64[2]", []float64{12, 16}},
	{"einsum ellipsis diagonal", func(g *graph.Graph) *graph.Node { return graph.Einsum("...ii->...i", count(g, 2, 2, 2)) }, "f64[2,2]", []float64{0, 3, 4, 7}},

	{"roll", func(g *graph.Graph) *graph.Node { return count(g, 5).Roll(0, 2) }, "f64[5]", []float64{3, 4, 0, 1, 2}},
	{"roll back", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Roll(1, -4) }, "f64[2,3]", []float64{1, 2, 0, 4, 5, 3}},
	{"roll nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).Roll(1, 1) }, "f64[2,0]", []float64{}},
	{"repeat", func(g *graph.Graph) *graph.Node { return count(g, 2).Repeat(2, 2) }, "f64[2,4]", []float64{0, 1, 0, 1, 0, 1, 0, 1}},
	{"repeat none", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Repeat(0, 1) }, "f64[0,3]", []float64{}},
	{"tile", func(g *graph.Graph) *graph.Node { return count(g, 2, 2).Tile(2) }, "f64[2,4]", []float64{0, 1, 0, 1, 2, 3, 2, 3}},
	{"repeat_interleave", func(g *graph.Graph) *graph.Node { return count(g, 2, 2).RepeatInterleave(1, 2) }, "f64[2,4]", []float64{0, 0, 1, 1, 2, 2, 3, 3}},
	{"repeat_interleave each", func(g *graph.Graph) *graph.Node { return count(g, 3).RepeatInterleave(0, 2, 0, 3) }, "f64[5]", []float64{0, 0, 2, 2, 2}},
	{"unflatten", func(g *graph.Graph) *graph.Node { return count(g, 6).Unflatten(0, 2, -1) }, "f64[2,3]", []float64{0, 1, 2, 3, 4, 5}},
	{"move_axis", func(g *graph.Graph) *graph.Node { return count(g, 2, 1, 3).MoveAxis(0, -1) }, "f64[1,3,2]", []float64{0, 3, 1, 4, 2, 5}},
	{"masked_fill", func(g *graph.Graph) *graph.Node {
		return count(g, 2).MaskedFill(graph.Eye(g, graph.Bool, 2, 2), -inf)
	}, "f64[2,2]", []float64{-inf, 1, 0, -inf}},
	{"linspace", func(g *graph.Graph) *graph.Node { return graph.Linspace(g, graph.F64, -1, 0.1, 3) }, "f64[3]", []float64{-1, -0.45, 0.1}},
	{"linspace of one", func(g *graph.Graph) *graph.Node { return graph.Linspace(g, graph.F32, 4, 9, 1) }, "f32[1]", []float64{4}},
}

// partGrads are functions of x, f64[2,3], and y, f64[3,2]: see [gradTests].
var partGrads = []gradTest{
	{"cumsum", func(x, y *graph.Node) *graph.Node { return x.CumSum(1).Mul(y.T().CumSum(0)) }},
	{"cumprod", func(x, y *graph.Node) *graph.Node {
		return x.CumProd(1).Mul(y.T().Sub(y.T().Index(1, 0).Unsqueeze(1)).CumProd(1))
	}},
	{"log_cum_sum_exp", func(x, y *graph.Node) *graph.Node { return x.LogCumSumExp(1).Mul(y.T()) }},
	{"cummax", func(x, y *graph.Node) *graph.Node {
		v, _ := x.CumMax(1)
		w, _ := y.CumMin(0)
		return v.Mul(w.T()).Diff(1)
	}},
	{"triangles", func(x, y *graph.Node) *graph.Node { return x.Tril(0).Mul(x).Add(y.T().Triu(1).Square()) }},
	{"diagonals", func(x, y *graph.Node) *graph.Node {
		return x.Diagonal(1, 0, 1).Mul(y.Diagonal(-1, 0, 1)).DiagEmbed().Mul(x.MatMul(y).Trace())
	}},
	{"tensor_dot", func(x, y *graph.Node) *graph.Node { return x.TensorDot(y, []int{0}, []int{1}) }},
	{"einsum of many", func(x, y *graph.Node) *graph.Node { return graph.Einsum("ij,ji,jk,il->kl", x, y, y, x) }},
	{"einsum diagonal", func(x, y *graph.Node) *graph.Node {
		return graph.Einsum("iji->ij", x.TensorDot(y, nil, nil).Index(3, 1).Slice(2, 0, 2, 1))
	}},
	{"repetitions", func(x, y *graph.Node) *graph.Node {
		return x.Repeat(2, 1).Mul(y.Tile(3).T().Slice(0, 0, 4, 1)).Roll(1, 1).Mul(x.RepeatInterleave(0, 1, 3))
	}},
	{"masked_fill", func(x, y *graph.Node) *graph.Node { return x.MaskedFill(x.Less(y.T()), 2).Mul(x) }},
	{"pieces", func(x, y *graph.Node) *graph.Node {
		p := x.Chunk(1, 2)
		return p[0].Mul(p[1]).Add(y.Unbind(0)[2]).MoveAxis(0, 1)
	}},
}

func TestPieces(t *testing.T) {
	shapes := func(xs []*graph.Node) (out []string) {
		for _, x := range xs {
			out = append(out, x.TypeString())
		}
		return out
	}
	build(t, func(g *graph.Graph) {
		require.Equal(t, []string{"f64[3]", "f64[3]", "f64[1]"}, shapes(count(g, 7).Chunk(0, 3)))
		require.Equal(t, []string{"f64[2]", "f64[2]", "f64[2]"}, shapes(count(g, 6).Chunk(0, 4)), "fewer, as in PyTorch")
		require.Equal(t, []string{"f64[0]", "f64[0]"}, shapes(count(g, 0).Chunk(0, 2)))
		require.Equal(t, []string{"f64[2]", "f64[2]", "f64[2]"}, shapes(count(g, 2, 3).Unbind(1)))
		g.Output("y", count(g, 1))
	})
}

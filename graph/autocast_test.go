package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// contractions returns the element types of the products of a graph that its
// outputs and assignments need.
func contractions(g *graph.Graph) map[types.DType]int {
	n := map[types.DType]int{}
	for _, x := range g.IR().Live() {
		if x.Op == ir.OpContract {
			n[x.DType()]++
		}
	}
	return n
}

// Gradients are appended after the rewrite and follow it: all six products of
// two layers, forward and backward, are in the low type, and the gradients of
// the parameters are f32.
func TestAutocastTakesGradientsAlong(t *testing.T) {
	w1, w2 := graph.NewVariable("w1", types.Of(graph.F32, 8, 16), nil), graph.NewVariable("w2", types.Of(graph.F32, 16, 4), nil)
	for _, d := range []types.DType{graph.BF16, graph.F16} {
		var types []types.DType
		g, err := graph.Build("step", func(g *graph.Graph) {
			x := g.Input("x", graph.F32, graph.Dim("batch"), 8)
			y := x.MatMul(g.Var(w1)).ReLU().MatMul(g.Var(w2))
			loss := y.LogSoftmax(-1).Mean()
			require.Equal(t, graph.F32, loss.DType())
			for i, d := range g.Grad(loss, g.Var(w1), g.Var(w2), x) {
				types = append(types, d.DType())
				g.Output([]string{"d1", "d2", "dx"}[i], d)
			}
			later := y.MatMul(y.T())
			g.Output("later", later)
		}, graph.Autocast(d))
		require.NoError(t, err)
		require.Equal(t, []any{graph.F32, graph.F32, graph.F32}, []any{types[0], types[1], types[2]})
		require.Equal(t, map[any]int{d: 7}, map[any]int{d: contractions(g)[d]})
		require.Len(t, contractions(g), 1)
		bound, err := g.Bind(map[string]int{"batch": 4})
		require.NoError(t, err)
		for _, n := range bound.Live() {
			require.True(t, n.Op != ir.OpContract || n.DType() == d, "also with a size")
		}
		for _, n := range g.IR().Live() {
			if n.Op == ir.OpExp || n.Op == ir.OpSum && len(n.Args[0].Shape()) == 2 && n.Args[0].Shape()[1] == 4 {
				require.Equal(t, graph.F32, n.DType(), "softmax")
			}
		}
	}
}

func TestFullPrecision(t *testing.T) {
	g, err := graph.Build("mixed", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 4, 4)
		y := x.MatMul(x)
		g.FullPrecision(func() {
			y = y.MatMul(y)
			d := g.Grad(y.Sum(), x)[0] // casts what is outside of the region
			g.FullPrecision(func() { y = y.Add(d) })
			y = y.MatMul(x)
		})
		g.Output("y", y.MatMul(x))
	}, graph.Autocast(graph.BF16))
	require.NoError(t, err)
	// y*y with its two gradients and y*x are f32; the first product, its two
	// gradients and the last are bf16.
	require.Equal(t, map[types.DType]int{graph.F32: 4, graph.BF16: 4}, contractions(g))
}

func TestAutocastWithCheckpoint(t *testing.T) {
	w := graph.NewVariable("w", types.Of(graph.F32, 8, 8), nil)
	g, err := graph.Build("checkpoint", func(g *graph.Graph) {
		h := g.Input("x", graph.F32, 4, 8).MatMul(g.Var(w))
		y := graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].MatMul(g.Var(w)).ReLU().MatMul(g.Var(w).T()) }, h)
		g.Output("dw", g.Grad(y.Square().Sum(), g.Var(w))[0])
	}, graph.Autocast(graph.F16))
	require.NoError(t, err)
	require.NoError(t, g.IR().Verify())
	require.Len(t, g.IR().Variables(), 1)
	require.Len(t, contractions(g), 1)
	require.NotZero(t, contractions(g)[graph.F16])
}

func TestAutocastMistakes(t *testing.T) {
	_, err := graph.Build("f32", func(g *graph.Graph) {}, graph.Autocast(graph.F32))
	require.ErrorContains(t, err, "autocast: the type is f32: mixed precision is f16 or bf16 beside f32")
	_, err = graph.Build("nil", func(g *graph.Graph) { g.FullPrecision(nil) })
	require.ErrorContains(t, err, "full_precision: the function is nil")
}

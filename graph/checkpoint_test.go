package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// checkpointed are functions of x and y with parts that are computed twice.
var checkpointed = map[string]func(x, y *graph.Node) *graph.Node{
	"operands": func(x, y *graph.Node) *graph.Node {
		return graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].MatMul(xs[1]).Tanh() }, x, y)
	},
	"captured": func(x, y *graph.Node) *graph.Node {
		z := y.Sin()
		return graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].MatMul(z).Exp().Mul(z.Sum()) }, x)
	},
	"nested": func(x, y *graph.Node) *graph.Node {
		return graph.Checkpoint(func(xs ...*graph.Node) *graph.Node {
			h := xs[0].MatMul(y).Tanh()
			h = graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].Mul(h).Cos().Mul(x.Sum()) }, h)
			return h.Sin()
		}, x)
	},
	"chain": func(x, y *graph.Node) *graph.Node {
		for range 3 {
			x = graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].MatMul(y).Tanh().MatMul(y.T()).Sin() }, x)
		}
		return x
	},
	"custom gradient": func(x, y *graph.Node) *graph.Node {
		return graph.Checkpoint(func(xs ...*graph.Node) *graph.Node {
			return graph.CustomVJP(
				func(xs []*graph.Node) *graph.Node { return xs[0].Mul(xs[1]).Sin() },
				func(xs []*graph.Node, _, ct *graph.Node) []*graph.Node {
					d := xs[0].Mul(xs[1]).Cos().Mul(ct)
					return []*graph.Node{d.Mul(xs[1]), d.Mul(xs[0])}
				}, xs...).Mul(xs[0])
		}, x, y.T())
	},
	"an operand that is not used": func(x, y *graph.Node) *graph.Node {
		return graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].Exp() }, x, y)
	},
	"identity": func(x, _ *graph.Node) *graph.Node {
		return graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0] }, x).Exp()
	},
}

func TestCheckpointGradients(t *testing.T) {
	for name, f := range checkpointed {
		t.Run(name, func(t *testing.T) {
			first := func(x, y *graph.Node) *graph.Node { return weighted(f(x, y)) }
			checkGradient(t, first)
			checkGradient(t, func(x, y *graph.Node) *graph.Node {
				l := first(x, y).Add(weighted(y.Mul(y)))
				d := x.Graph().Grad(l, x, y)
				return weighted(d[0]).Add(weighted(d[1])).Add(weighted(x.Mul(x)))
			})
		})
	}
}

// Random numbers are drawn once: the second computation reads the same stream,
// and the step counts as one.
func TestCheckpointRandom(t *testing.T) {
	w := graph.NewVariable("w", types.Of(graph.F32, 4), nil)
	g, err := graph.Build("dropout", func(g *graph.Graph) {
		y := graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0].Dropout(0.5).Tanh() }, g.Var(w))
		g.Output("y", y)
		g.Output("d", g.Grad(y.Sum(), g.Var(w))[0])
	}, graph.Training())
	require.NoError(t, err)
	var streams []int64
	barriers := 0
	for _, n := range g.IR().Live() {
		if n.Op == ir.OpUniform {
			streams = append(streams, n.Attr.Int)
		}
		if n.Op == ir.OpBarrier {
			barriers++
		}
	}
	require.Equal(t, []int64{0, 0}, streams)
	require.Equal(t, 1, barriers, "of the random state; the parameter needs none")
}

func TestCheckpointMistakes(t *testing.T) {
	for want, f := range map[string]func(x *graph.Node){
		"checkpoint: no operands": func(*graph.Node) {
			graph.Checkpoint(func(...*graph.Node) *graph.Node { return nil })
		},
		"checkpoint: the function is nil":      func(x *graph.Node) { graph.Checkpoint(nil, x) },
		"checkpoint: an operand is a nil node": func(x *graph.Node) { graph.Checkpoint(func(...*graph.Node) *graph.Node { return nil }, x) },
		"checkpoint: operand 1 is a nil node":  func(x *graph.Node) { graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return xs[0] }, x, nil) },
	} {
		_, err := graph.Build("m", func(g *graph.Graph) { f(g.Input("x", graph.F32, 2)) })
		require.ErrorContains(t, err, want)
	}
}

package graph_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// What is made of several operations has in f16 and bf16 the value that it has
// in f32, rounded once.
func TestCompositionsOfHalvesRoundOnce(t *testing.T) {
	unary := map[string]func(x *graph.Node) *graph.Node{
		"softmax": func(x *graph.Node) *graph.Node { return x.Softmax(-1) }, "log_softmax": func(x *graph.Node) *graph.Node { return x.LogSoftmax(0) },
		"mean": func(x *graph.Node) *graph.Node { return x.Mean() }, "std": func(x *graph.Node) *graph.Node { return x.Std(1, 1) },
		"norm": func(x *graph.Node) *graph.Node { return x.Norm(2) }, "cumsum": func(x *graph.Node) *graph.Node { return x.CumSum(1) },
		"cumprod": func(x *graph.Node) *graph.Node { return x.CumProd(1) }, "gelu": (*graph.Node).GELU, "silu": (*graph.Node).SiLU, "mish": (*graph.Node).Mish,
		"log2": (*graph.Node).Log2, "tan": (*graph.Node).Tan, "logit": (*graph.Node).Logit, "sinh": (*graph.Node).Sinh,
		"fmod":  func(x *graph.Node) *graph.Node { return x.FMod(x.MulScalar(0.3).AddScalar(0.1)) },
		"hypot": func(x *graph.Node) *graph.Node { return x.Hypot(x.Cos()) },
		"layer_norm": func(x *graph.Node) *graph.Node {
			return x.LayerNorm([]int{40}, nil, nil, 1e-5)
		},
	}
	for _, d := range []types.DType{graph.F16, graph.BF16} {
		got := run(t, build(t, func(g *graph.Graph) {
			// Multiples of 1/64 below 1, halves of either type.
			x := graph.Arange(g, graph.F32, 1, 81, 1).Rem(graph.Scalar(g, graph.F32, 61)).AddScalar(1).DivScalar(64).Reshape(2, 40)
			for name, f := range unary {
				h := f(x.Cast(d))
				if h.DType() != d {
					panic(name)
				}
				arg := x.Cast(d).Cast(graph.F32)
				want := f(arg)
				if name == "fmod" { // whose divisor is rounded, too
					want = arg.FMod(x.Cast(d).MulScalar(0.3).AddScalar(0.1).Cast(graph.F32))
				}
				if name == "hypot" {
					want = arg.Hypot(x.Cast(d).Cos().Cast(graph.F32))
				}
				g.Output(name, h.Cast(graph.F32))
				g.Output("want "+name, want.Cast(d).Cast(graph.F32))
			}
			g.Output("arange", graph.Arange(g, d, -1000, 1000, 1).Cast(graph.F32))
			g.Output("linspace", graph.Linspace(g, d, -1, 1, 513).Cast(graph.F32))
		}).IR(), nil)
		for name := range unary {
			require.Equal(t, got["want "+name], got[name], "%s in %v", name, d)
		}
		for i, v := range got["arange"] {
			require.Equal(t, d.Round(float64(i-1000)), v)
		}
		for i, v := range got["linspace"] {
			require.InDelta(t, -1+float64(i)/256, v, math.Abs(-1+float64(i)/256)*0x1p-8)
		}
	}
}

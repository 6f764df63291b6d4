package passes_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/passes"
)

// BenchmarkCompileMLP times building, differentiating and compiling the
// training step of a perceptron, without the device's part.
func BenchmarkCompileMLP(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := passes.Compile(build(b, mlpStep(128, 784, 512, 256, 10)), &passes.Config{})
		require.NoError(b, err)
	}
}

// deep is a training step of a network of blocks, about 36 nodes each.
func deep(blocks int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 8, 16)
		vars := []*graph.Node{}
		for i := range blocks {
			name := func(s string) string { return fmt.Sprint(s, i) }
			gamma, beta, w := weight(g, name("gamma"), 16), weight(g, name("beta"), 16), weight(g, name("w"), 16, 16)
			vars = append(vars, gamma, beta, w)
			x = x.Add(geluTanh(layerNorm(x, gamma, beta).MatMul(w.T())))
		}
		loss := x.Mul(x).Mean()
		g.Output("loss", loss)
		for i, d := range g.Grad(loss, vars...) {
			g.Output(fmt.Sprint("d", i), d)
		}
	}
}

// BenchmarkCompileDeep compiles graphs of some 1,000 and 5,000 nodes, and the
// training step of a transformer of four layers.
func BenchmarkCompileDeep(b *testing.B) {
	for name, model := range map[string]func(*graph.Graph){"1k": deep(10), "5k": deep(52), "gpt": gptStep(16, 64, 128, 4, 4, 96)} {
		b.Run(name, func(b *testing.B) {
			g := build(b, model)
			b.ReportMetric(float64(len(g.Nodes)), "nodes")
			for b.Loop() {
				c, err := passes.Compile(g, &passes.Config{})
				require.NoError(b, err)
				for _, p := range c.Times {
					b.ReportMetric(float64(p.Time.Microseconds()), "µs-"+p.Pass)
				}
			}
		})
	}
}

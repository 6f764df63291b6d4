package proof

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// Short rows of random numbers compile: the words of a random number are an
// expression with few nodes and very many paths.
func TestShortRowsOfRandomNumbers(t *testing.T) {
	g, err := graph.Build("narrow", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 3, 1000).T().Add(graph.Normal(g, graph.F32, 0, 1, 1000, 3)).Dropout(0.3)
		g.Output("sum", x.Sum(-1))
		g.Output("softmax", x.Softmax(-1))
	}, graph.Training())
	require.NoError(t, err)
	ses := session.New(cpu.New())
	defer ses.Close()
	step, err := ses.Compile(g)
	require.NoError(t, err)
	x, err := tensor.From(hashed(1, 3000), 3, 1000)
	require.NoError(t, err)
	res, err := step.Run(t.Context(), session.Feeds{"x": x})
	require.NoError(t, err)
	res.Release()
}

package proof

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
)

// TestLinesAreTheModels: every node bears a line of the model, also those that
// layers, losses and optimizers make in closures that the compiler may inline.
func TestLinesAreTheModels(t *testing.T) {
	fc := nn.NewLinear(4, 3)
	g, err := graph.Build("train", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, graph.Dim("batch"), 4), g.Input("y", graph.I32, graph.Dim("batch"))
		out := fc.Forward(x).Tanh().Softmax(1)
		loss := nn.CrossEntropy(out, y, nn.LabelSmoothing(0.1)).Add(nn.MSE(out, out.StopGradient()))
		optim.SGD{LR: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-4}.Minimize(loss, nn.Params(fc),
			optim.ClipNorm(1), optim.ClipValue(1), optim.Accumulate(2))
		g.Output("loss", loss)
	}, graph.Training())
	require.NoError(t, err)
	for _, n := range g.IR().Nodes {
		require.Equal(t, "lines_test.go", n.Pos.File, "%v", n)
		require.NotZero(t, n.Pos.Line)
	}
}

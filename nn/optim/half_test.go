package optim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// A layer whose parameters are halves learns with every optimizer, although the
// squares of its gradients and the eps of Adam are no f16.
func TestHalfParametersLearn(t *testing.T) {
	for name, o := range map[string]optim.Optimizer{
		"sgd": optim.SGD{LR: 0.1, Momentum: 0.9}, "adam": optim.Adam{LR: 0.02}, "adamw": optim.AdamW{LR: 0.02},
		"rmsprop": optim.RMSprop{LR: 0.01}, "lion": optim.Lion{LR: 0.01},
	} {
		for _, d := range []types.DType{graph.BF16, graph.F16} {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				layer := nn.NewLinear(8, 4, nn.WithDType(d))
				g, err := graph.Build("half", func(g *graph.Graph) {
					loss := nn.CrossEntropy(layer.Forward(g.Input("x", d, 16, 8)), g.Input("y", graph.I32, 16))
					o.Minimize(loss, nn.Params(layer), optim.ClipNorm(1))
					g.Output("loss", loss)
				}, graph.Training())
				require.NoError(t, err)
				dev := cpu.New(cpu.WithThreads(1))
				defer dev.Close()
				s := session.New(dev)
				defer s.Close()
				step, err := s.Compile(g)
				require.NoError(t, err)
				x, err := tensor.New(types.Of(d, 16, 8))
				require.NoError(t, err)
				y, err := tensor.New(types.Of(types.I32, 16))
				require.NoError(t, err)
				for i := range 16 {
					require.NoError(t, y.Set(float64(i%4), i))
					require.NoError(t, x.Set(1, i, i%4))
				}
				var first, last float64
				for i := range 60 {
					res, err := step.Run(t.Context(), session.Feeds{"x": x, "y": y})
					require.NoError(t, err)
					last, err = res.Scalar("loss")
					require.NoError(t, err)
					res.Release()
					if i == 0 {
						first = last
					}
				}
				require.Less(t, last, 0.6*first)
			})
		}
	}
}

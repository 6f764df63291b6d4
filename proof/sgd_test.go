package proof

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// piece returns element i along the first dimension.
func piece(t testing.TB, x *tensor.Tensor, i int) *tensor.Tensor {
	t.Helper()
	y, err := tensor.New(types.Of(x.DType(), x.Shape()[1:]...))
	require.NoError(t, err)
	n := len(y.Bytes())
	copy(y.Bytes(), x.Bytes()[i*n:(i+1)*n])
	return y
}

// train runs a case of an optimizer: a linear regression, whose parameters must
// be PyTorch's after every step.
func (c *record) train(t *testing.T, s *suite, dev device.Device) *ir.Graph {
	in, out := s.tensors(t, c.In), s.tensors(t, c.Out)
	a := c.Attr
	layer := nn.NewLinear(4, 3)
	if a.Frozen {
		layer.Bias.Freeze()
	}
	var opts []optim.Option
	every := max(1, a.Accumulate)
	if every > 1 {
		opts = append(opts, optim.Accumulate(every))
	}
	if a.ClipNorm > 0 {
		opts = append(opts, optim.ClipNorm(a.ClipNorm))
	}
	if a.ClipValue > 0 {
		opts = append(opts, optim.ClipValue(a.ClipValue))
	}
	sgd := &optim.SGD{LR: a.LR, Momentum: a.Momentum, Dampening: a.Dampening, WeightDecay: a.WeightDecay, Nesterov: a.Nesterov}
	params := nn.Params(layer)
	g, err := graph.Build(c.Name, func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, in[2].Shape()[1:]...), g.Input("y", graph.F32, in[3].Shape()[1:]...)
		loss := nn.MSE(layer.Forward(x), y)
		sgd.Minimize(loss.DivScalar(float64(every)), params, opts...)
		g.Output("loss", loss)
	}, graph.Training())
	require.NoError(t, err, c.Name)
	ses := session.New(dev)
	defer ses.Close()
	step, err := ses.Compile(g)
	require.NoError(t, err, c.Name)
	require.NoError(t, ses.Set("weight", in[0]))
	require.NoError(t, ses.Set("bias", in[1]))
	for i := range in[2].Shape()[0] {
		res, err := step.Run(t.Context(), session.Feeds{"x": piece(t, in[2], i), "y": piece(t, in[3], i)})
		require.NoError(t, err, c.Name)
		loss, err := res.Tensor("loss")
		require.NoError(t, err)
		res.Release()
		require.NoError(t, chains.compare(loss, piece(t, out[0], i)), "%s: loss of step %d", c.Name, i)
		for k, name := range []string{"weight", "bias"} {
			v, err := ses.Get(name)
			require.NoError(t, err)
			require.NoError(t, chains.compare(v, piece(t, out[1+k], i)), "%s: %s after step %d", c.Name, name, i)
		}
	}
	return g.IR()
}

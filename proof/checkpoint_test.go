package proof

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// residual is a block of a deep network: norm, two layers, dropout.
type residual struct {
	Norm     *nn.LayerNorm
	FC1, FC2 *nn.Linear
}

func (r *residual) Forward(x *node) *node {
	h := r.FC1.Forward(r.Norm.Forward(x)).Tanh()
	return x.Add(r.FC2.Forward(h).Dropout(0.1))
}

// deep is a network of such blocks; Checkpoint says whether they are computed
// again in the backward pass.
type deep struct {
	Blocks     []*residual
	Head       *nn.Linear
	Checkpoint bool `nn:"-"`
}

func newDeep(blocks, width int, checkpoint bool) *deep {
	m := &deep{Head: nn.NewLinear(width, 3), Checkpoint: checkpoint}
	for range blocks {
		m.Blocks = append(m.Blocks, &residual{nn.NewLayerNorm([]int{width}), nn.NewLinear(width, 4*width), nn.NewLinear(4*width, width)})
	}
	return m
}

func (m *deep) Forward(x *node) *node {
	for _, b := range m.Blocks {
		if m.Checkpoint {
			x = graph.Checkpoint(func(xs ...*node) *node { return b.Forward(xs[0]) }, x)
		} else {
			x = b.Forward(x)
		}
	}
	return m.Head.Forward(x)
}

// trainDeep makes three steps and returns the variables and the memory of a
// step.
func trainDeep(t *testing.T, dev device.Device, batch int, m *deep, width int) (map[string]*tensor.Tensor, session.MemoryReport) {
	g, err := graph.Build("deep", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, batch, width), g.Input("y", graph.I64, batch)
		loss := nn.CrossEntropy(m.Forward(x), y)
		optim.AdamW{LR: 0.01}.Minimize(loss, nn.Params(m))
		g.Output("loss", loss)
	}, graph.Training())
	require.NoError(t, err)
	ses := session.New(dev, session.WithDebug("check"))
	defer ses.Close()
	step, err := ses.Compile(g)
	require.NoError(t, err)
	for i := range 3 {
		x, err := tensor.From(hashed(uint64(i), batch*width), batch, width)
		require.NoError(t, err)
		y, err := tensor.New(types.Of(graph.I64, batch))
		require.NoError(t, err)
		res, err := step.Run(t.Context(), session.Feeds{"x": x, "y": y})
		require.NoError(t, err)
		res.Release()
	}
	state, err := ses.State()
	require.NoError(t, err)
	report, err := step.Memory(nil)
	require.NoError(t, err)
	return state, report
}

// Checkpoints change no number, dropout included, and make the peak of memory
// grow with one block instead of with their number.
func TestCheckpointMemory(t *testing.T) {
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			dev := d.open()
			defer dev.Close()
			const width, batch = 8, 64
			want, plain := trainDeep(t, dev, batch, newDeep(6, width, false), width)
			got, again := trainDeep(t, dev, batch, newDeep(6, width, true), width)
			require.Len(t, got, len(want))
			for name, w := range want {
				require.NoError(t, tensor.AllClose(got[name], w, 1e-6, 1e-7), name)
			}
			_, shallow := trainDeep(t, dev, batch, newDeep(1, width, false), width)
			t.Logf("arena: 6 blocks %d bytes, with checkpoints %d; 1 block %d", plain.Arena, again.Arena, shallow.Arena)
			kept := int64(6 * batch * width * 4)
			require.Greater(t, plain.Arena, 2*again.Arena)
			require.LessOrEqual(t, again.Arena, shallow.Arena+kept+kept/2)
		})
	}
}

package train_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// allLayers is the module of testdata/make_state.py.
type allLayers struct {
	Stem   nn.Sequential
	Conv1d *nn.Conv
	TokEmb *nn.Embedding
	Blocks []*nn.TransformerEncoderLayer
	Attn   *nn.MultiheadAttention
	Norm   *nn.RMSNorm
	LN     *nn.LayerNorm
	Head   map[string]*nn.Linear
}

func newAllLayers() *allLayers {
	block := func() *nn.TransformerEncoderLayer { return nn.NewTransformerEncoderLayer(8, 2, 16, nn.PreNorm()) }
	return &allLayers{
		Stem: nn.Sequential{
			nn.NewConv2d(1, 4, 3, nn.Padding(1), nn.NoBias()), nn.NewBatchNorm2d(4), nn.NewPReLU(4),
			nn.NewMaxPool2d(2), nn.NewConv2d(4, 8, 3, nn.Groups(2)), nn.NewGroupNorm(2, 8),
		},
		Conv1d: nn.NewConv1d(8, 8, 2),
		TokEmb: nn.NewEmbedding(7, 8, nn.PaddingIndex(0)),
		Blocks: []*nn.TransformerEncoderLayer{block(), block()},
		Attn:   nn.NewMultiheadAttention(8, 4, nn.NoBias()),
		Norm:   nn.NewRMSNorm([]int{8}, nn.Eps(1e-6)),
		LN:     nn.NewLayerNorm([]int{8}),
		Head:   map[string]*nn.Linear{"classes": nn.NewLinear(8, 3), "value": nn.NewLinear(8, 1, nn.NoBias())},
	}
}

func (m *allLayers) Forward(image, tokens *graph.Node) (classes, value *graph.Node) {
	x := m.Stem.Forward(image).Flatten(2, -1)
	x = m.Conv1d.Forward(x).Transpose(0, 2, 1)
	x = graph.Concat(1, x, m.TokEmb.Forward(tokens))
	for _, b := range m.Blocks {
		x = b.Forward(x)
	}
	x = m.LN.Forward(x.Add(m.Attn.Forward(x)))
	x = m.Norm.Forward(x).Mean(1)
	return m.Head["classes"].Forward(x), m.Head["value"].Forward(x)
}

// A state_dict that PyTorch saved loads by its names and gives PyTorch's outputs,
// and is written back as it was.
func TestStateDictOfPyTorch(t *testing.T) {
	dev := cpu.New()
	defer func() { require.NoError(t, dev.Close()) }()
	s := session.New(dev)
	defer func() { require.NoError(t, s.Close()) }()
	m := newAllLayers()
	step, err := s.Compile(must(graph.Build("eval", func(g *graph.Graph) {
		nn.Params(m)
		classes, value := m.Forward(g.Input("image", graph.F32, 3, 1, 8, 8), g.Input("tokens", graph.I64, 3, 5))
		g.Output("classes", classes)
		g.Output("value", value)
	})))
	require.NoError(t, err)
	const path = "testdata/state.safetensors"
	require.NoError(t, train.LoadWeights(path, s, nn.Params(m)))
	io, _, err := safetensors.Read("testdata/inout.safetensors")
	require.NoError(t, err)
	out, err := step.Run(t.Context(), session.Feeds{"image": io["image"], "tokens": io["tokens"]})
	require.NoError(t, err)
	defer out.Release()
	for _, name := range []string{"classes", "value"} {
		require.NoError(t, tensor.AllClose(must(out.Tensor(name)), io[name], 1e-5, 1e-6), name)
	}
	again := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, train.SaveWeights(again, s, nn.Params(m)))
	want, _, err := safetensors.Read(path)
	require.NoError(t, err)
	got, _, err := safetensors.Read(again)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for name, x := range want {
		require.True(t, tensor.Equal(x, got[name]), name)
	}
}

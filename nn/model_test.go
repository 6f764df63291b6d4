package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/runtime/tensor"
)

func TestLinear(t *testing.T) {
	w, b := []float32{1, 2, 3, -1, 0, 1}, []float32{10, 20}
	l := &nn.Linear{Weight: fixed(t, w, 2, 3), Bias: fixed(t, b, 2)}
	l.Weight.SetName("weight")
	l.Bias.SetName("bias")
	got := eval(t, nil, func(g *graph.Graph) {
		x := graph.Constant(g, []float32{1, 1, 1, 0, 2, 0}, 2, 3)
		g.Output("y", l.Forward(x))
		g.Output("row", l.Forward(graph.Constant(g, []float32{1, 0, -1}, 3)))
		g.Output("deep", l.Forward(x.Reshape(1, 2, 1, 3)))
		g.Output("no bias", (&nn.Linear{Weight: l.Weight}).Forward(x))
	})
	require.Equal(t, []float32{16, 20, 14, 20}, value[float32](t, got["y"]))
	require.Equal(t, []float32{8, 18}, value[float32](t, got["row"]))
	require.Equal(t, types.Of(graph.F32, 1, 2, 1, 2), got["deep"].Type())
	require.Equal(t, []float32{16, 20, 14, 20}, value[float32](t, got["deep"]))
	require.Equal(t, []float32{6, 0, 4, 0}, value[float32](t, got["no bias"]))
}

func TestNewLinear(t *testing.T) {
	l := nn.NewLinear(100, 50)
	require.Equal(t, types.Of(graph.F32, 50, 100), l.Weight.Type())
	require.Equal(t, types.Of(graph.F32, 50), l.Bias.Type())
	l.Weight.SetName("fc.weight")
	for _, v := range []*graph.Variable{l.Weight, l.Bias} {
		x := newTensor(t, graph.F32, v.Type().Shape...)
		require.NoError(t, v.Initialize(x, 1))
		largest := 0.0
		for _, e := range value[float32](t, x) {
			largest = max(largest, math.Abs(float64(e)))
		}
		require.LessOrEqual(t, largest, 0.1, "PyTorch's bound is 1/sqrt(in)")
		require.Greater(t, largest, 0.09)
	}
	require.Nil(t, nn.NewLinear(2, 3, nn.NoBias()).Bias)
	require.Equal(t, types.Of(graph.F64, 3), nn.NewLinear(2, 3, nn.WithDType(graph.F64)).Bias.Type())
	x := newTensor(t, graph.F32, 3)
	require.NoError(t, nn.NewLinear(0, 3).Bias.Initialize(x, 1))
	require.Equal(t, []float32{0, 0, 0}, value[float32](t, x))
}

func TestActivations(t *testing.T) {
	in := []float64{-2, -0.5, 0, 1}
	got := eval(t, nil, func(g *graph.Graph) {
		x := graph.Constant(g, in, 2, 2)
		g.Output("relu", nn.ReLU{}.Forward(x))
		g.Output("sigmoid", nn.Sigmoid{}.Forward(x))
		g.Output("tanh", nn.Tanh{}.Forward(x))
		g.Output("rows", nn.Softmax{Dim: -1}.Forward(x))
		g.Output("columns", nn.Softmax{Dim: 0}.Forward(x))
		g.Output("all", nn.Sequential{nn.ReLU{}, nn.Tanh{}}.Forward(x))
		g.Output("none", nn.Sequential{}.Forward(x))
	})
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for i, x := range in {
		require.Equal(t, max(0, x), value[float64](t, got["relu"])[i])
		require.InDelta(t, sigmoid(x), value[float64](t, got["sigmoid"])[i], 1e-15)
		require.InDelta(t, math.Tanh(x), value[float64](t, got["tanh"])[i], 1e-15)
		require.InDelta(t, math.Tanh(max(0, x)), value[float64](t, got["all"])[i], 1e-15)
		// Of two numbers the softmax is the sigmoid of their difference.
		require.InDelta(t, sigmoid(x-in[i^1]), value[float64](t, got["rows"])[i], 1e-15)
		require.InDelta(t, sigmoid(x-in[i^2]), value[float64](t, got["columns"])[i], 1e-15)
	}
	require.Equal(t, in, value[float64](t, got["none"]))
}

// noisy adds 1 in a graph that trains.
type noisy struct{}

func (noisy) Forward(x *graph.Node) *graph.Node {
	if x.Graph().Training() {
		return x.AddScalar(1)
	}
	return x
}

// Whether a layer trains is a property of the graph.
func TestTrainEval(t *testing.T) {
	model := nn.Sequential{noisy{}, nn.ReLU{}, noisy{}}
	for _, c := range []struct {
		option graph.Option
		nodes  int
	}{{graph.Training(), 2}, {graph.Eval(), 0}} {
		g, err := graph.Build("m", func(g *graph.Graph) {
			g.Output("y", model.Forward(g.Input("x", graph.F32, 1)))
		}, c.option)
		require.NoError(t, err)
		adds := 0
		for _, n := range g.IR().Nodes {
			if n.Op.String() == "add" {
				adds++
			}
		}
		require.Equal(t, c.nodes, adds)
	}
}

type block struct {
	InProj *nn.Linear
	Norm2D *graph.Variable `nn:"norm"`
	Cache  *nn.Linear      `nn:"-"`
}

type gpt struct {
	TokEmb *graph.Variable
	Blocks []*block
	Layers nn.Sequential
	Heads  map[string]*nn.Linear
	Tied   *graph.Variable
	Extra  [2]nn.Linear
	Parent *gpt
	Any    any
	Width  int
}

func newGPT() *gpt {
	v := func() *graph.Variable { return graph.NewVariable("", types.Of(graph.F32, 2), nil) }
	m := &gpt{
		TokEmb: v(),
		Blocks: []*block{{nn.NewLinear(2, 3), v(), nn.NewLinear(9, 9)}, {nn.NewLinear(3, 2, nn.NoBias()), nil, nil}},
		Layers: nn.Sequential{nn.NewLinear(1, 1), nn.ReLU{}, nn.NewLinear(1, 1)},
		Heads:  map[string]*nn.Linear{"b": nn.NewLinear(1, 2, nn.NoBias()), "a": nn.NewLinear(1, 1, nn.NoBias())},
		Extra:  [2]nn.Linear{*nn.NewLinear(1, 1, nn.NoBias()), {}},
	}
	m.Tied = m.TokEmb
	m.Parent = m
	m.Any = []any{m, nn.NewLinear(4, 4, nn.NoBias())}
	return m
}

func names(ps []*graph.Variable) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name())
	}
	return out
}

func TestParams(t *testing.T) {
	m := newGPT()
	require.Equal(t, []string{
		"tok_emb",
		"blocks.0.in_proj.weight", "blocks.0.in_proj.bias", "blocks.0.norm", "blocks.1.in_proj.weight",
		"layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias",
		"heads.a.weight", "heads.b.weight", "extra.0.weight", "any.1.weight",
	}, names(nn.Params(m)))
	require.Equal(t, names(nn.Params(m)), names(nn.Params(m)), "asking again changes nothing")

	seq := nn.Sequential{nn.NewLinear(1, 1), nn.Tanh{}, nn.NewLinear(1, 1)}
	require.Equal(t, []string{"0.weight", "0.bias", "2.weight", "2.bias"}, names(nn.Params(seq)), "as in torch.nn.Sequential")
	require.Equal(t, []string{"weight", "bias"}, names(nn.Params(nn.NewLinear(1, 1))))
	require.Empty(t, nn.Params(nn.Sequential{nn.ReLU{}}))
	v := graph.NewVariable("mine", types.Of(graph.F32), nil)
	require.Equal(t, []string{"mine"}, names(nn.Params(v)), "a parameter alone keeps its name")
}

type base struct{ FC *nn.Linear }
type derived struct {
	base
	Head *nn.Linear
}

func TestEmbeddedFields(t *testing.T) {
	m := &derived{base{nn.NewLinear(1, 1, nn.NoBias())}, nn.NewLinear(1, 1, nn.NoBias())}
	require.Equal(t, []string{"fc.weight", "head.weight"}, names(nn.Params(m)))
}

func TestSnakeCase(t *testing.T) {
	w := func() *nn.Linear { return nn.NewLinear(1, 1, nn.NoBias()) }
	m := &struct{ FC1, TokEmb, InProjWeight, HTTPServer, X, Conv2D, Layer10B *nn.Linear }{w(), w(), w(), w(), w(), w(), w()}
	require.Equal(t, []string{
		"fc1.weight", "tok_emb.weight", "in_proj_weight.weight", "http_server.weight", "x.weight", "conv2_d.weight", "layer10_b.weight",
	}, names(nn.Params(m)))
}

type hidden struct {
	FC1 *nn.Linear
	fc2 *nn.Linear
}

func TestParamsMistakes(t *testing.T) {
	var nothing *hidden
	for want, model := range map[string]any{
		"params: a model is a pointer to a struct, not nn_test.hidden":                                                                     hidden{},
		"params: a model is a pointer to a struct, not <nil>":                                                                              nil,
		"params: the model is a nil *nn_test.hidden":                                                                                       nothing,
		"params: field hidden.fc2 is not exported, and its parameters cannot be found: export it, or leave it out with the tag `nn:\"-\"`": &hidden{nn.NewLinear(1, 1), nn.NewLinear(1, 1)},
	} {
		require.Equal(t, want, mistake(t, func(*graph.Graph) { nn.Params(model) }))
	}
	require.Len(t, nn.Params(&hidden{FC1: nn.NewLinear(1, 1)}), 2, "a hidden field that holds nothing does no harm")

	var self struct{ V any }
	self.V = &self
	require.Empty(t, nn.Params(&self))
	var nest any = nn.NewLinear(1, 1)
	for range 1000 {
		nest = struct{ V any }{nest}
	}
	require.Equal(t, "params: the model nests more than 256 deep: does it contain itself?",
		mistake(t, func(*graph.Graph) { nn.Params(&nest) }))
}

func TestTrainable(t *testing.T) {
	m := nn.Sequential{nn.NewLinear(1, 2), nn.NewLinear(2, 1)}
	nn.Params(m)[0].Freeze()
	require.Equal(t, []string{"0.bias", "1.weight", "1.bias"}, names(nn.Trainable(m)))
	nn.Params(m)[0].Unfreeze()
	require.Len(t, nn.Trainable(m), 4)
}

func TestSummary(t *testing.T) {
	m := &struct{ FC1, FC2 *nn.Linear }{nn.NewLinear(784, 128), nn.NewLinear(128, 10, nn.WithDType(graph.F64))}
	require.Equal(t, `parameter   type                  elements
fc1.weight  f32[128,784]            100352
fc1.bias    f32[128]                   128
fc2.weight  f64[10,128]               1280
fc2.bias    f64[10]                     10
total                               101770
`, nn.Summary(m))
	m.FC1.Weight.Freeze()
	require.Equal(t, `parameter   type                  elements
fc1.weight  f32[128,784]            100352  frozen
fc1.bias    f32[128]                   128
fc2.weight  f64[10,128]               1280
fc2.bias    f64[10]                     10
total                               101770
trainable                             1418
`, nn.Summary(m))
}

func TestLayerMistakes(t *testing.T) {
	l := nn.NewLinear(3, 2)
	nn.Params(l)
	for want, f := range map[string]func(g *graph.Graph, x *graph.Node){
		"linear: the last dimension of f32[batch,4] is not that of weight f32[2,3]": func(_ *graph.Graph, x *graph.Node) { l.Forward(x) },
		"linear: the last dimension of f32[] is not that of weight f32[2,3]":        func(_ *graph.Graph, x *graph.Node) { l.Forward(x.Sum()) },
		"linear: the layer has no weight: layers are made by NewLinear":             func(_ *graph.Graph, x *graph.Node) { (&nn.Linear{}).Forward(x) },
		"sequential: layer 1 is nil":                                                func(_ *graph.Graph, x *graph.Node) { nn.Sequential{nn.ReLU{}, nil}.Forward(x) },
	} {
		require.Equal(t, want, mistake(t, func(g *graph.Graph) { f(g, g.Input("x", graph.F32, graph.Dim("batch"), 4)) }))
	}
	require.Contains(t, mistake(t, func(g *graph.Graph) { nn.NewLinear(-1, 2).Forward(g.Input("x", graph.F32, 2, 4)) }), "linear: ")
}

// A model of f64 computes in f64 even where its input is f32.
func TestF64(t *testing.T) {
	m := nn.Sequential{nn.NewLinear(2, 3, nn.WithDType(graph.F64)), nn.Tanh{}}
	nn.Params(m)
	got := eval(t, nil, func(g *graph.Graph) {
		y := m.Forward(graph.Ones(g, graph.F32, 1, 2))
		g.Output("y", y)
		g.Output("loss", nn.CrossEntropy(y, graph.Zeros(g, graph.I32, 1)))
	})
	require.Equal(t, graph.F64, got["y"].DType())
	require.Equal(t, graph.F64, got["loss"].DType())
	require.False(t, tensor.Equal(got["y"], newTensor(t, graph.F64, 1, 3)))
}

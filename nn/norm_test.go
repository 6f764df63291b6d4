package nn_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

func TestNewNorms(t *testing.T) {
	l := nn.NewLayerNorm([]int{3, 4})
	require.Equal(t, []string{"weight", "bias"}, names(nn.Params(l)))
	require.Equal(t, 1e-5, l.Eps)
	x := newTensor(t, graph.F32, 3, 4)
	require.NoError(t, l.Weight.Initialize(x, 1))
	require.Equal(t, []float32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, value[float32](t, x))
	require.NoError(t, l.Bias.Initialize(x, 1))
	require.Equal(t, make([]float32, 12), value[float32](t, x))
	require.Equal(t, []string{"weight"}, names(nn.Params(nn.NewLayerNorm([]int{3}, nn.NoBias()))))
	require.Empty(t, nn.Params(nn.NewLayerNorm([]int{3}, nn.NoAffine())))
	require.Equal(t, types.Of(graph.F64, 3), nn.NewLayerNorm([]int{3}, nn.WithDType(graph.F64), nn.Eps(1)).Weight.Type())
	require.Equal(t, []string{"weight"}, names(nn.Params(nn.NewRMSNorm([]int{3}))))
	require.Empty(t, nn.Params(nn.NewRMSNorm([]int{3}, nn.NoAffine())))
}

func TestNorms(t *testing.T) {
	in := []float64{1, 2, 4, -3, 0, 0.5}
	ln, rms := nn.NewLayerNorm([]int{3}, nn.NoAffine(), nn.Eps(0.1)), nn.NewRMSNorm([]int{3}, nn.NoAffine(), nn.Eps(0.1))
	got := eval(t, nil, func(g *graph.Graph) {
		x := graph.Constant(g, in, 2, 3)
		g.Output("layer", ln.Forward(x))
		g.Output("rms", rms.Forward(x))
		g.Output("all", nn.NewLayerNorm([]int{2, 3}, nn.NoAffine()).Forward(x))
		g.Output("default", nn.NewRMSNorm([]int{2}, nn.NoAffine()).Forward(graph.Constant(g, []float32{1e-4, -1e-4}, 2)))
	})
	for r := range 2 {
		row := in[3*r:][:3]
		var sum, squares float64
		for _, v := range row {
			sum += v
			squares += v * v
		}
		mean := sum / 3
		for i, v := range row {
			require.InDelta(t, (v-mean)/math.Sqrt(squares/3-mean*mean+0.1), value[float64](t, got["layer"])[3*r+i], 1e-12)
			require.InDelta(t, v/math.Sqrt(squares/3+0.1), value[float64](t, got["rms"])[3*r+i], 1e-12)
		}
	}
	var sum, squares float64
	for _, v := range value[float64](t, got["all"]) {
		sum += v
		squares += v * v
	}
	require.InDelta(t, 0, sum, 1e-12)
	require.InDelta(t, 6, squares, 1e-4)
	require.InDelta(t, 1e-4/math.Sqrt(1e-8+0x1p-23), value[float32](t, got["default"])[0], 1e-6)
}

func TestNormMistakes(t *testing.T) {
	x := func(g *graph.Graph) *graph.Node { return g.Input("x", graph.F32, graph.Dim("batch"), 4) }
	for want, f := range map[string]func(g *graph.Graph){
		"layer_norm: the last dimensions of f32[batch,4] are not those normalised, [3]":     func(g *graph.Graph) { nn.NewLayerNorm([]int{3}).Forward(x(g)) },
		"layer_norm: the last dimensions of f32[batch,4] are not those normalised, [1,2,4]": func(g *graph.Graph) { nn.NewLayerNorm([]int{1, 2, 4}).Forward(x(g)) },
		"layer_norm: the last dimensions of f32[batch,4] are not those normalised, []":      func(g *graph.Graph) { nn.NewLayerNorm([]int{}).Forward(x(g)) },
		"layer_norm: the layer has no shape: layers are made by NewLayerNorm":               func(g *graph.Graph) { (&nn.LayerNorm{}).Forward(x(g)) },
		"layer_norm: eps -1 is negative or not finite":                                      func(g *graph.Graph) { nn.NewLayerNorm([]int{4}, nn.Eps(-1)).Forward(x(g)) },
		"layer_norm: weight f32[3] is not of the dimensions normalised, [4]":                func(g *graph.Graph) { x(g).LayerNorm([]int{4}, graph.Ones(g, graph.F32, 3), nil, 0) },
		"layer_norm: bias f32[1] is not of the dimensions normalised, [4]":                  func(g *graph.Graph) { x(g).LayerNorm([]int{4}, nil, graph.Ones(g, graph.F32, 1), 0) },
		"layer_norm: wants floating-point numbers, got i32[4]":                              func(g *graph.Graph) { nn.NewLayerNorm([]int{4}).Forward(graph.Zeros(g, graph.I32, 4)) },
		"rms_norm: the last dimensions of f32[batch,4] are not those normalised, [5]":       func(g *graph.Graph) { nn.NewRMSNorm([]int{5}).Forward(x(g)) },
		"rms_norm: the layer has no shape: layers are made by NewRMSNorm":                   func(g *graph.Graph) { (&nn.RMSNorm{}).Forward(x(g)) },
		"rms_norm: eps +Inf is negative or not finite":                                      func(g *graph.Graph) { nn.NewRMSNorm([]int{4}, nn.Eps(math.Inf(1))).Forward(x(g)) },
		"embedding: the layer has no weight: layers are made by NewEmbedding":               func(g *graph.Graph) { (&nn.Embedding{}).Forward(x(g)) },
		"embedding: wants integers, got f32[batch,4]":                                       func(g *graph.Graph) { nn.NewEmbedding(3, 4).Forward(x(g)) },
		"embedding: the padding row is out of range for weight weight f32[3,4]":             func(g *graph.Graph) { nn.NewEmbedding(3, 4, nn.PaddingIndex(3)).Forward(x(g).Cast(graph.I32)) },
		"embedding: the padding row is out of range for weight weight f32[2,4]":             func(g *graph.Graph) { nn.NewEmbedding(2, 4, nn.PaddingIndex(-3)).Forward(x(g).Cast(graph.I32)) },
		"embedding: weight w is f32[3]: wants count and size": func(g *graph.Graph) {
			(&nn.Embedding{Weight: graph.NewVariable("w", types.Of(graph.F32, 3), nil)}).Forward(x(g))
		},
		"dropout: probability -0.1 is not between 0 and 1":         func(g *graph.Graph) { nn.Dropout{P: -0.1}.Forward(x(g)) },
		"dropout: probability NaN is not between 0 and 1":          func(g *graph.Graph) { nn.Dropout{P: math.NaN()}.Forward(x(g)) },
		"dropout: wants floating-point numbers, got bool[batch,4]": func(g *graph.Graph) { nn.Dropout{P: 0.1}.Forward(x(g).Cast(graph.Bool)) },
	} {
		require.Equal(t, want, mistake(t, f))
	}
}

// Of f16 and bf16, normalisations, averages and dropout are computed in f32 and
// rounded once.
func TestHalfPrecision(t *testing.T) {
	in := make([]float32, 2*4*6)
	for i := range in {
		in[i] = float32((i*37)%29)/7 - 2
	}
	layers := map[string]nn.Layer{
		"layer_norm": nn.NewLayerNorm([]int{6}), "rms_norm": nn.NewRMSNorm([]int{6}), "group_norm": nn.NewGroupNorm(2, 4),
		"batch_norm": nn.NewBatchNorm1d(4, nn.NoRunningStatistics()), "avg_pool": nn.NewAvgPool1d(3, nn.Padding(1)),
		"adaptive_avg_pool": nn.AdaptiveAvgPool{Parts: []int{4}}, "dropout": nn.Dropout{P: 0.3},
	}
	nn.Params(layers)
	for _, d := range []types.DType{graph.F16, graph.BF16} {
		got := map[string]*tensor.Tensor{}
		for _, wide := range []bool{false, true} {
			g, err := graph.Build("half", func(g *graph.Graph) {
				x := graph.Constant(g, in, 2, 4, 6).Cast(d)
				for _, name := range slices.Sorted(maps.Keys(layers)) {
					if wide {
						g.Output(name+"true", layers[name].Forward(x.Cast(graph.F32)).Cast(d))
					} else {
						g.Output(name+"false", layers[name].Forward(x))
					}
				}
			}, graph.Training())
			require.NoError(t, err)
			s := session.New(interp.New(), session.WithSeed(1))
			step, err := s.Compile(g)
			require.NoError(t, err)
			out, err := step.Run(t.Context(), nil)
			require.NoError(t, err)
			for _, name := range out.Names() {
				got[name], err = out.Tensor(name)
				require.NoError(t, err)
			}
			require.NoError(t, s.Close())
		}
		for name := range layers {
			require.Equal(t, d, got[name+"false"].DType(), name)
			require.True(t, tensor.Equal(got[name+"false"], got[name+"true"]), "%s of %v", name, d)
		}
	}
}

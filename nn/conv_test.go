package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
)

func TestNewConv(t *testing.T) {
	c := nn.NewConv2d(6, 8, 3, nn.Groups(2))
	require.Equal(t, []string{"weight", "bias"}, names(nn.Params(c)))
	require.Equal(t, types.Of(graph.F32, 8, 3, 3, 3), c.Weight.Type())
	require.Equal(t, types.Of(graph.F32, 8), c.Bias.Type())
	for _, v := range []*graph.Variable{c.Weight, c.Bias} {
		x := newTensor(t, graph.F32, v.Type().Shape...)
		require.NoError(t, v.Initialize(x, 1))
		largest := 0.0
		for _, e := range value[float32](t, x) {
			largest = max(largest, math.Abs(float64(e)))
		}
		bound := 1 / math.Sqrt(27)
		require.LessOrEqual(t, largest, bound, "PyTorch's bound is 1/sqrt(in/groups*kernel*kernel)")
		require.Greater(t, largest, 0.6*bound)
	}
	require.Nil(t, nn.NewConv1d(2, 3, 1, nn.NoBias()).Bias)
	require.Equal(t, types.Of(graph.F64, 3, 2, 5), nn.NewConv1d(2, 3, 5, nn.WithDType(graph.F64)).Weight.Type())
	require.Equal(t, types.Of(graph.F32, 3, 2, 1, 5), nn.NewConv2d(2, 3, 0, nn.KernelSize(1, 5)).Weight.Type())
}

// shapeOf returns the shape that a layer makes of the shape of x.
func shapeOf(t *testing.T, l nn.Layer, dims ...int) []int {
	t.Helper()
	nn.Params(&struct{ L nn.Layer }{l})
	var s types.Shape
	_, err := graph.Build("shape", func(g *graph.Graph) {
		y := l.Forward(g.Input("x", graph.F32, dims...))
		s = y.Shape()
		g.Output("y", y)
	}, graph.Training())
	require.NoError(t, err)
	return s
}

// The shapes are those that PyTorch gives.
func TestLayerShapes(t *testing.T) {
	for _, c := range []struct {
		layer    nn.Layer
		in, want []int
	}{
		{nn.NewConv2d(3, 8, 3), []int{2, 3, 10, 12}, []int{2, 8, 8, 10}},
		{nn.NewConv2d(3, 8, 3), []int{3, 10, 12}, []int{8, 8, 10}},
		{nn.NewConv2d(3, 8, 3, nn.Padding(1), nn.Stride(2)), []int{2, 3, 10, 13}, []int{2, 8, 5, 7}},
		{nn.NewConv2d(3, 8, 5, nn.Padding(0, 2), nn.Stride(3, 1)), []int{2, 3, 10, 12}, []int{2, 8, 2, 12}},
		{nn.NewConv2d(3, 6, 4, nn.PaddingSame(), nn.Dilation(1, 3), nn.Groups(3)), []int{2, 3, 5, 6}, []int{2, 6, 5, 6}},
		{nn.NewConv1d(4, 4, 3, nn.Groups(4), nn.Dilation(2)), []int{2, 4, 9}, []int{2, 4, 5}},
		{nn.NewMaxPool2d(2), []int{2, 3, 7, 8}, []int{2, 3, 3, 4}},
		{nn.NewMaxPool2d(3, nn.Stride(2), nn.Padding(1), nn.CeilMode()), []int{2, 3, 8, 9}, []int{2, 3, 5, 5}},
		{nn.NewMaxPool2d(2, nn.CeilMode()), []int{3, 7, 7}, []int{3, 4, 4}},
		{nn.NewMaxPool1d(2, nn.Stride(2), nn.Padding(1), nn.CeilMode()), []int{1, 1, 2}, []int{1, 1, 2}},
		{nn.NewAvgPool2d(0, nn.KernelSize(1, 3), nn.Stride(1)), []int{2, 3, 7, 8}, []int{2, 3, 7, 6}},
		{nn.NewAvgPool1d(3), []int{2, 3, 7}, []int{2, 3, 2}},
		{nn.AdaptiveAvgPool{Parts: []int{2, 3}}, []int{2, 3, 7, 8}, []int{2, 3, 2, 3}},
		{nn.AdaptiveMaxPool{Parts: []int{5}}, []int{2, 3, 7}, []int{2, 3, 5}},
		{nn.AdaptiveAvgPool{Parts: []int{1, 1}}, []int{2, 3, 7, 8}, []int{2, 3, 1, 1}},
		{nn.Upsample{Scale: []float64{2}}, []int{2, 3, 4, 5}, []int{2, 3, 8, 10}},
		{nn.Upsample{Scale: []float64{1.5, 0.4}}, []int{2, 3, 4, 5}, []int{2, 3, 6, 2}},
		{nn.Upsample{Size: []int{7}}, []int{2, 3, 4}, []int{2, 3, 7}},
		{nn.NewBatchNorm1d(3), []int{4, 3}, []int{4, 3}},
		{nn.NewBatchNorm1d(3), []int{4, 3, 5}, []int{4, 3, 5}},
		{nn.NewBatchNorm2d(3), []int{1, 3, 5, 5}, []int{1, 3, 5, 5}},
		{nn.NewGroupNorm(2, 4), []int{1, 4, 2}, []int{1, 4, 2}},
		{nn.Flatten{}, []int{2, 3, 4}, []int{2, 12}},
		{nn.Identity{}, []int{2}, []int{2}},
	} {
		require.Equal(t, c.want, shapeOf(t, c.layer, c.in...), "%T%+v of %v", c.layer, c.layer, c.in)
	}
}

func TestWindowMistakes(t *testing.T) {
	batch := graph.Dim("batch")
	for want, f := range map[string]func(x *graph.Node){
		"conv2d: f32[batch,3,8,8] is not [batch,4,...] or [4,...], which weight weight f32[6,4,3,3] in 1 groups wants": func(x *graph.Node) { nn.NewConv2d(4, 6, 3).Forward(x) },
		"conv1d: f32[batch,3,8,8] is not [batch,3,...] or [3,...], which weight weight f32[6,3,3] in 1 groups wants":   func(x *graph.Node) { nn.NewConv1d(3, 6, 3).Forward(x) },
		"conv2d: 3 input and 8 output channels in 2 groups: wants groups that divide both":                             func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Groups(2)).Forward(x) },
		"conv2d: 3 input and 8 output channels in 0 groups: wants groups that divide both":                             func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Groups(0)).Forward(x) },
		"conv2d: -3 input and 8 output channels in 1 groups: wants groups that divide both":                            func(x *graph.Node) { nn.NewConv2d(-3, 8, 3).Forward(x) },
		"conv2d: kernel size [0 0]: wants 2 numbers of at least 1":                                                     func(x *graph.Node) { nn.NewConv2d(3, 8, 0).Forward(x) },
		"conv2d: kernel size [1 2 3]: wants 2 numbers of at least 1":                                                   func(x *graph.Node) { nn.NewConv2d(3, 8, 1, nn.KernelSize(1, 2, 3)).Forward(x) },
		"conv2d: padding [1], and the padding that keeps the size: wants one of them":                                  func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Padding(1), nn.PaddingSame()).Forward(x) },
		"conv2d: stride [2 2]: padding keeps the size of a convolution of stride 1 only":                               func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.PaddingSame(), nn.Stride(2)).Forward(x) },
		"conv: a window of 9 elements 1 apart does not fit dimension 2 of f32[batch,3,8,8] with padding 0 and 0":       func(x *graph.Node) { nn.NewConv2d(3, 8, 9).Forward(x) },
		"conv: a window of 4 elements 3 apart does not fit dimension 2 of f32[batch,3,8,8] with padding 0 and 0":       func(x *graph.Node) { nn.NewConv2d(3, 8, 4, nn.Dilation(3)).Forward(x) },
		"conv: stride [0 0]: wants at least 1 for each spatial dimension of f32[batch,3,8,8]":                          func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Stride(0)).Forward(x) },
		"conv: stride [1 2 3]: wants 2 numbers, one for each spatial dimension of f32[batch,3,8,8]":                    func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Stride(1, 2, 3)).Forward(x) },
		"conv: dilation [-1 -1]: wants at least 1 for each spatial dimension of f32[batch,3,8,8]":                      func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Dilation(-1)).Forward(x) },
		"conv: low padding [-1 -1]: wants at least 0 for each spatial dimension of f32[batch,3,8,8]":                   func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Padding(-1)).Forward(x) },
		"conv: low padding [562949953421312 562949953421312] of f32[batch,3,8,8] is too large":                         func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Padding(1<<49)).Forward(x) },
		"layer: an option is nil":        func(x *graph.Node) { nn.NewConv2d(3, 8, 3, nn.Padding(1), nil).Forward(x) },
		"divisor: sums are divided by 0": func(x *graph.Node) { nn.NewAvgPool2d(3, nn.Divisor(0)).Forward(x) },
		"conv: the layer has no weight: layers are made by NewConv1d and NewConv2d":                              func(x *graph.Node) { (&nn.Conv{}).Forward(x) },
		"max_pool2d: wants [batch,channels,...] or [channels,...] with 2 spatial dimensions, got f32[batch,192]": func(x *graph.Node) { nn.NewMaxPool2d(2).Forward(nn.Flatten{}.Forward(x)) },
		"max_pool: padding 2 and 2 of dimension 2 of f32[batch,3,8,8] is more than half of a window of 3 elements 1 apart": func(x *graph.Node) {
			nn.NewMaxPool2d(3, nn.Padding(2)).Forward(x)
		},
		"avg_pool: averages are of windows without dilation, got [2 2]": func(x *graph.Node) { nn.NewAvgPool2d(3, nn.Dilation(2)).Forward(x) },
		"avg_pool: stride [1 1 1]: wants 2 numbers, one for each spatial dimension of f32[batch,3,8,8]": func(x *graph.Node) {
			nn.NewAvgPool2d(3, nn.Stride(1, 1, 1)).Forward(x)
		},
		"max_pool: a window of 9 elements 1 apart does not fit dimension 2 of f32[batch,3,8,8] with padding 0 and 0": func(x *graph.Node) { nn.NewMaxPool2d(9).Forward(x) },
		"max_pool: size [0 0]: wants at least 1 for each spatial dimension of f32[batch,3,8,8]":                      func(x *graph.Node) { nn.NewMaxPool2d(0).Forward(x) },
		"max_pool: wants floating-point numbers, got i32[batch,3,8,8]":                                               func(x *graph.Node) { nn.NewMaxPool2d(2).Forward(x.Cast(graph.I32)) },
		"adaptive_avg_pool: [0,2] parts of f32[batch,3,8,8]: wants at least 1":                                       func(x *graph.Node) { nn.AdaptiveAvgPool{Parts: []int{0, 2}}.Forward(x) },
		"adaptive_max_pool: 20000000 parts of 8 elements of f32[batch,3,8,8]: more than 2^24":                        func(x *graph.Node) { nn.AdaptiveMaxPool{Parts: []int{3, 20000000}}.Forward(x) },
		"upsample: wants either a size or a scale, got [] and []":                                                    func(x *graph.Node) { nn.Upsample{}.Forward(x) },
		"upsample: scale NaN of f32[batch,3,8,8]: wants a finite number that leaves elements":                        func(x *graph.Node) { nn.Upsample{Scale: []float64{math.NaN()}}.Forward(x) },
		"upsample: scale 0.1 of f32[batch,3,8,8]: wants a finite number that leaves elements":                        func(x *graph.Node) { nn.Upsample{Scale: []float64{0.1}}.Forward(x) },
		"upsample: from 8 to 99999999 elements of dimension 3 of f32[batch,3,16,8]: more than 2^24":                  func(x *graph.Node) { nn.Upsample{Size: []int{16, 99999999}}.Forward(x) },
		"upsample: size [0,0] for f32[batch,3,8,8]: wants at least 1":                                                func(x *graph.Node) { nn.Upsample{Size: []int{0}}.Forward(x) },
		"upsample: wants [batch,channels,...], got f32[batch,192]":                                                   func(x *graph.Node) { nn.Upsample{Size: []int{3}}.Forward(nn.Flatten{}.Forward(x)) },
		"flatten: wants [batch,...] of at least two dimensions, got f32[]":                                           func(x *graph.Node) { nn.Flatten{}.Forward(x.Sum()) },
	} {
		require.Equal(t, want, mistake(t, func(g *graph.Graph) { f(g.Input("x", graph.F32, batch, 3, 8, 8)) }))
	}
}

func TestChannelNormMistakes(t *testing.T) {
	batch := graph.Dim("batch")
	for want, f := range map[string]func(x *graph.Node){
		"batch_norm2d: wants [batch,4,...] with 2 spatial dimensions, got f32[batch,6,8,8]":           func(x *graph.Node) { nn.NewBatchNorm2d(4).Forward(x) },
		"batch_norm1d: wants [batch,6,...] with 1 spatial dimensions, got f32[batch,6,8,8]":           func(x *graph.Node) { nn.NewBatchNorm1d(6).Forward(x) },
		"batch_norm: layers are made by NewBatchNorm1d and NewBatchNorm2d":                            func(x *graph.Node) { (&nn.BatchNorm{}).Forward(x) },
		"batch_norm2d: momentum 2 is more than 1":                                                     func(x *graph.Node) { nn.NewBatchNorm2d(6, nn.Momentum(2)).Forward(x) },
		"batch_norm: eps -1 is negative or not finite":                                                func(x *graph.Node) { nn.NewBatchNorm2d(6, nn.Eps(-1)).Forward(x) },
		"batch_norm1d: the variance of 1 elements per channel of f32[1,6]: training wants at least 2": func(x *graph.Node) { nn.NewBatchNorm1d(6).Forward(graph.Zeros(x.Graph(), graph.F32, 1, 6)) },
		"batch_norm: bias f32[1] does not have the channels of f32[batch,6,8,8]": func(x *graph.Node) {
			one := x.Sum().Reshape(1)
			x.BatchNorm(x.Sum(0, 2, 3), x.Sum(0, 2, 3), nil, one, 0)
		},
		"batch_norm: mean f32[1] does not have the channels of f32[batch,6,8,8]": func(x *graph.Node) { one := x.Sum().Reshape(1); x.BatchNorm(one, one, nil, nil, 0) },
		"group_norm: wants [batch,4,...], got f32[batch,6,8,8]":                  func(x *graph.Node) { nn.NewGroupNorm(2, 4).Forward(x) },
		"group_norm: 4 groups do not divide the channels of f32[batch,6,8,8]":    func(x *graph.Node) { nn.NewGroupNorm(4, 6).Forward(x) },
		"group_norm: the layer has no groups: layers are made by NewGroupNorm":   func(x *graph.Node) { (&nn.GroupNorm{}).Forward(x) },
		"group_norm: eps NaN is negative or not finite":                          func(x *graph.Node) { nn.NewGroupNorm(3, 6, nn.Eps(math.NaN())).Forward(x) },
	} {
		_, err := graph.Build("test", func(g *graph.Graph) { f(g.Input("x", graph.F32, batch, 6, 8, 8)) }, graph.Training())
		var e *graph.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "conv_test.go", e.Pos.File)
		e.Pos.Line = 0
		require.Equal(t, want, e.Error())
	}
}

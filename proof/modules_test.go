package proof

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/nn"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
)

// modules are the layers of the table MODULES in testdata/ops/layers.py.
var modules = map[string]func() any{
	"linear":         func() any { return nn.NewLinear(5, 3) },
	"linear_no_bias": func() any { return nn.NewLinear(5, 3, nn.NoBias()) },
	"conv1d":         func() any { return nn.NewConv1d(3, 4, 3, nn.Stride(2), nn.Padding(1)) },
	"conv2d":         func() any { return nn.NewConv2d(3, 4, 3) },
	"conv2d_options": func() any {
		return nn.NewConv2d(4, 6, 0, nn.KernelSize(3, 2), nn.Stride(2, 1), nn.Padding(1, 2), nn.Dilation(1, 2), nn.Groups(2))
	},
	"conv2d_same":      func() any { return nn.NewConv2d(2, 3, 4, nn.PaddingSame(), nn.NoBias()) },
	"conv2d_depthwise": func() any { return nn.NewConv2d(3, 6, 3, nn.Padding(1), nn.Groups(3)) },
	"max_pool1d":       func() any { return nn.NewMaxPool1d(3, nn.Stride(2), nn.Padding(1)) },
	"max_pool2d":       func() any { return nn.NewMaxPool2d(2) },
	"max_pool2d_options": func() any {
		return nn.NewMaxPool2d(0, nn.KernelSize(2, 3), nn.Stride(1), nn.Padding(1), nn.Dilation(2, 1), nn.CeilMode())
	},
	"avg_pool1d":         func() any { return nn.NewAvgPool1d(2, nn.Padding(1), nn.CeilMode()) },
	"avg_pool2d":         func() any { return nn.NewAvgPool2d(3, nn.Stride(2), nn.Padding(1), nn.ExcludePadding()) },
	"avg_pool2d_divisor": func() any { return nn.NewAvgPool2d(2, nn.Divisor(3)) },

	"adaptive_avg_pool2d":     func() any { return nn.AdaptiveAvgPool{Parts: []int{3, 1}} },
	"adaptive_max_pool1d":     func() any { return nn.AdaptiveMaxPool{Parts: []int{4}} },
	"upsample":                func() any { return nn.Upsample{Scale: []float64{2}} },
	"upsample_size":           func() any { return nn.Upsample{Size: []int{7, 3}} },
	"batch_norm1d":            func() any { return nn.NewBatchNorm1d(4) },
	"batch_norm2d":            func() any { return nn.NewBatchNorm2d(3, nn.Eps(1e-2), nn.Momentum(0.3)) },
	"batch_norm2d_cumulative": func() any { return nn.NewBatchNorm2d(3, nn.CumulativeAverage()) },
	"batch_norm1d_plain":      func() any { return nn.NewBatchNorm1d(3, nn.NoAffine()) },
	"batch_norm1d_untracked":  func() any { return nn.NewBatchNorm1d(3, nn.NoRunningStatistics()) },
	"layer_norm":              func() any { return nn.NewLayerNorm([]int{6}) },
	"layer_norm_options":      func() any { return nn.NewLayerNorm([]int{3, 4}, nn.Eps(0.1), nn.NoBias()) },
	"rms_norm":                func() any { return nn.NewRMSNorm([]int{6}) },
	"group_norm":              func() any { return nn.NewGroupNorm(2, 6) },
	"embedding":               func() any { return nn.NewEmbedding(7, 3) },
	"embedding_padding":       func() any { return nn.NewEmbedding(7, 3, nn.PaddingIndex(-5)) },
	"flatten":                 func() any { return nn.Flatten{} },
	"identity":                func() any { return nn.Identity{} },
	"sequential": func() any {
		return nn.Sequential{
			nn.NewConv2d(1, 4, 3, nn.Padding(1), nn.NoBias()), nn.NewBatchNorm2d(4), nn.ReLU{}, nn.NewMaxPool2d(2), nn.Flatten{},
			nn.NewLinear(24, 5), nn.NewLayerNorm([]int{5}),
		}
	},
}

// module runs a case of a module: from PyTorch's state, two steps that train,
// with the gradients of input and parameters and the state after each, and an
// evaluation.
func (c *record) module(t *testing.T, s *suite, dev device.Device) *ir.Graph {
	make := modules[c.Attr.Module]
	require.NotNil(t, make, c.Name)
	model := make()
	layer := model.(nn.Layer)
	variables := []*graph.Variable{}
	switch model.(type) {
	case nn.Flatten, nn.Identity, nn.MaxPool, nn.AvgPool, nn.AdaptiveAvgPool, nn.AdaptiveMaxPool, nn.Upsample:
	default:
		variables = nn.Params(model)
	}
	var names []string
	for _, v := range variables {
		names = append(names, v.Name())
	}
	require.True(t, slices.Equal(c.Attr.State, names), "%s: the state_dict has %v, the layer %v", c.Name, c.Attr.State, names)
	in, out := s.tensors(t, c.In), s.tensors(t, c.Out)
	state, in := in[:len(names)], in[len(names):]
	x, ct := in[0], in[1]
	build := func(mode graph.Option) *graph.Graph {
		g, err := graph.Build(c.Name, func(g *graph.Graph) {
			fed := g.Input("x", x.DType(), x.Shape()...)
			y := layer.Forward(fed)
			g.Output("y", y)
			if !g.Training() {
				return
			}
			var wrt []*node
			if x.DType().IsFloat() {
				wrt = append(wrt, fed)
			}
			for _, v := range variables {
				if v.Trainable() {
					wrt = append(wrt, g.Var(v))
				}
			}
			for i, d := range graph.VJP([]*node{y}, []*node{g.Input("ct", ct.DType(), ct.Shape()...)}, wrt) {
				g.Output(fmt.Sprint("d", i), d)
			}
		}, mode)
		require.NoError(t, err, c.Name)
		return g
	}
	ses := session.New(dev)
	defer ses.Close()
	run := func(g *graph.Graph, feeds session.Feeds) {
		step, err := ses.Compile(g)
		require.NoError(t, err, c.Name)
		defer step.Close()
		for i, name := range names {
			if state != nil {
				require.NoError(t, ses.Set(name, state[i]), c.Name)
			}
		}
		state = nil
		res, err := step.Run(t.Context(), feeds)
		require.NoError(t, err, c.Name)
		defer res.Release()
		for _, name := range res.Names() {
			got, err := res.Tensor(name)
			require.NoError(t, err)
			require.NoError(t, chains.compare(got, out[0]), "%s: %s", c.Name, name)
			out = out[1:]
		}
	}
	train := build(graph.Training())
	for i := range 2 {
		x, ct = in[2*i], in[2*i+1]
		run(train, session.Feeds{"x": x, "ct": ct})
		for k, v := range variables {
			if train.VariableByName(names[k]) == nil {
				out = out[1:]
				continue
			}
			got, err := ses.Get(v.Name())
			require.NoError(t, err, c.Name)
			require.NoError(t, chains.compare(got, out[0]), "%s: %s after step %d", c.Name, names[k], i)
			out = out[1:]
		}
	}
	run(build(graph.Eval()), session.Feeds{"x": x})
	require.Empty(t, out, c.Name)
	return train.IR()
}

// Every module of the table has cases.
func TestModulesAreTested(t *testing.T) {
	met := map[string]bool{}
	for _, c := range cases(t).cases {
		met[c.Attr.Module] = true
	}
	for name := range modules {
		require.True(t, met[name], "testdata/ops has no case of module %s", name)
	}
}

package nn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
)

func TestEmbedding(t *testing.T) {
	e := &nn.Embedding{Weight: fixed(t, []float32{0, 1, 10, 11, 20, 21}, 3, 2), Padding: -1}
	for _, d := range []types.DType{graph.I32, graph.I64, graph.U8} {
		got := eval(t, nil, func(g *graph.Graph) {
			g.Output("y", e.Forward(graph.Constant(g, []int64{2, 0, 2, 1}, 2, 2).Cast(d)))
		})
		require.Equal(t, []int{2, 2, 2}, []int(got["y"].Shape()))
		require.Equal(t, []float32{20, 21, 0, 1, 20, 21, 10, 11}, value[float32](t, got["y"]))
	}
}

func TestNewEmbedding(t *testing.T) {
	e := nn.NewEmbedding(500, 8, nn.PaddingIndex(-2))
	require.Equal(t, 498, e.Padding)
	require.Equal(t, []string{"weight"}, names(nn.Params(e)))
	x := newTensor(t, graph.F32, 500, 8)
	require.NoError(t, e.Weight.Initialize(x, 3))
	v := value[float32](t, x)
	var squares float64
	for i, w := range v {
		if i/8 == 498 {
			require.Zero(t, w)
		} else {
			require.NotZero(t, w)
		}
		squares += float64(w) * float64(w)
	}
	require.InDelta(t, 1, squares/float64(499*8), 0.1, "standard normal")
	require.ErrorContains(t, nn.NewEmbedding(2, 3, nn.PaddingIndex(7)).Weight.Initialize(newTensor(t, graph.F32, 2, 3), 1), "out of range")
	require.Equal(t, graph.F64, nn.NewEmbedding(2, 3, nn.WithDType(graph.F64)).Weight.Type().DType)
}

// The row of padding is read, but has no gradient.
func TestEmbeddingPadding(t *testing.T) {
	e := &nn.Embedding{Weight: fixed(t, []float32{1, 2, 3, 4, 5, 6}, 3, 2), Padding: 1}
	got := eval(t, nil, func(g *graph.Graph) {
		y := e.Forward(graph.Constant(g, []uint8{1, 2, 2, 1}, 4))
		g.Output("y", y)
		g.Output("dw", g.Grad(y.Sum(), g.Var(e.Weight))[0])
	})
	require.Equal(t, []float32{3, 4, 5, 6, 5, 6, 3, 4}, value[float32](t, got["y"]))
	require.Equal(t, []float32{0, 0, 0, 0, 2, 2}, value[float32](t, got["dw"]))
}

// dropped runs two steps of a dropout of ones and its gradient.
func dropped(t *testing.T, dev device.Device, p float64, training graph.Option) (ys, ds [2][]float32) {
	defer dev.Close()
	g, err := graph.Build("dropout", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 50, 100)
		y := nn.Dropout{P: p}.Forward(x)
		g.Output("y", y)
		g.Output("dx", g.Grad(y.Sum(), x)[0])
	}, training)
	require.NoError(t, err)
	s := session.New(dev, session.WithSeed(5))
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	one := newTensor(t, graph.F32, 50, 100)
	require.NoError(t, nn.Ones()(one, 0))
	for i := range ys {
		out, err := step.Run(t.Context(), session.Feeds{"x": one})
		require.NoError(t, err)
		for name, to := range map[string]*[]float32{"y": &ys[i], "dx": &ds[i]} {
			v, err := out.Tensor(name)
			require.NoError(t, err)
			*to = append([]float32{}, value[float32](t, v)...)
		}
		out.Release()
	}
	return ys, ds
}

func TestDropout(t *testing.T) {
	ys, ds := dropped(t, interp.New(), 0.25, graph.Training())
	onCPU, _ := dropped(t, cpu.New(), 0.25, graph.Training())
	require.Equal(t, ys, onCPU, "every device drops the same")
	require.Equal(t, ys, ds, "of ones, the value is the gradient")
	require.NotEqual(t, ys[0], ys[1], "every step drops others")
	kept := 0
	for _, y := range ys[0] {
		if y != 0 {
			require.Equal(t, float32(1/0.75), y)
			kept++
		}
	}
	require.InDelta(t, 0.75, float64(kept)/5000, 0.03)

	ys, ds = dropped(t, interp.New(), 0.25, graph.Eval())
	for _, v := range ys[0] {
		require.Equal(t, float32(1), v)
	}
	require.Equal(t, ys, ds)
	ys, ds = dropped(t, interp.New(), 1, graph.Training())
	require.Equal(t, make([]float32, 5000), ys[0])
	require.Equal(t, ys, ds)
}

package models

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

func TestNames(t *testing.T) {
	require.Equal(t, []string{
		"mnist", "mnist:train", "cnn", "cnn:train", "gpt", "gpt:train", "gpt:decode", "basic_autograd", "ew_gelu_chain", "ew_broadcast", "softmax_rows", "layernorm_rows",
		"sumsq_cols", "gemm_f32", "train_mlp_mnist_b128", "train_cnn_mnist_b128", "train_gpt_d128_l4_t64_b16",
	}, Names())
	_, err := Get("minst")
	require.ErrorContains(t, err, `no example is named "minst"; there are mnist, mnist:train, cnn, `)
}

// Every example builds at its full size, verifies, and its feeds fit.
func TestFullSize(t *testing.T) {
	for _, name := range Names() {
		e, err := Get(name)
		require.NoError(t, err)
		require.Equal(t, name, e.Name)
		require.NotEmpty(t, e.Doc)
		g, err := e.Build()
		require.NoError(t, err)
		require.NoError(t, g.IR().Verify(), name)
		if testing.Short() {
			continue
		}
		feeds := e.Feeds(1)
		require.Len(t, feeds, len(g.Inputs()))
		for _, in := range g.Inputs() {
			f := feeds[in.Name]
			require.NotNil(t, f, "%s: %s", name, in.Name)
			require.Equal(t, in.DType, f.DType())
			for i, d := range in.Dims {
				if d >= 0 {
					require.Equal(t, d, f.Shape()[i])
				}
			}
		}
	}
}

func TestSmallSizeRuns(t *testing.T) {
	for _, d := range definitions {
		t.Run(d.name, func(t *testing.T) {
			e := d.at(d.small)
			g, err := e.Build()
			require.NoError(t, err)
			s := session.New(interp.New(interp.WithPoison()), session.WithDebug("check"))
			defer s.Close()
			step, err := s.Compile(g)
			require.NoError(t, err)
			var outs [2]*session.Results
			for i := range outs {
				outs[i], err = step.Run(t.Context(), e.Feeds(uint64(i)))
				require.NoError(t, err)
			}
			for _, name := range outs[0].Names() {
				a, err := outs[0].Tensor(name)
				require.NoError(t, err)
				b, err := outs[1].Tensor(name)
				require.NoError(t, err)
				f, err := a.Convert(types.F64)
				require.NoError(t, err)
				v, err := tensor.Data[float64](f)
				require.NoError(t, err)
				for _, x := range v {
					require.False(t, math.IsNaN(x) || math.IsInf(x, 0))
				}
				require.Equal(t, a.Type(), b.Type())
				if name != "accuracy" && name != "next" {
					require.False(t, tensor.Equal(a, b), "the output %s does not depend on the feeds", name)
				}
			}
		})
	}
}

func TestFeeds(t *testing.T) {
	e, err := Get("mnist")
	require.NoError(t, err)
	a, b, c := e.Feeds(7), e.Feeds(7), e.Feeds(8)
	require.True(t, tensor.Equal(a["image"], b["image"]))
	require.False(t, tensor.Equal(a["image"], c["image"]))
	x, err := tensor.Data[float32](a["image"])
	require.NoError(t, err)
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(x))
	require.InDelta(t, 0, sum/n, 0.02)
	require.InDelta(t, 1, squares/n, 0.02)
	labels, err := tensor.Data[int32](a["label"])
	require.NoError(t, err)
	var seen [MNISTClasses]bool
	for _, l := range labels {
		seen[l] = true
	}
	require.NotContains(t, seen, false)
}

// The gradients of the lesson are those derived by hand.
func TestHalfSquares(t *testing.T) {
	e, err := Get("basic_autograd")
	require.NoError(t, err)
	g, err := e.Build()
	require.NoError(t, err)
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	feeds := e.Feeds(3)
	out, err := step.Run(t.Context(), feeds)
	require.NoError(t, err)
	at := func(name string, index ...int) float64 {
		v, err := feeds[name].At(index...)
		require.NoError(t, err)
		return v
	}
	var loss float64
	dx, dw, db := make([]float32, 6), make([]float32, 3), make([]float32, 2)
	for i := range 2 {
		for j := range 3 {
			y := at("x", i, j)*at("w", j) + at("b", i, 0)
			loss += y * y / 2
			dx[3*i+j] = float32(y * at("w", j))
			dw[j] += float32(y * at("x", i, j))
			db[i] += float32(y)
		}
	}
	for name, want := range map[string][]float32{"loss": {float32(loss)}, "dx": dx, "dw": dw, "db": db} {
		got, err := out.Tensor(name)
		require.NoError(t, err)
		w, err := tensor.New(types.Of(types.F32, got.Shape()...))
		require.NoError(t, err)
		data, err := tensor.Data[float32](w)
		require.NoError(t, err)
		copy(data, want)
		require.NoError(t, tensor.AllClose(got, w, 1e-5, 1e-6), name)
	}
}

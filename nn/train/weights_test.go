package train_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

func TestWeights(t *testing.T) {
	for ext, write := range map[string]func(string, []tensor.Named) error{
		".npz":         func(path string, a []tensor.Named) error { return tensor.WriteNPZ(path, a) },
		".safetensors": func(path string, a []tensor.Named) error { return safetensors.Write(path, a, nil) },
	} {
		t.Run(ext, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "w"+ext)
			a, b := newFixture(t), newFixture(t)
			require.NoError(t, a.s.Set("fc.bias", must(tensor.From([]float32{42}, 1))))
			require.NoError(t, train.SaveWeights(path, a.s, nn.Params(a.model)))
			require.NoError(t, train.LoadWeights(path, b.s, nn.Params(b.model)))
			for _, name := range []string{"fc.weight", "fc.bias"} {
				require.True(t, tensor.Equal(must(a.s.Get(name)), must(b.s.Get(name))))
			}

			one := tensor.Scalar(float32(1))
			require.NoError(t, write(path, []tensor.Named{{Name: "fc.weight", Tensor: one}, {Name: "fc2.weight", Tensor: one}}))
			require.EqualError(t, train.LoadWeights(path, b.s, nn.Params(b.model)), path+`: session: the values do not fit the variables; nothing was changed:
  wrong type: fc.weight is f32[1,1], given f32[]
  missing: fc.bias f32[1]
  no such variable: fc2.weight f32[]`)
			require.True(t, tensor.Equal(must(a.s.Get("fc.bias")), must(b.s.Get("fc.bias"))), "nothing was changed")

			// Not strict.
			half := must(must(tensor.From([]float32{7}, 1, 1)).Convert(types.BF16))
			require.NoError(t, write(path, []tensor.Named{{Name: "fc.weight", Tensor: half}, {Name: "fc2.weight", Tensor: one}}))
			require.NoError(t, train.LoadWeights(path, b.s, nn.Params(b.model), session.KeepMissing(), session.IgnoreSurplus(), session.ConvertFloats()))
			require.Equal(t, 7.0, must(must(b.s.Get("fc.weight")).At(0, 0)))
			require.Equal(t, 42.0, must(must(b.s.Get("fc.bias")).At(0)))

			require.Error(t, train.LoadWeights(strings.Replace(path, "w.", "none.", 1), b.s, nn.Params(b.model)))
			// A parameter that no graph uses is loaded and saved all the same, and a graph
			// that is compiled later finds it.
			v := graph.NewVariable("other", types.Of(graph.F32), nil)
			require.NoError(t, write(path, []tensor.Named{{Name: "other", Tensor: one}}))
			require.NoError(t, train.LoadWeights(path, a.s, []*graph.Variable{v}))
			require.Equal(t, 1.0, must(must(a.s.Get("other")).At()))
			require.NoError(t, train.SaveWeights(path, b.s, []*graph.Variable{v}))
			require.NoError(t, train.LoadWeights(path, a.s, []*graph.Variable{v}))
			require.Equal(t, 0.0, must(must(a.s.Get("other")).At()))
			twin := graph.NewVariable("other", types.Of(graph.F32), nil)
			require.ErrorContains(t, train.SaveWeights(path, a.s, []*graph.Variable{twin}), `two different variables are named "other"`)
			require.ErrorContains(t, train.LoadWeights(path, a.s, []*graph.Variable{nil}), "a variable to declare is nil")
			require.ErrorContains(t, train.SaveWeights(path, a.s, nil), "there are no parameters")
			require.ErrorContains(t, train.LoadWeights(path, a.s, nil), "there are no parameters")
		})
	}
}

// The optimizer's variables are not saved, and the file is one that PyTorch's
// tools take.
func TestSavedWeights(t *testing.T) {
	f := newFixture(t)
	path := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, train.SaveWeights(path, f.s, nn.Params(f.model)))
	all, meta, err := safetensors.Read(path)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "f32[1,1]", all["fc.weight"].Type().String())
	require.Equal(t, map[string]string{"format": "pt"}, meta)
}

package nn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// eval returns the outputs of a model.
func eval(t *testing.T, feeds session.Feeds, model func(g *graph.Graph)) map[string]*tensor.Tensor {
	t.Helper()
	g, err := graph.Build("test", model)
	require.NoError(t, err)
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	out, err := step.Run(t.Context(), feeds)
	require.NoError(t, err)
	m := map[string]*tensor.Tensor{}
	for _, name := range out.Names() {
		m[name], err = out.Tensor(name)
		require.NoError(t, err)
	}
	return m
}

// mistake returns the error of a model that is wrong.
func mistake(t *testing.T, model func(g *graph.Graph)) string {
	t.Helper()
	_, err := graph.Build("test", model)
	var e *graph.Error
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Pos.File, "_test.go", "the mistake is laid to the model")
	e.Pos.Line = 0
	return e.Error()
}

// value returns the elements of a tensor.
func value[T tensor.Element](t *testing.T, x *tensor.Tensor) []T {
	t.Helper()
	v, err := tensor.Data[T](x)
	require.NoError(t, err)
	return v
}

// fixed is a variable with the given elements.
func fixed[T tensor.Element](t *testing.T, v []T, dims ...int) *graph.Variable {
	x, err := tensor.From(v, dims...)
	require.NoError(t, err)
	return graph.NewVariable("v", x.Type(), graph.InitialValue(x))
}

func newTensor(t *testing.T, d types.DType, dims ...int) *tensor.Tensor {
	x, err := tensor.New(types.Of(d, dims...))
	require.NoError(t, err)
	return x
}

package graph_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// run returns the outputs of a graph, interpreted, and the variables after the
// step, each under its name. leaves are the inputs and the variables before it.
func run(t *testing.T, g *ir.Graph, leaves map[string][]float64) map[string][]float64 {
	t.Helper()
	dev := interp.New()
	s := session.New(dev)
	defer func() { require.NoError(t, s.Close()) }()
	step, err := s.CompileIR(g)
	require.NoError(t, err)
	value := func(n *ir.Node) *tensor.Tensor {
		at := leaves[n.Attr.Name]
		require.Len(t, at, n.Shape().Size(), n.Attr.Name)
		wide, err := tensor.From(at, n.Shape()...)
		require.NoError(t, err)
		v, err := wide.Convert(n.DType())
		require.NoError(t, err)
		return v
	}
	feeds := session.Feeds{}
	for _, n := range g.Inputs() {
		feeds[n.Attr.Name] = value(n)
	}
	for _, n := range g.Variables() {
		require.NoError(t, s.Set(n.Attr.Name, value(n)))
	}
	res, err := step.Run(t.Context(), feeds)
	require.NoError(t, err)
	defer res.Release()
	out := map[string][]float64{}
	floats := func(name string, v *tensor.Tensor, err error) {
		require.NoError(t, err)
		wide, err := v.Convert(graph.F64)
		require.NoError(t, err)
		out[name], err = tensor.Data[float64](wide)
		require.NoError(t, err)
	}
	for _, n := range g.Variables() {
		v, err := s.Get(n.Attr.Name)
		floats(n.Attr.Name, v, err)
	}
	for _, o := range g.Outputs {
		v, err := res.Tensor(o.Name)
		floats(o.Name, v, err)
	}
	return out
}

// build builds a graph whose model cannot be wrong.
func build(t *testing.T, model func(g *graph.Graph)) *graph.Graph {
	t.Helper()
	g, err := graph.Build("test", model)
	require.NoError(t, err)
	return g
}

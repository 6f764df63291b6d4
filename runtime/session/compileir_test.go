package session_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

func TestCompileIR(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		b := ir.NewBuilder("parsed")
		x, w := b.Input("x", types.Of(types.F32, 2)), b.Variable("w", types.Of(types.F32, 2))
		b.Assign(w, b.Add(w, x))
		b.G.Outputs = []ir.Output{{Name: "y", Node: b.Sum(b.Mul(x, w), 0)}}
		s := session.New(dev)
		st, err := s.CompileIR(b.G)
		require.NoError(t, err)
		require.Equal(t, []string{"w"}, s.Names())
		x1, err := tensor.From([]float32{1, 2}, 2)
		require.NoError(t, err)
		feeds := session.Feeds{"x": x1}
		require.Equal(t, 0.0, scalar(t, st, feeds, "y"), "variables are zero at first")
		require.Equal(t, 5.0, scalar(t, st, feeds, "y"))
		require.NoError(t, s.Set("w", x1))

		c := ir.NewBuilder("again")
		c.G.Outputs = []ir.Output{{Name: "w", Node: c.Variable("w", types.Of(types.F32, 2))}}
		again, err := s.CompileIR(c.G)
		require.NoError(t, err)
		res, err := again.Run(t.Context(), nil)
		require.NoError(t, err)
		got, err := res.Tensor("w")
		require.Equal(t, []float32{1, 2}, floats(t, got, err), "variables of one name are shared")
		_, err = st.Run(t.Context(), session.Feeds{"x": tensor.Scalar(float32(1))})
		require.EqualError(t, err, `parsed: feed "x": expected f32[2], got f32[]`)
		require.NoError(t, s.Close())
	})
}

func TestTheTextOfAGraphTrainsLikeTheGraph(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		g := newMLP().train(t)
		bound, err := g.Bind(map[string]int{"batch": 8})
		require.NoError(t, err)
		parsed, err := ir.Parse(bound.String())
		require.NoError(t, err)
		built, read := session.New(dev), session.New(dev)
		a, err := built.Compile(g)
		require.NoError(t, err)
		b, err := read.CompileIR(parsed)
		require.NoError(t, err)
		state, err := built.State()
		require.NoError(t, err)
		require.NoError(t, read.SetState(state))
		for i := range uint64(3) {
			feeds := points(t, 8, i)
			require.Equal(t, scalar(t, a, feeds, "loss"), scalar(t, b, feeds, "loss"))
		}
		require.NoError(t, built.Close())
		require.NoError(t, read.Close())
	})
}

func TestCompileIRVerifies(t *testing.T) {
	b := ir.NewBuilder("twisted")
	x := b.Input("x", types.Of(types.F32, 2))
	y := b.Un(ir.OpExp, x)
	b.G.Outputs = []ir.Output{{Name: "y", Node: y}}
	y.Type = types.Of(types.F32, 3)
	s := session.New(interp.New())
	_, err := s.CompileIR(b.G)
	var bad *ir.VerifyError
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, "twisted: ")
	require.Empty(t, s.Names())
}

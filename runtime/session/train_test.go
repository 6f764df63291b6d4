package session_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// devices are those that whole programs are run on.
var devices = map[string]func() device.Device{
	"interp": func() device.Device { return interp.New(interp.WithPoison(), interp.WithMemoryLimit(1<<24)) },
}

// onDevices runs a test on every device.
func onDevices(t *testing.T, f func(t *testing.T, dev device.Device)) {
	for name, open := range devices {
		t.Run(name, func(t *testing.T) {
			dev := open()
			f(t, dev)
			require.NoError(t, dev.Close())
		})
	}
}

// mlp is a classifier of points with two features in three classes.
type mlp struct{ w1, b1, w2, b2 *graph.Variable }

func normal(std float64) graph.Initializer {
	return func(dst *tensor.Tensor, seed uint64) error {
		r := rand.New(rand.NewPCG(seed, 0))
		data, err := tensor.Data[float32](dst)
		for i := range data {
			data[i] = float32(std * r.NormFloat64())
		}
		return err
	}
}

func newMLP() *mlp {
	return &mlp{
		graph.NewVariable("fc1.weight", types.Of(graph.F32, 16, 2), normal(0.7)),
		graph.NewVariable("fc1.bias", types.Of(graph.F32, 16), nil),
		graph.NewVariable("fc2.weight", types.Of(graph.F32, 3, 16), normal(0.3)),
		graph.NewVariable("fc2.bias", types.Of(graph.F32, 3), nil),
	}
}

func (m *mlp) forward(g *graph.Graph) (logits, labels *graph.Node) {
	x, y := g.Input("x", graph.F32, graph.Dim("batch"), 2), g.Input("y", graph.I32, graph.Dim("batch"))
	h := x.MatMul(g.Var(m.w1).T()).Add(g.Var(m.b1)).ReLU()
	return h.MatMul(g.Var(m.w2).T()).Add(g.Var(m.b2)), y
}

func (m *mlp) loss(g *graph.Graph) *graph.Node {
	logits, y := m.forward(g)
	loss := logits.LogSoftmax(-1).Gather(1, y.Unsqueeze(1)).Mean().Neg()
	g.Output("loss", loss)
	return loss
}

// train is a step of gradient descent.
func (m *mlp) train(t testing.TB) *graph.Graph {
	g, err := graph.Build("train", func(g *graph.Graph) {
		loss := m.loss(g)
		vars := []*graph.Variable{m.w1, m.b1, m.w2, m.b2}
		var wrt []*graph.Node
		for _, v := range vars {
			wrt = append(wrt, g.Var(v))
		}
		for i, d := range g.Grad(loss, wrt...) {
			g.Assign(vars[i], wrt[i].Sub(d.MulScalar(0.5)))
		}
	}, graph.Training())
	require.NoError(t, err)
	return g
}

// eval counts the points that are classified correctly.
func (m *mlp) eval(t testing.TB) *graph.Graph {
	g, err := graph.Build("eval", func(g *graph.Graph) {
		logits, y := m.forward(g)
		g.Output("correct", logits.ArgMax(-1).Equal(y).Sum())
	})
	require.NoError(t, err)
	return g
}

// points returns n points around the corners of a triangle, with their classes.
func points(t testing.TB, n int, seed uint64) session.Feeds {
	r := rand.New(rand.NewPCG(seed, 0))
	x, y := make([]float32, 2*n), make([]int32, n)
	for i := range n {
		k := r.IntN(3)
		sin, cos := math.Sincos(float64(k) * 2 * math.Pi / 3)
		x[2*i], x[2*i+1] = float32(cos+0.3*r.NormFloat64()), float32(sin+0.3*r.NormFloat64())
		y[i] = int32(k)
	}
	tx, err := tensor.From(x, n, 2)
	require.NoError(t, err)
	ty, err := tensor.From(y, n)
	require.NoError(t, err)
	return session.Feeds{"x": tx, "y": ty}
}

func scalar(t testing.TB, st *session.Step, feeds session.Feeds, name string) float64 {
	t.Helper()
	res, err := st.Run(t.Context(), feeds)
	require.NoError(t, err)
	defer res.Release()
	v, err := res.Scalar(name)
	require.NoError(t, err)
	return v
}

func TestTraining(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		m := newMLP()
		s := session.New(dev, session.WithSeed(3))
		train, err := s.Compile(m.train(t))
		require.NoError(t, err)
		eval, err := s.Compile(m.eval(t))
		require.NoError(t, err)
		require.Equal(t, []string{"fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"}, s.Names())
		test := points(t, 100, 1000)
		before := scalar(t, eval, test, "correct")
		first := scalar(t, train, points(t, 32, 0), "loss")
		last := 0.0
		for i := range uint64(40) {
			n := 32
			if i%4 == 3 {
				n = 20 // the last, smaller batch of an epoch
			}
			last = scalar(t, train, points(t, n, i), "loss")
		}
		require.Less(t, last, 0.3*first)
		after := scalar(t, eval, test, "correct")
		require.Less(t, before, 70.0)
		require.Greater(t, after, 90.0)
		require.Equal(t, []session.Binding{{"batch": 20}, {"batch": 32}}, train.Bindings())
		require.NoError(t, s.Close())
	})
}

package session_test

import (
	"bytes"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// kernels returns the number of launches of the training step's program.
func kernels(t *testing.T, s *session.Session) int {
	defer s.Close()
	st, err := s.Compile(newMLP().train(t))
	require.NoError(t, err)
	c, err := st.Program(session.Binding{"batch": 8})
	require.NoError(t, err)
	return len(c.Program.Launches)
}

func TestDebugSettings(t *testing.T) {
	dev := interp.New()
	fused, unfused := kernels(t, session.New(dev)), kernels(t, session.New(dev, session.WithDebug("fuse/off")))
	require.Less(t, fused, unfused)
	t.Setenv("DTC", "fuse/off")
	require.Equal(t, unfused, kernels(t, session.New(dev)))
	require.Equal(t, fused, kernels(t, session.New(dev, session.WithDebug(""))), "an option overrides the environment")
	require.Equal(t, fused, kernels(t, session.New(dev, session.WithPasses(passes.Config{}))))
	require.Equal(t, unfused, kernels(t, session.New(dev, session.WithDebug("check"), session.WithDebug("fuse/off"))), "the last option counts")

	t.Setenv("DTC", "fuse/on")
	g := newMLP().train(t)
	_, err := session.New(dev).Compile(g)
	require.ErrorContains(t, err, `session: environment variable DTC: debug settings: unknown setting "fuse/on"`)
	require.Equal(t, fused, kernels(t, session.New(dev, session.WithDebug(""))), "so that a wrong environment does not matter")
	_, err = session.New(dev, session.WithDebug("fast")).Compile(g)
	require.ErrorContains(t, err, `session: debug settings: unknown setting "fast"`)
}

// Settings must not change results: the losses of training are equal, up to rounding where the order of sums changes.
func TestTrainingUnderEverySetting(t *testing.T) {
	losses := func(opts ...session.Option) (all []float64) {
		s := session.New(interp.New(interp.WithPoison()), opts...)
		defer s.Close()
		st, err := s.Compile(newMLP().train(t))
		require.NoError(t, err)
		for i := range uint64(5) {
			all = append(all, scalar(t, st, points(t, 8, i), "loss"))
		}
		return all
	}
	plain := losses()
	settings := []string{"check", "seed=1", "seed=2", "nan", "horizontal/off,order/off,memplan-reuse/off"}
	for _, p := range passes.Passes() {
		if p.CanBeOff {
			settings = append(settings, p.Name+"/off")
		}
	}
	for _, d := range settings {
		t.Run(d, func(t *testing.T) { require.InDeltaSlice(t, plain, losses(session.WithDebug(d)), 1e-5) })
	}
}

func TestDumpsAndTimesFromManyGoroutines(t *testing.T) {
	var log bytes.Buffer
	dumps := 0
	c := passes.Config{
		Time: true, Log: &log, DumpAfter: map[string]bool{"dce": true},
		Dump: func(pass, text string) { dumps++ },
	}
	s := session.New(interp.New(), session.WithPasses(c))
	defer s.Close()
	st, err := s.Compile(newMLP().train(t))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			if _, err := st.Memory(session.Binding{"batch": n + 1}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 6, dumps)
	require.Equal(t, 6, bytes.Count(log.Bytes(), []byte("\nmemplan ")))
}

func TestFirstNaNIsNamed(t *testing.T) {
	s := session.New(interp.New(), session.WithDebug("nan"))
	defer s.Close()
	g, err := graph.Build("model", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 3)
		y := x.Sub(graph.Ones(g, graph.F32, 3))
		y = y.Log()
		g.Output("y", y.Exp().Sum())
	})
	require.NoError(t, err)
	st, err := s.Compile(g)
	require.NoError(t, err)
	feed := func(v ...float32) session.Feeds {
		x, err := tensor.From(v, 3)
		require.NoError(t, err)
		return session.Feeds{"x": x}
	}
	res, err := st.Run(t.Context(), feed(2, 2, 2))
	require.NoError(t, err)
	sum, err := res.Scalar("y")
	require.NoError(t, err)
	require.InDelta(t, 3, sum, 1e-6)

	_, err = st.Run(t.Context(), feed(2, 2, 0.5))
	var nan *session.NaNError
	require.ErrorAs(t, err, &nan)
	require.Equal(t, 2, nan.Element)
	require.Equal(t, "model: launch 1 made the first NaN: log +6 (element 2 of 3)", relative(err.Error(), TestFirstNaNIsNamed))
	_, err = st.Run(t.Context(), feed(float32(math.NaN()), 2, 2))
	require.EqualError(t, err, `model: feed "x" holds a NaN: element 0 of 3`)
}

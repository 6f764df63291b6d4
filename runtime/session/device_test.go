package session_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

func compile(t testing.TB, s *session.Session, model func(g *graph.Graph)) *session.Step {
	t.Helper()
	g, err := graph.Build("model", model)
	require.NoError(t, err)
	st, err := s.Compile(g)
	require.NoError(t, err)
	return st
}

func floats(t testing.TB, x *tensor.Tensor, err error) []float32 {
	t.Helper()
	require.NoError(t, err)
	data, err := tensor.Data[float32](x)
	require.NoError(t, err)
	return data
}

// counter is a model of two steps over a table of ones: one adds 1 to every element, the other gives the extremes.
func counter(t *testing.T, s *session.Session, n int) (count, look *session.Step) {
	v := graph.NewVariable("table", types.Of(graph.F32, n), nil)
	count = compile(t, s, func(g *graph.Graph) {
		next := g.Var(v).AddScalar(1)
		g.Assign(v, next)
		g.Output("sum", next.Sum())
	})
	look = compile(t, s, func(g *graph.Graph) {
		g.Output("least", g.Var(v).Amin())
		g.Output("most", g.Var(v).Amax())
	})
	return count, look
}

func TestEvaluationWhileTraining(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		const n, steps = 300, 30
		s := session.New(dev)
		count, look := counter(t, s, n)
		var done atomic.Bool
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				var res session.Results
				defer res.Release()
				for before := 0.0; !done.Load(); {
					err := look.RunInto(context.Background(), nil, &res)
					least, err1 := res.Scalar("least")
					most, err2 := res.Scalar("most")
					if err := errors.Join(err, err1, err2); err != nil || least != most || least < before {
						t.Errorf("between steps the table is one number, not less than %v before: %v and %v, %v", before, least, most, err)
						return
					}
					before = least
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				for !done.Load() {
					if _, err := s.State(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range steps {
			require.Equal(t, float64(n*(i+1)), scalar(t, count, nil, "sum"))
		}
		done.Store(true)
		wg.Wait()
		require.Equal(t, float64(steps), scalar(t, look, nil, "most"))
		require.NoError(t, s.Close())
	})
}

// patient is a context that is cancelled when it is asked for the n-th time.
type patient struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func newPatient(parent context.Context, n int) *patient {
	ctx, cancel := context.WithCancel(parent)
	p := &patient{Context: ctx, cancel: cancel}
	p.left.Store(int64(n))
	return p
}

func (p *patient) ask() {
	if p.left.Add(-1) <= 0 {
		p.cancel()
	}
}

func (p *patient) Err() error {
	p.ask()
	return p.Context.Err()
}

func (p *patient) Done() <-chan struct{} {
	p.ask()
	return p.Context.Done()
}

func TestCancellationIsBeforeTheFirstWriteOrNotAtAll(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		s := session.New(dev, session.WithDebug("fuse/off"))
		train, err := s.Compile(newMLP().train(t))
		require.NoError(t, err)
		feeds := points(t, 8, 1)
		require.NotZero(t, scalar(t, train, feeds, "loss"))
		cancelled, finished := 0, 0
		for n := 1; finished < 3 && n < 1000; n++ {
			before, err := s.State()
			require.NoError(t, err)
			ctx := newPatient(t.Context(), n)
			res, err := train.Run(ctx, feeds)
			ctx.cancel()
			after, stateErr := s.State()
			require.NoError(t, stateErr)
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				require.Equal(t, before, after)
				cancelled++
				continue
			}
			res.Release()
			require.NotEqual(t, before, after)
			finished++
		}
		require.Equal(t, 3, finished)
		require.Greater(t, cancelled, 2)
		require.NoError(t, s.Close())
	})
}

func TestAFailedCheckNeverUpdatesSilently(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		for _, setting := range []string{"", "fuse/off", "fuse/off,order/off", "memplan-reuse/off", "seed=3"} {
			t.Run(setting, func(t *testing.T) {
				s := session.New(dev, session.WithDebug(setting))
				defer s.Close()
				v := graph.NewVariable("v", types.Of(graph.F32, 4), nil)
				st := compile(t, s, func(g *graph.Graph) {
					next := g.Var(v).AddScalar(1)
					g.Assign(v, next)
					first := next.Sum().Cast(graph.I64)
					row := graph.Iota(g, graph.F32, 0, 10).Take(0, first.Add(g.Input("i", graph.I64)))
					g.Output("row", row)
				})
				feed := func(i int64) session.Feeds { return session.Feeds{"i": tensor.Scalar(i)} }
				require.Equal(t, 5.0, scalar(t, st, feed(1), "row"))
				_, err := st.Run(t.Context(), feed(100))
				var check *device.CheckError
				require.ErrorAs(t, err, &check)
				require.EqualValues(t, 108, check.Value)
				require.EqualValues(t, 10, check.Limit)
				got, getErr := s.Get("v")
				if errors.Is(err, session.ErrNeedsReload) {
					require.ErrorIs(t, getErr, session.ErrNeedsReload)
					_, err = st.Run(t.Context(), feed(1))
					require.ErrorIs(t, err, session.ErrNeedsReload)
					one, err := tensor.Full[float32](1, 4)
					require.NoError(t, err)
					require.NoError(t, s.Set("v", one))
				} else {
					require.Equal(t, []float32{1, 1, 1, 1}, floats(t, got, getErr))
				}
				require.Equal(t, 9.0, scalar(t, st, feed(1), "row"))
			})
		}
	})
}

func TestEverythingIsGivenBack(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		l, ok := dev.(interface{ MemoryLimit() int64 })
		require.True(t, ok, "the device says how much memory it has")
		whole := func() error {
			b, err := dev.Alloc(l.MemoryLimit())
			if err == nil {
				b.Release()
			}
			return err
		}
		require.NoError(t, whole())
		s := session.New(dev)
		train, err := s.Compile(newMLP().train(t))
		require.NoError(t, err)
		kept, err := train.Run(t.Context(), points(t, 8, 1))
		require.NoError(t, err)
		other, err := train.Run(t.Context(), points(t, 9, 1))
		require.NoError(t, err)
		require.ErrorIs(t, whole(), device.ErrOutOfMemory)
		other.Release()
		require.NoError(t, train.Close())
		loss, err := kept.Scalar("loss")
		require.NoError(t, err, "results outlive the step")
		require.NotZero(t, loss)
		require.NoError(t, s.Close())
		require.NoError(t, whole(), "variables, programs and the results that were left are given back")
		_, err = kept.Scalar("loss")
		require.ErrorIs(t, err, session.ErrReleased)
		kept.Release()
		require.NoError(t, whole())
	})
}

func TestEmptyBatches(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		s := session.New(dev)
		eval, err := s.Compile(newMLP().eval(t))
		require.NoError(t, err)
		require.Zero(t, scalar(t, eval, points(t, 0, 1), "correct"))
		require.NoError(t, s.Close())
	})
}

func TestProgramsShareKernels(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		var log bytes.Buffer
		s := session.New(dev, session.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		w := graph.NewVariable("w", types.Of(graph.F32, 3, 4), nil)
		model := func(more bool) *session.Step {
			return compile(t, s, func(g *graph.Graph) {
				x := g.Input("x", graph.F32, graph.Dim("n"), 3)
				g.Output("y", x.MatMul(g.Var(w)))
				if more { // a kernel more of the norm's form, before it
					g.Output("rows", x.Exp().Sum(1))
				}
				g.Output("norm", g.Var(w).Mul(g.Var(w)).Sum(1))
			})
		}
		kernels := func(st *session.Step, n int) []*kernel.Kernel {
			p, err := st.Program(session.Binding{"n": n})
			require.NoError(t, err)
			require.NoError(t, p.Program.Verify(), "names are unique in a program too")
			var ks []*kernel.Kernel
			for _, l := range p.Program.Launches {
				ks = append(ks, l.Kernel)
			}
			return ks
		}
		shared := func(a, b []*kernel.Kernel) (n int) {
			for _, k := range a {
				if slices.Contains(b, k) {
					n++
				}
			}
			return n
		}
		small, large := model(false), model(true)
		first := kernels(small, 2)
		require.Equal(t, 1, shared(first, kernels(small, 5)), "the norm does not depend on n")
		require.Equal(t, 2, shared(first, kernels(large, 2)), "a kernel is known by its structure, not by its number")
		require.Contains(t, log.String(), `binding="n=2" launches=2 kernels=2 shared=0`)
		require.Contains(t, log.String(), `binding="n=5" launches=2 kernels=2 shared=1`)
		require.Contains(t, log.String(), `binding="n=2" launches=3 kernels=3 shared=2`)
		require.NoError(t, s.Close())
	})
}

func TestRandomNumbersComeFromTheState(t *testing.T) {
	onDevices(t, func(t *testing.T, dev device.Device) {
		draw := func(s *session.Session) func() []float32 {
			st := compile(t, s, func(g *graph.Graph) { g.Output("x", graph.Uniform(g, graph.F32, 0, 1, 8)) })
			return func() []float32 {
				res, err := st.Run(t.Context(), nil)
				require.NoError(t, err)
				defer res.Release()
				x, err := res.Tensor("x")
				return floats(t, x, err)
			}
		}
		s := session.New(dev, session.WithSeed(5))
		next := draw(s)
		first := next()
		state, err := s.State()
		require.NoError(t, err)
		require.Contains(t, state, "rng.state")
		second, third := next(), next()
		require.NotEqual(t, first, second)
		require.NotEqual(t, second, third)
		require.NoError(t, s.SetState(state))
		require.Equal(t, [][]float32{second, third}, [][]float32{next(), next()}, "a state brings the numbers that followed it")
		require.NoError(t, s.Reinit())
		require.Equal(t, first, next())
		same, other := session.New(dev, session.WithSeed(5)), session.New(dev, session.WithSeed(6))
		require.Equal(t, first, draw(same)())
		require.NotEqual(t, first, draw(other)())
		require.NoError(t, errors.Join(s.Close(), same.Close(), other.Close()))
	})
}

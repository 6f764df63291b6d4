package session

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

func TestRunUpdatesVariablesThatStepsShare(t *testing.T) {
	s, _ := open(t)
	w := weights("w")
	train, err := s.compile(trainSource(w))
	require.NoError(t, err)
	eval, err := s.compile(evalSource(w))
	require.NoError(t, err)
	require.Equal(t, []string{"w"}, s.Names())

	res, err := train.Run(t.Context(), batch(t, 3))
	require.NoError(t, err)
	loss, err := res.Scalar("loss")
	require.NoError(t, err)
	require.Equal(t, 3.0+4+5, loss)
	x, err := res.Tensor("x")
	require.NoError(t, err)
	requireValues(t, x, 1, 1, 1, 1, 1, 1)
	require.Equal(t, "f32[3,2]", x.Type().String())
	require.Equal(t, []string{"loss", "x"}, res.Names())
	res.Release()

	got, err := s.Get("w")
	require.NoError(t, err)
	requireValues(t, got, 4, 5)
	res, err = eval.Run(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, res.Read("w", got))
	requireValues(t, got, 4, 5)
}

func TestResultsOutliveTheStepAndItsPrograms(t *testing.T) {
	s, d := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	res, err := train.Run(t.Context(), batch(t, 2))
	require.NoError(t, err)
	require.NoError(t, train.Close())
	require.NoError(t, train.Close())
	_, exes := d.used()
	require.Zero(t, exes)
	v, err := res.Scalar("loss")
	require.NoError(t, err)
	require.Equal(t, 9.0, v)
	_, err = train.Run(t.Context(), batch(t, 2))
	require.ErrorIs(t, err, ErrClosed)
}

func TestEachRunHasFreshResults(t *testing.T) {
	s, _ := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	a, err := train.Run(t.Context(), batch(t, 1))
	require.NoError(t, err)
	b, err := train.Run(t.Context(), batch(t, 1))
	require.NoError(t, err)
	va, err := a.Scalar("loss")
	require.NoError(t, err)
	vb, err := b.Scalar("loss")
	require.NoError(t, err)
	require.Equal(t, []float64{6, 8}, []float64{va, vb})
}

func TestRunIntoAllocatesNothing(t *testing.T) {
	s, _ := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	small, large := batch(t, 4), batch(t, 8)
	var a, b Results
	lossOf := tensor.Scalar[float32](0)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if train.RunInto(ctx, small, &a) != nil || train.RunInto(ctx, large, &b) != nil || a.Read("loss", lossOf) != nil {
			panic("run failed")
		}
		if _, err := b.Scalar("loss"); err != nil {
			panic(err)
		}
	}))
}

// BenchmarkRunInto is what a session adds to a step: the device does next to nothing.
func BenchmarkRunInto(b *testing.B) {
	s := New(&fakeDevice{run: fakeRun}, func(c *config) { c.compile = fakeCompiler })
	defer s.Close()
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(b, err)
	feeds := batch(b, 1)
	var r Results
	b.ReportAllocs()
	for b.Loop() {
		if err := train.RunInto(context.Background(), feeds, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRunIntoTakesBuffersOfAnotherSize(t *testing.T) {
	s, d := open(t)
	w := weights("w")
	train, err := s.compile(trainSource(w))
	require.NoError(t, err)
	eval, err := s.compile(evalSource(w))
	require.NoError(t, err)
	var r Results
	require.NoError(t, train.RunInto(t.Context(), batch(t, 4), &r))
	before, _ := d.used()
	require.NoError(t, eval.RunInto(t.Context(), nil, &r))
	after, _ := d.used()
	require.Equal(t, before-1, after, "two buffers of train became one of eval")
	require.Equal(t, []string{"w"}, r.Names())

	other, _ := open(t)
	foreign, err := other.compile(evalSource(weights("w")))
	require.NoError(t, err)
	require.NoError(t, foreign.RunInto(t.Context(), nil, &r))
	require.NoError(t, s.Close())
	got, err := r.Tensor("w")
	require.NoError(t, err, "the results moved to the other session")
	requireValues(t, got, 1, 2)
}

func TestProgramsAreBoundedAndLogged(t *testing.T) {
	var log bytes.Buffer
	s, d := open(t, WithPrograms(2), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	require.Empty(t, d.compiled, "named dimensions wait for the first feed")
	run := func(n int) {
		res, err := train.Run(t.Context(), batch(t, n))
		require.NoError(t, err)
		res.Release()
	}
	for _, n := range []int{1, 2, 1, 3, 1} {
		run(n)
	}
	require.Len(t, d.compiled, 3)
	require.Equal(t, []Binding{{"batch": 1}, {"batch": 3}}, train.Bindings(), "2 was the least recently used")
	_, exes := d.used()
	require.Equal(t, 2, exes)
	run(2)
	require.Len(t, d.compiled, 4)
	require.Equal(t, 4, bytes.Count(log.Bytes(), []byte(`msg=compiled step=train binding="batch=`)))
	require.Equal(t, 2, bytes.Count(log.Bytes(), []byte(`msg="gave up a program" step=train binding="batch=`)))
}

func TestProgramGivenUpWhileInUse(t *testing.T) {
	s, d := open(t, WithPrograms(1))
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	running, finish := make(chan bool), make(chan bool)
	d.run = func(ctx context.Context, p *kernel.Program, in, out buffers) error {
		if len(in.at(1).data) == 4 {
			running <- true
			<-finish
		}
		return nil
	}
	errs := make(chan error)
	go func() {
		_, err := train.Run(t.Context(), batch(t, 1))
		errs <- err
	}()
	<-running
	go func() {
		_, err := train.Memory(Binding{"batch": 2})
		errs <- err
	}()
	require.NoError(t, <-errs)
	_, exes := d.used()
	require.Equal(t, 2, exes, "the program in use stays until its call ends")
	finish <- true
	require.NoError(t, <-errs)
	_, exes = d.used()
	require.Equal(t, 1, exes)
}

func TestConcurrentFirstFeedsCompileOnce(t *testing.T) {
	s, d := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	started, proceed := make(chan bool, 8), make(chan bool)
	d.compile = func(*kernel.Program) error {
		started <- true
		<-proceed
		return nil
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			res, err := train.Run(context.Background(), batch(t, 5))
			if err == nil {
				res.Release()
			}
			require.NoError(t, err)
		})
	}
	<-started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = train.Run(ctx, batch(t, 5))
	require.ErrorIs(t, err, context.Canceled)
	close(proceed)
	wg.Wait()
	require.Len(t, d.compiled, 1)
	got, err := s.Get("w")
	require.NoError(t, err)
	requireValues(t, got, 41, 42)
}

func TestFailedCompilationIsTriedAgain(t *testing.T) {
	s, d := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	d.compile = func(*kernel.Program) error { return errBroken }
	_, err = train.Run(t.Context(), batch(t, 1))
	require.EqualError(t, err, "train: device fake: bus error")
	d.compile = func(*kernel.Program) error { panic("index out of range") }
	_, err = train.Run(t.Context(), batch(t, 1))
	require.ErrorContains(t, err, "train: internal error while compiling: index out of range\n")
	require.Empty(t, train.Bindings())
	d.compile = nil
	_, err = train.Run(t.Context(), batch(t, 1))
	require.NoError(t, err)
}

func TestFailedCompileLeavesNothing(t *testing.T) {
	s, d := open(t)
	d.compile = func(*kernel.Program) error { return errBroken }
	_, err := s.compile(evalSource(weights("w")))
	require.ErrorIs(t, err, errBroken)
	d.compile = nil
	d.capacity = 4
	_, err = s.compile(evalSource(weights("w")))
	require.ErrorIs(t, err, device.ErrOutOfMemory)
	require.EqualError(t, err, `eval: variable "w" f32[2]: out of device memory`)
	d.capacity = 0
	bad := weights("w")
	bad.init = func(*tensor.Tensor, uint64) error { return errors.New("no such distribution") }
	_, err = s.compile(evalSource(bad))
	require.EqualError(t, err, "eval: no such distribution")
	require.Empty(t, s.Names())
	buffers, exes := d.used()
	require.Zero(t, buffers)
	require.Zero(t, exes)
	_, err = s.compile(evalSource(weights("w")))
	require.NoError(t, err)
}

func TestConnectRejectsAProgramOfAnotherGraph(t *testing.T) {
	for name, change := range map[string]func(*kernel.Program){
		`variable buffer "w" is f32[3] in the program and f32[2] in the graph`: func(p *kernel.Program) { p.Buffers[0].Len = 3 },
		`the program has a variable "v" that the graph has not`:                func(p *kernel.Program) { p.Buffers[0].Name = "v" },
		`the program has an output "v" that the graph has not`:                 func(p *kernel.Program) { p.Buffers[1].Name = "v" },
		`the program has 0 outputs, the graph 1`:                               func(p *kernel.Program) { p.Buffers = p.Buffers[:1]; p.Launches = nil },
		`the program has an input "w" that the graph has not`:                  func(p *kernel.Program) { p.Buffers[0].Kind = kernel.InputBuffer },
	} {
		s, _ := open(t, func(c *config) {
			c.compile = func(g *ir.Graph) (*passes.Compiled, error) {
				code, err := fakeCompiler(g)
				change(code.Program)
				return code, err
			}
		})
		_, err := s.compile(evalSource(weights("w")))
		require.EqualError(t, err, "eval: internal error: "+name)
	}
}

func TestReadersRunAtOnceAndWritersAlone(t *testing.T) {
	s, d := open(t)
	w := weights("w")
	train, err := s.compile(trainSource(w))
	require.NoError(t, err)
	eval, err := s.compile(evalSource(w))
	require.NoError(t, err)
	var readers, writers atomic.Int32
	together := make(chan bool)
	d.run = func(ctx context.Context, p *kernel.Program, in, out buffers) error {
		if p.Name == "eval" {
			readers.Add(1)
			defer readers.Add(-1)
			select {
			case together <- true: // two readers meet
			case <-together:
			case <-ctx.Done():
			}
			if writers.Load() > 0 {
				return errors.New("reader beside a writer")
			}
		} else if writers.Add(1); readers.Load() > 0 || writers.Load() > 1 {
			return errors.New("writer not alone")
		} else {
			defer writers.Add(-1)
		}
		return fakeRun(ctx, p, in, out)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, err := eval.Run(context.Background(), nil)
			require.NoError(t, err)
		})
	}
	wg.Wait()
	d.run = fakeRun
	// Each run of train adds as much to both weights: no reader may see a difference other than 1.
	for i := range 4 {
		wg.Go(func() {
			feeds := batch(t, i+1)
			var r Results
			for range 50 {
				require.NoError(t, train.RunInto(context.Background(), feeds, &r))
			}
			r.Release()
		})
		wg.Go(func() {
			var r Results
			got := floats(t, 0, 0)
			for range 50 {
				require.NoError(t, eval.RunInto(context.Background(), nil, &r))
				require.NoError(t, r.Read("w", got))
				v, err := tensor.Data[float32](got)
				require.NoError(t, err)
				require.Equal(t, v[0]+1, v[1])
				require.NoError(t, s.Read("w", got))
				require.Equal(t, v[0]+1, v[1])
			}
		})
	}
	wg.Wait()
	got, err := s.Get("w")
	require.NoError(t, err)
	requireValues(t, got, 1+50*10, 2+50*10)
}

func TestProgramAndExecutable(t *testing.T) {
	s, d := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	code, err := train.Program(Binding{"batch": 6})
	require.NoError(t, err)
	require.Equal(t, 12, code.Program.Buffers[0].Len)
	exe, err := train.Executable(Binding{"batch": 6})
	require.NoError(t, err)
	require.Equal(t, "fake train", exe.Source())
	require.Len(t, d.compiled, 1)
	require.Equal(t, []string{"batch"}, train.Dims())
	for want, b := range map[string]Binding{
		`train: dimension "batch" has no size (named dimensions: batch)`: {"heads": 2},
		`train: dimension "batch" cannot have the size -1`:               {"batch": -1},
		`train: no dimension is named "heads" (named dimensions: batch)`: {"batch": 1, "heads": 2},
	} {
		_, err := train.Program(b)
		require.EqualError(t, err, want)
	}
}

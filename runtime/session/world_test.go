package session

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

func TestFeedErrors(t *testing.T) {
	s, d := open(t)
	w := weights("w")
	src := trainSource(w)
	src.inputs = append(src.inputs, input{name: "pair", dtype: types.F64, dims: []dim{{name: "batch", max: 50}, {name: "batch", max: 50}}})
	train, err := s.compile(src)
	require.NoError(t, err)
	eval, err := s.compile(evalSource(w))
	require.NoError(t, err)
	good := func() Feeds {
		f := batch(t, 3)
		f["pair"], err = tensor.New(types.Of(types.F64, 3, 3))
		require.NoError(t, err)
		return f
	}
	with := func(name string, typ types.Type) Feeds {
		f := good()
		f[name], err = tensor.New(typ)
		require.NoError(t, err)
		return f
	}
	renamed := good()
	renamed["lable"] = renamed["y"]
	delete(renamed, "y")
	far := good()
	far["temperature"] = renamed["lable"]
	typo := good()
	typo["pairs"] = typo["pair"]
	delete(typo, "pair")
	null := good()
	null["y"] = nil
	none := Feeds{"x": good()["x"]}
	for _, c := range []struct {
		step *Step
		in   Feeds
		want string
	}{
		{train, typo, `train: unknown feed "pairs": did you mean "pair"? (inputs: x f32[batch,2], y i32[batch], pair f64[batch,batch])`},
		{train, far, `train: unknown feed "temperature" (inputs: x f32[batch,2], y i32[batch], pair f64[batch,batch])`},
		{train, none, `train: missing feed: y i32[batch], pair f64[batch,batch]`},
		{train, nil, `train: missing feed: x f32[batch,2], y i32[batch], pair f64[batch,batch]`},
		{train, null, `train: feed "y" is nil, expected i32[batch]`},
		{train, with("x", types.Of(types.F32, 3, 3)), `train: feed "x": expected f32[batch,2], got f32[3,3]`},
		{train, with("x", types.Of(types.F64, 3, 2)), `train: feed "x": expected f32[batch,2], got f64[3,2]`},
		{train, with("x", types.Of(types.F32, 3)), `train: feed "x": expected f32[batch,2], got f32[3]`},
		{train, with("y", types.Of(types.I32, 2)), `train: dimension batch is 3 in feed "x" f32[3,2], but 2 in feed "y" i32[2]`},
		{train, with("pair", types.Of(types.F64, 3, 4)), `train: feed "pair": dimension batch of f64[batch,batch] is both 3 and 4 in f64[3,4]`},
		{train, with("pair", types.Of(types.F64, 51, 51)), `train: feed "pair": dimension batch of f64[batch,batch] is 51 in f64[51,51], at most 50 is possible`},
		{eval, Feeds{"x": none["x"]}, `eval: unknown feed "x": this step has no inputs`},
	} {
		_, err := c.step.Run(t.Context(), c.in)
		require.EqualError(t, err, c.want)
		require.ErrorIs(t, err, ErrFeed)
	}
	_, err = train.Run(t.Context(), renamed)
	require.ErrorIs(t, err, ErrFeed)
	require.Equal(t, []string{"eval"}, d.compiled)
	require.EqualError(t, train.RunInto(t.Context(), good(), nil), "train: no results to fill")
}

func TestVariableErrors(t *testing.T) {
	s, _ := open(t)
	w := weights("w")
	_, err := s.compile(evalSource(w))
	require.NoError(t, err)
	_, err = s.compile(evalSource(weights("w")))
	require.EqualError(t, err, `eval: two different variables are named "w": f32[2] in this graph, f32[2] in one compiled before`)
	two := evalSource(weights("v"))
	two.vars = append(two.vars, weights("v"))
	_, err = s.compile(two)
	require.EqualError(t, err, `eval: two different variables are named "v": f32[2] and f32[2]`)
	renamed := w
	renamed.name = "fc.weight"
	_, err = s.compile(evalSource(renamed))
	require.EqualError(t, err, `eval: variable "fc.weight" was compiled under the name "w" before: name variables before the first Compile`)
	require.Equal(t, []string{"w"}, s.Names())

	_, err = s.Get("W")
	require.EqualError(t, err, `session: no variable is named "W": did you mean "w"?`)
	require.EqualError(t, s.Set("w", floats(t, 1)), `session: variable "w" is f32[2], it cannot be set to f32[1]`)
	require.EqualError(t, s.Set("w", nil), `session: variable "w" is f32[2], it cannot be set to nil`)
	require.EqualError(t, s.Read("w", floats(t, 1)), `session: variable "w" is f32[2], it cannot be read into f32[1]`)
	require.EqualError(t, s.Set("bias", floats(t, 1)), `session: no variable is named "bias"`)
}

func TestResultErrors(t *testing.T) {
	s, _ := open(t)
	eval, err := s.compile(evalSource(weights("w")))
	require.NoError(t, err)
	res, err := eval.Run(t.Context(), nil)
	require.NoError(t, err)
	_, err = res.Tensor("ww")
	require.EqualError(t, err, `results: no output is named "ww": did you mean "w"?`)
	_, err = res.Scalar("w")
	require.EqualError(t, err, `results: output "w" is f32[2], not one number`)
	require.EqualError(t, res.Read("w", floats(t, 1, 2, 3)), `results: output "w" is f32[2], it cannot be read into f32[3]`)

	require.NoError(t, res.Retain())
	require.EqualError(t, eval.RunInto(t.Context(), nil, res), "eval: the results to fill are retained elsewhere")
	res.Release()
	_, err = res.Tensor("w")
	require.NoError(t, err, "one holder is left")
	res.Release()
	res.Release()
	_, err = res.Tensor("w")
	require.EqualError(t, err, "results: used after Release")
	require.ErrorIs(t, err, ErrReleased)
	_, err = res.Scalar("w")
	require.ErrorIs(t, err, ErrReleased)
	require.ErrorIs(t, res.Read("w", floats(t, 1, 2)), ErrReleased)
	require.ErrorIs(t, res.Retain(), ErrReleased)
	require.Empty(t, res.Names())

	var empty Results
	_, err = empty.Scalar("w")
	require.EqualError(t, err, "results: no run has filled them")
	require.ErrorIs(t, err, ErrReleased)
	empty.Release()
	require.NoError(t, eval.RunInto(t.Context(), nil, res), "released results can be filled again")
	_, err = res.Tensor("w")
	require.NoError(t, err)
}

func TestForgottenResultsAreGivenBack(t *testing.T) {
	s, d := open(t)
	eval, err := s.compile(evalSource(weights("w")))
	require.NoError(t, err)
	before, _ := d.used()
	for range 10 {
		_, err := eval.Run(t.Context(), nil)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		n, _ := d.used()
		return n == before
	}, time.Minute, time.Millisecond)
}

func TestClosedSession(t *testing.T) {
	s, d := open(t)
	eval, err := s.compile(evalSource(weights("w")))
	require.NoError(t, err)
	res, err := eval.Run(t.Context(), nil)
	require.NoError(t, err)
	running, finish := make(chan bool), make(chan bool)
	d.run = func(ctx context.Context, p *kernel.Program, in, out buffers) error {
		running <- true
		<-finish
		return fakeRun(ctx, p, in, out)
	}
	ran := make(chan error, 1)
	go func() {
		_, err := eval.Run(context.Background(), nil)
		ran <- err
	}()
	<-running
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	require.Eventually(t, func() bool { return !s.tryEnter() }, time.Minute, time.Millisecond)
	select {
	case <-closed:
		t.Fatal("Close did not wait for a running step")
	default:
	}
	finish <- true
	require.NoError(t, <-ran)
	require.NoError(t, <-closed)
	require.NoError(t, s.Close())

	_, err = eval.Run(t.Context(), nil)
	require.EqualError(t, err, "eval: session used after Close")
	require.ErrorIs(t, err, ErrClosed)
	_, err = res.Tensor("w")
	require.ErrorIs(t, err, ErrReleased)
	res.Release()
	_, err = s.compile(evalSource(weights("w")))
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.Get("w")
	require.ErrorIs(t, err, ErrClosed)
	_, err = s.State()
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Set("w", floats(t, 1, 2)), ErrClosed)
	require.ErrorIs(t, s.SetState(nil), ErrClosed)
	require.ErrorIs(t, s.Reinit(), ErrClosed)
	require.ErrorIs(t, s.Save(filepath.Join(t.TempDir(), "w.npz")), ErrClosed)
	require.NoError(t, eval.Close())
	require.Empty(t, s.Names())
}

// tryEnter reports whether the gate is open.
func (g *gate) tryEnter() bool {
	if !g.enter() {
		return false
	}
	g.leave()
	return true
}

func TestFailureAfterTheFirstWriteNeedsAReload(t *testing.T) {
	s, d := open(t, WithSeed(1))
	w, v := weights("w"), weights("v")
	train, err := s.compile(trainSource(w))
	require.NoError(t, err)
	eval, err := s.compile(evalSource(v))
	require.NoError(t, err)
	fail := func(failure error) error {
		d.run = func(_ context.Context, _ *kernel.Program, in, _ buffers) error {
			in.at(len(in)-1).setF32(0, -1)
			return failure
		}
		var r Results
		err := train.RunInto(t.Context(), batch(t, 1), &r)
		_, notThere := r.Scalar("loss")
		require.EqualError(t, notThere, "results: the run that was to fill them failed")
		r.Release()
		d.run = fakeRun
		return err
	}
	// Nothing was written yet.
	for _, clean := range []error{
		&device.CheckError{Pos: "mnist.go:3: gather", Value: 12, Limit: 10}, context.Canceled, device.ErrOutOfMemory,
	} {
		err := fail(clean)
		require.ErrorIs(t, err, clean)
		require.NotErrorIs(t, err, ErrNeedsReload)
		_, err = eval.Run(t.Context(), nil)
		require.NoError(t, err)
	}
	half := &device.CheckError{Pos: "mnist.go:3: gather", Value: 12, Limit: 10, VariablesWritten: true}
	breaks := func() {
		err := fail(half)
		require.ErrorIs(t, err, ErrNeedsReload)
		require.EqualError(t, err, "train: mnist.go:3: gather: index 12 is out of range [0,10) (variables are half updated by a step that failed: set or load them, or call Reinit)")
		_, err = eval.Run(t.Context(), nil)
		require.EqualError(t, err, "eval: variables are half updated by a step that failed: set or load them, or call Reinit")
		_, err = s.Get("w")
		require.ErrorIs(t, err, ErrNeedsReload)
		_, err = s.Get("v")
		require.NoError(t, err, "v was not written")
		_, err = s.State()
		require.ErrorIs(t, err, ErrNeedsReload)
		require.ErrorIs(t, s.Save(filepath.Join(t.TempDir(), "w.npz")), ErrNeedsReload)
		require.NoError(t, s.Set("v", floats(t, 5, 5)))
		_, err = eval.Run(t.Context(), nil)
		require.ErrorIs(t, err, ErrNeedsReload, "w is still half updated")
	}
	works := func(want ...float32) {
		got, err := s.Get("w")
		require.NoError(t, err)
		requireValues(t, got, want...)
		_, err = train.Run(t.Context(), batch(t, 1))
		require.NoError(t, err)
	}
	breaks()
	require.NoError(t, s.Set("w", floats(t, 7, 8)))
	works(7, 8)
	breaks()
	require.NoError(t, s.SetState(map[string]*tensor.Tensor{"w": floats(t, 3, 4), "v": floats(t, 5, 6)}))
	works(3, 4)
	breaks()
	require.NoError(t, s.Reinit())
	works(1, 2)
	require.ErrorIs(t, fail(errors.New("bus error")), ErrNeedsReload)
	require.NoError(t, s.Reinit())
	d.run = func(context.Context, *kernel.Program, buffers, buffers) error { panic("nil pointer") }
	_, err = train.Run(t.Context(), batch(t, 1))
	require.ErrorContains(t, err, "train: internal error of device fake: nil pointer\n")
	require.ErrorIs(t, err, ErrNeedsReload)
}

func TestCancelledBeforeTheRun(t *testing.T) {
	s, d := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = train.Run(ctx, batch(t, 1))
	require.EqualError(t, err, "train: context canceled")
	require.Empty(t, d.compiled)
	got, err := s.Get("w")
	require.NoError(t, err)
	requireValues(t, got, 1, 2)
}

func TestMemoryIsAnnounced(t *testing.T) {
	s, d := open(t)
	w := weights("w")
	train, err := s.compile(trainSource(w))
	require.NoError(t, err)
	m, err := train.Memory(Binding{"batch": 4})
	require.NoError(t, err)
	require.Equal(t, MemoryReport{Arena: 1 << 10, Variables: 8, Feeds: 32 + 16, Results: 4 + 32, Largest: []MemoryUse{
		{`feed "x" f32[4,2]`, 32}, {`result "x" f32[4,2]`, 32}, {`feed "y" i32[4]`, 16}, {`variable "w" f32[2]`, 8}, {`result "loss" f32[]`, 4},
	}}, m)
	require.EqualValues(t, 1024+8+48+36, m.Total())
	require.Equal(t, `arena           1.0 KiB  (lower bound 0 bytes, without reuse 0 bytes)
variables       8 bytes
feeds          48 bytes
results        36 bytes
constants       0 bytes
total           1.1 KiB
               32 bytes  feed "x" f32[4,2]
               32 bytes  result "x" f32[4,2]
               16 bytes  feed "y" i32[4]
                8 bytes  variable "w" f32[2]
                4 bytes  result "loss" f32[]
`, m.String())

	d.limit = 2000
	before, exes := d.used()
	_, err = train.Run(t.Context(), batch(t, 100))
	require.ErrorIs(t, err, ErrMemoryLimit)
	require.EqualError(t, err, `train: a run needs 3.0 KiB on device fake, which has 2.0 KiB: arena 1.0 KiB, variables 8 bytes, feeds 1.2 KiB, results 804 bytes, constants 0 bytes; the largest: `+
		`800 bytes feed "x" f32[100,2], 800 bytes result "x" f32[100,2], 400 bytes feed "y" i32[100], 8 bytes variable "w" f32[2], 4 bytes result "loss" f32[]`)
	after, exesAfter := d.used()
	require.Equal(t, []int{before, exes}, []int{after, exesAfter}, "nothing was taken")

	huge := weights("huge")
	huge.typ = types.Of(types.F64, 1<<40)
	_, err = s.compile(trainSource(huge))
	require.EqualError(t, err, `train: a run needs 8.0 TiB on device fake, which has 2.0 KiB: arena 0 bytes, variables 8.0 TiB, feeds 0 bytes, results 0 bytes, constants 0 bytes; `+
		`the largest: 8.0 TiB variable "huge" f64[1099511627776], 8 bytes variable "w" f32[2]`)
	limited, _ := open(t, WithMemoryLimit(100))
	_, err = limited.compile(evalSource(weights("w")))
	require.ErrorIs(t, err, ErrMemoryLimit)
}

func TestOutputsThatDoNotFit(t *testing.T) {
	s, d := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	d.capacity = 1 << 12
	_, err = train.Run(t.Context(), batch(t, 1<<10))
	require.EqualError(t, err, `train: feed "x" f32[1024,2]: out of device memory`)
	n, _ := d.used()
	require.Equal(t, 1, n)
}

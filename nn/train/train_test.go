package train_test

import (
	"context"
	"errors"
	"math"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/data"
	"dumbtorch/nn/optim"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// line is the model y = w x + b.
type line struct{ FC *nn.Linear }

// fixture is a session with a training and an evaluation step of line.
type fixture struct {
	model *line
	s     *session.Session
	step  *session.Step
	eval  *session.Step
	zero  *session.Step
	sgd   optim.SGD
}

func newFixture(t testing.TB, opts ...optim.Option) *fixture {
	f := &fixture{model: &line{nn.NewLinear(1, 1)}, sgd: optim.SGD{LR: 0.1}}
	f.s = session.New(interp.New(), session.WithSeed(1))
	t.Cleanup(func() { require.NoError(t, f.s.Close()) })
	loss := func(g *graph.Graph) *graph.Node {
		nn.Params(f.model)
		batch := graph.Dim("batch")
		x, y := g.Input("x", graph.F32, batch, 1), g.Input("y", graph.F32, batch, 1)
		p := f.model.FC.Forward(x)
		g.Output("loss", nn.MSE(p, y))
		g.Output("prediction", p)
		return nn.MSE(p, y)
	}
	f.step = f.compile(t, "train", func(g *graph.Graph) {
		f.sgd.Minimize(loss(g), nn.Params(f.model), opts...)
	})
	f.eval = f.compile(t, "eval", func(g *graph.Graph) {
		loss(g)
		g.Output("accuracy", graph.Scalar(g, graph.F32, 0.5))
	})
	if len(opts) > 0 {
		f.zero = f.compile(t, "zero", func(g *graph.Graph) { f.sgd.ZeroGrad(g, nn.Params(f.model)) })
	}
	return f
}

func (f *fixture) compile(t testing.TB, name string, model func(g *graph.Graph)) *session.Step {
	g, err := graph.Build(name, model, graph.Training())
	require.NoError(t, err)
	st, err := f.s.Compile(g)
	require.NoError(t, err)
	return st
}

// points returns a loader of n points of y = 2x + 1.
func points(t testing.TB, n int, o data.Options) *data.Loader {
	x, y := make([]float32, n), make([]float32, n)
	for i := range n {
		x[i] = float32(i%8)/4 - 1
		y[i] = 2*x[i] + 1
	}
	tx, err := tensor.From(x, n, 1)
	require.NoError(t, err)
	ty, err := tensor.From(y, n, 1)
	require.NoError(t, err)
	ds, err := data.FromTensors(data.Column{Name: "x", Tensor: tx}, data.Column{Name: "y", Tensor: ty})
	require.NoError(t, err)
	l, err := data.NewLoader(ds, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func (f *fixture) config(t testing.TB, epochs int) train.Config {
	return train.Config{
		Session: f.s, Step: f.step, Epochs: epochs,
		Data: points(t, 20, data.Options{Batch: 8, Shuffle: true}),
		Eval: f.eval, EvalData: points(t, 10, data.Options{Batch: 4}),
	}
}

func TestRun(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 30)
	var steps, epochs []int
	c.OnStep = func(s *train.Step) error {
		steps = append(steps, s.Number)
		require.Equal(t, 3, s.Batches)
		require.Equal(t, []int{8, 8, 4}[s.Place.Batch], s.Samples)
		require.Len(t, s.Metrics, 1, "the prediction is no metric")
		return nil
	}
	c.OnEpoch = func(e *train.Epoch) error {
		epochs = append(epochs, e.Number)
		require.Equal(t, 3, e.Steps)
		require.Equal(t, 20, e.Samples)
		require.Positive(t, e.SamplesPerSecond())
		return nil
	}
	r, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, train.Finished, r.Reason)
	require.Equal(t, 90, r.Steps)
	require.Len(t, r.Epochs, 30)
	require.Equal(t, data.Position{Epoch: 30}, r.Position)
	require.Equal(t, 90, steps[len(steps)-1])
	require.Equal(t, 30, epochs[len(epochs)-1])
	first, _ := r.Epochs[0].Eval.Get("loss")
	last, ok := r.Epochs[29].Eval.Get("loss")
	require.True(t, ok)
	require.Less(t, last, 1e-3*first)
	accuracy, ok := r.Epochs[0].Eval.Get("accuracy")
	require.True(t, ok)
	require.Equal(t, 0.5, accuracy)
	require.Equal(t, "finished after 90 steps: 30 complete epochs", r.String())

	again, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Zero(t, again.Steps, "the data is at the end of the last epoch")
}

// Averages weigh batches by their samples.
func TestEvaluate(t *testing.T) {
	f := newFixture(t)
	m, n, err := train.Evaluate(t.Context(), f.eval, points(t, 10, data.Options{Batch: 4}), nil)
	require.NoError(t, err)
	require.Equal(t, 10, n)
	got, _ := m.Get("loss")
	_, ok := m.Get("prediction")
	require.False(t, ok)
	w, err := f.s.Get("fc.weight")
	require.NoError(t, err)
	b, err := f.s.Get("fc.bias")
	require.NoError(t, err)
	wv, err := w.At(0, 0)
	require.NoError(t, err)
	bv, err := b.At(0)
	require.NoError(t, err)
	want := 0.0
	for i := range 10 {
		x := float64(i%8)/4 - 1
		d := wv*x + bv - (2*x + 1)
		want += d * d / 10
	}
	require.InDelta(t, want, got, 1e-5)

	_, _, err = train.Evaluate(t.Context(), nil, nil, nil)
	require.ErrorContains(t, err, "no step or no data")
	_, _, err = train.Evaluate(t.Context(), f.eval, points(t, 10, data.Options{Batch: 4}), map[string]string{"x": "z"})
	require.ErrorIs(t, err, session.ErrFeed)
}

func TestCancelled(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := f.config(t, 10)
	c.OnStep = func(s *train.Step) error {
		if s.Number == 5 {
			cancel()
		}
		return nil
	}
	r, err := train.Run(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, train.Cancelled, r.Reason)
	require.Equal(t, 5, r.Steps)
	require.Len(t, r.Epochs, 1)
	require.Equal(t, data.Position{Epoch: 1, Batch: 2}, r.Position)
	require.Equal(t, "cancelled after 5 steps: 1 complete epochs and 2 batches of epoch 2", r.String())
	_, err = f.s.State()
	require.NoError(t, err, "the step was completed")

	// The run goes on where it stopped.
	c.OnStep = nil
	r, err = train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 25, r.Steps)
	require.Len(t, r.Epochs, 9)
	require.Equal(t, 1, r.Epochs[0].Steps)
}

func TestCallbacksEndTheRun(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 10)
	c.OnEpoch = func(e *train.Epoch) error {
		if e.Number == 2 {
			return train.ErrStop
		}
		return nil
	}
	r, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, train.StoppedByCallback, r.Reason)
	require.Len(t, r.Epochs, 2)

	mine := errors.New("mine")
	c.OnEpoch, c.OnStep = nil, func(*train.Step) error { return mine }
	r, err = train.Run(t.Context(), c)
	require.ErrorIs(t, err, mine)
	require.EqualError(t, err, "train: epoch 3, batch 1: mine")
	require.Equal(t, train.Failed, r.Reason)
}

func TestRate(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 2)
	c.Rate = func(step int) float64 { return 0.5 / float64(1+step/2) }
	var seen []float64
	c.OnStep = func(s *train.Step) error {
		v, err := f.s.Get("optim.lr")
		require.NoError(t, err)
		x, err := v.At()
		require.NoError(t, err)
		require.InDelta(t, s.Rate, x, 1e-7)
		seen = append(seen, s.Rate)
		return nil
	}
	_, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []float64{0.5, 0.5, 0.25, 0.25, 0.5 / 3, 0.5 / 3}, seen)

	c = f.config(t, 1)
	c.Rate = func(int) float64 { return math.NaN() }
	_, err = train.Run(t.Context(), c)
	require.EqualError(t, err, "train: epoch 1, batch 1: learning rate: that of step 0 is NaN, not a finite number of at least 0")
	c.RateVariable = "optim.rl"
	_, err = train.Run(t.Context(), c)
	require.EqualError(t, err, `train: learning rate: session: no variable is named "optim.rl": did you mean "optim.lr"?`)
	c.RateVariable = "fc.bias"
	_, err = train.Run(t.Context(), c)
	require.EqualError(t, err, `train: learning rate: variable "fc.bias" is f32[1], not one floating-point number`)
}

func TestEarlyStop(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 100)
	// The rate is 0 after the third epoch, and too large after the fifth.
	c.Rate = func(step int) float64 { return []float64{0.1, 0.1, 0.1, 0, 0, 1.5}[min(5, step/3)] }
	c.EarlyStop = train.EarlyStop{Patience: 4, KeepBest: true, MinDelta: 1e-9}
	var best *tensor.Tensor
	c.OnEpoch = func(e *train.Epoch) (err error) {
		if e.Number == 3 {
			best, err = f.s.Get("fc.weight")
		}
		return err
	}
	r, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, train.StoppedEarly, r.Reason)
	require.Equal(t, 3, r.Best)
	require.Len(t, r.Epochs, 7)
	last, err := f.s.Get("fc.weight")
	require.NoError(t, err)
	require.True(t, tensor.Equal(best, last), "the best weights are kept")

	c = f.config(t, 3)
	c.EarlyStop = train.EarlyStop{Patience: 1, Metric: "accuracy", Larger: true}
	r, err = train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, r.Epochs, 2, "the accuracy is constant")
	c = f.config(t, 3)
	c.EarlyStop = train.EarlyStop{Patience: 1, Metric: "f1"}
	_, err = train.Run(t.Context(), c)
	require.EqualError(t, err, `train: early stop: there is no metric "f1", but [loss accuracy]`)
}

// Two micro-batches of 4 make the update of one batch of 8, and the third of an
// epoch is dropped where the accumulators are zeroed.
func TestAccumulation(t *testing.T) {
	whole, parts := newFixture(t), newFixture(t, optim.Accumulate(2))
	c := train.Config{Session: whole.s, Step: whole.step, Epochs: 3, Data: points(t, 8, data.Options{Batch: 8})}
	_, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	// The sum of two means of half a batch is twice the mean of the batch.
	c = train.Config{Session: parts.s, Step: parts.step, Zero: parts.zero, Epochs: 3, Data: points(t, 12, data.Options{Batch: 4}),
		Rate: func(int) float64 { return 0.05 }}
	r, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 9, r.Steps)
	for _, name := range []string{"fc.weight", "fc.bias"} {
		a, err := whole.s.Get(name)
		require.NoError(t, err)
		b, err := parts.s.Get(name)
		require.NoError(t, err)
		require.NoError(t, tensor.AllClose(b, a, 1e-5, 1e-6), name)
	}
}

func TestDiverged(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 100)
	c.Rate = func(int) float64 { return 1e30 }
	r, err := train.Run(t.Context(), c)
	require.ErrorIs(t, err, train.ErrDiverged)
	require.ErrorContains(t, err, "the loss is NaN at step")
	require.Equal(t, train.Failed, r.Reason)
}

func TestProgress(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 2)
	var out strings.Builder
	c.Progress, c.Unit, c.EvalName = &out, "images", "test"
	require.False(t, train.IsTerminal(c.Progress))
	_, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	line := `epoch %d/2: loss \d\.\d{4}, test loss \d\.\d{4}, test accuracy 50\.00%%, \d+ images/s(, \d+m?\d*s left)?\n`
	require.Regexp(t, regexp.MustCompile("^"+strings.ReplaceAll(strings.Replace(line, "%d", "1", 1)+strings.Replace(line, "%d", "2", 1), "%%", "%")+"$"), out.String())
}

func TestMistakes(t *testing.T) {
	f := newFixture(t)
	for want, change := range map[string]func(*train.Config){
		"train: the session, the step or the data is missing":                          func(c *train.Config) { c.Data = nil },
		"train: -1 epochs are wanted":                                                  func(c *train.Config) { c.Epochs = -1 },
		"train: a step for evaluation needs data for evaluation, and the reverse":      func(c *train.Config) { c.EvalData = nil },
		"train: early stop: patience -1 and minimal difference 0 must not be negative": func(c *train.Config) { c.EarlyStop.Patience = -1 },
		`train: epoch 1, batch 1: train: missing feed: y f32[batch,1]`:                 func(c *train.Config) { c.Inputs = map[string]string{"y": ""} },
	} {
		c := f.config(t, 1)
		change(&c)
		r, err := train.Run(t.Context(), c)
		require.EqualError(t, err, want)
		require.Equal(t, train.Failed, r.Reason)
	}
}

// A step of the loop allocates nothing besides what the device does in a run.
func TestAllocations(t *testing.T) {
	f := newFixture(t)
	c := f.config(t, 1)
	c.Data = points(t, 8000, data.Options{Batch: 8, Shuffle: true})
	c.Eval, c.EvalData = nil, nil
	c.Rate = func(step int) float64 { return 0.01 / float64(1+step) }
	var before, after runtime.MemStats
	c.OnStep = func(s *train.Step) error {
		switch s.Number {
		case 200:
			runtime.ReadMemStats(&before)
		case 900:
			runtime.ReadMemStats(&after)
		}
		return nil
	}
	_, err := train.Run(t.Context(), c)
	require.NoError(t, err)
	feeds, out := session.Feeds{}, session.Results{}
	defer out.Release()
	batch := must(points(t, 8, data.Options{Batch: 8}).Next(t.Context()))
	feeds["x"], feeds["y"] = batch.Tensor("x"), batch.Tensor("y")
	device := testing.AllocsPerRun(100, func() {
		if err := f.step.RunInto(t.Context(), feeds, &out); err != nil {
			t.Error(err)
		}
	})
	require.InDelta(t, device, float64(after.Mallocs-before.Mallocs)/700, 0.1)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

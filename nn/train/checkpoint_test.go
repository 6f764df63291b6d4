package train_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/data"
	"dumbtorch/nn/optim"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// net has random numbers in its step and an optimizer with state.
type net struct{ FC1, FC2 *nn.Linear }

func (m *net) Forward(x *graph.Node) *graph.Node {
	return m.FC2.Forward(m.FC1.Forward(x).ReLU().Dropout(0.5))
}

// job is a run as a program starts it anew: nothing is left of an earlier one but
// its files.
type job struct {
	train.Config
	s      *session.Session
	params []*graph.Variable
	losses []uint64 // bits, by step; 0 where it was not seen
}

const jobSteps = 5 // of an epoch

func newJob(t testing.TB, dir string) *job { return newJobOn(t, interp.New(), dir, 4) }

// newJobOn is newJob on another device, with a number of hidden units.
func newJobOn(t testing.TB, dev device.Device, dir string, hidden int) *job {
	s := session.New(dev, session.WithSeed(3))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	m := &net{nn.NewLinear(1, hidden), nn.NewLinear(hidden, 1)}
	loss := func(g *graph.Graph) *graph.Node {
		batch := graph.Dim("batch")
		l := nn.MSE(m.Forward(g.Input("x", graph.F32, batch, 1)), g.Input("y", graph.F32, batch, 1))
		g.Output("loss", l)
		return l
	}
	sgd := optim.SGD{LR: 0.02, Momentum: 0.9}
	compile := func(name string, model func(*graph.Graph), opts ...graph.Option) *session.Step {
		return must(s.Compile(must(graph.Build(name, model, opts...))))
	}
	j := &job{s: s, params: nn.Params(m)}
	j.Config = train.Config{
		Session: s, Epochs: 3,
		Step: compile("train", func(g *graph.Graph) {
			sgd.Minimize(loss(g), nn.Params(m), optim.Accumulate(2))
		}, graph.Training()),
		Zero:     compile("zero", func(g *graph.Graph) { sgd.ZeroGrad(g, nn.Params(m)) }, graph.Training()),
		Eval:     compile("eval", func(g *graph.Graph) { loss(g) }),
		Data:     points(t, 19, data.Options{Batch: 4, Shuffle: true, Seed: 5}),
		EvalData: points(t, 6, data.Options{Batch: 4}),
		Rate:     func(step int) float64 { return 0.05 / float64(1+step) },
		Checkpoints: train.Checkpoints{
			Dir: dir, Every: 2, Keep: 2, Resume: true, Meta: map[string]string{"hidden": strconv.Itoa(hidden)},
		},
	}
	if dir == "" {
		j.Checkpoints = train.Checkpoints{}
	}
	j.losses = make([]uint64, 1000)
	j.OnStep = j.see
	return j
}

func (j *job) see(s *train.Step) error {
	loss, _ := s.Metrics.Get("loss")
	j.losses[s.Number] = math.Float64bits(loss)
	return nil
}

// stopAt makes the run end with an error after a step.
func (j *job) stopAt(step int, err error) {
	j.OnStep = func(s *train.Step) error {
		if s.Number == step {
			return errors.Join(j.see(s), err)
		}
		return j.see(s)
	}
}

// run runs to the end.
func (j *job) run(t testing.TB) *train.Report {
	t.Helper()
	r, err := train.Run(context.Background(), j.Config)
	require.NoError(t, err)
	return r
}

// same requires that a run ended as the straight one did.
func same(t testing.TB, straight, j *job, want, got *train.Report) {
	t.Helper()
	a, b := must(straight.s.State()), must(j.s.State())
	require.Len(t, b, len(a))
	for name := range a {
		require.True(t, tensor.Equal(a[name], b[name]), name)
	}
	for step, bits := range j.losses {
		if bits != 0 {
			require.Equal(t, straight.losses[step], bits, "loss of step %d", step)
		}
	}
	require.Equal(t, timeless(want), timeless(got))
}

// timeless returns a report without what no two runs have in common.
func timeless(r *train.Report) train.Report {
	out := *r
	out.Epochs = slices.Clone(r.Epochs)
	for i := range out.Epochs {
		out.Epochs[i].Time = 0
	}
	return out
}

var errCrash = errors.New("crash")

// A run that is stopped anywhere, in whatever way, ends with the same bits in all
// variables, losses and averages as one that never was.
func TestResumeGoesOnAsIfNeverStopped(t *testing.T) {
	straight := newJob(t, "")
	want := straight.run(t)
	require.Equal(t, 15, want.Steps)
	for step := 1; step <= want.Steps; step++ {
		for name, stop := range map[string]error{"stop": train.ErrStop, "crash": errCrash} {
			t.Run(fmt.Sprintf("%s at %d", name, step), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "runs", "a")
				j := newJob(t, dir)
				j.stopAt(step, stop)
				r, err := train.Run(t.Context(), j.Config)
				if stop == errCrash {
					require.ErrorIs(t, err, errCrash)
				} else {
					require.NoError(t, err)
				}
				require.Equal(t, step, r.Steps)

				j = newJob(t, dir)
				got := j.run(t)
				first := 1
				for j.losses[first] == 0 && first < want.Steps {
					first++
				}
				if stop == train.ErrStop {
					require.GreaterOrEqual(t, first, min(step+1, want.Steps), "nothing is done twice")
				}
				require.LessOrEqual(t, first, step+1)
				require.GreaterOrEqual(t, first, step-1, "a checkpoint is made every second step")
				want := *want
				want.Best = got.Best // without checkpoints nobody looks
				require.NotZero(t, got.Best)
				same(t, straight, j, &want, got)
			})
		}
	}
}

// A context that ends in the middle of an evaluation leaves the epoch open.
func TestResumeAfterACancelledEvaluation(t *testing.T) {
	dir := t.TempDir()
	straight := newJob(t, "")
	want := straight.run(t)
	j := newJob(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	j.OnStep = func(s *train.Step) error {
		if s.Number == 2*jobSteps {
			// The data end, and the evaluation finds that the context has.
			j.EvalData.Close()
		}
		return nil
	}
	_, err := train.Run(ctx, j.Config)
	require.ErrorIs(t, err, data.ErrClosed)
	cancel()
	j = newJob(t, dir)
	got := j.run(t)
	want.Best = got.Best
	same(t, straight, j, want, got)

	dir = t.TempDir()
	j = newJob(t, dir)
	ctx, cancel = context.WithCancel(t.Context())
	j.OnStep = func(s *train.Step) error {
		if s.Number == 2*jobSteps {
			cancel()
		}
		return nil
	}
	r, err := train.Run(ctx, j.Config)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, train.Cancelled, r.Reason)
	j = newJob(t, dir)
	got = j.run(t)
	require.Zero(t, j.losses[2*jobSteps], "the step is not made again")
	same(t, straight, j, want, got)
}

// names returns the files of a folder.
func names(t testing.TB, dir string) []string {
	var list []string
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestCheckpointsKept(t *testing.T) {
	dir := t.TempDir()
	j := newJob(t, dir)
	// The fourth epoch and those after it make the metric worse.
	j.Epochs = 8
	j.Rate = func(step int) float64 {
		if step >= 3*jobSteps {
			return 3
		}
		return 0.05
	}
	j.EarlyStop = train.EarlyStop{Patience: 3, KeepBest: true}
	r := j.run(t)
	require.Equal(t, train.StoppedEarly, r.Reason)
	best := r.Best * jobSteps
	last := r.Steps
	require.Less(t, best, last-4)
	file := fmt.Sprintf("step-%08d.safetensors", best)
	require.Equal(t, []string{"best.safetensors", file, fmt.Sprintf("step-%08d.safetensors", last-2), fmt.Sprintf("step-%08d.safetensors", last)}, names(t, dir))
	require.Equal(t, must(os.ReadFile(filepath.Join(dir, file))), must(os.ReadFile(filepath.Join(dir, "best.safetensors"))))

	// The run ends with the best variables, and so does one that is resumed.
	again := newJob(t, dir)
	again.Epochs, again.EarlyStop = 8, j.EarlyStop
	got := again.run(t)
	require.Equal(t, timeless(r), timeless(got))
	for name, x := range must(j.s.State()) {
		require.True(t, tensor.Equal(x, must(again.s.Get(name))), name)
	}

	// A model takes its weights from the best checkpoint.
	other := newJob(t, "")
	require.NoError(t, train.LoadWeights(filepath.Join(dir, "best.safetensors"), other.s, other.params))
	for _, p := range other.params {
		require.True(t, tensor.Equal(must(j.s.Get(p.Name())), must(other.s.Get(p.Name()))), p.Name())
	}
	require.Equal(t, 0.0, must(must(other.s.Get("optim.accumulated")).At()), "the rest stays")
}

// A run that a callback ends after its best epoch knows that one as the best.
func TestStoppedAfterTheBestEpoch(t *testing.T) {
	dir := t.TempDir()
	j := newJob(t, dir)
	j.EarlyStop = train.EarlyStop{Patience: 9, KeepBest: true}
	var best map[string]*tensor.Tensor
	j.OnEpoch = func(e *train.Epoch) error {
		if e.Number < 2 {
			return nil
		}
		best = must(j.s.State())
		return train.ErrStop
	}
	require.Equal(t, 2, j.run(t).Best)
	again := newJob(t, dir)
	again.EarlyStop = j.EarlyStop
	again.Rate = func(int) float64 { return 3 } // nothing gets better
	r := again.run(t)
	require.Len(t, r.Epochs, 3)
	require.Equal(t, 2, r.Best)
	for name, x := range best {
		require.True(t, tensor.Equal(x, must(again.s.Get(name))), name)
	}
}

func TestFindCheckpoint(t *testing.T) {
	dir := t.TempDir()
	_, err := train.FindCheckpoint(dir)
	require.EqualError(t, err, "checkpoints: there are none in "+dir)
	_, err = train.FindCheckpoint(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	j := newJob(t, dir)
	j.stopAt(7, train.ErrStop)
	r := j.run(t)
	c, err := train.FindCheckpoint(dir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "step-00000007.safetensors"), c.Path)
	require.Equal(t, map[string]string{"hidden": "4"}, c.Meta)
	require.Equal(t, 7, c.Report.Steps)
	require.Equal(t, data.Position{Epoch: 1, Batch: 2}, c.Report.Position)
	require.Equal(t, r.Epochs, c.Report.Epochs)
	all, meta, err := safetensors.Read(c.Path)
	require.NoError(t, err)
	require.Equal(t, "pt", meta["format"])
	for name, x := range must(j.s.State()) {
		require.True(t, tensor.Equal(x, all[name]), name)
	}
}

// Whatever a killed process and a bad disk leave in the folder, a run goes on from
// the newest checkpoint that is whole, and tells.
func TestDamagedCheckpoints(t *testing.T) {
	straight := newJob(t, "")
	want := straight.run(t)
	flip := func(path string) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)-1] ^= 1
		return os.WriteFile(path, b, 0o644)
	}
	for name, damage := range map[string]func(path string) error{
		"it is damaged: its checksum is": flip,
		"it is damaged": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.Replace(b, []byte(`\"Steps\":8`), []byte(`\"Steps\":7`), 1), 0o644)
		},
		"the header has 1":       func(path string) error { return os.Truncate(path, 1000) },
		"it has 0 bytes":         func(path string) error { return os.Truncate(path, 0) },
		"it is not a checkpoint": func(path string) error { return safetensors.Write(path, nil, nil) },
		"it is a checkpoint of version 9": func(path string) error {
			return safetensors.Write(path, nil, map[string]string{"dumbtorch.checkpoint": `{"Version":9}`})
		},
		"unexpected end of JSON input": func(path string) error {
			return safetensors.Write(path, nil, map[string]string{"dumbtorch.checkpoint": `{"Version":1`})
		},
		"is not that of a run": func(path string) error {
			return safetensors.Write(path, nil, map[string]string{"dumbtorch.checkpoint": `{"Version":1,"Steps":-1}`})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := newJob(t, dir)
			j.stopAt(9, errCrash)
			_, err := train.Run(t.Context(), j.Config)
			require.ErrorIs(t, err, errCrash)
			require.NoError(t, damage(filepath.Join(dir, "step-00000008.safetensors")))
			require.NoError(t, os.WriteFile(filepath.Join(dir, ".tmp-0123456789abcdef"), []byte("half"), 0o644))
			require.NoError(t, os.WriteFile(filepath.Join(dir, ".tmp-mine"), nil, 0o644))
			j = newJob(t, dir)
			var out strings.Builder
			j.Progress = &out
			got := j.run(t)
			require.Contains(t, out.String(), "resume: passed over "+filepath.Join(dir, "step-00000008.safetensors"))
			require.Contains(t, out.String(), name)
			want.Best = got.Best
			same(t, straight, j, want, got)
			require.NotContains(t, names(t, dir), ".tmp-0123456789abcdef")
			require.Contains(t, names(t, dir), ".tmp-mine")
		})
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "step-00000008.safetensors")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	_, err := train.Run(t.Context(), newJob(t, dir).Config)
	require.ErrorContains(t, err, "train: resume: "+path)
}

func TestCheckpointMistakes(t *testing.T) {
	dir := t.TempDir()
	j := newJob(t, dir)
	j.stopAt(7, train.ErrStop)
	j.run(t)
	path := filepath.Join(dir, "step-00000007.safetensors")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	again := ": start anew in another folder, or give what was given then"
	for want, change := range map[string]func(*job){
		"checkpoints: " + dir + " holds those of another run, up to step-00000007.safetensors: resume it, or choose another folder": func(j *job) { j.Checkpoints.Resume = false },
		"checkpoints: there is no folder to keep them in":                               func(j *job) { j.Checkpoints.Dir = "" },
		"checkpoints: every -1 steps and 2 kept must not be negative":                   func(j *job) { j.Checkpoints.Every = -1 },
		`checkpoints: the key "format" of metadata is taken`:                            func(j *job) { j.Checkpoints.Meta = map[string]string{"format": "x"} },
		"checkpoints: mkdir " + file + ": not a directory":                              func(j *job) { j.Checkpoints.Dir = file },
		"resume: " + path + ": batches had 4 samples and have 3" + again:                func(j *job) { j.Data = points(t, 19, data.Options{Batch: 3, Shuffle: true, Seed: 5}) },
		"resume: " + path + ": the data had 19 samples and has 20" + again:              func(j *job) { j.Data = points(t, 20, data.Options{Batch: 4, Shuffle: true, Seed: 5}) },
		"resume: " + path + ": the seed of the order of samples was 5 and is 6" + again: func(j *job) { j.Data = points(t, 19, data.Options{Batch: 4, Shuffle: true, Seed: 6}) },
		"resume: " + path + ": shuffling was true and is false" + again:                 func(j *job) { j.Data = points(t, 19, data.Options{Batch: 4}) },
		"resume: " + path + ": leaving out short batches was false and is true" + again: func(j *job) { j.Data = points(t, 19, data.Options{Batch: 4, Shuffle: true, Seed: 5, DropLast: true}) },
		"resume: " + path + ": session: the values do not fit the variables; nothing was changed:": func(j *job) {
			f := newFixture(t)
			j.Session = f.s
		},
	} {
		j := newJob(t, dir)
		change(j)
		before := must(j.s.State())
		_, err := train.Run(t.Context(), j.Config)
		require.ErrorContains(t, err, "train: "+want)
		for name, x := range must(j.s.State()) {
			require.True(t, tensor.Equal(before[name], x), "nothing was changed")
		}
		require.Contains(t, names(t, dir), "step-00000007.safetensors")
	}
}

// Whatever the metadata of a checkpoint say, finding it and resuming from it is an
// error or a run, never a panic.
func FuzzCheckpoint(f *testing.F) {
	dir := f.TempDir()
	j := newJob(f, dir)
	j.stopAt(7, train.ErrStop)
	j.run(f)
	const name = "step-00000007.safetensors"
	all, meta, err := safetensors.Read(filepath.Join(dir, name))
	require.NoError(f, err)
	const key = "dumbtorch.checkpoint"
	good := meta[key]
	f.Add(good)
	for old, now := range map[string]string{
		`"Steps":7`: `"Steps":9223372036854775807`, `"Epoch":1`: `"Epoch":9223372036854775807`, `"Batch":2`: `"Batch":6`,
		`"Samples":8`: `"Samples":0`, `"Name":"loss"`: `"Name":"ls"`, `"Part":{`: `"Part":{"Metrics":null,`, `"File":"step-00000005.safetensors"`: `"File":"../x"`,
		`"Worse":0`: `"Worse":99`,
	} {
		changed := strings.Replace(good, old, now, 1)
		require.NotEqual(f, good, changed, old)
		f.Add(changed)
	}
	for _, s := range []string{"", "{}", "null", `{"Version":1}`, `{"Version":1,"Steps":1e99}`, strings.Repeat("[", 1000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if !utf8.ValidString(text) {
			return
		}
		arrays, meta := tensor.SortByName(all), map[string]string{"format": "pt", "hidden": "4"}
		meta[key] = train.Seal(text, arrays, meta)
		require.NoError(t, safetensors.Write(filepath.Join(dir, name), arrays, meta))
		c, err := train.FindCheckpoint(dir)
		if err != nil {
			require.Nil(t, c)
			return
		}
		j := newJob(t, dir)
		_, err = train.Run(t.Context(), j.Config)
		if text == good {
			require.NoError(t, err)
		}
	})
}

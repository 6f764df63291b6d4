package train_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dumbtorch/nn/data"
	"dumbtorch/nn/train"
)

// The event file is what TensorBoard's own classes write.
func TestEventFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	b, err := train.NewTensorBoard(dir, 3)
	require.NoError(t, err)
	b.SetClock(func() time.Time { return time.Unix(1700000000, 250e6) })
	require.NoError(t, b.Begin(train.RunInfo{Steps: 2, EvalName: "valid", Rate: true}))
	inf := math.Inf(1)
	step := func(n int, loss, accuracy, rate float64) {
		require.NoError(t, b.Step(&train.Step{Number: n, Rate: rate, Metrics: train.Metrics{{Name: "loss", Value: loss}, {Name: "accuracy", Value: accuracy}}}))
	}
	step(3, 0.1, inf, 0.25)
	step(4, 0.1, inf, 0.25) // is not recorded
	step(300, -3e-9, -inf, 0.125)
	require.NoError(t, b.Epoch(&train.Epoch{
		Number: 3, Samples: 64, Time: 2 * time.Second,
		Metrics: train.Metrics{{Name: "loss", Value: 0.5}},
		Eval:    train.Metrics{{Name: "loss", Value: 0.75}, {Name: "accuracy", Value: 1}},
	}))
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	files := names(t, dir)
	require.Len(t, files, 1)
	require.Regexp(t, `^events\.out\.tfevents\.1700000000\.`, files[0])
	require.Equal(t, must(os.ReadFile("testdata/events.bin")), must(os.ReadFile(filepath.Join(dir, files[0]))))

	// Each run has a file of its own.
	require.NoError(t, b.Begin(train.RunInfo{}))
	require.NoError(t, b.Close())
	require.Len(t, names(t, dir), 2)
	require.ErrorContains(t, b.Epoch(&train.Epoch{}), "it is not open")
	_, err = train.NewTensorBoard(dir, -1)
	require.ErrorContains(t, err, "every -1 steps: at least 0")
	b, err = train.NewTensorBoard("testdata/events.bin", 1)
	require.NoError(t, err)
	require.ErrorContains(t, b.Begin(train.RunInfo{}), "tensorboard: mkdir testdata/events.bin")
}

// newLogged returns a job with both kinds of CSV logs in a folder.
func newLogged(t *testing.T, dir string) *job {
	j := newJob(t, filepath.Join(dir, "run"))
	epochs, err := train.NewCSVLog(filepath.Join(dir, "epochs.csv"), 0)
	require.NoError(t, err)
	steps, err := train.NewCSVLog(filepath.Join(dir, "steps.csv"), 2)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(epochs.Close(), steps.Close())) })
	j.Loggers = []train.Logger{epochs, steps}
	return j
}

// untimed returns the lines of a log without the columns of time.
func untimed(t *testing.T, path string) string {
	var b strings.Builder
	for line := range strings.Lines(string(must(os.ReadFile(path)))) {
		cells := strings.Split(line, ",")
		if strings.HasSuffix(path, "epochs.csv") {
			cells = append(cells[:2], cells[4:]...)
		}
		b.WriteString(strings.Join(cells, ","))
	}
	return b.String()
}

// The logs of a run that is stopped and resumed are those of a straight one, and
// what a killed run wrote of steps that are made again is gone.
func TestCSVLog(t *testing.T) {
	straight, dir := t.TempDir(), t.TempDir()
	newLogged(t, straight).run(t)
	text := string(must(os.ReadFile(filepath.Join(straight, "epochs.csv"))))
	require.Regexp(t, `^epoch,step,seconds,samples/s,loss,valid loss\n1,5,[^,]+,[^,]+,\d[^,]*,\d[^,]*\n2,10,.*\n3,15,.*\n$`, text)
	text = string(must(os.ReadFile(filepath.Join(straight, "steps.csv"))))
	require.Regexp(t, `^epoch,step,rate,loss\n1,2,0\.025,\d[^,]*\n1,4,0\.0125,\d[^,]*\n2,6,`, text)
	require.Equal(t, 8, strings.Count(text, "\n"))

	for _, step := range []int{1, 6, 12} {
		j := newLogged(t, dir)
		j.stopAt(step, errCrash)
		_, err := train.Run(t.Context(), j.Config)
		require.ErrorIs(t, err, errCrash)
		f, err := os.OpenFile(filepath.Join(dir, "steps.csv"), os.O_WRONLY|os.O_APPEND, 0)
		require.NoError(t, err)
		_, err = f.WriteString("3,1") // a row that is cut short
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	newLogged(t, dir).run(t)
	for _, name := range []string{"epochs.csv", "steps.csv"} {
		require.Equal(t, untimed(t, filepath.Join(straight, name)), untimed(t, filepath.Join(dir, name)))
	}
}

func TestCSVLogMistakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.csv")
	_, err := train.NewCSVLog(path, -1)
	require.ErrorContains(t, err, "every -1 steps: at least 0")
	l, err := train.NewCSVLog(path, 1)
	require.NoError(t, err)
	require.NoError(t, l.Flush())
	step := &train.Step{Number: 1, Place: data.Position{}, Metrics: train.Metrics{{Name: "a,b", Value: 1}}}
	require.ErrorContains(t, l.Step(step), "it is not open")
	for text, want := range map[string]string{
		"a,b\n1,2\n":               `x.csv is not the log of a run that could be resumed: it has no column "step"`,
		"epoch,step,loss\n1,1,2\n": `x.csv has the columns epoch,step,loss, and this run makes epoch,step,a,b`,
		"\"epoch":                  `is not the log of a run`,
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		err := l.Begin(train.RunInfo{Steps: 1})
		if err == nil {
			err = l.Step(step)
		}
		require.ErrorContains(t, err, want)
		require.NoError(t, l.Close())
		require.Equal(t, text, string(must(os.ReadFile(path))), "it is not touched")
	}
	require.NoError(t, l.Begin(train.RunInfo{}))
	require.NoError(t, l.Step(step))
	require.NoError(t, l.Close())
	require.Equal(t, "epoch,step,\"a,b\"\n1,1,1\n", string(must(os.ReadFile(path))))
	l, err = train.NewCSVLog(filepath.Join(dir, "none", "x.csv"), 0)
	require.NoError(t, err)
	require.ErrorIs(t, l.Begin(train.RunInfo{}), os.ErrNotExist)
	j := newJob(t, "")
	j.Loggers = []train.Logger{l}
	_, err = train.Run(t.Context(), j.Config)
	require.ErrorContains(t, err, "train: csv log: ")
}

func TestTimeLeft(t *testing.T) {
	require.Equal(t, ", 3m20s left", train.Left(1, 1, 5, 50*time.Second))
	require.Equal(t, ", 1m15s left", train.Left(3, 4, 5, 150*time.Second), "a run that was resumed at epoch 3")
	require.Empty(t, train.Left(1, 5, 5, time.Hour))
	require.Empty(t, train.Left(1, 1, 2, time.Second))
}

// Whatever a log holds that a run is to go on in, what stays of it is a beginning
// of it that ends with a line.
func FuzzCSVLog(f *testing.F) {
	for _, s := range []string{"", "epoch,step,loss\n1,1,2\n1,2,3\n1,3,4\n", "epoch,step\n1,", "step\n\n1\n\"2", "step,step\n1,9\n", "a\n", "\"st\nep\",step\n1,1\n", "step\r\n1\r\n2"} {
		f.Add(s, 2)
	}
	path := filepath.Join(f.TempDir(), "x.csv")
	f.Fuzz(func(t *testing.T, text string, steps int) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		l, err := train.NewCSVLog(path, 1)
		require.NoError(t, err)
		err = l.Begin(train.RunInfo{Steps: steps})
		require.NoError(t, l.Close())
		kept := string(must(os.ReadFile(path)))
		if err != nil || steps <= 0 {
			require.Contains(t, []string{text, ""}, kept)
			return
		}
		require.True(t, strings.HasPrefix(text, kept))
		require.True(t, kept == "" || strings.HasSuffix(kept, "\n"))
	})
}

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/nn/data/digits"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// small are flags of a run that takes a moment.
var small = []string{"-model", "linear", "-samples", "100", "-batch", "40", "-epochs", "2"}

// command runs mnist.
func command(args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(context.Background(), args, &out, &err)
	return status, out.String(), err.String()
}

// fine runs mnist, which must succeed, and returns what it printed.
func fine(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := command(args...)
	require.Empty(t, stderr)
	require.Zero(t, status)
	return stdout
}

func with(flags []string, more ...string) []string { return append(slices.Clone(flags), more...) }

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	return lines[len(lines)-1]
}

func TestOutput(t *testing.T) {
	out := fine(t, small...)
	require.Regexp(t, regexp.MustCompile(`^100 digits to train on, 10 to test on; device cpu
parameter  type                  elements
fc\.weight  f32\[10,784\]               7840
fc\.bias    f32\[10\]                     10
total                                7850

epoch 1/2: loss \d\.\d{4}, test loss \d\.\d{4}, test accuracy \d+\.\d\d%, \d+ images/s(, \d+s left)?
epoch 2/2: loss \d\.\d{4}, test loss \d\.\d{4}, test accuracy \d+\.\d\d%, \d+ images/s
test accuracy \d+\.\d\d%
$`), out)
	require.Contains(t, out, "test "+strings.TrimPrefix(lastLine(out), "test ")+", ", "the last line is that of the last epoch")
}

func TestSaveLoadEval(t *testing.T) {
	for _, name := range []string{"w.npz", "w.safetensors"} {
		t.Run(name, func(t *testing.T) { testSaveLoadEval(t, filepath.Join(t.TempDir(), name)) })
	}
}

func testSaveLoadEval(t *testing.T, path string) {
	trained := fine(t, with(small, "-save", path)...)
	read := tensor.ReadNPZ
	if filepath.Ext(path) == ".safetensors" {
		read = func(path string, _ ...tensor.ReadOption) (map[string]*tensor.Tensor, error) {
			m, _, err := safetensors.Read(path)
			return m, err
		}
	}
	state, err := read(path)
	require.NoError(t, err)
	require.Len(t, state, 2, "weights only")
	require.Equal(t, "f32[10,784]", state["fc.weight"].Type().String())
	tested := fine(t, with(small, "-load", path, "-eval")...)
	require.Equal(t, lastLine(trained), lastLine(tested))
	require.NotContains(t, tested, "epoch")

	again := fine(t, with(small, "-load", path, "-save", path)...)
	require.Regexp(t, `epoch 1/2: loss [01]\.`, again, "it starts from the weights")
	after, err := read(path)
	require.NoError(t, err)
	require.False(t, tensor.Equal(state["fc.weight"], after["fc.weight"]))
}

// The reference device gives the same answers.
func TestInterp(t *testing.T) {
	flags := []string{"-model", "linear", "-samples", "50", "-epochs", "1"}
	require.Equal(t, lastLine(fine(t, flags...)), lastLine(fine(t, with(flags, "-device", "interp")...)))
}

// The same seed gives the same bits, another one gives others.
func TestSeed(t *testing.T) {
	var files [3][]byte
	for i, seed := range []string{"5", "5", "6"} {
		path := filepath.Join(t.TempDir(), "w.npz")
		fine(t, with(small, "-seed", seed, "-save", path)...)
		var err error
		files[i], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	require.True(t, bytes.Equal(files[0], files[1]))
	require.False(t, bytes.Equal(files[0], files[2]))
}

// The MLP gives the same bits whatever the number of threads.
func TestThreads(t *testing.T) {
	var files [][]byte
	for _, threads := range []string{"1", "2", "5"} {
		path := filepath.Join(t.TempDir(), "w.npz")
		out := fine(t, "-samples", "700", "-epochs", "2", "-threads", threads, "-save", path)
		require.Contains(t, out, "fc1.weight  f32[512,784]")
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		files = append(files, file)
	}
	require.True(t, bytes.Equal(files[0], files[1]))
	require.True(t, bytes.Equal(files[0], files[2]))
}

// accuracy returns the percentage of the last line.
func accuracy(t *testing.T, out string) float64 {
	var a float64
	_, err := fmt.Sscanf(lastLine(out), "test accuracy %f%%", &a)
	require.NoError(t, err)
	return a
}

// The drawn digits are hard enough that a linear classifier is clearly worse.
func TestPerceptronIsBetterThanLinear(t *testing.T) {
	flags := []string{"-samples", "4000", "-epochs", "3", "-model"}
	linear, mlp := accuracy(t, fine(t, with(flags, "linear")...)), accuracy(t, fine(t, with(flags, "mlp")...))
	require.Greater(t, mlp, 90.0)
	require.Greater(t, mlp, linear+8)
}

// The convolutional network trains, and has PyTorch's names and layouts.
func TestCNN(t *testing.T) {
	out := fine(t, "-model", "cnn", "-samples", "32", "-batch", "16", "-epochs", "1")
	for _, line := range []string{"conv1.weight  f32[32,1,3,3] ", "conv2.weight  f32[64,32,3,3] ", "conv2.bias    f32[64] ", "fc1.weight    f32[128,3136] ", "fc2.bias      f32[10] "} {
		require.Contains(t, out, "\n"+line)
	}
	require.Contains(t, out, "epoch 1/1: loss 2.")
}

// One epoch of the real MNIST, where it is at hand.
func TestRealMNIST(t *testing.T) {
	const dir = "../../../shared/data/mnist"
	if _, err := os.Stat(dir); err != nil || testing.Short() {
		t.Skip("takes some seconds, and the files of MNIST")
	}
	require.Greater(t, accuracy(t, fine(t, "-data", dir, "-epochs", "1")), 96.5)
}

func TestPlot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "curves.png")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	fine(t, with(small, "-plot", path)...)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	img, err := png.Decode(f)
	require.NoError(t, err)
	require.Equal(t, 660, img.Bounds().Dx())
	colors := map[any]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			colors[img.At(x, y)] = true
		}
	}
	for _, c := range palette {
		require.True(t, colors[img.ColorModel().Convert(c)], "a curve of colour %v", c)
	}
}

// canceller cancels a context when a text is written.
type canceller struct {
	strings.Builder
	at     string
	cancel func()
}

func (c *canceller) Write(p []byte) (int, error) {
	n, err := c.Builder.Write(p)
	if strings.Contains(c.String(), c.at) {
		c.cancel()
	}
	return n, err
}

func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	path, picture := filepath.Join(dir, "w.npz"), filepath.Join(dir, "p.png")
	ctx, cancel := context.WithCancel(t.Context())
	out := &canceller{at: "epoch 1/9", cancel: cancel}
	var stderr strings.Builder
	status := run(ctx, with(small, "-epochs", "9", "-save", path, "-plot", picture), out, &stderr)
	require.Equal(t, exitInterrupted, status)
	require.Equal(t, "mnist: interrupted\n", stderr.String())
	require.Contains(t, out.String(), "cancelled after 3 steps: 1 complete epochs\n")
	require.Contains(t, out.String(), path+" holds the weights of epoch 1\n")
	require.NotContains(t, out.String(), "\ntest accuracy")
	fine(t, with(small, "-load", path, "-eval")...)
	require.FileExists(t, picture)

	// A run that is interrupted at once leaves a saved file as it was.
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	status = run(ctx, with(small, "-save", path), out, &stderr)
	require.Equal(t, exitInterrupted, status)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2, "no temporary files are left")
}

// A run that is interrupted and resumed ends with the weights of one that was not.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	path, folder := filepath.Join(dir, "w.safetensors"), filepath.Join(dir, "run")
	flags := with(small, "-epochs", "5", "-save", path)
	straight := fine(t, flags...)
	want, err := os.ReadFile(path)
	require.NoError(t, err)

	flags = with(flags, "-checkpoint", folder, "-resume")
	ctx, cancel := context.WithCancel(t.Context())
	out := &canceller{at: "epoch 2/5", cancel: cancel}
	require.Equal(t, exitInterrupted, run(ctx, flags, out, io.Discard))
	require.Contains(t, out.String(), folder+" holds the run: -resume goes on\n")
	resumed := fine(t, flags...)
	require.NotContains(t, resumed, "epoch 2/5")
	require.Contains(t, resumed, "epoch 3/5")
	require.Equal(t, lastLine(straight), lastLine(resumed))
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	require.Contains(t, fine(t, with(small, "-load", filepath.Join(folder, "best.safetensors"), "-eval")...), "test accuracy")

	status, _, stderr := command(with(small, "-checkpoint", folder)...)
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, folder+" holds those of another run")
}

func TestLogs(t *testing.T) {
	dir := t.TempDir()
	path, board := filepath.Join(dir, "log.csv"), filepath.Join(dir, "board")
	fine(t, with(small, "-log", path, "-tensorboard", board)...)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Regexp(t, `^epoch,step,seconds,samples/s,loss,test loss,test accuracy\n1,3,.*\n2,6,.*\n$`, string(text))
	entries, err := os.ReadDir(board)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Contains(t, entries[0].Name(), "tfevents")
}

func TestHelp(t *testing.T) {
	out := fine(t, "-help")
	for _, flag := range []string{"-epochs", "-batch", "-lr", "-seed", "-device", "-threads", "-save", "-load", "-checkpoint", "-resume", "-log", "-tensorboard", "-plot", "-eval", "-data", "-download"} {
		require.Regexp(t, `\n  `+flag+`[ \n]`, out)
	}
}

func TestMisuse(t *testing.T) {
	for want, args := range map[string][]string{
		"-plot curves.jpg: the picture is a PNG":                {"-plot", "curves.jpg"},
		`unexpected argument "x"`:                               {"x"},
		"flag provided but not defined: -epoch":                 {"-epoch", "3"},
		`invalid value "a" for flag -epochs: parse error`:       {"-epochs", "a"},
		"-epochs 0: at least 1":                                 {"-epochs", "0"},
		"-batch -1: at least 1":                                 {"-batch", "-1"},
		"-lr 0: a finite number above 0":                        {"-lr", "0"},
		"-lr NaN: a finite number above 0":                      {"-lr", "NaN"},
		`-model "rnn": mlp, cnn or linear`:                      {"-model", "rnn"},
		"-threads -1: at least 0":                               {"-threads", "-1"},
		"-threads is for -device cpu, not for interp":           {"-threads", "2", "-device", "interp"},
		`-device "tpu": there are `:                             {"-device", "tpu"},
		"-samples 9: at least 10":                               {"-samples", "9"},
		"-samples is for drawn digits, not for the files of":    {"-samples", "90", "-data", "d"},
		"-eval tests the weights of -load FILE, which is miss":  {"-eval"},
		"-eval does not train: there is nothing to -save, -plo": {"-eval", "-load", "w.npz", "-save", "w.npz"},
		"-resume needs the folder of -checkpoint DIR":           {"-resume"},
		"-save w.pth: a file of variables is named *.npz or *.": {"-save", "w.pth"},
		"-load w: a file of variables is named *.npz or *.safe": {"-load", "w"},
	} {
		status, stdout, stderr := command(args...)
		require.Equal(t, exitMisuse, status, want)
		require.Contains(t, stderr, "mnist: "+want)
		require.Contains(t, stderr, "mnist -help lists the flags")
		require.Empty(t, stdout)
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.npz")
	require.NoError(t, os.WriteFile(junk, []byte("junk"), 0o644))
	other := filepath.Join(dir, "other.npz")
	require.NoError(t, tensor.WriteNPZ(other, []tensor.Named{{Name: "fc1.weight", Tensor: tensor.Scalar(float32(1))}}))
	none := filepath.Join(dir, "none", "w.npz")
	folder := filepath.Join(dir, "folder.png")
	require.NoError(t, os.Mkdir(folder, 0o755))
	for want, args := range map[string][]string{
		"cannot write " + none + ": ":                 {"-save", none},
		"cannot write " + folder + ": it is a folder": {"-plot", folder},
		"open " + none + ": ":                         {"-load", none, "-eval"},
		junk + ": npz: zip: not a valid zip file":     {"-load", junk},
		other + ": session: the values do not fit the variables; nothing was changed:\n  missing: fc.bias f32[10], fc.weight f32[10,784]\n  no such variable: fc1.weight f32[]\n": {"-load", other},
		"train: checkpoints: mkdir " + junk + ": not a directory": {"-checkpoint", junk},
	} {
		status, stdout, stderr := command(with(small, args...)...)
		require.Equal(t, exitFailed, status, want)
		require.True(t, strings.HasPrefix(stderr, "mnist: "+want), stderr)
		require.NotContains(t, stdout, "epoch")
	}
}

// idx returns an IDX file of bytes.
func idx(data []byte, dims ...int) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, uint32(d))
	}
	return append(b, data...)
}

func zip(t *testing.T, b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(b)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return out.Bytes()
}

// mnistFolder writes a small data set in the form of MNIST.
func mnistFolder(t *testing.T) string {
	dir := t.TempDir()
	for i, name := range []string{"train", "t10k"} {
		n := []int{120, 30}[i]
		images, labels, err := digits.Generate(n, uint64(i))
		require.NoError(t, err)
		bytes, err := labels.Convert(tensor.DTypeOf[uint8]())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-images-idx3-ubyte.gz"), zip(t, idx(images.Bytes(), n, 28, 28)), 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-labels-idx1-ubyte"), idx(bytes.Bytes(), n), 0o644))
	}
	return dir
}

func TestFiles(t *testing.T) {
	flags := []string{"-model", "linear", "-batch", "50", "-epochs", "1", "-data"}
	require.Contains(t, fine(t, with(flags, mnistFolder(t))...), "120 digits to train on, 30 to test on")

	const images, labels = "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"
	for name, c := range map[string]struct {
		file   string
		change func(b []byte) []byte // nil: removed
		want   string
	}{
		"missing":      {images, nil, "the MNIST files train-images-idx3-ubyte (plain or .gz) are missing in DIR; -download fetches them"},
		"truncated":    {labels, func(b []byte) []byte { return b[:20] }, "DIR/t10k-labels-idx1-ubyte: the header says u8[30], 30 bytes, of which 12 are there: truncated"},
		"cut gzip":     {images, func(b []byte) []byte { return b[:len(b)/2] }, "are there: truncated"},
		"wrong magic":  {labels, func(b []byte) []byte { b[0] = 'P'; return b }, "DIR/t10k-labels-idx1-ubyte: not an IDX file: wrong magic number 0x50000801"},
		"wrong type":   {labels, func(b []byte) []byte { return idx(make([]byte, 30*28*28), 30, 28, 28) }, "DIR/t10k-labels-idx1-ubyte: wrong kind of file: the header says u8[30,28,28], not u8[n]"},
		"wrong count":  {labels, func(b []byte) []byte { return idx(b[8:36], 28) }, "wrong count: DIR/t10k-images-idx3-ubyte.gz has 30 images and DIR/t10k-labels-idx1-ubyte has 28 labels"},
		"checksum":     {images, func(b []byte) []byte { b[len(b)-6] ^= 1; return b }, "DIR/train-images-idx3-ubyte.gz: after the last element: gzip: invalid checksum"},
		"wrong labels": {labels, func(b []byte) []byte { b[10] = 10; return b }, "DIR/t10k-labels-idx1-ubyte: label 2 is 10, outside 0 to 9"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := mnistFolder(t)
			path := filepath.Join(dir, c.file)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.Remove(path))
			if c.change != nil {
				require.NoError(t, os.WriteFile(path, c.change(b), 0o644))
			}
			status, _, stderr := command(with(flags, dir)...)
			require.Equal(t, exitFailed, status)
			require.Contains(t, strings.ReplaceAll(filepath.ToSlash(stderr), filepath.ToSlash(dir), "DIR"), c.want)
		})
	}
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/nn/data"
	"dumbtorch/runtime/tensor"
)

// rhyme is a short text with few kinds of characters.
const rhyme = "the cat sat on the mat and the rat sat on the hat. "

// small writes a text and returns the flags of a run on it that takes a moment.
func small(t testing.TB, more ...string) []string {
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(rhyme, 40)), 0o666))
	return append([]string{"-data", path, "-context", "16", "-width", "16", "-layers", "1", "-heads", "2", "-batch", "8", "-epochs", "2", "-sample", "0", "-prompt", "the"}, more...)
}

// command runs gpt.
func command(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(ctx, args, &out, &err)
	return status, out.String(), err.String()
}

// fine runs gpt, which must succeed, and returns what it printed.
func fine(t testing.TB, args ...string) string {
	t.Helper()
	status, stdout, stderr := command(t.Context(), args...)
	require.Empty(t, stderr)
	require.Zero(t, status)
	return stdout
}

func TestOutput(t *testing.T) {
	out := fine(t, small(t, "-sample", "30")...)
	require.Regexp(t, regexp.MustCompile(`(?s)^2040 characters of 13 kinds; device cpu
parameter .*
epoch 1/2: loss \d\.\d{4}, valid loss \d\.\d{4}, \d+ parts/s[^\n]*
----
the[a-z. ]{30}
----
epoch 2/2: loss \d\.\d{4}, valid loss \d\.\d{4}, \d+ parts/s
----
the[a-z. ]{30}
----
$`), out)
}

// The text that is built in is what a model can learn from, and the first epoch
// does.
func TestOpticks(t *testing.T) {
	require.Greater(t, len(opticks), 100_000)
	require.True(t, utf8.ValidString(opticks))
	v, err := data.NewVocabulary(opticks)
	require.NoError(t, err)
	require.Less(t, v.Len(), 96)
	out := fine(t, "-width", "16", "-layers", "1", "-heads", "1", "-batch", "32", "-epochs", "1", "-lr", "0.02", "-sample", "0")
	require.Regexp(t, `valid loss [12]\.`, out, "log(79) is 4.4")
}

// Stopped in the middle of an epoch and resumed, a run ends in the same bits as
// one that was not, dropout and the texts in between included.
func TestResume(t *testing.T) {
	flags := small(t, "-dropout", "0.1", "-sample", "5", "-epochs", "3")
	dir := t.TempDir()
	whole, parts, folder := filepath.Join(dir, "whole.npz"), filepath.Join(dir, "parts.npz"), filepath.Join(dir, "run")
	fine(t, append(flags, "-save", whole)...)

	ctx, stop := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	first := &watcher{w: &out, until: "epoch 1/3", then: stop}
	require.Equal(t, exitInterrupted, run(ctx, append(flags, "-checkpoint", folder), first, &errs))
	require.Contains(t, out.String(), "holds the run: -resume goes on")
	require.NotContains(t, out.String(), "epoch 3/3")
	rest := fine(t, append(flags, "-checkpoint", folder, "-resume", "-save", parts)...)
	require.NotContains(t, rest, "epoch 1/3")

	a, err := os.ReadFile(whole)
	require.NoError(t, err)
	b, err := os.ReadFile(parts)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))

	written := fine(t, "-checkpoint", folder, "-generate", "100", "-prompt", "the cat", "-temperature", "0")
	require.Regexp(t, `^the cat[a-z. ]{100}\n$`, written, "longer than the context")
	require.Equal(t, written, fine(t, "-checkpoint", folder, "-generate", "100", "-prompt", "the cat", "-top-k", "1"))
	daring := fine(t, "-checkpoint", folder, "-generate", "100", "-prompt", "the cat", "-temperature", "2")
	require.NotEqual(t, written, daring)
	require.Equal(t, daring, fine(t, "-checkpoint", folder, "-generate", "100", "-prompt", "the cat", "-temperature", "2"), "the same seed")
	require.NotEqual(t, daring, fine(t, "-checkpoint", folder, "-generate", "100", "-prompt", "the cat", "-temperature", "2", "-seed", "2"))
}

// watcher calls then when a text was written.
type watcher struct {
	w     *bytes.Buffer
	until string
	then  func()
}

func (w *watcher) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	if strings.Contains(w.w.String(), w.until) {
		w.then()
	}
	return n, err
}

// A model that has learned a text by heart writes it.
func TestLearnsByHeart(t *testing.T) {
	dir := t.TempDir()
	path, text := filepath.Join(dir, "w.safetensors"), filepath.Join(dir, "text.txt")
	const alphabet = "abcdefghijklmnopqrstuvwxyz\n"
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat(alphabet, 80)), 0o666))
	flags := small(t, "-lr", "0.02", "-data", text)
	fine(t, append(flags, "-epochs", "8", "-save", path, "-prompt", "a")...)
	out := fine(t, append(flags, "-load", path, "-generate", "80", "-temperature", "0.5", "-prompt", "abc")...)
	require.Equal(t, strings.Repeat(alphabet, 4)[:83]+"\n", out)
}

func TestFirstWeights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.npz")
	fine(t, small(t, "-epochs", "0", "-save", path)...)
	m, err := tensor.ReadNPZ(path)
	require.NoError(t, err)
	require.Equal(t, "f32[13,16]", m["tok_emb.weight"].Type().String())
	require.NotContains(t, m, "cache.0.k")
}

func TestPlot(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "loss.png"), filepath.Join(dir, "other.csv")
	require.NoError(t, os.WriteFile(other, []byte("step,loss,valid\n10,2.5,2.6\n20,2.0,2.1\n"), 0o666))
	fine(t, small(t, "-plot", path, "-compare", other)...)
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = png.Decode(f)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"a,b\n1,2\n":                        "not a CSV file of step, loss and valid",
		"step,loss,valid\n1,2,x\n":          `:2: step "1" and loss "x" are not finite numbers`,
		"step,loss,valid\n1,2,3\n2,1,NaN\n": `:3: step "2" and loss "NaN" are not finite numbers`,
		"step,loss,valid\n1,2\n":            "wrong number of fields",
	} {
		require.NoError(t, os.WriteFile(other, []byte(text), 0o666))
		_, err := readCurve(other)
		require.ErrorContains(t, err, want)
	}
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.csv")
	fine(t, small(t, "-log", path)...)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, 3, bytes.Count(b, []byte("\n")), "%s", b)
}

func TestWindows(t *testing.T) {
	ids := make([]int32, 101)
	for i := range ids {
		ids[i] = int32(i)
	}
	training, test, err := split(ids, 4)
	require.NoError(t, err)
	require.Equal(t, 22, training.Len(), "of 91 characters each part needs one more that follows")
	require.Equal(t, 2, test.Len())
	var dst []*tensor.Tensor
	for range 2 {
		x, err := tensor.New(types.Of(types.I32, 3, 4))
		require.NoError(t, err)
		dst = append(dst, x)
	}
	require.NoError(t, training.Read(21, dst, 1))
	require.NoError(t, test.Read(0, dst, 2))
	x, err := tensor.Data[int32](dst[0])
	require.NoError(t, err)
	require.Equal(t, []int32{0, 0, 0, 0, 84, 85, 86, 87, 91, 92, 93, 94}, x)
	y, err := tensor.Data[int32](dst[1])
	require.NoError(t, err)
	require.Equal(t, []int32{0, 0, 0, 0, 85, 86, 87, 88, 92, 93, 94, 95}, y)
	_, _, err = split(ids[:40], 4)
	require.ErrorContains(t, err, "a text of 40 characters is too short: the last tenth of it must be longer than the context, 4")
}

func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		return path
	}
	weights := filepath.Join(dir, "w.safetensors")
	fine(t, small(t, "-epochs", "0", "-save", weights)...)
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{exitMisuse, "unexpected argument \"x\"", []string{"x"}},
		{exitMisuse, "-epochs -1: at least 0", []string{"-epochs", "-1"}},
		{exitMisuse, "-batch 0: at least 1", []string{"-batch", "0"}},
		{exitMisuse, "-lr NaN: a finite number above 0", []string{"-lr", "NaN"}},
		{exitMisuse, "-layers 0", []string{"-layers", "0"}},
		{exitMisuse, "-heads 3: they must divide -width 128", []string{"-heads", "3"}},
		{exitMisuse, "-dropout 1: at least 0 and below 1", []string{"-dropout", "1"}},
		{exitMisuse, "-device \"gpu\": there are cpu, interp", []string{"-device", "gpu"}},
		{exitMisuse, "-threads is for -device cpu", []string{"-device", "interp", "-threads", "2"}},
		{exitMisuse, "-top-k -1: at least 0", []string{"-top-k", "-1"}},
		{exitMisuse, "-temperature -1", []string{"-temperature", "-1"}},
		{exitMisuse, "-prompt: at least one character", []string{"-prompt", ""}},
		{exitMisuse, "the file's name must end with .png", []string{"-plot", "x.gif"}},
		{exitMisuse, "-compare draws into -plot", []string{"-compare", "x.csv"}},
		{exitMisuse, "-resume needs the folder", []string{"-resume"}},
		{exitMisuse, "-generate needs the weights of either", []string{"-generate", "5"}},
		{exitMisuse, "-generate does not train", []string{"-generate", "5", "-load", weights, "-plot", "x.png"}},
		{exitMisuse, "without -width", []string{"-generate", "5", "-checkpoint", dir, "-width", "8"}},
		{exitMisuse, "-save", []string{"-save", "w.txt"}},
		{exitFailed, "no such file", []string{"-data", filepath.Join(dir, "missing")}},
		{exitFailed, "is a directory", []string{"-data", dir}},
		{exitFailed, "line 1, column 4: the text is not UTF-8", []string{"-data", file("latin1.txt", "caf\xe9")}},
		{exitFailed, "the text is empty", []string{"-data", file("empty.txt", "")}},
		{exitFailed, "a text of 5 characters is too short", []string{"-data", file("short.txt", "short"), "-prompt", "s"}},
		{exitFailed, "-prompt: data: line 1, column 1: character '\\n' is not among the 5", []string{"-data", file("short.txt", "short")}},
		{exitFailed, "the weights do not fit", nil},
		{exitFailed, "there are none in", []string{"-generate", "5", "-checkpoint", dir}},
	} {
		if c.args == nil {
			c.args = small(t, "-load", weights, "-width", "8")
			c.want = "tok_emb.weight"
		}
		status, _, stderr := command(t.Context(), c.args...)
		require.Equal(t, c.status, status, "%v: %s", c.args, stderr)
		require.Contains(t, stderr, c.want, fmt.Sprint(c.args))
	}
	status, stdout, _ := command(t.Context(), "-help")
	require.Zero(t, status)
	for _, flag := range []string{"-epochs", "-temperature", "-checkpoint"} {
		require.True(t, slices.Contains(strings.Fields(stdout), flag), flag)
	}
}

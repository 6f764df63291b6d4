package models

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

var tiny = GPTConfig{Vocabulary: 11, Context: 8, Width: 12, Heads: 3, Layers: 2}

func ints(t testing.TB, v []int32, dims ...int) *tensor.Tensor {
	x, err := tensor.From(v, dims...)
	require.NoError(t, err)
	return x
}

// open compiles graphs of a model in one session.
func open(t testing.TB, models ...func(g *graph.Graph)) (*session.Session, []*session.Step) {
	s := session.New(cpu.New(cpu.WithThreads(1)), session.WithSeed(3), session.WithDebug("check"))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var steps []*session.Step
	for _, m := range models {
		g, err := graph.Build("gpt", m)
		require.NoError(t, err)
		step, err := s.Compile(g)
		require.NoError(t, err)
		steps = append(steps, step)
	}
	return s, steps
}

// decode feeds one token.
func decode(t testing.TB, step *session.Step, token, position int32, temperature float32, top int32) (logits []float32, next int32) {
	out, err := step.Run(t.Context(), session.Feeds{
		"token": tensor.Scalar(token), "position": tensor.Scalar(position), "temperature": tensor.Scalar(temperature), "top_k": tensor.Scalar(top),
	})
	require.NoError(t, err)
	defer out.Release()
	x, err := out.Tensor("logits")
	require.NoError(t, err)
	logits, err = tensor.Data[float32](x)
	require.NoError(t, err)
	n, err := out.Tensor("next")
	require.NoError(t, err)
	v, err := tensor.Data[int32](n)
	require.NoError(t, err)
	return logits, v[0]
}

// Token by token, with what earlier ones left in the cache, the logits are those
// of the whole text at once, also when a text follows another, and with one
// program.
func TestDecodeAgreesWithForward(t *testing.T) {
	m := NewGPT(tiny)
	d := NewDecoder(m)
	s, steps := open(t, func(g *graph.Graph) {
		nn.Params(m)
		g.Output("logits", m.Forward(g.Input("ids", graph.I32, 1, graph.BoundedDim("time", tiny.Context))))
	}, d.Step)
	for _, p := range nn.Params(m) { // GPT-2's first weights hardly tell tokens apart
		x, err := s.Get(p.Name())
		require.NoError(t, err)
		v, err := tensor.Data[float32](x)
		require.NoError(t, err)
		for i := range v {
			v[i] += float32(math.Sin(float64(3*i+len(p.Name())))) / 4
		}
		require.NoError(t, s.Set(p.Name(), x))
	}
	for _, text := range [][]int32{{1, 5, 3, 0, 10, 10, 2, 7}, {4, 4, 9}, {6, 0, 1, 2, 3}} {
		out, err := steps[0].Run(t.Context(), session.Feeds{"ids": ints(t, text, 1, len(text))})
		require.NoError(t, err)
		x, err := out.Tensor("logits")
		require.NoError(t, err)
		all, err := tensor.Data[float32](x)
		require.NoError(t, err)
		for i, token := range text {
			got, next := decode(t, steps[1], token, int32(i), 0, 0)
			want := all[i*tiny.Vocabulary:][:tiny.Vocabulary]
			require.InDeltaSlice(t, want, got, 1e-5, "token %d of %v", i, text)
			best := 0
			for k, v := range got {
				if v > got[best] {
					best = k
				}
			}
			require.Equal(t, int32(best), next)
		}
	}
	require.Len(t, steps[1].Bindings(), 1)
}

// Tokens are drawn as often as the softmax says, and only the most likely ones.
func TestDraw(t *testing.T) {
	logits := []float32{1, -1, 2, 0.5, 2, -30}
	_, steps := open(t, func(g *graph.Graph) {
		x := graph.Constant(g, logits, len(logits))
		g.Output("next", draw(x, g.Input("temperature", graph.F32), g.Input("top_k", graph.I32)))
	})
	for _, c := range []struct {
		temperature float32
		top         int32
		likely      []int
	}{{1, 0, []int{0, 1, 2, 3, 4, 5}}, {2, 0, []int{0, 1, 2, 3, 4, 5}}, {0.7, 3, []int{0, 2, 4}}, {1, 1, []int{2}}, {0, 0, []int{2}}, {1, 100, []int{0, 1, 2, 3, 4, 5}}} {
		const draws = 3000
		count := make([]float64, len(logits))
		for range draws {
			out, err := steps[0].Run(t.Context(), session.Feeds{"temperature": tensor.Scalar(c.temperature), "top_k": tensor.Scalar(c.top)})
			require.NoError(t, err)
			x, err := out.Tensor("next")
			require.NoError(t, err)
			v, err := x.At()
			require.NoError(t, err)
			count[int(v)]++
			out.Release()
		}
		sum := 0.0
		for _, i := range c.likely {
			sum += math.Exp(float64(logits[i]) / math.Max(float64(c.temperature), 1e-9))
		}
		want := make([]float64, len(logits))
		for _, i := range c.likely {
			want[i] = draws
			if len(c.likely) > 1 {
				want[i] *= math.Exp(float64(logits[i])/float64(c.temperature)) / sum
			}
		}
		for i := range want { // five standard deviations
			require.InDelta(t, want[i], count[i], 5*math.Sqrt(math.Max(want[i]*(1-want[i]/draws), 0))+0.01, "%v: token %d", c, i)
		}
	}
}

// A token depends on none that follows, and dropout acts in training only.
func TestGPTIsCausal(t *testing.T) {
	c := tiny
	c.Dropout = 0.5
	m := NewGPT(c)
	_, steps := open(t, func(g *graph.Graph) {
		nn.Params(m)
		g.Output("logits", m.Forward(g.Input("ids", graph.I32, 2, 6)))
	})
	out, err := steps[0].Run(t.Context(), session.Feeds{"ids": ints(t, []int32{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 7, 8}, 2, 6)})
	require.NoError(t, err)
	x, err := out.Tensor("logits")
	require.NoError(t, err)
	v, err := tensor.Data[float32](x)
	require.NoError(t, err)
	n := c.Vocabulary
	require.Equal(t, v[:4*n], v[6*n:10*n])
	require.NotEqual(t, v[4*n:5*n], v[10*n:11*n])
}

func TestGPTMistakes(t *testing.T) {
	m := NewGPT(tiny)
	for want, f := range map[string]func(g *graph.Graph){
		"gpt: 9 tokens are more than the context of 8": func(g *graph.Graph) { m.Forward(g.Input("ids", graph.I32, 1, 9)) },
		"gpt: the tokens are i32[4], not [batch,time]": func(g *graph.Graph) { m.Forward(g.Input("ids", graph.I32, 4)) },
		"the heads do not divide the width":            func(*graph.Graph) { NewGPT(GPTConfig{Vocabulary: 2, Context: 2, Width: 6, Heads: 4, Layers: 1}) },
	} {
		_, err := graph.Build("gpt", f)
		require.ErrorContains(t, err, want)
	}
}

// Blocks that are computed again, dropout included, change the memory of a step
// and no loss.
func TestRecompute(t *testing.T) {
	losses := func(recompute bool) (list []float64, arena int64) {
		m := NewGPT(GPTConfig{Vocabulary: 11, Context: 16, Width: 24, Heads: 3, Layers: 4, Dropout: 0.1, Recompute: recompute})
		g, err := graph.Build("gpt", TrainGPT(m, 4, optim.AdamW{LR: 0.01}), graph.Training())
		require.NoError(t, err)
		s := session.New(cpu.New(cpu.WithThreads(1)), session.WithSeed(3))
		defer s.Close()
		step, err := s.Compile(g)
		require.NoError(t, err)
		ids := make([]int32, 4*16)
		for i := range ids {
			ids[i] = int32(i * i % 11)
		}
		for range 5 {
			out, err := step.Run(t.Context(), session.Feeds{"ids": ints(t, ids, 4, 16), "labels": ints(t, ids, 4, 16)})
			require.NoError(t, err)
			loss, err := out.Scalar("loss")
			require.NoError(t, err)
			list = append(list, loss)
			out.Release()
		}
		report, err := step.Memory(nil)
		require.NoError(t, err)
		return list, report.Arena
	}
	want, kept := losses(false)
	got, again := losses(true)
	require.InDeltaSlice(t, want, got, 1e-5)
	require.Greater(t, kept, 2*again)
}

// A small model learns a text by heart.
func TestGPTLearns(t *testing.T) {
	m := NewGPT(tiny)
	ids := []int32{1, 2, 3, 4, 5, 6, 7, 8, 0, 10, 9, 8, 7, 6, 5, 4}
	labels := []int32{2, 3, 4, 5, 6, 7, 8, 9, 10, 9, 8, 7, 6, 5, 4, 3}
	_, steps := open(t, TrainGPT(m, 2, optim.AdamW{LR: 0.02}, GPTOptions(5, 80)...))
	var last float64
	for range 80 {
		out, err := steps[0].Run(t.Context(), session.Feeds{"ids": ints(t, ids, 2, 8), "labels": ints(t, labels, 2, 8)})
		require.NoError(t, err)
		last, err = out.Scalar("loss")
		require.NoError(t, err)
		out.Release()
	}
	require.Less(t, last, 0.1)
}

package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

var (
	logits = []float64{1, 2, 3, -1, 0.5, 0, 100, -100, 7}
	labels = []int32{2, 0, 1}
	probs  = []float64{0.2, 0.3, 0.5, 1, 0, 0, 0.25, 0.25, 0.5}
)

// crossEntropy computes the loss of each row by its definition, of target
// probabilities.
func crossEntropy(x, p []float64, classes int) []float64 {
	var out []float64
	for r := 0; r < len(x); r += classes {
		largest, sum, loss := math.Inf(-1), 0.0, 0.0
		for _, v := range x[r : r+classes] {
			largest = max(largest, v)
		}
		for _, v := range x[r : r+classes] {
			sum += math.Exp(v - largest)
		}
		for i, v := range x[r : r+classes] {
			loss -= p[r+i] * (v - largest - math.Log(sum))
		}
		out = append(out, loss)
	}
	return out
}

// smoothed mixes probabilities with the uniform distribution.
func smoothed(p []float64, e float64, classes int) []float64 {
	out := make([]float64, len(p))
	for i, v := range p {
		out[i] = (1-e)*v + e/float64(classes)
	}
	return out
}

func oneHot(labels []int32, classes int) []float64 {
	out := make([]float64, len(labels)*classes)
	for i, l := range labels {
		out[i*classes+int(l)] = 1
	}
	return out
}

func TestCrossEntropy(t *testing.T) {
	for _, e := range []float64{0, 0.1, 1} {
		got := eval(t, nil, func(g *graph.Graph) {
			x := graph.Constant(g, logits, 3, 3)
			y, p := graph.Constant(g, labels, 3), graph.Constant(g, probs, 3, 3)
			s := nn.LabelSmoothing(e)
			g.Output("mean", nn.CrossEntropy(x, y, s))
			g.Output("sum", nn.CrossEntropy(x, y, s, nn.WithReduction(nn.SumReduction)))
			g.Output("none", nn.CrossEntropy(x, y, s, nn.WithReduction(nn.NoReduction)))
			g.Output("u8", nn.CrossEntropy(x, y.Cast(graph.U8), s))
			g.Output("probs mean", nn.CrossEntropy(x, p, s))
			g.Output("probs none", nn.CrossEntropy(x, p, s, nn.WithReduction(nn.NoReduction)))
			g.Output("deep", nn.CrossEntropy(x.Reshape(1, 3, 3), y.Reshape(1, 3), s, nn.WithReduction(nn.NoReduction)).Squeeze(0))
		})
		none := crossEntropy(logits, smoothed(oneHot(labels, 3), e, 3), 3)
		soft := crossEntropy(logits, smoothed(probs, e, 3), 3)
		sum := none[0] + none[1] + none[2]
		for name, want := range map[string][]float64{
			"mean": {sum / 3}, "sum": {sum}, "none": none, "u8": {sum / 3}, "deep": none,
			"probs none": soft, "probs mean": {(soft[0] + soft[1] + soft[2]) / 3},
		} {
			require.InDeltaSlice(t, want, value[float64](t, got[name]), 1e-12, "%s, smoothing %v", name, e)
		}
	}
}

// The gradient of the mean cross-entropy is (softmax - target)/rows.
func TestCrossEntropyGradient(t *testing.T) {
	x := []float64{1, 2, 3, -1, 0.5, 0}
	got := eval(t, nil, func(g *graph.Graph) {
		in := graph.Constant(g, x, 2, 3)
		g.Output("dx", g.Grad(nn.CrossEntropy(in, graph.Constant(g, []int32{2, 0}, 2)), in)[0])
		g.Output("want", in.Softmax(-1).Sub(graph.Constant(g, []float64{0, 0, 1, 1, 0, 0}, 2, 3)).DivScalar(2))
	})
	require.NoError(t, tensor.AllClose(got["dx"], got["want"], 1e-12, 1e-15))
}

func TestCrossEntropyExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	got := eval(t, nil, func(g *graph.Graph) {
		x := graph.Constant(g, []float32{3e38, 0, -inf, 5}, 2, 2)
		g.Output("none", nn.CrossEntropy(x, graph.Constant(g, []int32{0, 1}, 2), nn.WithReduction(nn.NoReduction)))
		g.Output("empty", nn.CrossEntropy(graph.Zeros(g, graph.F32, 0, 4), graph.Zeros(g, graph.I64, 0)))
		g.Output("one class", nn.CrossEntropy(graph.Ones(g, graph.F32, 3, 1), graph.Zeros(g, graph.I64, 3)))
	})
	require.Equal(t, []float32{0, 0}, value[float32](t, got["none"]))
	require.True(t, math.IsNaN(float64(value[float32](t, got["empty"])[0])), "the mean of nothing is NaN, as in PyTorch")
	require.Equal(t, []float32{0}, value[float32](t, got["one class"]))
}

func TestLabelOutOfRange(t *testing.T) {
	g, err := graph.Build("loss", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, 2, 3), g.Input("y", graph.I32, 2)
		g.Output("loss", nn.CrossEntropy(x, y))
	})
	require.NoError(t, err)
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	for _, label := range []int32{3, -1, -100} {
		y, err := tensor.From([]int32{0, label}, 2)
		require.NoError(t, err)
		_, err = step.Run(t.Context(), session.Feeds{"x": newTensor(t, graph.F32, 2, 3), "y": y})
		var check *device.CheckError
		require.ErrorAs(t, err, &check)
		require.Equal(t, int64(label), check.Value)
		require.Contains(t, err.Error(), "loss_test.go:")
	}
}

func TestMSE(t *testing.T) {
	got := eval(t, nil, func(g *graph.Graph) {
		x, y := graph.Constant(g, []float64{1, 2, 3, 4}, 2, 2), graph.Constant(g, []float32{0, 2, 5, 1}, 2, 2)
		g.Output("mean", nn.MSE(x, y))
		g.Output("sum", nn.MSE(x, y, nn.WithReduction(nn.SumReduction)))
		g.Output("none", nn.MSE(x, y, nn.WithReduction(nn.NoReduction)))
		g.Output("dx", g.Grad(nn.MSE(x, y), x)[0])
	})
	require.Equal(t, []float64{3.5}, value[float64](t, got["mean"]))
	require.Equal(t, []float64{14}, value[float64](t, got["sum"]))
	require.Equal(t, []float64{1, 0, 4, 9}, value[float64](t, got["none"]))
	require.Equal(t, []float64{0.5, 0, -1, 1.5}, value[float64](t, got["dx"]))
}

// Rows that are ignored count for nothing.
func TestCrossEntropyOfSomeRows(t *testing.T) {
	weights := []float64{1, 0.5, 2}
	for _, e := range []float64{0, 0.25} {
		got := eval(t, nil, func(g *graph.Graph) {
			x := graph.Constant(g, append([]float64{1e300, -1e300, 0}, logits...), 4, 3)
			y := graph.Constant(g, []int32{-100, 2, 0, 1}, 4)
			opts := []nn.LossOption{nn.IgnoreIndex(-100), nn.LabelSmoothing(e), nn.ClassWeights(graph.Constant(g, weights, 3))}
			g.Output("none", nn.CrossEntropy(x, y, append(opts, nn.WithReduction(nn.NoReduction))...))
			g.Output("mean", nn.CrossEntropy(x, y, opts...))
			g.Output("plain", nn.CrossEntropy(x, y, opts[:2]...))
			g.Output("nothing", nn.CrossEntropy(x, y.MulScalar(0).SubScalar(100), opts...))
			g.Output("dx", g.Grad(nn.CrossEntropy(x, y, opts...), x)[0].Slice(0, 0, 1, 1))
		})
		p := smoothed(oneHot(labels, 3), e, 3)
		plain := crossEntropy(logits, p, 3)
		for i := range p {
			p[i] *= weights[i%3]
		}
		none := crossEntropy(logits, p, 3)
		require.InDeltaSlice(t, append([]float64{0}, none...), value[float64](t, got["none"]), 1e-12)
		require.InDelta(t, (none[0]+none[1]+none[2])/(weights[0]+weights[1]+weights[2]), value[float64](t, got["mean"])[0], 1e-12)
		require.InDelta(t, (plain[0]+plain[1]+plain[2])/3, value[float64](t, got["plain"])[0], 1e-12)
		require.True(t, math.IsNaN(value[float64](t, got["nothing"])[0]), "the mean of nothing is NaN, as in PyTorch")
		require.Equal(t, []float64{0, 0, 0}, value[float64](t, got["dx"]))
	}
}

// Nothing overflows, and what is small is not lost.
func TestLossExtremes(t *testing.T) {
	inf := math.Inf(1)
	none := nn.WithReduction(nn.NoReduction)
	got := eval(t, nil, func(g *graph.Graph) {
		x, y := graph.Constant(g, []float64{800, -800, 800, -800, -50, 50}, 6), graph.Constant(g, []float64{1, 1, 0, 0, 0, 1}, 6)
		bce := nn.BCEWithLogits(x, y, none)
		g.Output("bce", bce)
		g.Output("dbce", g.Grad(bce.Sum(), x)[0])
		d := graph.Constant(g, []float64{inf, -inf, 1e200, 0}, 4)
		z := graph.Zeros(g, graph.F64, 4)
		g.Output("huber", nn.Huber(d, z, none, nn.Delta(2)))
		g.Output("dhuber", g.Grad(nn.Huber(d, z, nn.WithReduction(nn.SumReduction), nn.Delta(2)), d)[0])
		p := graph.Constant(g, []float64{0, 1, 0.5}, 3)
		kl := nn.KLDiv(graph.Constant(g, []float64{-5, 0, math.Log(0.25)}, 3), p, none)
		g.Output("kl", kl)
		g.Output("log kl", nn.KLDiv(graph.Constant(g, []float64{-5, 0, math.Log(0.25)}, 3), p.Log().Maximum(graph.Scalar(g, graph.F64, -1e9)), none, nn.LogTarget()))
	})
	small := math.Exp(-50)
	require.InDeltaSlice(t, []float64{0, 800, 800, 0}, value[float64](t, got["bce"])[:4], 1e-12)
	require.InEpsilonSlice(t, []float64{small, small}, value[float64](t, got["bce"])[4:], 1e-12)
	require.InDeltaSlice(t, []float64{0, -1, 1, 0, small, -small}, value[float64](t, got["dbce"]), 1e-30)
	require.Equal(t, []float64{inf, inf, 2e200, 0}, value[float64](t, got["huber"]))
	require.Equal(t, []float64{2, -2, 2, 0}, value[float64](t, got["dhuber"]))
	for _, name := range []string{"kl", "log kl"} {
		require.InDeltaSlice(t, []float64{0, 0, 0.5 * math.Ln2}, value[float64](t, got[name]), 1e-12, name)
	}
}

func TestAccuracy(t *testing.T) {
	got := eval(t, nil, func(g *graph.Graph) {
		x := graph.Constant(g, []float32{1, 2, 0, 3, 3, 1, 0, 0, 5, 9, 1, 2}, 4, 3)
		g.Output("a", nn.Accuracy(x, graph.Constant(g, []int32{1, 0, 2, 2}, 4)))
	})
	require.Equal(t, []float32{0.75}, value[float32](t, got["a"]))
}

func TestLossMistakes(t *testing.T) {
	for want, f := range map[string]func(g *graph.Graph, x, y *graph.Node) *graph.Node{
		"cross_entropy: labels i32[4] do not match logits f32[2,3]": func(g *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, graph.Zeros(g, graph.I32, 4))
		},
		"cross_entropy: labels i32[2,1] do not match logits f32[2,3]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y.Unsqueeze(1))
		},
		"cross_entropy: probabilities f32[3,2] do not match logits f32[2,3]": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, x.T())
		},
		"cross_entropy: the target is class indices or probabilities, got bool[2]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y.Cast(graph.Bool))
		},
		"cross_entropy: logits need a dimension of classes, got f32[]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x.Sum(), y)
		},
		"cross_entropy: logits are floating-point, got i32[2]": func(_ *graph.Graph, _, y *graph.Node) *graph.Node { return nn.CrossEntropy(y, y) },
		"cross_entropy: logits f32[2,0] have no classes": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x.Slice(1, 0, 0, 1), y)
		},
		"cross_entropy: label smoothing 1.5 is outside [0,1]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y, nn.LabelSmoothing(1.5))
		},
		"cross_entropy: label smoothing NaN is outside [0,1]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y, nn.LabelSmoothing(math.NaN()))
		},
		"cross_entropy: no reduction has the number 3": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y, nn.WithReduction(3))
		},
		"mse: shapes differ: f32[2,3] and f32[3]": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node { return nn.MSE(x, x.Sum(0)) },
		"mse: wants floating-point values, got f32[2,3] and i32[2]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.MSE(x, y)
		},
		"mse: does not take label smoothing": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.MSE(x, x, nn.LabelSmoothing(0.1))
		},
		"mse: no reduction has the number 3": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.MSE(x, x, nn.WithReduction(nn.BatchMeanReduction))
		},
		"mse: an option is nil": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node { return nn.MSE(x, x, nil) },
		"l1: does not take a distance": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.L1(x, x, nn.Delta(1))
		},
		"huber: the distance 0 is not positive and finite": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.Huber(x, x, nn.Delta(0))
		},
		"smooth_l1: the distance NaN is negative or not finite": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.SmoothL1(x, x, nn.Delta(math.NaN()))
		},
		"cross_entropy: class weights f32[2,3] are not one number for each class of f32[2,3]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y, nn.ClassWeights(x))
		},
		"cross_entropy: an index to ignore is for class indices, not for probabilities": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, x, nn.IgnoreIndex(0))
		},
		"nll: the target is class indices, got f32[2,3]": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node { return nn.NLL(x, x) },
		"cross_entropy: the weights are a nil node": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.CrossEntropy(x, y, nn.ClassWeights(nil))
		},
		"nll: does not take label smoothing": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.NLL(x, y, nn.LabelSmoothing(0.1))
		},
		"bce_with_logits: weights f32[2] do not broadcast to logits f32[2,3]": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.BCEWithLogits(x, x, nn.PositiveWeight(x.Sum(1)))
		},
		"bce_with_logits: shapes differ: f32[2,3] and f32[3]": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.BCEWithLogits(x, x.Sum(0))
		},
		"kl_div: f32[] has no dimension of batches": func(_ *graph.Graph, x, _ *graph.Node) *graph.Node {
			return nn.KLDiv(x.Sum(), x.Sum(), nn.WithReduction(nn.BatchMeanReduction))
		},
		"accuracy: labels f32[2] do not match logits f32[2,3]": func(_ *graph.Graph, x, y *graph.Node) *graph.Node {
			return nn.Accuracy(x, y.Cast(graph.F32))
		},
	} {
		got := mistake(t, func(g *graph.Graph) {
			f(g, g.Input("x", graph.F32, 2, 3), g.Input("y", graph.I32, 2))
		})
		require.Equal(t, want, got)
	}
}

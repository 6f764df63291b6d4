package models

import (
	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
)

// pointwise makes the definition of a workload without variables: f maps the
// inputs to the output "y".
func pointwise(name, doc string, full, small []int, inputs func(n []int) []input, f func(in []*graph.Node) *graph.Node) definition {
	return definition{
		name: name, doc: doc, full: full, small: small, inputs: inputs, option: graph.Eval(),
		model: func(n []int) func(g *graph.Graph) {
			return func(g *graph.Graph) { g.Output("y", f(declare(g, inputs(n)))) }
		},
	}
}

// rows is one matrix input.
func rows(n []int) []input { return []input{{"x", []int{n[0], n[1]}, 0}} }

// workloads are what the benchmarks time, beside other frameworks.
var workloads = []definition{
	pointwise("ew_gelu_chain", "gelu_tanh(1.5x+0.25)*0.5+r over 4 Mi elements.", []int{1 << 22}, []int{1000},
		func(n []int) []input { return []input{{"x", n, 0}, {"r", n, 0}} },
		func(in []*graph.Node) *graph.Node {
			return in[0].MulScalar(1.5).AddScalar(0.25).GELUTanh().MulScalar(0.5).Add(in[1])
		}),
	pointwise("ew_broadcast", "relu((x+b)*s-0.1*abs(x)) over 1024x4096, with a row b and a column s.", []int{1024, 4096}, []int{12, 40},
		func(n []int) []input { return []input{{"x", n, 0}, {"b", n[1:], 0}, {"s", []int{n[0], 1}, 0}} },
		func(in []*graph.Node) *graph.Node {
			x, b, s := in[0], in[1], in[2]
			return x.Add(b).Mul(s).Sub(x.Abs().MulScalar(0.1)).ReLU()
		}),
	pointwise("softmax_rows", "Softmax over the last axis of 1024x4096.", []int{1024, 4096}, []int{12, 40}, rows,
		func(in []*graph.Node) *graph.Node { return in[0].Softmax(-1) }),
	pointwise("layernorm_rows", "Layer norm with scale and shift over the last axis of 1024x4096.", []int{1024, 4096}, []int{12, 40},
		func(n []int) []input { return []input{{"x", n, 0}, {"w", n[1:], 0}, {"b", n[1:], 0}} },
		func(in []*graph.Node) *graph.Node { return in[0].LayerNorm(in[1].Shape(), in[1], in[2], 1e-5) }),
	pointwise("sumsq_cols", "Sum over the rows of x*x, 1024x4096.", []int{1024, 4096}, []int{12, 40}, rows,
		func(in []*graph.Node) *graph.Node { return in[0].Mul(in[0]).Sum(0) }),
	pointwise("gemm_f32", "Matrix product of two 1024x1024 matrices.", []int{1024}, []int{24},
		func(n []int) []input {
			return []input{{"a", []int{n[0], n[0]}, 0}, {"b", []int{n[0], n[0]}, 0}}
		},
		func(in []*graph.Node) *graph.Node { return in[0].MatMul(in[1]) }),
	{
		name: "train_mlp_mnist_b128", doc: "Training step of the MLP 784-512-256-10 at batch 128: ReLU, cross-entropy, SGD with momentum 0.9.",
		full: []int{128, MNISTPixels, 512, 256, MNISTClasses}, small: []int{6, 20, 16, 12, 10},
		model: trainMLP, option: graph.Training(), inputs: mlpInputs,
	},
	{
		name: "train_cnn_mnist_b128", doc: "Training step of the CNN at batch 128: convolutions 1-32-64 of 3x3, max pooling, 3136-128-10, cross-entropy, SGD with momentum 0.9.",
		full: cnnFull, small: cnnSmall,
		model: trainCNN, option: graph.Training(), inputs: cnnWorkloadInputs,
	},
	{
		name: "train_gpt_d128_l4_t64_b16", doc: "Training step of a GPT of width 128, 4 layers, 4 heads, context 64 at batch 16: AdamW.",
		full: gptFull, small: gptSmall, model: trainGPT, option: graph.Training(), inputs: gptInputs,
	},
}

func mlpInputs(n []int) []input {
	return []input{{"x", []int{n[0], n[1]}, 0}, {"y", []int{n[0]}, n[4]}}
}

func trainMLP(n []int) func(g *graph.Graph) {
	m, sgd := NewMLP(n[1], n[2], n[3], n[4]), optim.SGD{LR: 1e-3, Momentum: 0.9}
	return func(g *graph.Graph) {
		in := declare(g, mlpInputs(n))
		loss := nn.CrossEntropy(m.Forward(in[0]), in[1])
		sgd.Minimize(loss, nn.Params(m))
		g.Output("loss", loss)
	}
}

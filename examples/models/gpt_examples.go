package models

import (
	"dumbtorch/graph"
	"dumbtorch/nn/optim"
)

// gptConfig reads the sizes of an example: batch, context, width, heads, layers,
// vocabulary.
func gptConfig(n []int) GPTConfig {
	return GPTConfig{Context: n[1], Width: n[2], Heads: n[3], Layers: n[4], Vocabulary: n[5]}
}

func gptInputs(n []int) []input {
	return []input{{"ids", n[:2], n[5]}, {"labels", n[:2], n[5]}}
}

func trainGPT(n []int) func(g *graph.Graph) {
	return TrainGPT(NewGPT(gptConfig(n)), n[0], optim.AdamW{LR: 1e-4, WeightDecay: 0.01})
}

var gptFull, gptSmall = []int{16, 64, 128, 4, 4, 96}, []int{2, 6, 8, 2, 1, 12}

var gptExamples = []definition{
	{
		name: "gpt", doc: "Evaluation of the character GPT: width 128, 4 layers, 4 heads, context 64, batch 16.",
		full: gptFull, small: gptSmall, option: graph.Eval(), inputs: gptInputs,
		model: func(n []int) func(g *graph.Graph) { return EvalGPT(NewGPT(gptConfig(n)), n[0]) },
	},
	{
		name: "gpt:train", doc: "Training step of the character GPT as examples/gpt makes it: AdamW without decay of biases and norms, clipping, warm-up and cosine.",
		full: gptFull, small: gptSmall, option: graph.Training(), inputs: gptInputs,
		model: func(n []int) func(g *graph.Graph) {
			return TrainGPT(NewGPT(gptConfig(n)), n[0], optim.AdamW{LR: 1e-3, WeightDecay: 0.1}, GPTOptions(100, 1000)...)
		},
	},
	{
		name: "gpt:decode", doc: "One token of the character GPT, with a cache of keys and values: the next token is drawn.",
		full: gptFull, small: gptSmall, option: graph.Eval(), inputs: func(n []int) []input { return decodeInputs(gptConfig(n)) },
		model: func(n []int) func(g *graph.Graph) { return NewDecoder(NewGPT(gptConfig(n))).Step },
	},
}

// GPTOptions are those of examples/gpt: no decay of biases and norms, gradients
// of a norm of at most 1, and a rate that rises for some steps and then falls to
// a tenth along a cosine, over all steps.
func GPTOptions(rise, steps int) []optim.Option {
	return []optim.Option{
		optim.GroupDecay(0, optim.Vectors), optim.ClipNorm(1),
		optim.Scheduled(optim.Linear(rise, 1/float64(rise), 1).Then(rise, optim.Cosine(max(1, steps-rise), 0.1))),
	}
}

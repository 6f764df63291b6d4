package models

import (
	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
)

// MNISTPixels and MNISTClasses are the sizes of the classifier's input and
// output.
const (
	MNISTPixels  = 28 * 28
	MNISTClasses = 10
)

// MLP is a multi-layer perceptron: linear layers with ReLU between them.
type MLP struct{ FC1, FC2, FC3 *nn.Linear }

// NewMLP returns a perceptron of three layers, from in to out features.
func NewMLP(in, hidden1, hidden2, out int) *MLP {
	return &MLP{
		FC1: nn.NewLinear(in, hidden1),
		FC2: nn.NewLinear(hidden1, hidden2),
		FC3: nn.NewLinear(hidden2, out),
	}
}

// NewMNIST returns the classifier of MNIST: 784-512-256-10.
func NewMNIST() *MLP { return NewMLP(MNISTPixels, 512, 256, MNISTClasses) }

// Forward returns logits [batch,out] of x [batch,in].
func (m *MLP) Forward(x *graph.Node) *graph.Node {
	x = m.FC1.Forward(x).ReLU()
	x = m.FC2.Forward(x).ReLU()
	return m.FC3.Forward(x)
}

// Classify declares the inputs "image", f32[batch,features], and "label",
// i32[batch], whose batch size is bound at the first feed, and returns the
// model's logits, [batch,classes], and the labels.
func Classify(g *graph.Graph, m nn.Layer, features int) (logits, labels *graph.Node) {
	batch := graph.Dim("batch")
	x := g.Input("image", graph.F32, batch, features)
	return m.Forward(x), g.Input("label", graph.I32, batch)
}

// TrainClassifier builds a training step: the output "loss" is the mean
// cross-entropy of the batch, and every parameter is updated.
func TrainClassifier(name string, m nn.Layer, features int, o optim.Optimizer, opts ...optim.Option) (*graph.Graph, error) {
	return graph.Build(name, trainClassifier(m, features, o, opts...), graph.Training())
}

func trainClassifier(m nn.Layer, features int, o optim.Optimizer, opts ...optim.Option) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		loss := nn.CrossEntropy(Classify(g, m, features))
		o.Minimize(loss, nn.Params(m), opts...)
		g.Output("loss", loss)
	}
}

// EvalClassifier builds an evaluation: the outputs "loss" and "accuracy" are
// the mean cross-entropy and the fraction of right answers of the batch.
func EvalClassifier(name string, m nn.Layer, features int) (*graph.Graph, error) {
	return graph.Build(name, evalClassifier(m, features))
}

func evalClassifier(m nn.Layer, features int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		nn.Params(m) // names them
		logits, labels := Classify(g, m, features)
		g.Output("loss", nn.CrossEntropy(logits, labels))
		g.Output("accuracy", nn.Accuracy(logits, labels))
	}
}

// mnistInputs are those of the classifier; n is the batch size and the layers'
// sizes.
func mnistInputs(n []int) []input {
	return []input{{"image", []int{n[0], n[1]}, 0}, {"label", []int{n[0]}, n[4]}}
}

var mnistExamples = []definition{
	{
		name: "mnist", doc: "Evaluation of the MNIST classifier 784-512-256-10: loss and accuracy of a batch of any size.",
		full: []int{128, MNISTPixels, 512, 256, MNISTClasses}, small: []int{6, 20, 16, 12, 10},
		model:  func(n []int) func(g *graph.Graph) { return evalClassifier(NewMLP(n[1], n[2], n[3], n[4]), n[1]) },
		option: graph.Eval(), inputs: mnistInputs,
	},
	{
		name: "mnist:train", doc: "Training step of the MNIST classifier: cross-entropy, gradients, SGD with momentum 0.9.",
		full: []int{128, MNISTPixels, 512, 256, MNISTClasses}, small: []int{6, 20, 16, 12, 10},
		model: func(n []int) func(g *graph.Graph) {
			return trainClassifier(NewMLP(n[1], n[2], n[3], n[4]), n[1], optim.SGD{LR: 0.1, Momentum: 0.9})
		},
		option: graph.Training(), inputs: mnistInputs,
	},
}

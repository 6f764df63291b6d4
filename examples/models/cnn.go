package models

import (
	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
)

// CNN is a convolutional classifier of square grey images: two convolutions of
// 3x3, each followed by ReLU and the maxima of windows of 2x2, then two linear
// layers.
type CNN struct {
	Conv1, Conv2 *nn.Conv
	FC1, FC2     *nn.Linear

	side int
}

// NewCNN returns a classifier of images of side x side pixels, side divisible by
// 4, with convolutions to channels1 and channels2 and a hidden layer.
func NewCNN(side, channels1, channels2, hidden, classes int) *CNN {
	return &CNN{
		Conv1: nn.NewConv2d(1, channels1, 3, nn.Padding(1)),
		Conv2: nn.NewConv2d(channels1, channels2, 3, nn.Padding(1)),
		FC1:   nn.NewLinear(channels2*(side/4)*(side/4), hidden),
		FC2:   nn.NewLinear(hidden, classes),
		side:  side,
	}
}

// NewMNISTCNN returns the convolutional classifier of MNIST: 32 and 64
// channels, 128 hidden features.
func NewMNISTCNN() *CNN { return NewCNN(28, 32, 64, 128, MNISTClasses) }

// Forward returns logits [batch,classes] of images x of side*side pixels:
// [batch,pixels] or [batch,1,side,side].
func (m *CNN) Forward(x *graph.Node) *graph.Node {
	pool := nn.NewMaxPool2d(2)
	x = x.Reshape(x.Dim(0), 1, m.side, m.side)
	x = pool.Forward(m.Conv1.Forward(x).ReLU())
	x = pool.Forward(m.Conv2.Forward(x).ReLU())
	x = m.FC1.Forward(x.Flatten(1, -1)).ReLU()
	return m.FC2.Forward(x)
}

// newCNN returns the classifier of the sizes batch, side, channels of the
// convolutions, hidden features, classes.
func newCNN(n []int) *CNN { return NewCNN(n[1], n[2], n[3], n[4], n[5]) }

// cnnInputs are those of the classifier.
func cnnInputs(n []int) []input {
	return []input{{"image", []int{n[0], n[1] * n[1]}, 0}, {"label", []int{n[0]}, n[5]}}
}

var (
	cnnFull  = []int{128, 28, 32, 64, 128, MNISTClasses}
	cnnSmall = []int{6, 8, 4, 6, 12, 10}
)

var cnnExamples = []definition{
	{
		name: "cnn", doc: "Evaluation of the convolutional MNIST classifier: loss and accuracy of a batch of any size.",
		full: cnnFull, small: cnnSmall,
		model:  func(n []int) func(g *graph.Graph) { return evalClassifier(newCNN(n), n[1]*n[1]) },
		option: graph.Eval(), inputs: cnnInputs,
	},
	{
		name: "cnn:train", doc: "Training step of the convolutional MNIST classifier: cross-entropy, gradients, SGD with momentum 0.9.",
		full: cnnFull, small: cnnSmall,
		model: func(n []int) func(g *graph.Graph) {
			return trainClassifier(newCNN(n), n[1]*n[1], optim.SGD{LR: 0.05, Momentum: 0.9})
		},
		option: graph.Training(), inputs: cnnInputs,
	},
}

// trainCNN is the workload at a fixed batch.
func trainCNN(n []int) func(g *graph.Graph) {
	m, sgd := newCNN(n), optim.SGD{LR: 1e-3, Momentum: 0.9}
	return func(g *graph.Graph) {
		in := declare(g, cnnWorkloadInputs(n))
		loss := nn.CrossEntropy(m.Forward(in[0]), in[1])
		sgd.Minimize(loss, nn.Params(m))
		g.Output("loss", loss)
	}
}

func cnnWorkloadInputs(n []int) []input {
	return []input{{"x", []int{n[0], 1, n[1], n[1]}, 0}, {"y", []int{n[0]}, n[5]}}
}

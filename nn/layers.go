// Package nn holds layers, losses and initialisers as functions that build
// graphs. A model is a plain Go struct of layers with a Forward method; its
// parameters are found and named by [Params]. The package must not import
// passes or devices.
package nn

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// A Layer maps one value to another.
type Layer interface {
	Forward(x *graph.Node) *graph.Node
}

// Linear is y = x W^T + b on the last dimension: torch.nn.Linear. Weight has
// shape [out,in], Bias [out]; Bias is nil for a layer without.
type Linear struct {
	Weight, Bias *graph.Variable
}

// NewLinear returns a linear layer with PyTorch's default initialisation:
// weight and bias uniform in +-1/sqrt(in).
func NewLinear(in, out int, opts ...LinearOption) *Linear {
	bound := 0.0
	if in > 0 {
		bound = 1 / math.Sqrt(float64(in))
	}
	l := &Linear{
		Weight: graph.NewVariable("weight", types.Of(types.F32, out, in), Uniform(-bound, bound)),
		Bias:   graph.NewVariable("bias", types.Of(types.F32, out), Uniform(-bound, bound)),
	}
	for _, o := range opts {
		o(l)
	}
	return l
}

// A LinearOption changes a new linear layer.
type LinearOption func(*Linear)

// NoBias leaves out the bias.
func NoBias() LinearOption { return func(l *Linear) { l.Bias = nil } }

// Forward applies the layer to x of shape [...,in].
func (l *Linear) Forward(x *graph.Node) *graph.Node {
	g := x.Graph()
	y := x.MatMul(g.Var(l.Weight).T())
	if l.Bias != nil {
		y = y.Add(g.Var(l.Bias))
	}
	return y
}

// Activations as layers, for [Sequential]. Each is torch.nn's module of the
// same name.
type (
	ReLU    struct{} // max(x, 0)
	Sigmoid struct{} // 1/(1+exp(-x))
	Tanh    struct{} // tanh x
	// Softmax is exp(x)/sum(exp(x)) over dimension Dim; negative counts from the
	// end, so that the zero value of a struct literal should say Dim: -1.
	Softmax struct{ Dim int }
)

// Forward applies the activation.
func (ReLU) Forward(x *graph.Node) *graph.Node { return x.ReLU() }

// Forward applies the activation.
func (Sigmoid) Forward(x *graph.Node) *graph.Node { return x.Sigmoid() }

// Forward applies the activation.
func (Tanh) Forward(x *graph.Node) *graph.Node { return x.Tanh() }

// Forward applies the softmax.
func (s Softmax) Forward(x *graph.Node) *graph.Node { return x.Softmax(s.Dim) }

// Sequential applies layers one after the other. Its parameters are numbered
// by position, activations included, as in torch.nn.Sequential.
type Sequential []Layer

// Forward applies all layers in order.
func (s Sequential) Forward(x *graph.Node) *graph.Node {
	for _, l := range s {
		x = l.Forward(x)
	}
	return x
}

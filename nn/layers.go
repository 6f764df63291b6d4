// Package nn holds layers, losses and initialisers as functions that build
// graphs. A model is a plain Go struct of layers with a Forward method; its
// parameters are found and named by [Params]. Whether a layer trains or
// evaluates is a property of the graph that is built ([graph.Training]), not of
// the layer. The package must not import passes or devices.
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

// NewLinear returns a linear layer of f32 parameters with PyTorch's default
// initialisation: weight and bias uniform in +-1/sqrt(in).
func NewLinear(in, out int, opts ...LinearOption) *Linear {
	return collect(opts).linear(in, out)
}

func (o layerOptions) linear(in, out int) *Linear {
	bound := 0.0
	if in > 0 {
		bound = 1 / math.Sqrt(float64(in))
	}
	l := &Linear{Weight: graph.NewVariable("weight", types.Of(o.dtype, out, in), Uniform(-bound, bound))}
	if o.bias {
		l.Bias = graph.NewVariable("bias", types.Of(o.dtype, out), Uniform(-bound, bound))
	}
	return l
}

// Forward applies the layer to x of shape [...,in].
func (l *Linear) Forward(x *graph.Node) *graph.Node {
	const op = "linear"
	if l == nil || l.Weight == nil {
		graph.Fail(op, "the layer has no weight: layers are made by NewLinear")
	}
	g := x.Graph()
	in, s := l.Weight.Type().Shape, x.Shape()
	if len(in) != 2 || len(s) == 0 || s[len(s)-1] != in[1] {
		graph.Fail(op, "the last dimension of %s is not that of %s %v", x.TypeString(), l.Weight.Name(), l.Weight.Type())
	}
	y := x.MatMul(g.Var(l.Weight).T())
	if l.Bias != nil {
		y = y.Add(g.Var(l.Bias))
	}
	return y
}

// Sequential applies layers one after the other. Its parameters are numbered
// by position, activations included, as in torch.nn.Sequential.
type Sequential []Layer

// Forward applies all layers in order; without any it returns x.
func (s Sequential) Forward(x *graph.Node) *graph.Node {
	for i, l := range s {
		if l == nil {
			graph.Fail("sequential", "layer %d is nil", i)
		}
		x = l.Forward(x)
	}
	return x
}

package nn

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// LayerNorm is [graph.Node.LayerNorm] over the last dimensions, of the sizes
// Shape: torch.nn.LayerNorm. Weight and Bias have those sizes; either is nil for
// a layer without.
type LayerNorm struct {
	Weight, Bias *graph.Variable
	Shape        []int
	Eps          float64
}

// NewLayerNorm returns a layer norm over last dimensions of the given sizes,
// mostly one: weight 1, bias 0, eps 1e-5.
func NewLayerNorm(shape []int, opts ...NormOption) *LayerNorm {
	o := collect(append([]NormOption{Eps(1e-5)}, opts...))
	l := &LayerNorm{Shape: shape, Eps: o.eps}
	l.Weight, l.Bias = o.affine(shape)
	return l
}

// affine returns scale 1 and shift 0, as far as the options want them.
func (o layerOptions) affine(shape []int) (weight, bias *graph.Variable) {
	t := types.Of(o.dtype, shape...)
	if o.weight {
		weight = graph.NewVariable("weight", t, Ones())
	}
	if o.bias {
		bias = graph.NewVariable("bias", t, Zeros())
	}
	return weight, bias
}

// Forward applies the layer to x of shape [...,Shape...].
func (l *LayerNorm) Forward(x *graph.Node) *graph.Node {
	if l == nil || l.Shape == nil {
		graph.Fail("layer_norm", "the layer has no shape: layers are made by NewLayerNorm")
	}
	return x.LayerNorm(l.Shape, variable(x, l.Weight), variable(x, l.Bias), l.Eps)
}

// RMSNorm is [graph.Node.RMSNorm] over the last dimensions, of the sizes Shape:
// torch.nn.RMSNorm. Weight has those sizes; it is nil for a layer without.
type RMSNorm struct {
	Weight *graph.Variable
	Shape  []int
	Eps    float64
}

// NewRMSNorm returns an RMS norm over last dimensions of the given sizes, mostly
// one: weight 1, and as eps the distance from 1 to the next number of the
// elements of x.
func NewRMSNorm(shape []int, opts ...NormOption) *RMSNorm {
	o := collect(opts)
	o.bias = false
	l := &RMSNorm{Shape: shape, Eps: o.eps}
	l.Weight, _ = o.affine(shape)
	return l
}

// Forward applies the layer to x of shape [...,Shape...].
func (l *RMSNorm) Forward(x *graph.Node) *graph.Node {
	if l == nil || l.Shape == nil {
		graph.Fail("rms_norm", "the layer has no shape: layers are made by NewRMSNorm")
	}
	return x.RMSNorm(l.Shape, variable(x, l.Weight), l.Eps)
}

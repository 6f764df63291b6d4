package nn

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// Options of new layers. Each says by its type which layers take it.
type (
	// LinearOption changes a new linear layer: [NoBias], [WithDType].
	LinearOption interface {
		layerOption
		linear()
	}
	// EmbeddingOption changes a new embedding: [PaddingIndex], [WithDType].
	EmbeddingOption interface {
		layerOption
		embedding()
	}
	// NormOption changes a new normalisation: [Eps], [NoAffine], [NoBias],
	// [WithDType].
	NormOption interface {
		layerOption
		norm()
	}
)

type layerOption interface{ apply(*layerOptions) }

// layerOptions are the options of all layers.
type layerOptions struct {
	dtype        types.DType
	weight, bias bool
	eps          float64
	padding      *int // row of an embedding
}

// option is an option of any layer; interfaces say of which.
type option func(*layerOptions)

func (f option) apply(o *layerOptions) { f(o) }
func (option) linear()                 {}
func (option) embedding()              {}
func (option) norm()                   {}

// collect returns the options of a layer with weight and bias of f32.
func collect[O layerOption](opts []O) layerOptions {
	o := layerOptions{dtype: types.F32, weight: true, bias: true}
	for _, f := range opts {
		f.apply(&o)
	}
	return o
}

// WithDType sets the element type of the parameters; the default is f32.
func WithDType(d types.DType) interface {
	LinearOption
	EmbeddingOption
	NormOption
} {
	return option(func(o *layerOptions) { o.dtype = d })
}

// NoBias leaves out the bias.
func NoBias() interface {
	LinearOption
	NormOption
} {
	return option(func(o *layerOptions) { o.bias = false })
}

// NoAffine leaves out weight and bias: torch's elementwise_affine=False.
func NoAffine() NormOption {
	return option(func(o *layerOptions) { o.weight, o.bias = false, false })
}

// Eps sets the number that is added to the variance, or to the mean of squares,
// before the square root.
func Eps(eps float64) NormOption { return option(func(o *layerOptions) { o.eps = eps }) }

// PaddingIndex makes row i of an embedding, counted from the end if it is
// negative, the one of padding: zero at first and never trained. It is torch's
// padding_idx.
func PaddingIndex(i int) EmbeddingOption {
	return option(func(o *layerOptions) { o.padding = &i })
}

// variable returns the variable v as a value of the graph of x, nil for none.
func variable(x *graph.Node, v *graph.Variable) *graph.Node {
	if v == nil {
		return nil
	}
	return x.Graph().Var(v)
}

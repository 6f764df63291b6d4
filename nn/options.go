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
	// BatchNormOption changes a new batch normalisation: all of [NormOption],
	// [Momentum], [CumulativeAverage], [NoRunningStatistics].
	BatchNormOption interface {
		layerOption
		batchNorm()
	}
	// ConvOption changes a new convolution: [Stride], [Padding], [PaddingSame],
	// [Dilation], [Groups], [KernelSize], [NoBias], [WithDType].
	ConvOption interface {
		layerOption
		conv()
	}
	// PoolOption changes a new pooling: [Stride], [Padding], [Dilation] (of
	// maxima), [KernelSize], [CeilMode], [ExcludePadding], [Divisor].
	PoolOption interface {
		layerOption
		pool()
	}
	// AttentionOption changes a new attention: [DropoutRate], [WithRotary] (of
	// grouped attention), [NoBias], [WithDType].
	AttentionOption interface {
		layerOption
		attention()
	}
	// TransformerOption changes a new transformer layer: [DropoutRate],
	// [PreNorm], [WithActivation], [Eps], [NoBias], [WithDType].
	TransformerOption interface {
		layerOption
		transformer()
	}
)

type layerOption interface{ apply(*layerOptions) }

// layerOptions are the options of all layers.
type layerOptions struct {
	dtype        types.DType
	weight, bias bool
	eps          float64
	momentum     float64
	tracked      bool // running statistics
	row          *int // of an embedding, the one of padding
	// Of windows; a list of one number is for all dimensions.
	size, stride, padding, dilation []int
	same                            bool
	groups                          int
	ceil, excludePadding            bool
	divisor                         int
	// Of attention and transformers.
	dropout    float64
	rotary     *Rotary
	preNorm    bool
	activation Layer
}

// option is an option of any layer; interfaces say of which.
type option func(*layerOptions)

func (f option) apply(o *layerOptions) { f(o) }
func (option) linear()                 {}
func (option) embedding()              {}
func (option) norm()                   {}
func (option) batchNorm()              {}
func (option) conv()                   {}
func (option) pool()                   {}
func (option) attention()              {}
func (option) transformer()            {}

// collect returns the options of a layer with weight and bias of f32.
func collect[O layerOption](opts []O) layerOptions {
	o := layerOptions{dtype: types.F32, weight: true, bias: true, groups: 1}
	for _, f := range opts {
		if any(f) == nil {
			graph.Fail("layer", "an option is nil")
		}
		f.apply(&o)
	}
	return o
}

// WithDType sets the element type of the parameters; the default is f32.
func WithDType(d types.DType) interface {
	LinearOption
	EmbeddingOption
	AnyNormOption
	ConvOption
	AttentionOption
	TransformerOption
} {
	return option(func(o *layerOptions) { o.dtype = d })
}

// NoBias leaves out the bias.
func NoBias() interface {
	LinearOption
	AnyNormOption
	ConvOption
	AttentionOption
	TransformerOption
} {
	return option(func(o *layerOptions) { o.bias = false })
}

// An AnyNormOption is one of every normalisation.
type AnyNormOption interface {
	NormOption
	BatchNormOption
}

// NoAffine leaves out weight and bias: torch's elementwise_affine=False.
func NoAffine() AnyNormOption {
	return option(func(o *layerOptions) { o.weight, o.bias = false, false })
}

// Eps sets the number that is added to the variance, or to the mean of squares,
// before the square root.
func Eps(eps float64) interface {
	AnyNormOption
	TransformerOption
} {
	return option(func(o *layerOptions) { o.eps = eps })
}

// batchNormDefaults are the defaults of PyTorch.
var batchNormDefaults = option(func(o *layerOptions) { o.eps, o.momentum, o.tracked = 1e-5, 0.1, true })

// Momentum sets the weight of the newest batch in running statistics, between 0
// and 1: torch's momentum.
func Momentum(m float64) BatchNormOption {
	return option(func(o *layerOptions) { o.momentum = m })
}

// CumulativeAverage makes running statistics the means over all batches:
// torch's momentum=None.
func CumulativeAverage() BatchNormOption { return Momentum(-1) }

// NoRunningStatistics takes the batch's statistics always: torch's
// track_running_stats=False.
func NoRunningStatistics() BatchNormOption {
	return option(func(o *layerOptions) { o.tracked = false })
}

// PaddingIndex makes row i of an embedding, counted from the end if it is
// negative, the one of padding: zero at first and never trained. It is torch's
// padding_idx.
func PaddingIndex(i int) EmbeddingOption {
	return option(func(o *layerOptions) { o.row = &i })
}

// A WindowOption is one of both convolutions and pooling.
type WindowOption interface {
	ConvOption
	PoolOption
}

// KernelSize sets the size of windows or kernels, one number per dimension.
func KernelSize(n ...int) WindowOption { return option(func(o *layerOptions) { o.size = n }) }

// Stride sets the distance of positions, one number for all dimensions or one
// for each.
func Stride(n ...int) WindowOption { return option(func(o *layerOptions) { o.stride = n }) }

// Padding sets the padding before and after, one number for all dimensions or
// one for each.
func Padding(n ...int) WindowOption { return option(func(o *layerOptions) { o.padding = n }) }

// Dilation sets the distance of a window's elements, one number for all
// dimensions or one for each.
func Dilation(n ...int) WindowOption { return option(func(o *layerOptions) { o.dilation = n }) }

// PaddingSame pads so that a convolution of stride 1 has as many positions as x
// has elements: torch's padding="same".
func PaddingSame() ConvOption { return option(func(o *layerOptions) { o.same = true }) }

// Groups splits the channels into n groups, each convolved with its own kernels;
// as many groups as input channels make the convolution depthwise.
func Groups(n int) ConvOption { return option(func(o *layerOptions) { o.groups = n }) }

// CeilMode takes a last window that leaves the padded value: torch's ceil_mode.
func CeilMode() PoolOption { return option(func(o *layerOptions) { o.ceil = true }) }

// ExcludePadding divides sums by the number of elements that are no padding:
// torch's count_include_pad=False.
func ExcludePadding() PoolOption { return option(func(o *layerOptions) { o.excludePadding = true }) }

// Divisor divides sums by n, which is not 0: torch's divisor_override.
func Divisor(n int) PoolOption {
	if n == 0 {
		graph.Fail("divisor", "sums are divided by 0")
	}
	return option(func(o *layerOptions) { o.divisor = n })
}

// DropoutRate sets the probability of every dropout in the layer; the default is
// 0.
func DropoutRate(p float64) interface {
	AttentionOption
	TransformerOption
} {
	return option(func(o *layerOptions) { o.dropout = p })
}

// WithRotary turns queries and keys by their positions.
func WithRotary(r *Rotary) AttentionOption { return option(func(o *layerOptions) { o.rotary = r }) }

// PreNorm puts the norms before attention and network: torch's norm_first.
func PreNorm() TransformerOption { return option(func(o *layerOptions) { o.preNorm = true }) }

// WithActivation sets the function between the two linear layers; the default is
// ReLU.
func WithActivation(l Layer) TransformerOption {
	return option(func(o *layerOptions) { o.activation = l })
}

// variable returns the variable v as a value of the graph of x, nil for none.
func variable(x *graph.Node, v *graph.Variable) *graph.Node {
	if v == nil {
		return nil
	}
	return x.Graph().Var(v)
}

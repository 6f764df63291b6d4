package nn

import (
	"fmt"

	"dumbtorch/graph"
)

// MaxPool is [graph.Node.MaxPool] over the last dimensions of
// [batch,channels,...] or [channels,...]: torch.nn.MaxPool1d and
// torch.nn.MaxPool2d.
type MaxPool struct{ graph.Pool }

// NewMaxPool1d returns the pooling of windows of the given size over one
// dimension; the stride is the size if no option says otherwise.
func NewMaxPool1d(size int, opts ...PoolOption) MaxPool { return MaxPool{newPool(1, size, opts)} }

// NewMaxPool2d is [NewMaxPool1d] over two dimensions.
func NewMaxPool2d(size int, opts ...PoolOption) MaxPool { return MaxPool{newPool(2, size, opts)} }

// AvgPool is [graph.Node.AvgPool] over the last dimensions of
// [batch,channels,...] or [channels,...]: torch.nn.AvgPool1d and
// torch.nn.AvgPool2d.
type AvgPool struct{ graph.Pool }

// NewAvgPool1d returns the pooling of windows of the given size over one
// dimension; the stride is the size if no option says otherwise.
func NewAvgPool1d(size int, opts ...PoolOption) AvgPool { return AvgPool{newPool(1, size, opts)} }

// NewAvgPool2d is [NewAvgPool1d] over two dimensions.
func NewAvgPool2d(size int, opts ...PoolOption) AvgPool { return AvgPool{newPool(2, size, opts)} }

func newPool(dims, size int, opts []PoolOption) graph.Pool {
	o := collect(opts)
	if o.size == nil {
		o.size = []int{size}
	}
	low := perDim(dims, o.padding)
	return graph.Pool{
		Size: perDim(dims, o.size), Stride: perDim(dims, o.stride), Low: low, High: low, Dilation: perDim(dims, o.dilation),
		Ceil: o.ceil, ExcludePadding: o.excludePadding, Divisor: o.divisor,
	}
}

// Forward applies the layer to x [batch,channels,...] or [channels,...].
func (p MaxPool) Forward(x *graph.Node) *graph.Node {
	wantChannels(fmt.Sprintf("max_pool%dd", len(p.Size)), x, len(p.Size))
	return x.MaxPool(p.Pool)
}

// Forward applies the layer to x [batch,channels,...] or [channels,...].
func (p AvgPool) Forward(x *graph.Node) *graph.Node {
	wantChannels(fmt.Sprintf("avg_pool%dd", len(p.Size)), x, len(p.Size))
	return x.AvgPool(p.Pool)
}

// wantChannels fails unless x has channels, and maybe a batch, before dims
// spatial dimensions.
func wantChannels(op string, x *graph.Node, dims int) {
	if r := x.Rank(); r != dims+1 && r != dims+2 {
		graph.Fail(op, "wants [batch,channels,...] or [channels,...] with %d spatial dimensions, got %s", dims, x.TypeString())
	}
}

// AdaptiveAvgPool is [graph.Node.AdaptiveAvgPool] over the last dimensions of
// [batch,channels,...] or [channels,...], with a number of parts for each:
// torch.nn.AdaptiveAvgPool1d and torch.nn.AdaptiveAvgPool2d. One part for all is
// global pooling.
type AdaptiveAvgPool struct{ Parts []int }

// Forward applies the layer to x [batch,channels,...] or [channels,...].
func (p AdaptiveAvgPool) Forward(x *graph.Node) *graph.Node {
	wantChannels(fmt.Sprintf("adaptive_avg_pool%dd", len(p.Parts)), x, len(p.Parts))
	return x.AdaptiveAvgPool(p.Parts...)
}

// AdaptiveMaxPool is [graph.Node.AdaptiveMaxPool], as [AdaptiveAvgPool]:
// torch.nn.AdaptiveMaxPool1d and torch.nn.AdaptiveMaxPool2d.
type AdaptiveMaxPool struct{ Parts []int }

// Forward applies the layer to x [batch,channels,...] or [channels,...].
func (p AdaptiveMaxPool) Forward(x *graph.Node) *graph.Node {
	wantChannels(fmt.Sprintf("adaptive_max_pool%dd", len(p.Parts)), x, len(p.Parts))
	return x.AdaptiveMaxPool(p.Parts...)
}

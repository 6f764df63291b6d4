package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Pool describes pooling over the last len(Size) dimensions of a value. Lists
// have one number per dimension; an omitted Stride is Size, an omitted Dilation
// 1, an omitted Low or High 0.
type Pool struct {
	Size, Stride []int
	Low, High    []int // padding before and after, at most half of a window
	Dilation     []int // distance of the window's elements; of averages always 1
	// Ceil takes a last window that leaves the padded value, too, if it starts
	// within the value or the padding before it: torch's ceil_mode.
	Ceil bool
	// ExcludePadding leaves padding out of the number by which an average is
	// divided: torch's count_include_pad=False.
	ExcludePadding bool
	// Divisor, if not 0, is the number by which sums are divided: torch's
	// divisor_override.
	Divisor int
}

// MaxPool returns the largest elements of windows, NaN if there is one; padding
// is -Inf. The gradient goes to the first of equal ones. It is
// torch.nn.functional.max_pool1d, max_pool2d or max_pool3d, for any number of
// dimensions before those pooled.
func (x *Node) MaxPool(p Pool) *Node {
	const op = "max_pool"
	g := x.use(op)
	x.wantFloat(op)
	v := p.windows(op, x.n.Type)
	view, axes := v.pooled(g, x.n, math.Inf(-1))
	return g.wrap(op, g.b.ReduceFirst(ir.OpReduceMax, view, axes...))
}

// AvgPool returns the means of windows, with padding counted as zeros. It is
// torch.nn.functional.avg_pool1d, avg_pool2d or avg_pool3d, for any number of
// dimensions before those pooled.
func (x *Node) AvgPool(p Pool) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.AvgPool(p) }); ok {
		return y
	}
	if y, ok := x.inF32(func(x *Node) *Node { return x.AvgPool(p) }); ok {
		return y
	}
	const op = "avg_pool"
	g := x.use(op)
	x.wantFloat(op)
	if p.Dilation != nil {
		Fail(op, "averages are of windows without dilation, got %v", p.Dilation)
	}
	v := p.windows(op, x.n.Type)
	view, axes := v.pooled(g, x.n, 0)
	y := g.wrap(op, g.b.Sum(view, axes...))
	if p.Divisor != 0 {
		return y.DivScalar(float64(p.Divisor))
	}
	return y.divideBy(p.counts(&v, x.n.Shape(), y.n.Shape()))
}

// maxPositions bounds what is computed while a graph is built: one number for
// every position along a dimension.
const maxPositions = 1 << 24

// windows checks p for a value of type t.
func (p *Pool) windows(op string, t types.Type) windows {
	v := windows{op: op, size: p.Size, stride: p.Stride, low: p.Low, high: p.High, dilation: p.Dilation}
	if len(p.Size) == 0 || len(p.Size) > len(t.Shape) {
		Fail(op, "a window %v for %v: wants a size for each of the last dimensions pooled, at least one", p.Size, t)
	}
	if v.stride == nil {
		v.stride = p.Size
	}
	v.check(t)
	v.high = append([]int{}, v.high...)
	first := len(t.Shape) - len(v.size)
	for i := range v.size {
		if half := v.extent(i) / 2; v.low[i] > half || v.high[i] > half {
			Fail(op, "padding %d and %d of dimension %d of %v is more than half of a window of %d elements %d apart",
				v.low[i], v.high[i], first+i, t, v.size[i], v.dilation[i])
		}
		if p.Ceil {
			v.ceil(i, t.Shape[first+i])
		}
	}
	return v
}

// ceil adds as much padding after dimension i, of size d, as a last window wants
// that starts within.
func (v *windows) ceil(i, d int) {
	room := d + v.low[i] + v.high[i] - v.extent(i)
	if start := (room + v.stride[i] - 1) / v.stride[i] * v.stride[i]; start > room && start < d+v.low[i] {
		v.high[i] += start - room
	}
}

// pooled returns a view of the windows over n, and its dimensions that lie within
// windows. Windows that neither overlap nor leave n are blocks of n in its own
// order, so that what is computed of them runs along memory.
func (v *windows) pooled(g *Graph, n *ir.Node, fill float64) (view *ir.Node, axes []int) {
	k := len(v.size)
	first := len(n.Shape()) - k
	kept, blocks := n.Shape().Clone(), n.Shape()[:first].Clone()
	for i := range k {
		d := n.Shape()[first+i]
		if v.stride[i] != v.size[i] || v.low[i] != 0 || v.dilation[i] != 1 || v.high[i]+d%v.size[i] >= v.size[i] {
			axes = nil
			for i := range k {
				axes = append(axes, first+k+i)
			}
			return v.over(g, n, fill), axes
		}
		kept[first+i] -= d % v.size[i]
		blocks = append(blocks, d/v.size[i], v.size[i])
		axes = append(axes, first+2*i+1)
	}
	if !kept.Equal(n.Shape()) {
		n = g.b.Slice(n, make([]int, len(kept)), kept, filled(len(kept), 1))
	}
	return g.b.Reshape(n, blocks...), axes
}

// counts returns, per dimension pooled, the number of elements that the window
// at each position counts.
func (p *Pool) counts(v *windows, in, out types.Shape) [][]int {
	counts := make([][]int, len(v.size))
	first := len(in) - len(v.size)
	for i := range v.size {
		low, high := -v.low[i], in[first+i]
		if p.High != nil {
			high += p.High[i]
		}
		if p.ExcludePadding {
			low, high = 0, in[first+i]
		}
		if last := (out[first+i]-1)*v.stride[i] - v.low[i]; low <= -v.low[i] && last+v.size[i] <= high {
			counts[i] = []int{v.size[i]}
			continue
		}
		if out[first+i] > maxPositions {
			Fail(v.op, "dimension %d of %v has more than 2^24 windows, some of which count fewer elements than others", first+i, in)
		}
		for at := range out[first+i] {
			start := at*v.stride[i] - v.low[i]
			counts[i] = append(counts[i], min(start+v.size[i], high)-max(start, low))
		}
	}
	return counts
}

// divideBy divides every element by the product of the counts at its position
// in the last dimensions; a lone count is that of all positions.
func (x *Node) divideBy(counts [][]int) *Node {
	g := x.g
	first := len(x.n.Shape()) - len(counts)
	same := 1.0
	var by *Node
	for i, c := range counts {
		values := make([]float64, len(c))
		even := true
		for k, n := range c {
			values[k] = float64(n)
			even = even && n == c[0]
		}
		if even {
			if len(c) > 0 {
				same *= values[0]
			}
			continue
		}
		shape := filled(len(x.n.Shape())-first-i, 1)
		shape[0] = len(c)
		v := Constant(g, values, shape...)
		if by == nil {
			by = v
		} else {
			by = by.Mul(v)
		}
	}
	if by == nil {
		return x.DivScalar(same)
	}
	if same != 1 {
		by = by.MulScalar(same)
	}
	return x.Div(by.Cast(x.n.DType()))
}

package graph

import (
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// A Window describes sliding windows. Lists have one number per axis; an
// omitted Stride is 1 and an omitted Low or High is 0.
type Window struct {
	Axes, Size, Stride []int
	Low, High          []int   // elements of value Fill put before and after
	Fill               float64 // at least 0 of them
}

// Window returns the sliding windows of x: a dimension of w.Axes counts
// positions, and for each of them a dimension of the window's size is appended:
// torch.Tensor.unfold. Element [..p..,u] is element p*stride+u-low of x, or
// w.Fill outside.
func (x *Node) Window(w Window) *Node {
	const op = "window"
	g := x.use(op)
	g.checkValue(op, x.n.DType(), w.Fill)
	a := w.attr(op, x.n.Type)
	a.Value = w.Fill
	return g.wrap(op, g.b.New(ir.OpWindow, a, x.n))
}

// Unwindow adds the elements of windows up where [Node.Window] found them in a
// value of shape dims: torch.nn.Fold. It is the adjoint of Window.
func (x *Node) Unwindow(w Window, dims ...int) *Node {
	const op = "unwindow"
	g := x.use(op)
	s := g.shape(op, dims)
	a := w.attr(op, types.Type{DType: x.n.DType(), Shape: s})
	if !x.n.Shape().Equal(a.Dims) {
		Fail(op, "windows over %v have shape %v, not %v", s, types.Shape(a.Dims), x.n.Shape())
	}
	a.Dims = s
	return g.wrap(op, g.b.New(ir.OpUnwindow, a, x.n))
}

// attr returns the attributes of windows over a value of type t.
func (w Window) attr(op string, t types.Type) ir.Attr {
	k := len(w.Axes)
	list := func(l []int, v int) []int {
		if l == nil {
			l = filled(k, v)
		}
		if len(l) != k {
			Fail(op, "axes %v want %d numbers each for size, stride and padding, got %v", w.Axes, k, l)
		}
		return l
	}
	size, stride, low, high := list(w.Size, 0), list(w.Stride, 1), list(w.Low, 0), list(w.High, 0)
	order := make([]int, k)
	axes := make([]int, k)
	for i, a := range w.Axes {
		order[i], axes[i] = i, resolveAxis(op, a, len(t.Shape), t)
	}
	a := ir.Attr{Dims: t.Shape.Clone()}
	last := -1
	for _, i := range order {
		ax := axes[i]
		if ax <= last {
			Fail(op, "axes %v do not ascend", w.Axes)
		}
		last = ax
		const most = types.MaxElements
		if size[i] < 1 || stride[i] < 1 || low[i] < 0 || high[i] < 0 || max(size[i], stride[i], low[i], high[i]) > most {
			Fail(op, "dimension %d: size %d and stride %d want at least 1, padding %d, %d at least 0", ax, size[i], stride[i], low[i], high[i])
		}
		room := t.Shape[ax] + low[i] + high[i] - size[i]
		if room < 0 {
			Fail(op, "a window of %d does not fit dimension %d of %v with padding %d and %d", size[i], ax, t, low[i], high[i])
		}
		a.Dims[ax] = room/stride[i] + 1
	}
	a.Dims = append(a.Dims, size...)
	a.Axes, a.Size, a.Step, a.Start = axes, slices.Clone(size), slices.Clone(stride), slices.Clone(low)
	return a
}

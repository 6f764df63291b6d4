package graph

import (
	"math"
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// KeepDims among the axes of a reduction keeps the reduced dimensions with size
// 1: x.Sum(-1, graph.KeepDims).
const KeepDims = math.MinInt

// Reductions fold the given dimensions, all if none is given, and remove them.

// Sum returns the sum: torch.sum. Integers and bool are summed as i64.
func (x *Node) Sum(axes ...int) *Node { return x.widen("sum").reduce("sum", ir.OpSum, axes) }

// Prod returns the product: torch.prod over any dimensions. Integers and bool
// are multiplied as i64.
func (x *Node) Prod(axes ...int) *Node { return x.widen("prod").reduce("prod", ir.OpProd, axes) }

// Mean returns the mean of floating-point numbers: torch.mean. Of nothing it is
// NaN.
func (x *Node) Mean(axes ...int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Mean(axes...) }); ok {
		return y
	}
	const op = "mean"
	g := x.use(op)
	x.wantFloat(op)
	r := x.reduction(op, axes)
	sum := x.reduce(op, ir.OpSum, axes)
	return g.wrap(op, g.b.Div(sum.n, g.b.Like(sum.n, float64(r.count))))
}

// Amax returns the largest element, NaN if there is one: torch.amax. Equal
// elements share the gradient. Of nothing it is an error.
func (x *Node) Amax(axes ...int) *Node { return x.extreme("amax", ir.OpReduceMax, axes) }

// Amin returns the smallest element, NaN if there is one: torch.amin. Equal
// elements share the gradient. Of nothing it is an error.
func (x *Node) Amin(axes ...int) *Node { return x.extreme("amin", ir.OpReduceMin, axes) }

func (x *Node) extreme(name string, op ir.Op, axes []int) *Node {
	x.use(name)
	x.wantSome(name, x.reduction(name, axes))
	return x.reduce(name, op, axes)
}

// widen casts what is summed as i64.
func (x *Node) widen(op string) *Node {
	g := x.use(op)
	if x.n.DType().IsFloat() {
		return x
	}
	return &Node{g, g.b.Cast(x.n, types.I64)}
}

// reduction is what a list of axes means.
type reduction struct {
	axes  []int
	keep  bool
	kept  types.Shape // the shape with reduced dimensions as 1
	count int         // elements folded into one
}

func (x *Node) reduction(op string, list []int) reduction {
	r := reduction{keep: slices.Contains(list, KeepDims), kept: x.n.Shape().Clone(), count: 1}
	r.axes = x.axes(op, slices.DeleteFunc(slices.Clone(list), func(a int) bool { return a == KeepDims }))
	for _, a := range r.axes {
		r.count *= r.kept[a]
		r.kept[a] = 1
	}
	return r
}

func (x *Node) reduce(name string, op ir.Op, list []int) *Node {
	r := x.reduction(name, list)
	n := x.g.b.Reduce(op, x.n, r.axes...)
	if r.keep {
		n = x.g.b.Reshape(n, r.kept...)
	}
	return x.g.wrap(name, n)
}

// wantSome fails if nothing is folded into an element of the result.
func (x *Node) wantSome(op string, r reduction) {
	if r.count == 0 {
		Fail(op, "of no elements: %v over dimensions %v", x.n.Type, r.axes)
	}
}

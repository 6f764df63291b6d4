package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// IsNaN tells which elements are not a number: torch.isnan.
func (x *Node) IsNaN() *Node { return x.binary("is_nan", ir.OpNe, x) }

// IsInf tells which elements are infinite: torch.isinf.
func (x *Node) IsInf() *Node { return x.against("is_inf", ir.OpEq, false) }

// IsFinite tells which elements are neither infinite nor NaN: torch.isfinite.
func (x *Node) IsFinite() *Node { return x.against("is_finite", ir.OpLt, true) }

// against compares the magnitude with infinity; elements of other types than
// floating-point give the value other.
func (x *Node) against(name string, op ir.Op, other bool) *Node {
	g := x.use(name)
	if !x.n.DType().IsFloat() {
		v := int64(0)
		if other {
			v = 1
		}
		return g.wrap(name, g.b.ConstInt(types.Type{DType: types.Bool, Shape: x.n.Shape().Clone()}, v))
	}
	return x.Abs().binary(name, op, x.like(math.Inf(1)))
}

// All tells whether all elements over the given dimensions, all if none is
// given, are not 0: torch.all. Of nothing it is true.
func (x *Node) All(axes ...int) *Node { return x.test("all", axes).Not() }

// Any tells whether an element over the given dimensions, all if none is given,
// is not 0: torch.any. Of nothing it is false.
func (x *Node) Any(axes ...int) *Node {
	g := x.use("any")
	return (&Node{g, g.b.Cast(x.n, types.Bool)}).Not().test("any", axes)
}

// test tells whether an element is 0.
func (x *Node) test(op string, axes []int) *Node {
	g := x.use(op)
	r := x.reduction(op, axes)
	zero := (&Node{g, g.b.Cast(x.n, types.Bool)}).Not()
	if r.count > 0 {
		return zero.reduce(op, ir.OpReduceMax, axes)
	}
	y := (&Node{g, g.b.Cast(zero.n, types.I32)}).reduce(op, ir.OpSum, axes)
	return &Node{g, g.b.Cast(y.n, types.Bool)}
}

// CountNonzero returns as i64 how many elements over the given dimensions, all
// if none is given, are not 0: torch.count_nonzero. NaN is not 0.
func (x *Node) CountNonzero(axes ...int) *Node {
	const op = "count_nonzero"
	g := x.use(op)
	return (&Node{g, g.b.Cast(g.b.Cast(x.n, types.Bool), types.I64)}).reduce(op, ir.OpSum, axes)
}

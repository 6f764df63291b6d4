package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Var returns the variance of floating-point numbers over the given dimensions,
// all if none is given: the sum of squared distances from the mean divided by
// their number less correction, but by no less than 0: torch.var, whose default
// correction is 1.
func (x *Node) Var(correction float64, axes ...int) *Node { return x.variance("var", correction, axes) }

// Std returns the square root of [Node.Var]: torch.std. Its gradient is 0 where
// it is 0.
func (x *Node) Std(correction float64, axes ...int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Std(correction, axes...) }); ok {
		return y
	}
	return x.variance("std", correction, axes).root()
}

func (x *Node) variance(op string, correction float64, axes []int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.variance(op, correction, axes) }); ok {
		return y
	}
	g := x.use(op)
	x.wantFloat(op)
	checkNumber(op, correction)
	if math.IsNaN(correction) {
		Fail(op, "the correction is NaN")
	}
	r := x.reduction(op, axes)
	mean := g.broadcast(g.b.Reshape(x.Mean(r.list()...).n, r.kept...), x.n.Shape())
	d := x.Sub(&Node{g, mean})
	return d.Square().reduce(op, ir.OpSum, axes).Div(x.like(max(0, float64(r.count)-correction)))
}

// list returns the reduced dimensions as arguments of a reduction: KeepDims
// alone stands for all, of a value that has none.
func (r reduction) list() []int { return append([]int{KeepDims}, r.axes...) }

// root returns the square root with gradient 0 at 0.
func (x *Node) root() *Node {
	zero := x.Equal(x.like(0))
	return Where(zero, x.like(0), Where(zero, x.like(1), x).Sqrt())
}

// Norm returns the norm of order p over the given dimensions, all if none is
// given: sum(|x|^p)^(1/p), the largest magnitude for +Inf, the smallest for
// -Inf, the number of elements other than 0 for 0: torch.linalg.vector_norm. Its
// gradient at 0 is 0; extremes share it. Of no elements it is 0, and an error
// for orders below 0 and for +Inf.
func (x *Node) Norm(p float64, axes ...int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Norm(p, axes...) }); ok {
		return y
	}
	const op = "norm"
	g := x.use(op)
	x.wantFloat(op)
	checkNumber(op, p)
	r := x.reduction(op, axes)
	if p < 0 || math.IsInf(p, 1) {
		x.wantSome(op, r)
	}
	switch {
	case math.IsNaN(p):
		Fail(op, "the order is NaN")
	case math.IsInf(p, 1):
		return x.Abs().reduce(op, ir.OpReduceMax, axes)
	case math.IsInf(p, -1):
		return x.Abs().reduce(op, ir.OpReduceMin, axes)
	case p == 0:
		n := g.b.Cast(g.b.Cast(x.n, types.Bool), x.n.DType())
		return (&Node{g, n}).reduce(op, ir.OpSum, axes)
	case p == 1:
		return x.Abs().reduce(op, ir.OpSum, axes)
	case p == 2:
		return x.Square().reduce(op, ir.OpSum, axes).root()
	case p < 0:
		return x.Abs().PowScalar(p).reduce(op, ir.OpSum, axes).PowScalar(1 / p)
	}
	sum := x.magnitude().PowScalar(p).reduce(op, ir.OpSum, axes)
	zero := sum.Equal(sum.like(0))
	return Where(zero, sum.like(0), Where(zero, sum.like(1), sum).PowScalar(1/p))
}

// magnitude returns |x| with gradient 0 at 0, whatever function follows.
func (x *Node) magnitude() *Node {
	zero := x.Equal(x.like(0))
	return Where(zero, x.like(0), x.Abs())
}

// NanSum returns the sum without the elements that are NaN: torch.nansum.
func (x *Node) NanSum(axes ...int) *Node {
	const op = "nan_sum"
	y := x.widen(op)
	return Where(x.IsNaN(), &Node{y.g, y.g.b.Like(y.n, 0)}, y).reduce(op, ir.OpSum, axes)
}

// NanMean returns the mean of the elements that are not NaN, NaN if there is
// none: torch.nanmean.
func (x *Node) NanMean(axes ...int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.NanMean(axes...) }); ok {
		return y
	}
	const op = "nan_mean"
	g := x.use(op)
	x.wantFloat(op)
	count := (&Node{g, g.b.Cast(x.IsNaN().Not().n, x.n.DType())}).reduce(op, ir.OpSum, axes)
	return Where(x.IsNaN(), x.like(0), x).reduce(op, ir.OpSum, axes).Div(count)
}

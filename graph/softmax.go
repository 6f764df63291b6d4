package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Softmax returns exp(x)/sum(exp(x)) along a dimension, computed as
// exp(x-max)/sum(exp(x-max)): torch.softmax.
func (x *Node) Softmax(axis int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Softmax(axis) }); ok {
		return y
	}
	const op = "softmax"
	if x.emptyRow(op, axis) {
		return x
	}
	e := x.shifted(op, axis).Exp()
	return e.Div(e.Sum(axis, KeepDims))
}

// LogSoftmax returns the logarithm of [Node.Softmax], x - max -
// log(sum(exp(x-max))): torch.log_softmax.
func (x *Node) LogSoftmax(axis int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.LogSoftmax(axis) }); ok {
		return y
	}
	const op = "log_softmax"
	if x.emptyRow(op, axis) {
		return x
	}
	s := x.shifted(op, axis)
	return s.Sub(s.Exp().Sum(axis, KeepDims).Log())
}

func (x *Node) emptyRow(op string, axis int) bool {
	x.use(op)
	x.wantFloat(op)
	return x.n.Shape()[x.axis(op, axis)] == 0
}

// shifted returns x less its maximum along a dimension.
func (x *Node) shifted(op string, axis int) *Node {
	return x.Sub(x.StopGradient().reduce(op, ir.OpReduceMax, []int{axis, KeepDims}))
}

// LogSumExp returns log(sum(exp(x))) over the given dimensions, all if none is
// given, without overflow: torch.logsumexp. Of nothing it is -Inf.
func (x *Node) LogSumExp(axes ...int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.LogSumExp(axes...) }); ok {
		return y
	}
	const op = "log_sum_exp"
	g := x.use(op)
	x.wantFloat(op)
	r := x.reduction(op, axes)
	out := r.kept
	if !r.keep {
		out = x.reduce(op, ir.OpSum, axes).n.Shape()
	}
	if r.count == 0 {
		return g.wrap(op, g.b.Const(types.Type{DType: x.n.DType(), Shape: out}, math.Inf(-1)))
	}
	keep := append([]int{KeepDims}, r.axes...)
	if len(r.axes) == 0 {
		return x
	}
	m := x.StopGradient().reduce(op, ir.OpReduceMax, keep)
	inf := Scalar(g, x.n.DType(), math.Inf(1))
	m = Where(m.Abs().Equal(inf), Scalar(g, x.n.DType(), 0), m)
	y := x.Sub(m).Exp().reduce(op, ir.OpSum, keep).Log().Add(m)
	return g.wrap(op, g.b.Reshape(y.n, out...))
}

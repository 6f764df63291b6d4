package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Scans along a dimension. Element i of the result folds elements 0 to i. They
// are computed by doubling (Hillis and Steele, "Data parallel algorithms",
// 1986): log2(n) passes, after each of which an element has folded twice as
// many. Sums are so pairwise, and more exact than one after the other.

// CumSum returns the sums of the elements up to each: torch.cumsum. Integers
// and bool are summed as i64.
func (x *Node) CumSum(axis int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.CumSum(axis) }); ok {
		return y
	}
	return x.widen("cumsum").scan("cumsum", axis, 0, (*Node).Add)
}

// CumProd returns the products of the elements up to each: torch.cumprod. The
// gradient is right where elements are 0, too. Integers and bool are multiplied
// as i64.
func (x *Node) CumProd(axis int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.CumProd(axis) }); ok {
		return y
	}
	return x.widen("cumprod").scan("cumprod", axis, 1, (*Node).Mul)
}

// LogCumSumExp returns the logarithms of the sums of the exponentials of the
// elements up to each, without overflow: torch.logcumsumexp.
func (x *Node) LogCumSumExp(axis int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.LogCumSumExp(axis) }); ok {
		return y
	}
	const op = "log_cum_sum_exp"
	x.use(op)
	x.wantFloat(op)
	return x.scan(op, axis, math.Inf(-1), (*Node).LogAddExp)
}

// CumMax returns the largest of the elements up to each, and the position of
// that element, of the last of several: torch.cummax. The gradient goes to that
// element. A NaN stays the largest.
func (x *Node) CumMax(axis int) (values, indices *Node) {
	return x.cumulative("cummax", axis, (*Node).Maximum)
}

// CumMin returns the smallest of the elements up to each: torch.cummin; see
// [Node.CumMax].
func (x *Node) CumMin(axis int) (values, indices *Node) {
	return x.cumulative("cummin", axis, (*Node).Minimum)
}

// cumulative returns running extremes and their positions.
func (x *Node) cumulative(op string, axis int, fold func(x, y *Node) *Node) (values, indices *Node) {
	g := x.use(op)
	a := x.axis(op, axis)
	at := &Node{g, g.b.Iota(types.Type{DType: types.I64, Shape: x.n.Shape().Clone()}, a)}
	if x.n.Shape().Size() == 0 {
		return x, at
	}
	y := x.StopGradient()
	hit := y.Equal(y.running(op, a, fold))
	if x.n.DType().IsFloat() {
		hit = hit.Or(y.IsNaN())
	}
	at = Where(hit, at, Scalar(g, types.I64, 0)).running(op, a, (*Node).Maximum)
	return x.Gather(a, at), at
}

// running is a scan with a fold of which x with itself is x.
func (x *Node) running(op string, a int, fold func(x, y *Node) *Node) *Node {
	n := x.n.Shape()[a]
	for d := 1; d < n; d *= 2 {
		x = fold(Concat(a, x.slice(op, a, 0, d, 1), x.slice(op, a, 0, n-d, 1)), x)
	}
	return x
}

// scan folds the elements up to each; fill is neutral. It folds f16 and bf16 in
// f32.
func (x *Node) scan(op string, axis int, fill float64, fold func(x, y *Node) *Node) *Node {
	g := x.use(op)
	a := x.axis(op, axis)
	if d := x.n.DType(); d.IsHalf() {
		wide := &Node{g, g.b.Cast(x.n, types.F32)}
		return g.wrap(op, g.b.Cast(wide.scan(op, a, fill, fold).n, d))
	}
	for d := 1; d < x.n.Shape()[a]; d *= 2 {
		x = fold(x.shift(op, a, d, fill), x)
	}
	return x
}

// shift moves x by d places along dimension a and fills the first with v.
func (x *Node) shift(op string, a, d int, v float64) *Node {
	s := x.n.Shape()
	start := make([]int, len(s))
	start[a] = d
	return x.g.wrap(op, x.g.b.New(ir.OpPad, ir.Attr{Value: v, Start: start, Dims: s.Clone(), Step: filled(len(s), 1)}, x.n))
}

// Diff returns the differences of neighbours along a dimension, x[i+1]-x[i],
// which becomes one shorter: torch.diff. Of bool it is whether they differ.
func (x *Node) Diff(axis int) *Node {
	const op = "diff"
	x.use(op)
	a := x.axis(op, axis)
	n := x.n.Shape()[a]
	if n == 0 {
		return x
	}
	before, after := x.slice(op, a, 0, n-1, 1), x.slice(op, a, 1, n-1, 1)
	if x.n.DType() == types.Bool {
		return after.Xor(before)
	}
	return after.Sub(before)
}

package graph

import (
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// ArgMax returns the position of the largest element as i64, of the first of
// several and of the first NaN if there is one: torch.argmax. Over several
// dimensions, all if none is given, positions count in row-major order. Of
// nothing it is an error.
func (x *Node) ArgMax(axes ...int) *Node { return x.arg("argmax", ir.OpReduceMax, axes) }

// ArgMin returns the position of the smallest element: torch.argmin; see
// [Node.ArgMax].
func (x *Node) ArgMin(axes ...int) *Node { return x.arg("argmin", ir.OpReduceMin, axes) }

func (x *Node) arg(name string, op ir.Op, list []int) *Node {
	g := x.use(name)
	r := x.reduction(name, list)
	x.wantSome(name, r)
	y := x.StopGradient().n
	best := g.broadcast(g.b.Reshape(g.b.Reduce(op, y, r.axes...), r.kept...), y.Shape())
	hit := g.b.Bin(ir.OpEq, y, best)
	if y.DType().IsFloat() {
		// NaN wins the reduction, but equals nothing.
		hit = g.b.Bin(ir.OpOr, hit, g.b.Bin(ir.OpNe, y, y))
	}
	at := g.position(y.Shape(), r.axes)
	at = g.b.Where(hit, at, g.b.Like(at, float64(r.count)))
	first := g.b.Reduce(ir.OpReduceMin, at, r.axes...)
	if r.keep {
		first = g.b.Reshape(first, r.kept...)
	}
	return g.wrap(name, first)
}

// position returns the row-major position of every element over the given
// dimensions.
func (g *Graph) position(s types.Shape, axes []int) *ir.Node {
	t := types.Type{DType: types.I64, Shape: s}
	var at *ir.Node
	stride := 1
	for _, a := range slices.Backward(axes) {
		i := g.b.Iota(t, a)
		if stride != 1 {
			i = g.b.Mul(i, g.b.ConstInt(t, int64(stride)))
		}
		if at == nil {
			at = i
		} else {
			at = g.b.Add(i, at)
		}
		stride *= s[a]
	}
	if at == nil {
		return g.b.ConstInt(t, 0)
	}
	return at
}

// Max returns the largest elements along a dimension and their positions, the
// first of several: torch.max with a dimension. The gradient goes to that
// element. [KeepDims] may follow the axis.
func (x *Node) Max(axis int, keep ...int) (values, indices *Node) {
	return x.first("max", ir.OpReduceMax, axis, keep), x.ArgMax(append(keep, axis)...)
}

// Min returns the smallest elements along a dimension and their positions:
// torch.min with dim; see [Node.Max].
func (x *Node) Min(axis int, keep ...int) (values, indices *Node) {
	return x.first("min", ir.OpReduceMin, axis, keep), x.ArgMin(append(keep, axis)...)
}

func (x *Node) first(name string, op ir.Op, axis int, keep []int) *Node {
	g := x.use(name)
	if axis == KeepDims || len(keep) > 1 || len(keep) == 1 && keep[0] != KeepDims {
		Fail(name, "takes one axis, which KeepDims may follow")
	}
	r := x.reduction(name, []int{axis})
	x.wantSome(name, r)
	n := g.b.ReduceFirst(op, x.n, r.axes...)
	if len(keep) == 1 {
		n = g.b.Reshape(n, r.kept...)
	}
	return g.wrap(name, n)
}

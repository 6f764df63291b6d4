package ir

import (
	"fmt"
	"math"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Reductions fold over the dimensions axes and remove them.

func init() {
	reduction := func(op Op, name, doc string, k kernel.Op, attrs []string, infer func([]types.Type, *Attr) (types.Type, error), vjp VJPFunc) {
		define(op, OpDef{Name: name, Doc: doc, Arity: 1, Flags: FoldOp, Attrs: attrs, Infer: infer, VJP: vjp,
			Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
				in := n.Args[0].Shape()
				var dims []int
				for _, ax := range n.Attr.Axes {
					dims = append(dims, in[ax])
				}
				return b.Fold(k, n.DType(), dims, freeOf(idx), func(k []*kernel.Expr) *kernel.Expr {
					ix := make([]*kernel.Expr, len(in))
					for i, ax := range n.Attr.Axes {
						ix[ax] = k[i]
					}
					for i, d := range kept(len(in), n.Attr.Axes) {
						ix[d] = idx[i]
					}
					return ld(0, ix)
				})
			}})
	}
	reduction(OpSum, "sum", "The sum over the dimensions axes; 0 over none.", kernel.Add, []string{"axes"}, inferTotal,
		func(b *Builder, n, g *Node) []*Node { return []*Node{spread(b, n, g)} })
	reduction(OpProd, "prod", "The product over the dimensions axes; 1 over none.", kernel.Mul, []string{"axes"}, inferTotal,
		func(b *Builder, n, g *Node) []*Node {
			return []*Node{b.Mul(spread(b, n, g), others(b, n.Args[0], n.Attr.Axes))}
		})
	reduction(OpReduceMax, "reduce_max", "The largest over the dimensions axes; NaN wins; equal ones share the gradient, or the first takes it in mode first.",
		kernel.Max, []string{"axes", "mode"}, inferExtreme, vjpExtreme)
	reduction(OpReduceMin, "reduce_min", "The smallest over the dimensions axes; NaN wins; equal ones share the gradient, or the first takes it in mode first.",
		kernel.Min, []string{"axes", "mode"}, inferExtreme, vjpExtreme)
}

// kept returns the dimensions of a value of the given rank that are not axes.
func kept(rank int, axes []int) []int {
	var ds []int
	for d := range rank {
		if !slices.Contains(axes, d) {
			ds = append(ds, d)
		}
	}
	return ds
}

func inferReduce(args []types.Type, a *Attr) (types.Type, error) {
	in := args[0].Shape
	for i, ax := range a.Axes {
		if ax < 0 || ax >= len(in) || i > 0 && ax <= a.Axes[i-1] {
			return types.Type{}, fmt.Errorf("axes %v must ascend below the rank of %v", a.Axes, args[0])
		}
	}
	s := types.Shape{}
	for _, d := range kept(len(in), a.Axes) {
		s = append(s, in[d])
	}
	return types.Type{DType: args[0].DType, Shape: s}, nil
}

func inferTotal(args []types.Type, a *Attr) (types.Type, error) {
	if args[0].DType == types.Bool {
		return types.Type{}, fmt.Errorf("wants numbers, got %v", args[0])
	}
	return inferReduce(args, a)
}

func inferExtreme(args []types.Type, a *Attr) (types.Type, error) {
	t, err := inferReduce(args, a)
	if err != nil {
		return t, err
	}
	if a.Mode != "" && a.Mode != modeFirst {
		return t, fmt.Errorf("unknown mode %q (empty or %s)", a.Mode, modeFirst)
	}
	for _, ax := range a.Axes {
		if args[0].Shape[ax] == 0 {
			return t, fmt.Errorf("dimension %d of %v is empty and has no extreme", ax, args[0])
		}
	}
	return t, nil
}

// modeFirst gives the whole gradient of an extreme to the first of equals.
const modeFirst = "first"

// spread repeats v, of the shape of the reduction n, over what n folds.
func spread(b *Builder, n, v *Node) *Node {
	in := n.Args[0].Shape()
	return b.Broadcast(v, in, kept(len(in), n.Attr.Axes))
}

// others returns for every element of x the product of all other elements over
// axes. It multiplies the products before and after, so that zeros need no
// division and gradients of any order are right; both are scans by doubling
// (Hillis and Steele, "Data parallel algorithms", 1986).
func others(b *Builder, x *Node, axes []int) *Node {
	keep := kept(len(x.Shape()), axes)
	perm := slices.Concat(keep, axes)
	moved := b.Transpose(x, perm...)
	rows := moved.Shape()[:len(keep)].Clone()
	n := moved.Shape()[len(keep):].Size()
	rows = append(rows, n)
	v := b.Reshape(moved, rows...)
	unit := ones(len(rows))
	// shift moves rows by d places, filling with 1.
	shift := func(v *Node, d int) *Node {
		start := make([]int, len(rows))
		start[len(rows)-1] = d
		return b.Pad(v, 1, start, rows, unit)
	}
	before, after := shift(v, 1), shift(v, -1)
	for d := 1; d < n-1; d *= 2 {
		before = b.Mul(before, shift(before, d))
		after = b.Mul(after, shift(after, -d))
	}
	inverse := make([]int, len(perm))
	for i, p := range perm {
		inverse[p] = i
	}
	return b.Transpose(b.Reshape(b.Mul(before, after), moved.Shape()...), inverse...)
}

// vjpExtreme is the gradient of reduce_max and reduce_min, as PyTorch's amax and,
// in mode first, max along a dimension: there the first NaN is the extreme, here
// a NaN makes the whole row's gradient NaN.
func vjpExtreme(b *Builder, n, g *Node) []*Node {
	x := n.Args[0]
	axes := n.Attr.Axes
	hit := b.Bin(OpEq, x, spread(b, n, n))
	if n.Attr.Mode != modeFirst {
		m := b.Cast(hit, x.DType())
		return []*Node{b.Mul(m, spread(b, n, b.Div(g, b.Sum(m, axes...))))}
	}
	hit = b.Bin(OpOr, hit, b.Bin(OpNe, x, x))
	at := place(b, x.Shape(), axes)
	far := b.ConstInt(at.Type, math.MaxInt32)
	if at.DType() == types.I64 {
		far = b.ConstInt(at.Type, math.MaxInt64)
	}
	winner := b.Reduce(OpReduceMin, b.Where(hit, at, far), axes...)
	return []*Node{b.Where(b.Bin(OpEq, at, spread(b, n, winner)), spread(b, n, g), b.Like(x, 0))}
}

// place returns every element's row-major position over axes.
func place(b *Builder, in types.Shape, axes []int) *Node {
	size := 1
	for _, ax := range axes {
		size *= in[ax]
	}
	t := types.Type{DType: types.I32, Shape: in}
	if size > math.MaxInt32 {
		t.DType = types.I64
	}
	at := b.ConstInt(t, 0)
	for _, ax := range axes {
		at = b.Add(b.Mul(at, b.ConstInt(t, int64(in[ax]))), b.Iota(t, ax))
	}
	return at
}

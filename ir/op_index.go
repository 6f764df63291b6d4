package ir

import (
	"fmt"
	"strings"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Gather and scatter_add are labelled like contractions and are each other's
// gradient. One label, the axis, is looked up: it is in the table alone. The
// indices' labels and the table's others are the labels of the elements. A
// label in both indices and table counts batches: "rv,rk->rk" takes elements of
// row r at the indices of row r, as PyTorch's gather does.

func init() {
	define(OpGather, OpDef{Name: "gather",
		Doc:   "Elements of the first operand at the indices in the second: \"vd,n->nd\" takes rows; an index out of range is an error when the step runs.",
		Arity: 2, Attrs: []string{"labels"}, Infer: inferGather,
		VJP: func(b *Builder, n, g *Node) []*Node {
			lx, li, lo := SplitLabels(n.Attr.Labels)
			return []*Node{b.ScatterAdd(li+","+lo+"->"+lx, n.Args[0].Shape(), n.Args[1], g), nil}
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			lx, li, lo := SplitLabels(n.Attr.Labels)
			ax := axisLabel(lx, li, lo)
			at := indexOf(lo, idx)
			extent := int64(n.Args[0].Shape()[ax])
			i := b.CheckIndex(ld(1, pick(li, at)), extent, b.Site(n))
			at[lx[ax]] = i
			return keepCheck(b, ld(0, pick(lx, at)), i)
		}})
	define(OpScatterAdd, OpDef{Name: "scatter_add",
		Doc:   "Zeros of the shape dims with every element of the second operand added at the index in the first: \"n,nd->vd\" adds to rows; an index out of range is an error when the step runs.",
		Arity: 2, Flags: FoldOp, Attrs: []string{"labels", "dims"}, Infer: inferScatterAdd,
		VJP: func(b *Builder, n, g *Node) []*Node {
			li, lu, lo := SplitLabels(n.Attr.Labels)
			return []*Node{nil, b.Gather(lo+","+li+"->"+lu, g, n.Args[0])}
		},
		Body: bodyScatterAdd})
	define(OpIota, OpDef{Name: "iota", Doc: "The index along dimension axes[0].", Flags: Generator | NoGrad, Attrs: []string{"axes"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			t, err := inferLeaf(args, a)
			switch {
			case err != nil:
			case t.DType == types.Bool:
				err = fmt.Errorf("wants numbers, got %v", t)
			case len(a.Axes) != 1 || a.Axes[0] < 0 || a.Axes[0] >= len(t.Shape):
				err = fmt.Errorf("axis %v for %v", a.Axes, t)
			}
			return t, err
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			return b.FromIndex(idx[n.Attr.Axes[0]], n.DType())
		}})
}

// axisLabel returns the position of the one label of a table that is neither an
// index label nor an element label, or -1.
func axisLabel(table, index, elem string) int {
	ax := -1
	for i := range len(table) {
		if strings.IndexByte(index+elem, table[i]) >= 0 {
			continue
		}
		if ax >= 0 {
			return -1
		}
		ax = i
	}
	return ax
}

// checkIndexing checks the labels and sizes of table, indices and elements;
// labels is the text that errors show.
func checkIndexing(labels, lt, li, le string, table, index, elem types.Type) error {
	ax := axisLabel(lt, li, le)
	if ax < 0 {
		return fmt.Errorf("labels %q must have one label that only the table has", labels)
	}
	size := extents(lt, le, table.Shape, elem.Shape)
	for i := range len(le) {
		if strings.IndexByte(lt+li, le[i]) < 0 {
			return fmt.Errorf("label %c of the elements is in neither table nor indices of %q", le[i], labels)
		}
	}
	rest := lt[:ax] + lt[ax+1:]
	for i := range len(li + rest) {
		if c := (li + rest)[i]; strings.IndexByte(le, c) < 0 {
			return fmt.Errorf("label %c is missing among the elements of %q", c, labels)
		}
	}
	for i := range len(lt) {
		if size[lt[i]] != table.Shape[i] {
			return fmt.Errorf("dimensions %c of %q differ: %v and %v", lt[i], labels, table, elem)
		}
	}
	for i := range len(li) {
		if size[li[i]] != index.Shape[i] {
			return fmt.Errorf("dimensions %c of %q differ: %v and %v", li[i], labels, index, elem)
		}
	}
	switch index.DType {
	case types.I32, types.I64, types.U8:
	default:
		return fmt.Errorf("indices are i32, i64 or u8, not %v", index)
	}
	if table.Shape[ax] == 0 && elem.Shape.Size() > 0 {
		return fmt.Errorf("no index is in range of the empty dimension %d of %v", ax, table)
	}
	return nil
}

func inferGather(args []types.Type, a *Attr) (types.Type, error) {
	lx, li, lo, err := parseLabels(a.Labels, "vd,n->nd", args)
	if err != nil {
		return types.Type{}, err
	}
	size := extents(li, lx, args[1].Shape, args[0].Shape)
	t := types.Type{DType: args[0].DType, Shape: types.Shape{}}
	for i := range len(lo) {
		t.Shape = append(t.Shape, size[lo[i]])
	}
	if err := t.Shape.Check(); err != nil {
		return types.Type{}, err
	}
	return t, checkIndexing(a.Labels, lx, li, lo, args[0], args[1], t)
}

func inferScatterAdd(args []types.Type, a *Attr) (types.Type, error) {
	li, lu, lo, err := parseLabels(a.Labels, "n,nd->vd", args)
	if err != nil {
		return types.Type{}, err
	}
	s, err := checkDims(a.Dims)
	t := types.Type{DType: args[1].DType, Shape: s}
	switch {
	case err != nil:
		return types.Type{}, err
	case len(s) != len(lo):
		return types.Type{}, fmt.Errorf("%d labels %q for the result's shape %v", len(lo), lo, s)
	case t.DType == types.Bool:
		return types.Type{}, fmt.Errorf("wants numbers, got %v", args[1])
	}
	return t, checkIndexing(a.Labels, lo, li, lu, t, args[0], args[1])
}

// bodyScatterAdd sums, for every element of the result, the updates whose index
// is the element's own.
func bodyScatterAdd(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
	li, lu, lo := SplitLabels(n.Attr.Labels)
	ax := axisLabel(lo, li, lu)
	over, dims := folded(li, lo, extents(li, lu, n.Args[0].Shape(), n.Args[1].Shape()))
	extent := int64(n.Shape()[ax])
	zero := b.ConstInt(n.DType(), 0)
	return b.Fold(kernel.Add, n.DType(), dims, freeOf(idx), func(k []*kernel.Expr) *kernel.Expr {
		at := indexOf(lo, idx)
		for i := range len(over) {
			at[over[i]] = k[i]
		}
		i := b.CheckIndex(ld(0, pick(li, at)), extent, b.Site(n))
		return keepCheck(b, b.If(b.Eq0(b.ISub(i, idx[ax])), ld(1, pick(lu, at)), zero), i)
	})
}

// keepCheck returns v in a form that still holds the run-time check of an index
// where v came out the same for every index: a table that is constant along its
// axis, or of one element.
func keepCheck(b *kernel.Builder, v, check *kernel.Expr) *kernel.Expr {
	if check.Kind != kernel.CheckIndex || holds(v, check) {
		return v
	}
	// Floats have no ranges, so that the comparison is not decided here.
	f := b.Cast(b.FromIndex(check, types.I64), types.F64)
	never := b.ConstInt(v.DType, 0)
	if v == never {
		never = b.ConstInt(v.DType, 1)
	}
	return b.Select(b.Bin(kernel.Le, b.Const(types.F64, 0), f), v, never)
}

func holds(e, part *kernel.Expr) bool {
	found := false
	kernel.Walk([]*kernel.Expr{e}, func(x *kernel.Expr) { found = found || x == part })
	return found
}

package ir

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// checkWindow checks the attributes of windows over an operand of the shape in,
// of which pos[ax] stand along dimension ax. Any number of positions will do:
// what lies outside the operand reads as the fill value.
func checkWindow(in, pos types.Shape, a *Attr) error {
	rank, k := len(in), len(a.Axes)
	if len(a.Size) != k || len(a.Step) != k || len(a.Start) != k {
		return fmt.Errorf("size %v, step %v and start %v want one number per axis of %v", a.Size, a.Step, a.Start, a.Axes)
	}
	if len(pos) != rank+k {
		return fmt.Errorf("the windows' shape %v does not fit windows over the dimensions %v of %v", pos, a.Axes, in)
	}
	if err := bounded(a.Size, a.Step, a.Start); err != nil {
		return err
	}
	last := -1
	for i, ax := range a.Axes {
		if ax <= last || ax >= rank {
			return fmt.Errorf("axes %v must ascend below %d", a.Axes, rank)
		}
		if a.Size[i] < 1 || a.Step[i] < 1 {
			return fmt.Errorf("size %v and step %v must be positive", a.Size, a.Step)
		}
		if err := spanned(pos[ax], a.Step[i]); err != nil {
			return err
		}
		if pos[rank+i] != a.Size[i] {
			return fmt.Errorf("the windows' shape %v does not end in the size %v", pos, a.Size)
		}
		last = ax
	}
	for i, d := range in {
		if !slices.Contains(a.Axes, i) && pos[i] != d {
			return fmt.Errorf("%v and its windows %v differ in dimension %d, which has no window", in, pos, i)
		}
	}
	return nil
}

func defineWindow() {
	define(OpWindow, OpDef{Name: "window",
		Doc:   "Sliding windows over the dimensions axes: element [..p..,u] is the operand at p*step+u-start, or value outside; the window's own dimensions come last.",
		Arity: 1, Flags: View, Attrs: []string{"axes", "size", "step", "start", "dims", "value"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			s, err := checkDims(a.Dims)
			if err == nil {
				err = checkWindow(args[0].Shape, s, a)
			}
			return types.Type{DType: args[0].DType, Shape: s}, err
		},
		VJP: func(b *Builder, n, g *Node) []*Node {
			a := n.Attr
			a.Value = 0
			a.Dims = n.Args[0].Shape().Clone()
			return []*Node{b.New(OpUnwindow, a, g)}
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			in := n.Args[0].Shape()
			fill := b.ConstScalar(kernel.FloatScalar(n.DType(), n.Attr.Value))
			if in.Size() == 0 {
				return fill
			}
			ix := append([]*kernel.Expr{}, idx[:len(in)]...)
			p := b.True()
			for i, ax := range n.Attr.Axes {
				t := b.IAdd(b.IMul(idx[ax], int64(n.Attr.Step[i])), idx[len(in)+i])
				t = b.IAdd(t, b.Int(int64(-n.Attr.Start[i])))
				p = b.AllOf(p, b.Within(t, 0, int64(in[ax])))
				ix[ax] = t
			}
			return b.If(p, ld(0, ix), fill)
		}})
	define(OpUnwindow, OpDef{Name: "unwindow", Doc: "The adjoint of window: adds every element of the windows up where it came from.",
		Arity: 1, Flags: FoldOp, Attrs: []string{"axes", "size", "step", "start", "dims"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			s, err := checkDims(a.Dims)
			if err == nil {
				err = checkWindow(s, args[0].Shape, a)
			}
			if err == nil && args[0].DType == types.Bool {
				err = fmt.Errorf("wants numbers, got %v", args[0])
			}
			return types.Type{DType: args[0].DType, Shape: s}, err
		},
		VJP: func(b *Builder, n, g *Node) []*Node {
			a := n.Attr
			a.Dims = n.Args[0].Shape().Clone()
			return []*Node{b.New(OpWindow, a, g)}
		},
		Body: bodyUnwindow})
}

// bodyUnwindow sums, for every element, over the windows that hold it: offset
// u = t mod step + k*step of window t div step - k, for k from 0.
func bodyUnwindow(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
	in := n.Args[0].Shape()
	zero := b.ConstScalar(kernel.IntScalar(n.DType(), 0))
	if in.Size() == 0 {
		return zero
	}
	var dims []int
	for i := range n.Attr.Axes {
		dims = append(dims, (n.Attr.Size[i]+n.Attr.Step[i]-1)/n.Attr.Step[i])
	}
	return b.Fold(kernel.Add, n.DType(), dims, freeOf(idx), func(k []*kernel.Expr) *kernel.Expr {
		ix := append([]*kernel.Expr{}, idx...)
		p := b.True()
		for i, ax := range n.Attr.Axes {
			s := int64(n.Attr.Step[i])
			t := b.IAdd(idx[ax], b.Int(int64(n.Attr.Start[i])))
			u := b.IAdd(b.IMod(t, s), b.IMul(k[i], s))
			w := b.ISub(b.IDiv(t, s), k[i])
			p = b.AllOf(p, b.Ge0(b.ISub(b.Int(int64(n.Attr.Size[i]-1)), u)), b.Within(w, 0, int64(in[ax])))
			ix[ax] = w
			ix = append(ix, u)
		}
		return b.If(p, ld(0, ix), zero)
	})
}

// freeOf returns the axes of the given indices.
func freeOf(idx []*kernel.Expr) kernel.AxisSet {
	var s kernel.AxisSet
	for _, e := range idx {
		s |= e.Free()
	}
	return s
}

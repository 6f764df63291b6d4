package passes

import (
	"slices"

	"dumbtorch/ir"
)

// canonicalize chooses one of several equal forms, so that later passes find
// equal nodes and see through chains of views.
func canonicalize(c *Config, g *ir.Graph) error { return rewrite(c, g, canonicalRules) }

var canonicalRules []rule

func init() {
	canonicalRules = []rule{
		{"operand order", ir.OpInvalid, canonOrder},
		{"no gradient any more", ir.OpStopGradient, firstArg},
		{"no gradient any more", ir.OpCustomVJP, firstArg},
		{"cast to the same type", ir.OpCast, canonSameType},
		{"reshape", ir.OpReshape, canonReshape},
		{"transpose", ir.OpTranspose, canonTranspose},
		{"transposed result", ir.OpTranspose, canonContractResult},
		{"transposed operand", ir.OpContract, canonContract},
		{"unwindow of a contraction", ir.OpUnwindow, canonUnwindow}, // in another order; not for infinities
		{"broadcast", ir.OpBroadcast, canonBroadcast},
		{"slice", ir.OpSlice, canonSlice},
		{"pad", ir.OpPad, canonPad},
		{"concat", ir.OpConcat, canonConcat},
		{"reduction over nothing", ir.OpSum, canonReduce},
		{"reduction over nothing", ir.OpProd, canonReduce},
		{"reduction over nothing", ir.OpReduceMax, canonReduce},
		{"reduction over nothing", ir.OpReduceMin, canonReduce},
	}
}

func firstArg(_ *rewriter, n *ir.Node) *ir.Node { return n.Args[0] }

// canonOrder sorts the operands of a commutative operation by number, with
// constants on the right.
func canonOrder(r *rewriter, n *ir.Node) *ir.Node {
	if !n.Is(ir.Commutative) {
		return nil
	}
	x, y := n.Args[0], n.Args[1]
	xc, yc := isConstant(x), isConstant(y)
	if xc && !yc || xc == yc && x.ID > y.ID {
		return r.new(n.Op, n.Attr, y, x)
	}
	return nil
}

func isConstant(n *ir.Node) bool { return n.Op == ir.OpConst || n.Op == ir.OpLiteral }

func canonSameType(_ *rewriter, n *ir.Node) *ir.Node {
	if n.Type.Equal(n.Args[0].Type) {
		return n.Args[0]
	}
	return nil
}

func canonReshape(r *rewriter, n *ir.Node) *ir.Node {
	x := n.Args[0]
	switch {
	case n.Type.Equal(x.Type):
		return x
	case x.Op == ir.OpReshape:
		return r.new(ir.OpReshape, n.Attr, x.Args[0])
	}
	return nil
}

// canonTranspose also turns a transpose that moves dimensions of size 1 only
// into a reshape.
func canonTranspose(r *rewriter, n *ir.Node) *ir.Node {
	x := n.Args[0]
	if x.Op == ir.OpTranspose {
		perm := make([]int, len(n.Attr.Axes))
		for i, p := range n.Attr.Axes {
			perm[i] = x.Attr.Axes[p]
		}
		return r.new(ir.OpTranspose, ir.Attr{Axes: perm}, x.Args[0])
	}
	var moved []int
	for _, p := range n.Attr.Axes {
		if x.Shape()[p] != 1 {
			moved = append(moved, p)
		}
	}
	switch {
	case slices.IsSorted(n.Attr.Axes):
		return x
	case slices.IsSorted(moved):
		return r.new(ir.OpReshape, ir.Attr{Dims: n.Shape()}, x)
	}
	return nil
}

func canonBroadcast(r *rewriter, n *ir.Node) *ir.Node {
	x := n.Args[0]
	switch {
	case n.Type.Equal(x.Type):
		return x
	case x.Op == ir.OpBroadcast:
		axes := make([]int, len(x.Attr.Axes))
		for i, a := range x.Attr.Axes {
			axes[i] = n.Attr.Axes[a]
		}
		return r.new(ir.OpBroadcast, ir.Attr{Dims: n.Attr.Dims, Axes: axes}, x.Args[0])
	case n.Shape().Size() == x.Shape().Size() && n.Shape().Size() > 0:
		return r.new(ir.OpReshape, ir.Attr{Dims: n.Shape()}, x)
	}
	return nil
}

func canonSlice(r *rewriter, n *ir.Node) *ir.Node {
	x := n.Args[0]
	a := n.Attr
	if n.Shape().Equal(x.Shape()) && !slices.ContainsFunc(a.Step, func(s int) bool { return s < 0 }) {
		return x // as many elements, ascending: all of them
	}
	if x.Op != ir.OpSlice || n.Shape().Size() == 0 {
		return nil
	}
	start, step := make([]int, len(a.Start)), make([]int, len(a.Step))
	for i := range start {
		start[i] = x.Attr.Start[i] + a.Start[i]*x.Attr.Step[i]
		step[i] = a.Step[i] * x.Attr.Step[i]
		if n.Shape()[i] == 1 {
			step[i] = 1
		}
	}
	return r.new(ir.OpSlice, ir.Attr{Start: start, Dims: a.Dims, Step: step}, x.Args[0])
}

func canonPad(r *rewriter, n *ir.Node) *ir.Node {
	x, a := n.Args[0], n.Attr
	if !n.Shape().Equal(x.Shape()) {
		return nil
	}
	for i, d := range n.Shape() {
		if a.Start[i] != 0 || a.Step[i] != 1 && d > 1 {
			return nil
		}
	}
	return x
}

// canonConcat drops empty operands and takes nested ones apart.
func canonConcat(r *rewriter, n *ir.Node) *ir.Node {
	ax := n.Attr.Axes[0]
	var args []*ir.Node
	for _, x := range n.Args {
		switch {
		case x.Shape()[ax] == 0:
		case x.Op == ir.OpConcat && x.Attr.Axes[0] == ax:
			args = append(args, x.Args...)
		default:
			args = append(args, x)
		}
	}
	switch {
	case len(args) == 0:
		return n.Args[0]
	case len(args) == 1:
		return args[0]
	case !slices.Equal(args, n.Args):
		return r.new(ir.OpConcat, n.Attr, args...)
	}
	return nil
}

// canonReduce takes dimensions of size 1 out of a reduction.
func canonReduce(r *rewriter, n *ir.Node) *ir.Node {
	x := n.Args[0]
	if len(n.Attr.Axes) == 0 {
		return x
	}
	var axes, dims []int
	for d, size := range x.Shape() {
		folded := slices.Contains(n.Attr.Axes, d)
		if folded && size == 1 {
			continue
		}
		if folded {
			axes = append(axes, len(dims))
		}
		dims = append(dims, size)
	}
	if len(axes) == len(n.Attr.Axes) {
		return nil
	}
	y := r.new(ir.OpReshape, ir.Attr{Dims: dims}, x)
	if len(axes) == 0 {
		return y
	}
	return r.new(n.Op, ir.Attr{Axes: axes, Mode: n.Attr.Mode}, y)
}

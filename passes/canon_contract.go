package passes

import "dumbtorch/ir"

// A contraction reads its operands and orders its result by labels, so that a
// transpose beside it is a permutation of letters.

// canonContract takes transposes off the operands of a contraction.
func canonContract(r *rewriter, n *ir.Node) *ir.Node {
	la, lb, out := ir.SplitLabels(n.Attr.Labels)
	x, la, okA := untranspose(n.Args[0], la)
	y, lb, okB := untranspose(n.Args[1], lb)
	if !okA && !okB {
		return nil
	}
	return r.new(ir.OpContract, ir.Attr{Labels: la + "," + lb + "->" + out}, x, y)
}

// untranspose returns the operand of a transpose, and its labels.
func untranspose(x *ir.Node, labels string) (*ir.Node, string, bool) {
	if x.Op != ir.OpTranspose {
		return x, labels, false
	}
	ls := make([]byte, len(labels))
	for i, p := range x.Attr.Axes {
		ls[p] = labels[i]
	}
	return x.Args[0], string(ls), true
}

// canonContractResult makes a contraction store its result as its only reader,
// a transpose, would have it: what reads the transpose can then be computed
// together with the contraction.
func canonContractResult(r *rewriter, n *ir.Node) *ir.Node {
	x := n.Args[0]
	if x.Op != ir.OpContract || r.users[x] != 1 {
		return nil
	}
	la, lb, out := ir.SplitLabels(x.Attr.Labels)
	ls := make([]byte, len(out))
	for i, p := range n.Attr.Axes {
		ls[i] = out[p]
	}
	return r.new(ir.OpContract, ir.Attr{Labels: la + "," + lb + "->" + string(ls)}, x.Args...)
}

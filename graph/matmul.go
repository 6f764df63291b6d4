package graph

import (
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// MatMul returns the matrix product over the last two dimensions; those before
// them broadcast: torch.matmul. An operand of one dimension is a row on the
// left and a column on the right, and its dimension of size 1 is not part of
// the result.
func (x *Node) MatMul(y *Node) *Node {
	const op = "matmul"
	g := x.use(op, y)
	ns := g.promote(x.n, y.n)
	a, b := ns[0].Shape(), ns[1].Shape()
	if len(a) == 0 || len(b) == 0 {
		Fail(op, "wants at least one dimension: %v x %v", x.n.Type, y.n.Type)
	}
	if x.n.DType() == types.Bool && y.n.DType() == types.Bool {
		Fail(op, "wants numbers: %v x %v", x.n.Type, y.n.Type)
	}
	// Labels: m and n are the matrix dimensions, k the inner one.
	const m, k, n = "X", "Y", "Z"
	la, lb, lout := k, k, ""
	if len(a) > 1 {
		la, lout = m+k, m
	}
	if len(b) > 1 {
		lb, lout = k+n, lout+n
	}
	inner := b[max(0, len(b)-2)]
	if a[len(a)-1] != inner {
		Fail(op, "inner dimensions differ: %v x %v", x.n.Type, y.n.Type)
	}
	batchA, batchB := a[:max(0, len(a)-2)], b[:max(0, len(b)-2)]
	batch, err := types.Broadcast(batchA, batchB)
	if err != nil {
		Fail(op, "batch dimensions do not broadcast: %v x %v", x.n.Type, y.n.Type)
	}
	left := g.matrixOperand(ns[0], batchA, batch, la)
	right := g.matrixOperand(ns[1], batchB, batch, lb)
	return g.wrap(op, g.contract(left, right, letters[:len(batch)]+lout))
}

// labelled is an operand of a contraction.
type labelled struct {
	n      *ir.Node
	labels string
}

// matrixOperand labels the batch dimensions of an operand; those of size 1 that
// repeat are left out.
func (g *Graph) matrixOperand(n *ir.Node, own, batch types.Shape, matrix string) labelled {
	labels := ""
	shape := types.Shape{}
	for i, d := range own {
		at := len(batch) - len(own) + i
		if d == batch[at] {
			labels += letters[at : at+1]
			shape = append(shape, d)
		}
	}
	shape = append(shape, n.Shape()[len(own):]...)
	return labelled{g.b.Reshape(n, shape...), labels + matrix}
}

// contract appends a contraction to the labels out. Labels are renamed in the
// order of their occurrence.
func (g *Graph) contract(x, y labelled, out string) *ir.Node {
	return g.b.Contract(renameLabels(x.labels+","+y.labels+"->"+out), x.n, y.n)
}

func renameLabels(spec string) string {
	names := map[rune]byte{}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(",->", r) {
			return r
		}
		if _, ok := names[r]; !ok {
			names[r] = letters[len(names)]
		}
		return rune(names[r])
	}, spec)
}

// Dot returns the sum of products of two vectors: torch.dot.
func (x *Node) Dot(y *Node) *Node {
	const op = "dot"
	x.use(op, y)
	if len(x.n.Shape()) != 1 || !x.n.Shape().Equal(y.n.Shape()) {
		Fail(op, "wants two vectors of one size, got %v and %v", x.n.Type, y.n.Type)
	}
	if y.n.DType() == types.Bool {
		x.wantNumbers(op)
	}
	return x.MatMul(y)
}

// Outer returns the products of all pairs of elements of two vectors:
// torch.outer.
func (x *Node) Outer(y *Node) *Node {
	const op = "outer"
	x.use(op, y)
	if len(x.n.Shape()) != 1 || len(y.n.Shape()) != 1 {
		Fail(op, "wants two vectors, got %v and %v", x.n.Type, y.n.Type)
	}
	if y.n.DType() == types.Bool {
		x.wantNumbers(op)
	}
	return x.Unsqueeze(1).binary(op, ir.OpMul, y)
}

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

// Einsum sums products over the labels that the result lacks, as numpy.einsum
// over one or two operands: "bij,bjk->bik". Labels are letters, each at most
// once per operand; "..." stands for dimensions that broadcast. Without "->"
// the result has the labels that occur once, in alphabetic order.
func Einsum(spec string, xs ...*Node) *Node {
	const op = "einsum"
	g := common(op, xs)
	e := parseEinsum(op, spec, xs)
	for _, x := range xs {
		if len(xs) > 1 && x.n.DType() == types.Bool {
			Fail(op, "wants numbers, got %v", x.n.Type)
		}
	}
	ns := g.promote(unwrap(xs)...)
	ops := make([]labelled, len(ns))
	for i, n := range ns {
		ops[i] = labelled{n, e.in[i]}
	}
	for i := range ops {
		others := e.out
		if len(ops) == 2 {
			others += ops[1-i].labels
		}
		ops[i] = g.sumAbsent(ops[i], others)
	}
	if len(ops) == 1 {
		return g.wrap(op, g.arrange(ops[0], e.out))
	}
	for i := range ops {
		ops[i] = g.dropOnes(ops[i], ops[1-i], e.size)
	}
	return g.wrap(op, g.product(ops[0], ops[1], e))
}

// sumAbsent sums over the dimensions whose labels occur nowhere in others.
func (g *Graph) sumAbsent(x labelled, others string) labelled {
	var axes []int
	rest := ""
	for i, l := range x.labels {
		if strings.ContainsRune(others, l) {
			rest += string(l)
		} else {
			axes = append(axes, i)
		}
	}
	return labelled{g.b.Sum(x.n, axes...), rest}
}

// dropOnes leaves out dimensions of size 1 that repeat along the other operand.
func (g *Graph) dropOnes(x, y labelled, size map[rune]int) labelled {
	labels, shape := "", types.Shape{}
	for i, l := range x.labels {
		if d := x.n.Shape()[i]; d == size[l] || !strings.ContainsRune(y.labels, l) {
			labels += string(l)
			shape = append(shape, d)
		}
	}
	return labelled{g.b.Reshape(x.n, shape...), labels}
}

// product multiplies two operands: elementwise if nothing is summed.
func (g *Graph) product(x, y labelled, e einsum) *ir.Node {
	summed := strings.ContainsFunc(x.labels+y.labels, func(l rune) bool { return !strings.ContainsRune(e.out, l) })
	if summed {
		// A label that one operand lacks, because it was 1 there, is summed first.
		x, y = g.sumAbsent(x, e.out+y.labels), g.sumAbsent(y, e.out+x.labels)
	}
	if strings.ContainsFunc(x.labels, func(l rune) bool { return !strings.ContainsRune(e.out, l) }) {
		return g.contract(x, y, e.out)
	}
	return g.b.Mul(g.spread(x, e), g.spread(y, e))
}

// spread broadcasts an operand to the result's labels.
func (g *Graph) spread(x labelled, e einsum) *ir.Node {
	kept := ""
	dims, axes := []int{}, []int{}
	for i, l := range e.out {
		dims = append(dims, e.size[l])
		if strings.ContainsRune(x.labels, l) {
			kept += string(l)
			axes = append(axes, i)
		}
	}
	n := g.arrange(x, kept)
	if n.Shape().Equal(dims) {
		return n
	}
	return g.b.Broadcast(n, dims, axes)
}

// arrange puts the dimensions in the order of the labels out.
func (g *Graph) arrange(x labelled, out string) *ir.Node {
	var perm []int
	for _, l := range out {
		perm = append(perm, strings.IndexRune(x.labels, l))
	}
	if isIdentity(perm) {
		return x.n
	}
	return g.b.Transpose(x.n, perm...)
}

package graph

import (
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Parts of matrices, which are the last two dimensions. Diagonal k starts k
// columns right of the main one, below it if k is negative.

// Tril keeps the elements on and below diagonal k and makes the others 0:
// torch.tril.
func (x *Node) Tril(k int) *Node {
	const op = "tril"
	at, zero := x.diagonals(op)
	k = x.g.size(op, k)
	return Where((&Node{x.g, at}).Greater(Scalar(x.g, types.I64, float64(k))), zero, x)
}

// Triu keeps the elements on and above diagonal k and makes the others 0:
// torch.triu.
func (x *Node) Triu(k int) *Node {
	const op = "triu"
	at, zero := x.diagonals(op)
	k = x.g.size(op, k)
	return Where((&Node{x.g, at}).Less(Scalar(x.g, types.I64, float64(k))), zero, x)
}

// diagonals returns the number of the diagonal that an element of a matrix is
// on, as i64, and 0 of x's type.
func (x *Node) diagonals(op string) (at *ir.Node, zero *Node) {
	g := x.use(op)
	s := x.n.Shape()
	if len(s) < 2 {
		Fail(op, "wants at least two dimensions, got %v", x.n.Type)
	}
	t := types.Type{DType: types.I64, Shape: s[len(s)-2:].Clone()}
	if err := t.Shape.Check(); err != nil {
		Fail(op, "matrices of %v: %w", x.n.Type, err)
	}
	return g.b.Sub(g.b.Iota(t, 1), g.b.Iota(t, 0)), &Node{g, g.b.Like(x.n, 0)}
}

// Diagonal takes diagonal k of the matrices over two dimensions, of which the
// first counts rows. They are removed and the elements of the diagonal become
// the last dimension: torch.diagonal.
func (x *Node) Diagonal(k, rows, columns int) *Node {
	const op = "diagonal"
	g := x.use(op)
	r, c := x.axis(op, rows), x.axis(op, columns)
	if r == c {
		Fail(op, "axis %d is given twice", r)
	}
	k = g.size(op, k)
	s := x.n.Shape()
	n := max(0, min(s[r]+min(0, k), s[c]-max(0, k)))
	if n == 0 {
		k = 0
	}
	y := x.slice(op, r, max(0, -k), n, 1).slice(op, c, max(0, k), n, 1)
	var perm []int
	var rest types.Shape
	for i, d := range s {
		if i != r && i != c {
			perm, rest = append(perm, i), append(rest, d)
		}
	}
	// Element i of the diagonal is i*(n+1) in row-major order.
	flat := g.b.Reshape(y.Transpose(append(perm, r, c)...).n, append(rest.Clone(), n*n)...)
	return (&Node{g, flat}).slice(op, len(rest), 0, n, n+1)
}

// DiagEmbed makes of the last dimension the main diagonal of square matrices,
// whose other elements are 0: torch.diag_embed.
func (x *Node) DiagEmbed() *Node {
	const op = "diag_embed"
	g := x.use(op)
	s := x.n.Shape()
	if len(s) == 0 {
		Fail(op, "wants at least one dimension, got %v", x.n.Type)
	}
	n := s[len(s)-1]
	out := append(s.Clone(), n)
	t := types.Type{DType: types.I64, Shape: types.Shape{n, n}}
	for _, shape := range []types.Shape{out, t.Shape} {
		if err := shape.Check(); err != nil {
			Fail(op, "%w", err)
		}
	}
	on := &Node{g, g.b.Bin(ir.OpEq, g.b.Iota(t, 0), g.b.Iota(t, 1))}
	row := g.broadcast(g.b.Reshape(x.n, slices.Insert(s.Clone(), len(s)-1, 1)...), out)
	return Where(on, &Node{g, row}, &Node{g, g.b.Like(row, 0)})
}

// Trace returns the sum of the main diagonal of matrices: torch.trace, of any
// number of matrices. Integers and bool are summed as i64.
func (x *Node) Trace() *Node {
	const op = "trace"
	x.use(op)
	if len(x.n.Shape()) < 2 {
		Fail(op, "wants at least two dimensions, got %v", x.n.Type)
	}
	return x.widen(op).Diagonal(0, -2, -1).reduce(op, ir.OpSum, []int{-1})
}

// Eye returns a matrix of ones on the main diagonal and zeros elsewhere:
// torch.eye.
func Eye(g *Graph, d types.DType, rows, columns int) *Node {
	const op = "eye"
	g.open(op)
	t := types.Type{DType: types.I64, Shape: g.shape(op, []int{rows, columns})}
	on := g.b.Bin(ir.OpEq, g.b.Iota(t, 0), g.b.Iota(t, 1))
	return g.wrap(op, g.b.Cast(on, g.dtype(op, d)))
}

// TensorDot sums products over pairs of dimensions, the i-th of axes with the
// i-th of others. The result has the other dimensions of x, then those of y:
// torch.tensordot with lists.
func (x *Node) TensorDot(y *Node, axes, others []int) *Node {
	const op = "tensor_dot"
	g := x.use(op, y)
	if len(axes) != len(others) {
		Fail(op, "%d axes of %v, %d of %v: they go in pairs", len(axes), x.n.Type, len(others), y.n.Type)
	}
	rx, ry := len(x.n.Shape()), len(y.n.Shape())
	if rx+ry > len(letters) {
		Fail(op, "%v and %v have too many dimensions", x.n.Type, y.n.Type)
	}
	x.numbersWith(op, y)
	lx, ly := []byte(letters[:rx]), []byte(letters[rx:rx+ry])
	a, b := x.pairs(op, axes), y.pairs(op, others)
	for i := range a {
		if x.n.Shape()[a[i]] != y.n.Shape()[b[i]] {
			Fail(op, "dimension %d of %v and %d of %v differ", a[i], x.n.Type, b[i], y.n.Type)
		}
		ly[b[i]] = lx[a[i]]
	}
	var out []byte
	for i, l := range lx {
		if !slices.Contains(a, i) {
			out = append(out, l)
		}
	}
	for i, l := range ly {
		if !slices.Contains(b, i) {
			out = append(out, l)
		}
	}
	ns := g.promote(x.n, y.n)
	if len(out) > maxRank {
		Fail(op, "the result has %d dimensions, more than %d", len(out), maxRank)
	}
	return g.wrap(op, g.product(op, labelled{ns[0], string(lx)}, labelled{ns[1], string(ly)}, string(out)))
}

// pairs returns the dimensions that a list means, in its order.
func (x *Node) pairs(op string, list []int) []int {
	x.axes(op, list)
	out := make([]int, len(list))
	for i, a := range list {
		out[i] = x.axis(op, a)
	}
	return out
}

// numbersWith fails if x and y are both bool.
func (x *Node) numbersWith(op string, y *Node) {
	if y.n.DType() == types.Bool {
		x.wantNumbers(op)
	}
}

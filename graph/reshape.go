package graph

import (
	"slices"

	"dumbtorch/ir/types"
)

// Reshape gives x another shape of as many elements, in row-major order. One
// dimension may be -1: what remains: torch.reshape.
func (x *Node) Reshape(dims ...int) *Node { return x.reshape("reshape", dims) }

func (x *Node) reshape(op string, dims []int) *Node {
	g := x.use(op)
	free := -1
	list := slices.Clone(dims)
	for i, d := range list {
		if d != -1 {
			continue
		}
		if free >= 0 {
			Fail(op, "more than one dimension of %v is -1", types.Shape(dims))
		}
		free, list[i] = i, 1
	}
	s := g.shape(op, list)
	have := x.n.Shape().Size()
	if free >= 0 {
		rest := s.Size()
		if rest == 0 || have%rest != 0 {
			s[free] = -1
			Fail(op, "%v has %d elements, which %v does not divide", x.n.Type, have, s)
		}
		s[free] = have / rest
	}
	if s.Size() != have {
		Fail(op, "%v has %d elements, %v has %d", x.n.Type, have, s, s.Size())
	}
	return g.wrap(op, g.b.Reshape(x.n, s...))
}

// Flatten makes one dimension of dimensions start to end, both included:
// torch.flatten.
func (x *Node) Flatten(start, end int) *Node {
	const op = "flatten"
	g := x.use(op)
	s := x.n.Shape()
	if len(s) == 0 {
		return x.Reshape(1)
	}
	a, b := x.axis(op, start), x.axis(op, end)
	if a > b {
		Fail(op, "axis %d comes after axis %d", start, end)
	}
	out := slices.Concat(s[:a], types.Shape{s[a : b+1].Size()}, s[b+1:])
	return g.wrap(op, g.b.Reshape(x.n, out...))
}

// Squeeze removes the given dimensions, which must be of size 1: torch.squeeze,
// which keeps those of other sizes and without arguments removes all it can.
func (x *Node) Squeeze(axes ...int) *Node {
	const op = "squeeze"
	g := x.use(op)
	if len(axes) == 0 {
		Fail(op, "no axes given")
	}
	drop := x.axes(op, axes)
	var out types.Shape
	for i, d := range x.n.Shape() {
		if !slices.Contains(drop, i) {
			out = append(out, d)
		} else if d != 1 {
			Fail(op, "dimension %d of %v is not 1", i, x.n.Type)
		}
	}
	return g.wrap(op, g.b.Reshape(x.n, out...))
}

// Unsqueeze inserts a dimension of size 1 before dimension axis; -1 appends
// one: torch.unsqueeze.
func (x *Node) Unsqueeze(axis int) *Node {
	const op = "unsqueeze"
	g := x.use(op)
	s := x.n.Shape()
	a := resolveAxis(op, axis, len(s)+1, x.n.Type)
	return g.wrap(op, g.b.Reshape(x.n, slices.Insert(s.Clone(), a, 1)...))
}

// BroadcastTo repeats x to the given shape by the rule of broadcasting:
// torch.broadcast_to.
func (x *Node) BroadcastTo(dims ...int) *Node {
	const op = "broadcast_to"
	g := x.use(op)
	s := g.shape(op, dims)
	in := x.n.Shape()
	ok := len(in) <= len(s)
	for i := range in {
		d := len(s) - len(in) + i
		ok = ok && (in[i] == 1 || in[i] == s[d])
	}
	if !ok {
		Fail(op, "%v does not broadcast to %v", x.n.Type, s)
	}
	return g.wrap(op, g.broadcast(x.n, s))
}

// Transpose permutes the dimensions: dimension i of the result is dimension
// perm[i] of x: torch.permute. Without arguments it reverses their order.
func (x *Node) Transpose(perm ...int) *Node {
	const op = "transpose"
	g := x.use(op)
	rank := len(x.n.Shape())
	if len(perm) == 0 {
		for i := range rank {
			perm = append(perm, rank-1-i)
		}
	}
	if len(perm) != rank {
		Fail(op, "%v permutes %d dimensions, %v has %d", perm, len(perm), x.n.Type, rank)
	}
	p := make([]int, rank)
	for i, a := range perm {
		p[i] = x.axis(op, a)
	}
	if isIdentity(p) {
		return g.wrap(op, x.n)
	}
	return g.wrap(op, g.b.Transpose(x.n, p...))
}

func isIdentity(p []int) bool {
	for i, a := range p {
		if i != a {
			return false
		}
	}
	return true
}

// T exchanges the last two dimensions: torch.Tensor.mT.
func (x *Node) T() *Node {
	x.use("t")
	if len(x.n.Shape()) < 2 {
		Fail("t", "wants at least two dimensions, got %v", x.n.Type)
	}
	return x.Swap(-2, -1)
}

// Swap exchanges two dimensions: torch.swapaxes.
func (x *Node) Swap(a, b int) *Node {
	const op = "swap"
	x.use(op)
	a, b = x.axis(op, a), x.axis(op, b)
	p := make([]int, len(x.n.Shape()))
	for i := range p {
		p[i] = i
	}
	p[a], p[b] = b, a
	return x.Transpose(p...)
}

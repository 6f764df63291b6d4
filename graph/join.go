package graph

import "slices"

// Concat puts values one after the other along a dimension: torch.cat. They are
// promoted; all other dimensions must agree.
func Concat(axis int, xs ...*Node) *Node {
	const op = "concat"
	g := common(op, xs)
	first := xs[0].n
	a := xs[0].axis(op, axis)
	for _, x := range xs[1:] {
		if len(x.n.Shape()) != len(first.Shape()) {
			Fail(op, "operands have different numbers of dimensions: %v and %v", first.Type, x.n.Type)
		}
		for i, d := range x.n.Shape() {
			if i != a && d != first.Shape()[i] {
				Fail(op, "operands differ in dimension %d: %v and %v", i, first.Type, x.n.Type)
			}
		}
	}
	ns := g.promote(unwrap(xs)...)
	if len(ns) == 1 {
		return g.wrap(op, ns[0])
	}
	return g.wrap(op, g.b.Concat(a, ns...))
}

// Stack puts values of one shape one after the other along a new dimension
// before dimension axis: torch.stack. They are promoted.
func Stack(axis int, xs ...*Node) *Node {
	const op = "stack"
	common(op, xs)
	a := resolveAxis(op, axis, len(xs[0].n.Shape())+1, xs[0].n.Type)
	parts := slices.Clone(xs)
	for i, x := range xs {
		if !x.n.Shape().Equal(xs[0].n.Shape()) {
			Fail(op, "shapes differ: %v and %v", xs[0].n.Type, x.n.Type)
		}
		parts[i] = x.Unsqueeze(a)
	}
	return Concat(a, parts...)
}

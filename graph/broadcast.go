package graph

import (
	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// This file is the only place where operands are promoted and broadcast.

// broadcast repeats n to shape s, aligned at the last dimension.
func (g *Graph) broadcast(n *ir.Node, s types.Shape) *ir.Node {
	if n.Shape().Equal(s) {
		return n
	}
	axes := make([]int, len(n.Shape()))
	for i := range axes {
		axes[i] = len(s) - len(axes) + i
	}
	return g.b.Broadcast(n, s.Clone(), axes)
}

// promote casts nodes to their common element type.
func (g *Graph) promote(ns ...*ir.Node) []*ir.Node {
	d := ns[0].DType()
	for _, n := range ns[1:] {
		d = types.Promote(d, n.DType())
	}
	return g.castAll(d, ns)
}

func (g *Graph) castAll(d types.DType, ns []*ir.Node) []*ir.Node {
	out := make([]*ir.Node, len(ns))
	for i, n := range ns {
		out[i] = g.b.Cast(n, d)
	}
	return out
}

// align broadcasts nodes to their common shape.
func (g *Graph) align(op string, ns ...*ir.Node) []*ir.Node {
	shapes := make([]types.Shape, len(ns))
	for i, n := range ns {
		shapes[i] = n.Shape()
	}
	s, err := types.Broadcast(shapes...)
	if err == nil {
		if err := s.Check(); err != nil {
			Fail(op, "%w", err)
		}
	} else {
		text := ""
		for i, n := range ns {
			if i > 0 {
				text += " with "
			}
			text += n.Type.String()
		}
		Fail(op, "%w: %s", types.ErrBroadcast, text)
	}
	out := make([]*ir.Node, len(ns))
	for i, n := range ns {
		out[i] = g.broadcast(n, s)
	}
	return out
}

// binary appends a binary operation on operands promoted and broadcast.
func (x *Node) binary(name string, op ir.Op, y *Node) *Node {
	g := x.use(name, y)
	ns := g.align(name, g.promote(x.n, y.n)...)
	return g.wrap(name, g.b.Bin(op, ns[0], ns[1]))
}

// unary appends a unary operation.
func (x *Node) unary(name string, op ir.Op) *Node {
	g := x.use(name)
	return g.wrap(name, g.b.Un(op, x.n))
}

// float appends a unary operation on floating-point numbers; integers and bool
// become f32 first.
func (x *Node) float(name string, op ir.Op) *Node {
	g := x.use(name)
	return g.wrap(name, g.b.Un(op, g.toFloat(x.n)))
}

// toFloat casts to f32 what is not a floating-point value.
func (g *Graph) toFloat(n *ir.Node) *ir.Node {
	if n.DType().IsFloat() {
		return n
	}
	return g.b.Cast(n, types.F32)
}

// wantFloat fails unless x is a floating-point value.
func (x *Node) wantFloat(op string) {
	if !x.n.DType().IsFloat() {
		Fail(op, "wants floating-point numbers, got %v", x.n.Type)
	}
}

// wantNumbers fails if x is bool.
func (x *Node) wantNumbers(op string) {
	if x.n.DType() == types.Bool {
		Fail(op, "wants numbers, got %v", x.n.Type)
	}
}

// wantInt fails unless x is of an integer type.
func (x *Node) wantInt(op string) {
	if !x.n.DType().IsInt() {
		Fail(op, "wants integers, got %v", x.n.Type)
	}
}

package transform

import (
	"fmt"
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Autocast has the f32 operations among the nodes of g from number from on
// computed in the type d, f16 or bf16, as the table precisions says:
// torch.autocast (Micikevicius and others, "Mixed precision training", 2018).
// Inputs, parameters and constants stay f32 and are cast where they are used, a
// parameter once; every node keeps its type, so that whoever holds it sees
// nothing of the change but the rounding. Gradients appended afterwards are in
// the low type where the values are, and in f32 for parameters.
//
// It differs from PyTorch in that functions and what leads only to them are
// computed in f32: x of exp(x - max) is a rounded product, but x - max is not
// rounded again.
//
// Nodes for which keep, if given, holds stay as they are. A d that is no half is
// an error.
func Autocast(g *ir.Graph, from int, d types.DType, keep func(*ir.Node) bool) error {
	if !d.IsHalf() {
		return fmt.Errorf("precision %v: mixed precision is f16 or bf16 beside f32", d)
	}
	c := &caster{d: d, nodes: g.Nodes[from:], chosen: map[*ir.Node]bool{}, lowOf: map[*ir.Node]*ir.Node{}, bound: map[*ir.Node]bool{}}
	for _, n := range g.Nodes {
		if n.Op == ir.OpCustomVJP {
			for _, a := range n.Args[1:] {
				c.bound[a] = true
			}
		}
	}
	c.choose(keep)
	c.out = slices.Clone(g.Nodes[:from])
	for _, n := range c.nodes {
		if c.chosen[n] {
			c.lower(n)
		}
		c.out = append(c.out, n)
	}
	g.Nodes = c.out
	g.Renumber()
	return nil
}

type caster struct {
	d      types.DType
	nodes  []*ir.Node
	chosen map[*ir.Node]bool     // computed in the low type
	lowOf  map[*ir.Node]*ir.Node // the node of the low type with a node's value
	// bound nodes are operands of a gradient of its own, which takes them for
	// the only way from what is before it: nothing goes around them.
	bound map[*ir.Node]bool
	out   []*ir.Node
}

// choose finds the nodes that are computed in the low type: first those that
// could be, forwards, then of them those that somebody wants so, backwards.
func (c *caster) choose(keep func(*ir.Node) bool) {
	for _, n := range c.nodes {
		if n.DType() != types.F32 || keep != nil && keep(n) {
			continue
		}
		switch precisions[n.Op] {
		case low:
			c.chosen[n] = true
		case follows:
			some, all := false, true
			for _, a := range n.Args {
				if a.DType() == types.F32 {
					is := c.chosen[a] || c.widened(a)
					some = some || is
					all = all && (is || weak(a))
				}
			}
			if some && all {
				c.chosen[n] = true
			}
		}
	}
	wanted := map[*ir.Node]bool{}
	for _, n := range slices.Backward(c.nodes) {
		if !c.chosen[n] {
			continue
		}
		if precisions[n.Op] == follows && !wanted[n] {
			delete(c.chosen, n)
			continue
		}
		for _, a := range n.Args {
			wanted[a] = true
		}
	}
}

// widened reports whether n is a value of the low type as f32.
func (c *caster) widened(n *ir.Node) bool {
	return n.Op == ir.OpCast && n.DType() == types.F32 && n.Args[0].DType() == c.d
}

// weak reports whether n is a parameter or a constant, or an arrangement of one:
// it takes any type.
func weak(n *ir.Node) bool {
	for n.Is(ir.View) && len(n.Args) == 1 {
		n = n.Args[0]
	}
	return n.Op == ir.OpVariable || n.Op == ir.OpConst || n.Op == ir.OpLiteral
}

// lower makes n the f32 form of a new node that computes it in the low type.
func (c *caster) lower(n *ir.Node) {
	m := c.again(n)
	if !c.bound[n] {
		c.lowOf[n] = m
	}
	n.Op, n.Args, n.Attr = ir.OpCast, []*ir.Node{m}, ir.Attr{Mode: types.F32.String()}
}

// again appends n computed from operands of the low type.
func (c *caster) again(n *ir.Node) *ir.Node {
	args := make([]*ir.Node, len(n.Args))
	for i, a := range n.Args {
		args[i] = a
		if a.DType() == types.F32 {
			args[i] = c.low(a)
		}
	}
	return c.add(n, n.Op, n.Attr, args...)
}

// add appends a node on the source line of n.
func (c *caster) add(n *ir.Node, op ir.Op, a ir.Attr, args ...*ir.Node) *ir.Node {
	b := ir.NewBuilder("")
	b.At = n.Pos
	m := b.New(op, a, args...)
	m.Pos = n.Pos
	c.out = append(c.out, m)
	return m
}

// low returns the value of n in the low type.
func (c *caster) low(n *ir.Node) *ir.Node {
	if m := c.lowOf[n]; m != nil {
		return m
	}
	var m *ir.Node
	switch {
	case c.bound[n]:
		m = c.add(n, ir.OpCast, ir.Attr{Mode: c.d.String()}, n)
	case c.widened(n):
		m = n.Args[0]
	case n.Is(ir.View) && weak(n):
		m = c.again(n)
	case n.Op == ir.OpConst:
		a := n.Attr
		a.Mode = c.d.String()
		m = c.add(n, ir.OpConst, a)
	default:
		m = c.add(n, ir.OpCast, ir.Attr{Mode: c.d.String()}, n)
	}
	c.lowOf[n] = m
	return m
}

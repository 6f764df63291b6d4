package interp

import "dumbtorch/ir/kernel"

// A node is an expression prepared for evaluation.
type node struct {
	*kernel.Expr
	args  []*node
	terms []term // Affine
	loops []int  // Var, Fold: numbers of its axes
	free  []int  // numbers of the axes that the value depends on
	slot  int    // where the value is kept until one of free moves; -1: it is computed anew
	table int    // Fold: where its values at all points of free are kept; -1: nowhere
	size  int    // of the table
}

// A term of a sum is coef times an axis, or times a node.
type term struct {
	coef int64
	axis int
	node *node // nil for an axis
}

// maxTable bounds the values in the tables of a kernel.
const maxTable = 1 << 22

// code is a kernel prepared for evaluation.
type code struct {
	*kernel.Kernel
	extents []int // of the axes, by number
	slots   int
	tables  int
	stores  []store
}

type store struct {
	axes         []int
	param        int
	index, value *node
}

// coder makes nodes. An expression gets a slot, or a fold a table, where its
// value may be wanted again: it has several users, or its user is computed at
// more points than it has values.
type coder struct {
	code
	number map[*kernel.Axis]int
	nodes  map[*kernel.Expr]*node
	tabled int // values in all tables
}

func newCode(k *kernel.Kernel) *code {
	c := &coder{code: code{Kernel: k}, number: map[*kernel.Axis]int{}, nodes: map[*kernel.Expr]*node{}}
	for _, s := range k.Stores {
		points := kernel.SetOf(s.Axes)
		c.stores = append(c.stores, store{c.axes(s.Axes), s.Param, c.node(s.Index, points), c.node(s.Value, points)})
	}
	return &c.code
}

func (c *coder) axes(as []*kernel.Axis) []int {
	var ns []int
	for _, a := range as {
		n, ok := c.number[a]
		if !ok {
			n = len(c.extents)
			c.number[a] = n
			c.extents = append(c.extents, a.Extent)
		}
		ns = append(ns, n)
	}
	return ns
}

// node returns the node of e, whose user has a value per point of the axes.
func (c *coder) node(e *kernel.Expr, points kernel.AxisSet) *node {
	n := c.nodes[e]
	if n == nil {
		n = c.build(e)
		c.nodes[e] = n
		if e.Free() == points {
			return n
		}
	}
	switch {
	case n.slot >= 0 || n.table >= 0:
	case e.Kind == kernel.Int || e.Kind == kernel.Var || e.Kind == kernel.True || e.Kind == kernel.False || e.Kind == kernel.Const:
	case e.Kind == kernel.Fold && c.tabled+n.size <= maxTable:
		n.table = c.tables
		c.tables++
		c.tabled += n.size
	default:
		n.slot = c.slots
		c.slots++
	}
	return n
}

func (c *coder) build(e *kernel.Expr) *node {
	n := &node{Expr: e, slot: -1, table: -1, size: 1}
	points := e.Free()
	if e.Kind == kernel.Fold {
		points |= kernel.SetOf(e.Axes)
	}
	for _, a := range e.Args {
		n.args = append(n.args, c.node(a, points))
	}
	n.loops = c.axes(e.Axes)
	for i, coef := range e.Coef {
		t := term{coef: coef, node: n.args[i]}
		if t.node.Kind == kernel.Var {
			t.axis, t.node = t.node.loops[0], nil
		}
		n.terms = append(n.terms, t)
	}
	for a, i := range c.number {
		if e.Free().Has(a) {
			n.free = append(n.free, i)
			if n.size <= maxTable {
				n.size *= a.Extent
			}
		}
	}
	return n
}

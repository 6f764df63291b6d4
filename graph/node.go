package graph

import (
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// A Node is a value of a graph that is being built. Its methods append
// operations and return their results.
type Node struct {
	g *Graph
	n *ir.Node
}

// Graph returns the graph that x belongs to.
func (x *Node) Graph() *Graph { return x.check("graph") }

// Shape returns the sizes of the dimensions. A named dimension has the size
// that it is bound to, or one that stands for it.
func (x *Node) Shape() types.Shape {
	x.check("shape")
	return x.n.Shape().Clone()
}

// Rank returns the number of dimensions.
func (x *Node) Rank() int {
	x.check("rank")
	return len(x.n.Shape())
}

// Dim returns the size of a dimension, with negative axes counting from the
// end.
func (x *Node) Dim(axis int) int {
	x.check("dim")
	return x.n.Shape()[x.axis("dim", axis)]
}

// Size returns the number of elements.
func (x *Node) Size() int {
	x.check("size")
	return x.n.Shape().Size()
}

// DType returns the element type.
func (x *Node) DType() types.DType {
	x.check("dtype")
	return x.n.DType()
}

// TypeString returns the type with dimensions by name: "f32[batch,784]".
func (x *Node) TypeString() string {
	return x.check("type").dims.replace(x.n.Type.String())
}

// String returns the type and the operation, for debugging.
func (x *Node) String() string {
	if x == nil || x.n == nil {
		return "nil node"
	}
	return x.n.Op.String() + " : " + x.TypeString()
}

// IR returns the node of the intermediate representation. It must not be
// changed.
func (x *Node) IR() *ir.Node {
	x.check("ir")
	return x.n
}

// check fails unless all nodes are of one graph and returns it.
func (x *Node) check(op string, others ...*Node) *Graph {
	if x == nil || x.g == nil {
		Fail(op, "the receiver is a nil node")
	}
	x.g.own(op, others...)
	return x.g
}

// use is check for an operation that appends: the graph must be open.
func (x *Node) use(op string, others ...*Node) *Graph {
	g := x.check(op, others...)
	g.open(op)
	return g
}

// own fails unless all nodes are of graph g.
func (g *Graph) own(op string, xs ...*Node) {
	for _, x := range xs {
		if x == nil || x.g == nil {
			Fail(op, "an operand is a nil node")
		}
		if x.g != g {
			Fail(op, "an operand is a node of another graph, %q, not of %q: values pass from graph to graph as outputs and feeds, or in variables", x.g.name, g.name)
		}
	}
}

// common is use for functions over a list of at least one node.
func common(op string, xs []*Node) *Graph {
	if len(xs) == 0 {
		Fail(op, "no operands")
	}
	for i, x := range xs {
		if x == nil || x.g == nil {
			Fail(op, "operand %d is a nil node", i)
		}
	}
	return xs[0].use(op, xs...)
}

// wrap makes a Node of the graph.
func (g *Graph) wrap(op string, n *ir.Node) *Node {
	if len(n.Shape()) > maxRank {
		Fail(op, "the result has %d dimensions, more than %d", len(n.Shape()), maxRank)
	}
	if g.noGrad > 0 && n.DType().IsFloat() && n.Op != ir.OpVariable && n.Op != ir.OpInput {
		n = g.b.StopGradient(n)
	}
	return &Node{g, n}
}

func (g *Graph) wrapAll(op string, ns []*ir.Node) []*Node {
	xs := make([]*Node, len(ns))
	for i, n := range ns {
		xs[i] = g.wrap(op, n)
	}
	return xs
}

func unwrap(xs []*Node) []*ir.Node {
	ns := make([]*ir.Node, len(xs))
	for i, x := range xs {
		ns[i] = x.n
	}
	return ns
}

// axis returns the dimension that axis means for x.
func (x *Node) axis(op string, axis int) int {
	return resolveAxis(op, axis, len(x.n.Shape()), x.n.Type)
}

// resolveAxis makes a negative axis count from the end of rank dimensions.
func resolveAxis(op string, axis, rank int, t types.Type) int {
	if axis < -rank || axis >= rank {
		if axis == KeepDims {
			Fail(op, "KeepDims is for reductions: wants an axis of %v", t)
		}
		Fail(op, "axis %d is out of range for %v", axis, t)
	}
	if axis < 0 {
		axis += rank
	}
	return axis
}

// axes returns the dimensions that a list means, ascending; all if it is empty.
func (x *Node) axes(op string, list []int) []int {
	var out []int
	for _, a := range list {
		a = x.axis(op, a)
		if slices.Contains(out, a) {
			Fail(op, "axis %d is given twice", a)
		}
		out = append(out, a)
	}
	if len(list) == 0 {
		for a := range x.n.Shape() {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return out
}

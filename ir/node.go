// Package ir is the graph-level intermediate representation: operations, the
// nodes of a graph, source positions, model errors, the text form and the
// verifier. One record per operation ([OpDef]) holds everything the compiler
// knows about it: inference of its type, its gradient, and its meaning as a
// scalar expression.
//
// The IR is strict: no implicit broadcast, no promotion, one result per node.
// The package must not import graph, autodiff, passes, nn or runtime.
package ir

import (
	"fmt"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A Node is one operation of a graph and its result. Nodes are made by a
// [Builder] and do not change afterwards, except that passes replace operands.
type Node struct {
	ID   int // position among the graph's nodes; operands come first
	Op   Op
	Args []*Node
	Attr Attr
	Type types.Type
	Pos  Pos // the model's source line; may be unknown
	// Cluster is the kernel that computes the node, from the fuse pass on; -1
	// before, and for nodes that no kernel computes by themselves (views).
	Cluster int
	// Custom is the gradient of a CustomVJP node; nil when it was parsed.
	Custom VJPFunc
}

// Shape returns the shape of the result.
func (n *Node) Shape() types.Shape { return n.Type.Shape }

// DType returns the element type of the result.
func (n *Node) DType() types.DType { return n.Type.DType }

// Attr holds the attributes of a node. Which ones an operation uses is told by
// its record; all others are zero.
type Attr struct {
	Name   string // input, variable: its name
	Labels string // contract: "mk,kn->mn"; gather: "vd,n->nd"; scatter_add: "n,nd->vd"
	Axes   []int  // dimensions of the operand, ascending (transpose: the permutation)
	Dims   []int  // the result's shape
	Start  []int  // slice, pad: per dimension
	Step   []int  // slice, pad, window: per dimension
	Size   []int  // window: per dimension
	Value  float64
	Int    int64  // integer constants; random: the stream number
	Data   []byte // literal: little-endian elements
	Mode   string
}

// VJPFunc returns one cotangent per operand of n, given the cotangent g of its
// result; nil means that the operand's cotangent is zero.
type VJPFunc func(b *Builder, n, g *Node) []*Node

// Load returns the value of operand arg at the index idx.
type Load func(arg int, idx []*kernel.Expr) *kernel.Expr

// Flags are facts about an operation.
type Flags uint16

// The flags.
const (
	// View: moves elements only, one operand element per result element; a
	// kernel that reads it reads its operand instead.
	View Flags = 1 << iota
	// Leaf: no operands, and a buffer of its own: input, variable, literal.
	Leaf
	// Generator: reads at most scalars, cheap to make anywhere: constants, iota.
	Generator
	// FoldOp: the body contains a fold.
	FoldOp
	// Effect: stays alive without a user.
	Effect
	// Commutative: the two operands may be exchanged.
	Commutative
	// NoGrad: the gradient is zero.
	NoGrad
	// Opaque: CSE, folding and simplification leave it alone.
	Opaque
)

// An OpDef is the record of one operation.
type OpDef struct {
	Op    Op
	Name  string
	Doc   string // one sentence; `dtc ops` prints the table
	Arity int    // -1: one or more
	Flags Flags
	Attrs []string // names of the attributes used, as in text form, in order
	// Infer checks operands and attributes and returns the result's type. It is
	// the only place where shapes are checked.
	Infer func(args []types.Type, a *Attr) (types.Type, error)
	// VJP is the gradient; nil together with no NoGrad: asking for it is an error.
	VJP VJPFunc
	// Body returns the value at index idx of the result. Leaves have none.
	Body func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr
}

// Has reports whether the operation has all the given flags.
func (d *OpDef) Has(f Flags) bool { return d.Flags&f == f }

var opTable [opEnd]*OpDef

// define enters a record into the table; records are entered from init because
// their gradients build nodes.
func define(op Op, d OpDef) {
	if opTable[op] != nil {
		panic("ir: " + d.Name + " defined twice")
	}
	d.Op = op
	opTable[op] = &d
}

// Def returns the operation's record.
func (o Op) Def() *OpDef { return opTable[o] }

// opDef is [Op.Def] for numbers that may be no operation; nil for those.
func opDef(o Op) *OpDef {
	if int(o) < len(opTable) {
		return opTable[o]
	}
	return nil
}

// String returns the operation's name.
func (o Op) String() string {
	if int(o) < len(opTable) && opTable[o] != nil {
		return opTable[o].Name
	}
	return fmt.Sprintf("op(%d)", int(o))
}

// Is reports whether the node's operation has all the given flags.
func (n *Node) Is(f Flags) bool { return n.Op.Def().Has(f) }

// Ops returns the records of all operations in order.
func Ops() []*OpDef { return opTable[1:] }

// OpByName returns the operation of the given name.
func OpByName(name string) (Op, bool) {
	for _, d := range opTable[1:] {
		if d.Name == name {
			return d.Op, true
		}
	}
	return 0, false
}

// An Output is a value that the caller can read by name.
type Output struct {
	Name string
	Node *Node
}

// A Graph is a list of nodes, operands before users, with named outputs.
type Graph struct {
	Name    string
	Nodes   []*Node
	Outputs []Output
	// Dims names sizes that stand for a named dimension, for printing types.
	Dims map[int]string
}

// Inputs returns the input nodes in order.
func (g *Graph) Inputs() []*Node { return g.ofOp(OpInput) }

// Variables returns the variable nodes in order.
func (g *Graph) Variables() []*Node { return g.ofOp(OpVariable) }

// Assigns returns the assignments in order.
func (g *Graph) Assigns() []*Node { return g.ofOp(OpAssign) }

func (g *Graph) ofOp(op Op) []*Node {
	var ns []*Node
	for _, n := range g.Nodes {
		if n.Op == op {
			ns = append(ns, n)
		}
	}
	return ns
}

// Live returns the nodes that outputs, inputs and effects need, in order.
func (g *Graph) Live() []*Node {
	live := map[*Node]bool{}
	mark := func(n *Node) {
		for todo := []*Node{n}; len(todo) > 0; {
			n := todo[len(todo)-1]
			if todo = todo[:len(todo)-1]; !live[n] {
				live[n] = true
				todo = append(todo, n.Args...)
			}
		}
	}
	for _, o := range g.Outputs {
		mark(o.Node)
	}
	for _, n := range g.Nodes {
		if n.Is(Effect) || n.Op == OpInput {
			mark(n)
		}
	}
	var ns []*Node
	for _, n := range g.Nodes {
		if live[n] {
			ns = append(ns, n)
		}
	}
	return ns
}

// Renumber sets every node's ID to its position.
func (g *Graph) Renumber() {
	for i, n := range g.Nodes {
		n.ID = i
	}
}

package ir

import (
	"strings"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A Builder appends nodes to a graph. Its methods are strict: operands have
// the exact types that the operation wants. A mistake panics with an [*Error].
type Builder struct {
	G *Graph
	// At, when known, is the position given to new nodes instead of the
	// caller's: a gradient node carries the line of the node it belongs to.
	At Pos
}

// NewBuilder returns a builder for a new, empty graph.
func NewBuilder(name string) *Builder { return &Builder{G: &Graph{Name: name}} }

// New appends a node.
func (b *Builder) New(op Op, a Attr, args ...*Node) *Node {
	t, err := infer(op.Def(), &a, args)
	if err != nil {
		panic(&Error{Pos: b.pos(), Op: op.String(), Err: err})
	}
	n := &Node{ID: len(b.G.Nodes), Op: op, Args: args, Attr: a, Type: t, Pos: b.pos(), Cluster: -1}
	b.G.Nodes = append(b.G.Nodes, n)
	return n
}

func (b *Builder) pos() Pos {
	if b.At.Line != 0 {
		return b.At
	}
	return Caller()
}

func (b *Builder) fail(op Op, args []*Node, format string, v ...any) {
	var ts []string
	for _, n := range args {
		ts = append(ts, n.Type.String())
	}
	if len(ts) > 0 {
		format += " (" + strings.Join(ts, ", ") + ")"
	}
	Fail(op.String(), format, v...)
}

// Input appends an input of the given name and type.
func (b *Builder) Input(name string, t types.Type) *Node {
	return b.leaf(OpInput, Attr{Name: name}, t)
}

// Variable appends the current value of a variable.
func (b *Builder) Variable(name string, t types.Type) *Node {
	return b.leaf(OpVariable, Attr{Name: name}, t)
}

func (b *Builder) leaf(op Op, a Attr, t types.Type) *Node {
	a.Dims = t.Shape.Clone()
	a.Mode = t.DType.String()
	return b.New(op, a)
}

// Assign makes value the next value of a variable.
func (b *Builder) Assign(variable, value *Node) *Node {
	return b.New(OpAssign, Attr{}, variable, value)
}

// Const appends v everywhere, converted to t's element type as by a cast.
func (b *Builder) Const(t types.Type, v float64) *Node {
	if !t.DType.IsFloat() {
		return b.leaf(OpConst, Attr{Int: kernel.EvalCast(kernel.FloatScalar(types.F64, v), t.DType).Int()}, t)
	}
	return b.leaf(OpConst, Attr{Value: v}, t)
}

// ConstInt appends the integer v everywhere, converted to t's element type.
func (b *Builder) ConstInt(t types.Type, v int64) *Node {
	if t.DType.IsFloat() {
		return b.Const(t, float64(v))
	}
	return b.leaf(OpConst, Attr{Int: v}, t)
}

// Like appends v with the type of n.
func (b *Builder) Like(n *Node, v float64) *Node {
	if n.DType().IsFloat() {
		return b.Const(n.Type, v)
	}
	return b.ConstInt(n.Type, int64(v))
}

// Literal appends dense data: little-endian elements.
func (b *Builder) Literal(t types.Type, data []byte) *Node {
	return b.leaf(OpLiteral, Attr{Data: data}, t)
}

// Iota appends the index along a dimension.
func (b *Builder) Iota(t types.Type, axis int) *Node {
	return b.leaf(OpIota, Attr{Axes: []int{axis}}, t)
}

// Un appends a unary elementwise operation.
func (b *Builder) Un(op Op, x *Node) *Node { return b.New(op, Attr{}, x) }

// Bin appends a binary elementwise operation on operands of one type.
func (b *Builder) Bin(op Op, x, y *Node) *Node { return b.New(op, Attr{}, x, y) }

// The arithmetic that gradients are written in.

func (b *Builder) Add(x, y *Node) *Node { return b.Bin(OpAdd, x, y) } // Add returns x + y.
func (b *Builder) Sub(x, y *Node) *Node { return b.Bin(OpSub, x, y) } // Sub returns x - y.
func (b *Builder) Mul(x, y *Node) *Node { return b.Bin(OpMul, x, y) } // Mul returns x * y.
func (b *Builder) Div(x, y *Node) *Node { return b.Bin(OpDiv, x, y) } // Div returns x / y.
func (b *Builder) Neg(x *Node) *Node    { return b.Un(OpNeg, x) }     // Neg returns -x.

// Scale returns c*x.
func (b *Builder) Scale(x *Node, c float64) *Node { return b.Mul(x, b.Like(x, c)) }

// Where returns c ? x : y elementwise; c is bool.
func (b *Builder) Where(c, x, y *Node) *Node { return b.New(OpWhere, Attr{}, c, x, y) }

// Cast converts to element type d.
func (b *Builder) Cast(x *Node, d types.DType) *Node {
	if x.DType() == d {
		return x
	}
	return b.New(OpCast, Attr{Mode: d.String()}, x)
}

// Broadcast repeats x to the shape dims: dimension i of x becomes dimension
// axes[i] of the result and has its size or 1.
func (b *Builder) Broadcast(x *Node, dims []int, axes []int) *Node {
	return b.New(OpBroadcast, Attr{Dims: dims, Axes: axes}, x)
}

// Reshape gives x another shape of as many elements.
func (b *Builder) Reshape(x *Node, dims ...int) *Node {
	if x.Shape().Equal(dims) {
		return x
	}
	return b.New(OpReshape, Attr{Dims: append([]int{}, dims...)}, x)
}

// Transpose permutes dimensions: dimension i of the result is perm[i] of x.
func (b *Builder) Transpose(x *Node, perm ...int) *Node {
	return b.New(OpTranspose, Attr{Axes: append([]int{}, perm...)}, x)
}

// Slice takes dims[i] elements from start[i] on in steps of step[i].
func (b *Builder) Slice(x *Node, start, dims, step []int) *Node {
	return b.New(OpSlice, Attr{Start: start, Dims: dims, Step: step}, x)
}

// Pad places element j of dimension i at start[i] + j*step[i] of a result of
// shape dims filled with value; what falls outside is dropped.
func (b *Builder) Pad(x *Node, value float64, start, dims, step []int) *Node {
	return b.New(OpPad, Attr{Value: value, Start: start, Dims: dims, Step: step}, x)
}

// Reduce folds over the given dimensions and removes them.
func (b *Builder) Reduce(op Op, x *Node, axes ...int) *Node {
	if len(axes) == 0 {
		return x
	}
	return b.New(op, Attr{Axes: append([]int{}, axes...)}, x)
}

// ReduceFirst is [Builder.Reduce] with OpReduceMax or OpReduceMin whose
// gradient goes to the first of equal elements instead of being shared.
func (b *Builder) ReduceFirst(op Op, x *Node, axes ...int) *Node {
	return b.New(op, Attr{Axes: append([]int{}, axes...), Mode: modeFirst}, x)
}

// Sum sums over the given dimensions and removes them.
func (b *Builder) Sum(x *Node, axes ...int) *Node { return b.Reduce(OpSum, x, axes...) }

// Contract sums products over the labels that the result lacks:
// "mk,kn->mn". See [OpContract].
func (b *Builder) Contract(labels string, x, y *Node) *Node {
	return b.New(OpContract, Attr{Labels: labels}, x, y)
}

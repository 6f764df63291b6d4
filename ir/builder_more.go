package ir

import "dumbtorch/ir/types"

// Concat puts values one after the other along a dimension.
func (b *Builder) Concat(axis int, xs ...*Node) *Node {
	return b.New(OpConcat, Attr{Axes: []int{axis}}, xs...)
}

// Window appends sliding windows over the dimensions axes of x, which is padded
// with value: low and high elements per axis. The result has as many positions
// as windows fit in x's place, and the windows' own dimensions of the given
// sizes at the end.
func (b *Builder) Window(x *Node, value float64, axes, size, step, low, high []int) *Node {
	dims := x.Shape().Clone()
	for i, ax := range axes {
		if ax < 0 || ax >= len(x.Shape()) || i >= len(size) || i >= len(step) || i >= len(low) || i >= len(high) {
			break // reported by the record
		}
		if step[i] < 1 {
			b.fail(OpWindow, []*Node{x}, "step %v must be positive", step)
		}
		room := dims[ax] + low[i] + high[i] - size[i]
		if room < 0 {
			b.fail(OpWindow, []*Node{x}, "a window of size %d is larger than dimension %d with its padding", size[i], ax)
		}
		dims[ax] = room/step[i] + 1
	}
	a := Attr{Axes: axes, Size: size, Step: step, Start: low, Dims: append(dims, size...), Value: value}
	return b.New(OpWindow, a, x)
}

// Unwindow is the adjoint of [Builder.Window]: it adds the elements of windows
// up in a result of shape dims.
func (b *Builder) Unwindow(x *Node, dims, axes, size, step, low []int) *Node {
	return b.New(OpUnwindow, Attr{Axes: axes, Size: size, Step: step, Start: low, Dims: dims}, x)
}

// Gather takes elements of x at run-time indices; labels are as "vd,n->nd". See
// [OpGather].
func (b *Builder) Gather(labels string, x, indices *Node) *Node {
	return b.New(OpGather, Attr{Labels: labels}, x, indices)
}

// ScatterAdd adds updates at run-time indices to zeros of shape dims; labels are
// as "n,nd->vd". See [OpScatterAdd].
func (b *Builder) ScatterAdd(labels string, dims []int, indices, updates *Node) *Node {
	return b.New(OpScatterAdd, Attr{Labels: labels, Dims: append([]int{}, dims...)}, indices, updates)
}

// Uniform appends random numbers in [0, 1) of type t. They depend on state, i64[2] =
// (seed, counter), on the stream's number and on the position alone.
func (b *Builder) Uniform(t types.Type, state *Node, stream int64) *Node {
	return b.random(OpUniform, t, state, stream)
}

// Normal appends random numbers of mean 0 and variance 1; see
// [Builder.Uniform].
func (b *Builder) Normal(t types.Type, state *Node, stream int64) *Node {
	return b.random(OpNormal, t, state, stream)
}

func (b *Builder) random(op Op, t types.Type, state *Node, stream int64) *Node {
	return b.New(op, Attr{Dims: t.Shape.Clone(), Mode: t.DType.String(), Int: stream}, state)
}

// StopGradient returns x as a value whose cotangent is zero.
func (b *Builder) StopGradient(x *Node) *Node { return b.New(OpStopGradient, Attr{}, x) }

// Barrier returns x, computed not before after, and kept apart from equal
// values.
func (b *Builder) Barrier(x, after *Node) *Node { return b.New(OpBarrier, Attr{}, x, after) }

// CustomVJP returns value, made of operands, with a gradient of its own: vjp
// returns one cotangent per operand, nil for zero, and nothing flows into value
// itself.
func (b *Builder) CustomVJP(value *Node, vjp VJPFunc, operands ...*Node) *Node {
	n := b.New(OpCustomVJP, Attr{}, append([]*Node{value}, operands...)...)
	n.Custom = vjp
	return n
}

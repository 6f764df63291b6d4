package graph

import (
	"slices"

	"dumbtorch/ir/types"
)

// Roll moves the elements by shift places along a dimension; those that leave
// it at the end come back at its start: torch.roll along one dimension.
func (x *Node) Roll(axis, shift int) *Node {
	const op = "roll"
	g := x.use(op)
	a := x.axis(op, axis)
	n := x.n.Shape()[a]
	shift = g.size(op, shift)
	if n < 2 || shift%n == 0 {
		return x
	}
	at := n - (shift%n+n)%n
	return Concat(a, x.slice(op, a, at, n-at, 1), x.slice(op, a, 0, at, 1))
}

// Repeat puts copies of x beside each other, times[i] along dimension i of the
// result, whose leading dimensions x may lack: torch.Tensor.repeat.
func (x *Node) Repeat(times ...int) *Node { return x.copies("repeat", times) }

// Tile is [Node.Repeat], but where times is shorter than the shape, it is of the
// last dimensions: torch.tile.
func (x *Node) Tile(times ...int) *Node {
	x.use("tile")
	missing := max(0, len(x.n.Shape())-len(times))
	return x.copies("tile", append(filled(missing, 1), times...))
}

func (x *Node) copies(op string, times []int) *Node {
	g := x.use(op)
	s := x.n.Shape()
	if len(times) < len(s) {
		Fail(op, "%d numbers for %v: wants one for each dimension", len(times), x.n.Type)
	}
	count := g.shape(op, times)
	from := append(filled(len(times)-len(s), 1), s...)
	var split, wide, out types.Shape
	for i, d := range from {
		out = append(out, d)
		if n := count[i]; n != 1 {
			split, wide = append(split, 1), append(wide, n)
			out[i] = repeated(op, n, d)
		}
		split, wide = append(split, d), append(wide, d)
	}
	if err := out.Check(); err != nil {
		Fail(op, "%w", err)
	}
	n := g.broadcast(g.b.Reshape(x.n, split...), wide)
	return g.wrap(op, g.b.Reshape(n, out...))
}

// repeated returns the size of n copies of a dimension of size d.
func repeated(op string, n, d int) int {
	if d != 0 && n > types.MaxElements/d {
		Fail(op, "%d copies of a dimension of size %d are more than 2^48 elements", n, d)
	}
	return n * d
}

// RepeatInterleave repeats every element along a dimension: all the same number
// of times, or element i times[i] times: torch.repeat_interleave along a
// dimension, with numbers that are known when the graph is built.
func (x *Node) RepeatInterleave(axis int, times ...int) *Node {
	const op = "repeat_interleave"
	g := x.use(op)
	a := x.axis(op, axis)
	s := x.n.Shape()
	count := g.shape(op, times)
	if len(count) == 1 {
		out := s.Clone()
		out[a] = repeated(op, count[0], s[a])
		if err := out.Check(); err != nil {
			Fail(op, "%w", err)
		}
		split := slices.Insert(s.Clone(), a+1, 1)
		wide := slices.Insert(s.Clone(), a+1, count[0])
		return g.wrap(op, g.b.Reshape(g.broadcast(g.b.Reshape(x.n, split...), wide), out...))
	}
	if len(count) != s[a] {
		Fail(op, "%d numbers for dimension %d of %v: wants one, or one for each element", len(count), a, x.n.Type)
	}
	parts := []*Node{x.slice(op, a, 0, 0, 1)}
	for i, n := range count {
		if n > 0 {
			parts = append(parts, x.slice(op, a, i, 1, 1).RepeatInterleave(a, n))
		}
	}
	return Concat(a, parts...)
}

// Chunk cuts x along a dimension into n pieces of one size, the last of which
// may be smaller; into fewer where that size makes do with fewer: torch.chunk.
func (x *Node) Chunk(axis, n int) []*Node {
	const op = "chunk"
	x.use(op)
	a := x.axis(op, axis)
	if n < 1 {
		Fail(op, "into %d pieces: wants at least 1", n)
	}
	size := x.n.Shape()[a]
	if size == 0 {
		return slices.Repeat([]*Node{x}, min(n, maxPieces))
	}
	each := (size-1)/n + 1
	var out []*Node
	for at := 0; at < size; at += each {
		if len(out) == maxPieces {
			Fail(op, "dimension %d of %v in pieces of %d: more than %d", a, x.n.Type, each, maxPieces)
		}
		out = append(out, x.slice(op, a, at, min(each, size-at), 1))
	}
	return out
}

// maxPieces bounds the nodes that one call makes.
const maxPieces = 1 << 16

// Unbind returns the elements along a dimension, which is removed:
// torch.unbind.
func (x *Node) Unbind(axis int) []*Node {
	const op = "unbind"
	x.use(op)
	a := x.axis(op, axis)
	n := x.n.Shape()[a]
	if n > maxPieces {
		Fail(op, "dimension %d of %v: more than %d pieces", a, x.n.Type, maxPieces)
	}
	var out []*Node
	for i := range n {
		out = append(out, x.Index(a, i))
	}
	return out
}

// Unflatten makes several dimensions of one; one of their sizes may be -1: what
// remains: torch.unflatten.
func (x *Node) Unflatten(axis int, dims ...int) *Node {
	const op = "unflatten"
	x.use(op)
	a := x.axis(op, axis)
	s := x.n.Shape()
	return x.reshape(op, slices.Concat(s[:a], dims, s[a+1:]))
}

// MoveAxis moves a dimension to another place among the others:
// torch.movedim.
func (x *Node) MoveAxis(from, to int) *Node {
	const op = "move_axis"
	x.use(op)
	a, b := x.axis(op, from), x.axis(op, to)
	var p []int
	for i := range x.n.Shape() {
		if i != a {
			p = append(p, i)
		}
	}
	return x.Transpose(slices.Insert(p, b, a)...)
}

package graph

import (
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Indices are of any integer type; one outside its dimension, also a negative
// one, is an error when the step runs.

// Gather picks along a dimension: element [i,j,k] of the result is
// x[i,index[i,j,k],k] for axis 1: torch.gather. The other dimensions of index
// are at most those of x.
func (x *Node) Gather(axis int, index *Node) *Node {
	const op = "gather"
	g := x.use(op, index)
	a := x.indexed(op, axis, index)
	y := x.fit(op, a, index)
	own := letters[:len(x.n.Shape())]
	out := own[:a] + "Z" + own[a+1:]
	return g.wrap(op, g.b.Gather(renameLabels(own+","+out+"->"+out), y.n, index.n))
}

// indexed returns the dimension that axis means and checks that index can pick
// along it.
func (x *Node) indexed(op string, axis int, index *Node) int {
	index.wantInt(op)
	a := x.axis(op, axis)
	if x.n.Shape()[a] == 0 && index.n.Shape().Size() > 0 {
		Fail(op, "dimension %d of %v is empty: no index is in range", a, x.n.Type)
	}
	return a
}

// fit slices x to the sizes of index, but for dimension a.
func (x *Node) fit(op string, a int, index *Node) *Node {
	s, t := x.n.Shape(), index.n.Shape()
	if len(s) != len(t) {
		Fail(op, "index %v has not as many dimensions as %v", index.n.Type, x.n.Type)
	}
	for i := range s {
		if i == a {
			continue
		}
		if t[i] > s[i] {
			Fail(op, "dimension %d of index %v is larger than that of %v", i, index.n.Type, x.n.Type)
		}
		x = x.slice(op, i, 0, t[i], 1)
	}
	return x
}

// Take selects along a dimension: the dimensions of index replace dimension
// axis of x, as in NumPy's take. It is torch.index_select for an index of one
// dimension, and on axis 0 of a table an embedding.
func (x *Node) Take(axis int, index *Node) *Node {
	const op = "take"
	g := x.use(op, index)
	a := x.indexed(op, axis, index)
	rank, k := len(x.n.Shape()), len(index.n.Shape())
	if rank+k > len(letters) {
		Fail(op, "%v and index %v have too many dimensions", x.n.Type, index.n.Type)
	}
	own, idx := letters[:rank], letters[rank:rank+k]
	spec := own + "," + idx + "->" + own[:a] + idx + own[a+1:]
	return g.wrap(op, g.b.Gather(renameLabels(spec), x.n, index.n))
}

// ScatterAdd adds src to x at the places that index names along a dimension:
// x[i,index[i,j,k],k] += src[i,j,k] for axis 1: torch.Tensor.scatter_add. Equal
// indices add up. src has the shape of index, whose other dimensions are at
// most those of x. x and src are promoted.
func (x *Node) ScatterAdd(axis int, index, src *Node) *Node {
	const op = "scatter_add"
	g := x.use(op, index, src)
	a := x.indexed(op, axis, index)
	if !src.n.Shape().Equal(index.n.Shape()) {
		Fail(op, "index %v and source %v differ in shape", index.n.Type, src.n.Type)
	}
	x.fit(op, a, index)
	ns := g.promote(x.n, src.n)
	s := x.n.Shape()
	dims := index.n.Shape().Clone()
	dims[a] = s[a]
	own := letters[:len(s)]
	in := own[:a] + "Z" + own[a+1:]
	sum := g.b.ScatterAdd(renameLabels(in+","+in+"->"+own), dims, index.n, ns[1])
	if !s.Equal(dims) {
		sum = g.b.Pad(sum, 0, make([]int, len(s)), s.Clone(), filled(len(s), 1))
	}
	return g.wrap(op, g.b.Add(ns[0], sum))
}

// OneHot appends a dimension of n classes: 1 at the index that x holds and 0
// elsewhere, of element type d: torch.nn.functional.one_hot, but an index outside
// gives zeros, and n is not read off the data.
func (x *Node) OneHot(n int, d types.DType) *Node {
	const op = "one_hot"
	g := x.use(op)
	x.wantInt(op)
	n = g.size(op, n)
	if n < 0 {
		Fail(op, "the number of classes %d is negative", n)
	}
	s := slices.Concat(x.n.Shape(), types.Shape{n})
	if err := s.Check(); err != nil {
		Fail(op, "%w", err)
	}
	class := g.b.Iota(types.Type{DType: types.I64, Shape: s}, len(s)-1)
	label := g.broadcast(g.b.Reshape(g.b.Cast(x.n, types.I64), slices.Concat(x.n.Shape(), types.Shape{1})...), s)
	return g.wrap(op, g.b.Cast(g.b.Bin(ir.OpEq, label, class), g.dtype(op, d)))
}

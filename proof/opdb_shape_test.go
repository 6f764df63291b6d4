package proof

import (
	"slices"

	"dumbtorch/graph"
)

// arrangements are the entries of op_db that move elements.
var arrangements = map[string]entry{
	"reshape": reshaped("shape"), "view": reshaped("shape"),
	"reshape_as": of2(func(x, y *node) *node { return x.Reshape(y.Shape()...) }),
	"view_as":    of2(func(x, y *node) *node { return x.Reshape(y.Shape()...) }),
	"ravel":      of1(func(x *node) *node { return x.Reshape(x.Size()) }),
	"flatten":    plain("input start_dim end_dim", func(c *call) *node { return c.input().Flatten(c.int("start_dim", 0), c.int("end_dim", -1)) }),
	"unflatten":  plain("input dim sizes", func(c *call) *node { return c.input().Unflatten(c.int("dim", 0), c.ints("sizes")...) }),
	"squeeze":    plain("input dim", squeeze), "squeeze/multiple": plain("input dim", squeeze),
	"unsqueeze": plain("input dim", func(c *call) *node { return c.input().Unsqueeze(c.int("dim", 0)) }),
	"permute":   plain("input dims", func(c *call) *node { return permute(c.input(), c.ints("dims")) }),
	"transpose": plain("input dim0 dim1", func(c *call) *node { return c.input().Swap(c.axis("dim0", 0, c.input()), c.int("dim1", 0)) }),
	"movedim": plain("input source destination", func(c *call) *node {
		x := c.input()
		from, to := distinct(x, c.ints("source")), distinct(x, c.ints("destination"))
		if len(from) != len(to) {
			leave("sources and destinations of different numbers")
		}
		if len(from) == 1 {
			return x.MoveAxis(from[0], to[0])
		}
		perm := slices.Repeat([]int{-1}, x.Rank())
		var rest []int
		for i := range x.Rank() {
			if at := slices.Index(from, i); at < 0 {
				rest = append(rest, i)
			} else {
				perm[to[at]] = i
			}
		}
		for i, p := range perm {
			if p < 0 {
				perm[i], rest = rest[0], rest[1:]
			}
		}
		return permute(x, perm)
	}),
	"T": of1(reverse), "t": of1(reverse), "mT": of1((*node).T), "mH": of1((*node).T), "H": of1(reverse),
	"broadcast_to": plain("input size", func(c *call) *node { return expand(c.input(), c.ints("size")) }),
	"expand":       plain("input size", func(c *call) *node { return expand(c.input(), c.ints("size")) }),
	"expand_as":    of2(func(x, y *node) *node { return x.BroadcastTo(y.Shape()...) }),
	"narrow": plain("input dim start length", func(c *call) *node {
		x, a := c.input(), c.axis("dim", 0, c.input())
		start, n := c.ints("start"), c.int("length", 0)
		if start[0] < 0 {
			start[0] += x.Dim(a)
		}
		if len(start) > 1 || start[0] < 0 || n < 0 || start[0]+n > x.Dim(a) {
			leave("elements that are not there, which slices leave out")
		}
		return x.Slice(a, start[0], start[0]+n, 1)
	}),
	"select": plain("input dim index", func(c *call) *node { return c.input().Index(c.int("dim", 0), c.int("index", 0)) }),
	"slice": plain("input dim start end step", func(c *call) *node {
		end := graph.End
		if c.has("end") {
			end = c.int("end", 0)
		}
		return c.input().Slice(c.int("dim", 0), c.int("start", 0), end, c.int("step", 1))
	}),
	"chunk": {"input chunks dim", func(c *call) []*node { return c.input().Chunk(c.int("dim", 0), c.int("chunks", 0)) }},
	"unsafe_chunk": {"input chunks dim", func(c *call) []*node {
		return c.input().Chunk(c.int("dim", 0), c.int("chunks", 0))
	}},
	"split": {"input split_size_or_sections dim", split}, "split/list_args": {"input split_size_or_sections dim", split},
	"unsafe_split":     {"input split_size_or_sections dim", split},
	"split_with_sizes": {"input split_size_or_sections dim", split},
	"tensor_split": {"input indices_or_sections dim", func(c *call) []*node {
		return tensorSplit(c, "indices_or_sections", c.axis("dim", 0, c.input()))
	}},
	"hsplit": {"input indices_or_sections", func(c *call) []*node {
		return tensorSplit(c, "indices_or_sections", min(1, c.input().Rank()-1))
	}},
	"vsplit": {"input indices_or_sections", func(c *call) []*node { return tensorSplit(c, "indices_or_sections", 0) }},
	"dsplit": {"input indices_or_sections", func(c *call) []*node { return tensorSplit(c, "indices_or_sections", 2) }},
	"unbind": {"input dim", func(c *call) []*node { return c.input().Unbind(c.axis("dim", 0, c.input())) }},
	"stack":  plain("tensors dim", func(c *call) *node { return graph.Stack(c.int("dim", 0), c.xs("tensors")...) }),
	"cat": plain("tensors dim", func(c *call) *node {
		xs := c.xs("tensors")
		for _, x := range xs {
			if x.Rank() == 1 && x.Size() == 0 && xs[len(xs)-1].Rank() != 1 {
				leave("tensors of shape [0] among those of other ranks")
			}
		}
		return graph.Concat(c.int("dim", 0), xs...)
	}),
	"hstack": plain("tensors", func(c *call) *node {
		xs := c.atLeast(1)
		return graph.Concat(min(1, xs[0].Rank()-1), xs...)
	}),
	"vstack": plain("tensors", func(c *call) *node { return graph.Concat(0, c.atLeast(2)...) }),
	"dstack": plain("tensors", func(c *call) *node { return graph.Concat(2, c.atLeast(3)...) }),
	"column_stack": plain("tensors", func(c *call) *node {
		xs := c.xs("tensors")
		for i, x := range xs {
			if x.Rank() < 2 {
				xs[i] = x.Reshape(x.Size(), 1)
			}
		}
		return graph.Concat(1, xs...)
	}),
	"atleast_1d": atLeast(1), "atleast_2d": atLeast(2), "atleast_3d": atLeast(3),
	"flip": plain("input dims", func(c *call) *node {
		if list := c.ints("dims"); len(list) > 0 {
			return c.input().Flip(list...)
		}
		return c.input()
	}),
	"fliplr": of1(func(x *node) *node { return x.Flip(1) }), "flipud": of1(func(x *node) *node { return x.Flip(0) }),
	"rot90": plain("input k dims", func(c *call) *node {
		x, dims := c.input(), c.ints("dims")
		if dims == nil {
			dims = []int{0, 1}
		}
		dims = distinct(x, dims)
		for range (c.int("k", 1)%4 + 4) % 4 {
			x = x.Flip(dims[1]).Swap(dims[0], dims[1])
		}
		return x
	}),
	"roll": plain("input shifts dims", func(c *call) *node {
		x, shifts, dims := c.input(), c.ints("shifts"), c.ints("dims")
		if len(dims) == 0 {
			return x.Reshape(x.Size()).Roll(0, shifts[0]).Reshape(x.Shape()...)
		}
		if len(shifts) != len(dims) {
			leave("%d shifts of %d dimensions", len(shifts), len(dims))
		}
		for i, a := range dims {
			x = x.Roll(a, shifts[i])
		}
		return x
	}),
	"repeat": plain("input repeats", func(c *call) *node { return c.input().Repeat(c.ints("repeats")...) }),
	"tile":   plain("input dims", func(c *call) *node { return c.input().Tile(c.ints("dims")...) }),
	"repeat_interleave": plain("input repeats dim output_size", func(c *call) *node {
		x := c.input()
		if !c.has("dim") {
			return x.Reshape(x.Size()).RepeatInterleave(0, c.ints("repeats")...)
		}
		return x.RepeatInterleave(c.axis("dim", 0, x), c.ints("repeats")...)
	}),
	"tril": plain("input diagonal", func(c *call) *node { return c.input().Tril(c.int("diagonal", 0)) }),
	"triu": plain("input diagonal", func(c *call) *node { return c.input().Triu(c.int("diagonal", 0)) }),
	"diagonal": plain("input offset dim1 dim2", func(c *call) *node {
		return c.input().Diagonal(c.int("offset", 0), c.int("dim1", 0), c.int("dim2", 1))
	}),
	"linalg.diagonal": plain("input offset dim1 dim2", func(c *call) *node {
		return c.input().Diagonal(c.int("offset", 0), c.int("dim1", -2), c.int("dim2", -1))
	}),
	"diag_embed": plain("input offset dim1 dim2", func(c *call) *node {
		x := onDiagonal(c.input(), c.int("offset", 0))
		rank := x.Rank()
		dims := distinct(x, []int{c.int("dim1", -2), c.int("dim2", -1)})
		a, b := dims[0], dims[1]
		var perm []int
		for i, next := 0, 0; i < rank; i++ {
			switch i {
			case a:
				perm = append(perm, rank-2)
			case b:
				perm = append(perm, rank-1)
			default:
				perm = append(perm, next)
				next++
			}
		}
		return permute(x, perm)
	}),
	"diag": plain("input diagonal", func(c *call) *node {
		if c.input().Rank() == 1 {
			return onDiagonal(c.input(), c.int("diagonal", 0))
		}
		if c.input().Rank() > 2 {
			leave("matrices of more dimensions")
		}
		return c.input().Diagonal(c.int("diagonal", 0), 0, 1)
	}),
	"diagflat": plain("input offset", func(c *call) *node { return onDiagonal(c.input().Reshape(c.input().Size()), c.int("offset", 0)) }),
	"trace":    of1((*node).Trace),
	"unfold": plain("input dimension size step", func(c *call) *node {
		x := c.input()
		return x.Window(graph.Window{Axes: []int{c.axis("dimension", 0, x)}, Size: []int{c.int("size", 1)}, Stride: []int{c.int("step", 1)}})
	}),
	"nn.functional.pad/constant": plain("input pad mode value", pad), "constant_pad_nd": plain("input pad value", pad),
	"nn.functional.pixel_shuffle": plain("input upscale_factor", func(c *call) *node {
		x, r := c.input(), c.int("upscale_factor", 1)
		k := x.Rank() - 3
		s := x.Shape()
		y := x.Unflatten(k, s[k]/(r*r), r, r) // ..., c, r, r, h, w
		y = y.MoveAxis(k+2, k+4).MoveAxis(k+1, k+2)
		return y.Reshape(append(s[:k], s[k]/(r*r), s[k+1]*r, s[k+2]*r)...)
	}),
	"nn.functional.channel_shuffle": plain("input groups", func(c *call) *node {
		return c.input().Unflatten(1, c.int("groups", 1), -1).Swap(1, 2).Reshape(c.input().Shape()...)
	}),
}

// distinct returns the dimensions of x that a list means.
func distinct(x *node, list []int) []int {
	out := slices.Clone(list)
	for i, a := range out {
		if a < 0 {
			out[i] += x.Rank()
		}
		if out[i] < 0 || out[i] >= x.Rank() || slices.Contains(out[:i], out[i]) {
			leave("dimensions that are not there, or twice")
		}
	}
	return out
}

func reshaped(name string) entry {
	return plain("input "+name, func(c *call) *node { return c.input().Reshape(c.ints(name)...) })
}

func squeeze(c *call) *node {
	x := c.input()
	dims := c.ints("dim")
	if !c.has("dim") {
		for i := range x.Rank() {
			dims = append(dims, i)
		}
	}
	var list []int // of those of size 1
	for _, a := range dims {
		if x.Rank() > 0 && x.Dim(a) == 1 {
			list = append(list, a)
		}
	}
	if len(list) == 0 {
		return x
	}
	return x.Squeeze(list...)
}

// permute is Transpose, where no dimensions are none.
func permute(x *node, perm []int) *node {
	if len(perm) == 0 {
		return x
	}
	return x.Transpose(perm...)
}

func reverse(x *node) *node { return x.Transpose() }

// expand is BroadcastTo, where -1 stands for the size that there is.
func expand(x *node, sizes []int) *node {
	for i, d := range sizes {
		if d == -1 {
			sizes[i] = x.Dim(i - len(sizes))
		}
	}
	return x.BroadcastTo(sizes...)
}

func split(c *call) []*node {
	x := c.input()
	a := c.int("dim", 0)
	sizes := c.ints("split_size_or_sections")
	if _, each := c.args["split_size_or_sections"].(float64); !each {
		return x.Split(a, sizes...)
	}
	n := x.Dim(a)
	if sizes[0] < 1 {
		leave("pieces of size 0")
	}
	var list []int
	for at := 0; at < n; at += sizes[0] {
		list = append(list, min(sizes[0], n-at))
	}
	return x.Split(a, list...)
}

func tensorSplit(c *call, name string, a int) []*node {
	x := c.input()
	n := x.Dim(a)
	var out []*node
	list := c.ints(name)
	o, isTensor := c.args[name].(*operand)
	_, isNumber := c.args[name].(float64)
	if isNumber || isTensor && len(o.value.Shape()) == 0 {
		parts := list[0]
		if parts < 1 {
			leave("%d pieces", parts)
		}
		for i, at := 0, 0; i < parts; i++ {
			size := n / parts
			if i < n%parts {
				size++
			}
			out = append(out, x.Slice(a, at, at+size, 1))
			at += size
		}
		return out
	}
	start := 0
	for _, at := range append(list, n) {
		out = append(out, x.Slice(a, start, at, 1))
		start = at
	}
	return out
}

// atLeast returns the tensors with dimensions added up to n.
func (c *call) atLeast(n int) []*node {
	xs := c.xs("tensors")
	for i, x := range xs {
		xs[i] = dimensions(x, n)
	}
	return xs
}

func dimensions(x *node, n int) *node {
	if x.Rank() == 0 {
		x = x.Unsqueeze(0)
	}
	if x.Rank() < 2 && n >= 2 {
		x = x.Unsqueeze(0)
	}
	if x.Rank() < 3 && n >= 3 {
		x = x.Unsqueeze(-1)
	}
	return x
}

func atLeast(n int) entry {
	return entry{"tensors", func(c *call) []*node { return c.atLeast(n) }}
}

// onDiagonal puts the last dimension of x on diagonal k of square matrices.
func onDiagonal(x *node, k int) *node {
	y := x.DiagEmbed()
	pads := make([]graph.Padding, y.Rank())
	pads[len(pads)-2] = graph.Padding{Low: max(0, -k), High: max(0, k)}
	pads[len(pads)-1] = graph.Padding{Low: max(0, k), High: max(0, -k)}
	return y.Pad(0, pads...)
}

func pad(c *call) *node {
	x := c.input()
	list := c.ints("pad")
	pads := make([]graph.Padding, x.Rank())
	if len(list)%2 != 0 || len(list)/2 > len(pads) {
		graph.Fail("pad", "%v for %s", list, x.TypeString())
	}
	for i := 0; i < len(list); i += 2 {
		pads[len(pads)-1-i/2] = graph.Padding{Low: list[i], High: list[i+1]}
	}
	return x.Pad(c.float("value", 0), pads...)
}

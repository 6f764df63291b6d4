package graph

import (
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Conv describes a convolution over the last dimensions of a value. Lists have
// one number per spatial dimension; an omitted Stride or Dilation is 1, an
// omitted Low or High is 0, and Groups of 0 is 1.
type Conv struct {
	Stride    []int
	Low, High []int // zeros put before and after, at least 0
	Dilation  []int // distance of the kernel's elements
	Groups    int   // parts of the channels that are convolved each with their own kernels
}

// Conv returns the convolution (the cross-correlation, to be exact) of x
// [batch,in,...] with the kernels w [out,in/groups,...], of at least one spatial
// dimension: y [batch,out,...] with
//
//	y[n,o,p] = sum over c, u of w[o,c,u] * x[n,c,p*stride+u*dilation-low]
//
// It is torch.nn.functional.conv1d, conv2d or conv3d. x may lack the batch. x and
// w are promoted.
func (x *Node) Conv(w *Node, c Conv) *Node {
	const op = "conv"
	g := x.use(op, w)
	ns := g.promote(x.n, w.n)
	s, k := x.n.Shape(), w.n.Shape()
	nd := len(k) - 2
	if nd < 1 || len(s) != nd+2 && len(s) != nd+1 {
		Fail(op, "%v does not go with the kernels %v: wants [batch,in,...] and [out,in/groups,...] of as many spatial dimensions", x.n.Type, w.n.Type)
	}
	if x.n.DType() == types.Bool && w.n.DType() == types.Bool {
		Fail(op, "wants numbers: %v and %v", x.n.Type, w.n.Type)
	}
	if len(s) == nd+1 {
		y := (&Node{g, g.b.Reshape(ns[0], slices.Insert(s.Clone(), 0, 1)...)}).Conv(w, c)
		return y.Reshape(y.n.Shape()[1:]...)
	}
	groups := max(c.Groups, 1)
	switch {
	case c.Groups < 0 || s[1]%groups != 0 || k[0]%groups != 0:
		Fail(op, "%d groups do not divide the channels of %v and the kernels %v", c.Groups, x.n.Type, w.n.Type)
	case s[1]/groups != k[1]:
		Fail(op, "%v has %d channels in each of %d groups, the kernels %v want %d", x.n.Type, s[1]/groups, groups, w.n.Type, k[1])
	}
	v := windows{op: op, size: k[2:], stride: c.Stride, low: c.Low, high: c.High, dilation: c.Dilation}
	v.check(x.n.Type)

	// Channels are (group, channel in group); a lone group has no dimension.
	const batch, group, out, in, first = "n", "g", "o", "c", 'p'
	xs, ws := slices.Concat(types.Shape{s[0], groups, k[1]}, s[2:]), slices.Concat(types.Shape{groups, k[0] / groups}, k[1:])
	lx, lw, lo := batch+group+in, group+out+in, batch+group+out
	if groups == 1 {
		xs, ws = s, k
		lx, lw, lo = batch+in, out+in, batch+out
	}
	// Labels of positions are p, q, r ..., those of offsets P, Q, R ....
	positions, offsets := "", ""
	for i := range nd {
		positions += string(rune(first + i))
		offsets += strings.ToUpper(string(rune(first + i)))
	}
	if nd > 'z'-first+1 {
		Fail(op, "more than %d spatial dimensions: %v", 'z'-first+1, x.n.Type)
	}
	view := v.over(g, g.b.Reshape(ns[0], xs...), 0)
	left, right := labelled{view, lx + positions + offsets}, labelled{g.b.Reshape(ns[1], ws...), lw + offsets}
	y := g.contract(left, right, lo+positions)
	return g.wrap(op, g.b.Reshape(y, slices.Concat(types.Shape{s[0], k[0]}, y.Shape()[len(lo):])...))
}

// windows are sliding windows over the last dimensions of a value.
type windows struct {
	op                                string
	size, stride, low, high, dilation []int
}

// check fills in what is left out and fails unless the windows fit a value of
// type t.
func (v *windows) check(t types.Type) {
	k := len(v.size)
	list := func(what string, l *[]int, none, least int) {
		if *l == nil {
			*l = filled(k, none)
		}
		if len(*l) != k {
			Fail(v.op, "%s %v: wants %d numbers, one for each spatial dimension of %v", what, *l, k, t)
		}
		for _, n := range *l {
			if n < least {
				Fail(v.op, "%s %v: wants at least %d for each spatial dimension of %v", what, *l, least, t)
			}
			if n > types.MaxElements {
				Fail(v.op, "%s %v of %v is too large", what, *l, t)
			}
		}
	}
	list("size", &v.size, 1, 1)
	list("stride", &v.stride, 1, 1)
	list("dilation", &v.dilation, 1, 1)
	list("low padding", &v.low, 0, 0)
	list("high padding", &v.high, 0, 0)
	first := len(t.Shape) - k
	for i := range k {
		if v.size[i] > 1 && v.dilation[i] > types.MaxElements/v.size[i] {
			Fail(v.op, "dilation %d of a window of %d is too large", v.dilation[i], v.size[i])
		}
		if d := t.Shape[first+i]; d+v.low[i]+v.high[i] < v.extent(i) {
			Fail(v.op, "a window of %d elements %d apart does not fit dimension %d of %v with padding %d and %d",
				v.size[i], v.dilation[i], first+i, t, v.low[i], v.high[i])
		}
	}
}

// extent is the number of elements from a window's first to its last.
func (v *windows) extent(i int) int { return (v.size[i]-1)*v.dilation[i] + 1 }

// over returns the windows over the last dimensions of n: these count
// positions, and the windows' own dimensions follow.
func (v *windows) over(g *Graph, n *ir.Node, fill float64) *ir.Node {
	k := len(v.size)
	first := len(n.Shape()) - k
	w := Window{Stride: v.stride, Low: v.low, High: v.high}
	for i := range k {
		w.Axes = append(w.Axes, first+i)
		w.Size = append(w.Size, v.extent(i))
	}
	a := w.attr(v.op, n.Type)
	a.Value = fill
	y := g.b.New(ir.OpWindow, a, n)
	if !slices.ContainsFunc(v.dilation, func(d int) bool { return d > 1 }) {
		return y
	}
	dims := y.Shape().Clone()
	start, step := make([]int, len(dims)), filled(len(dims), 1)
	for i := range k {
		if v.size[i] > 1 {
			dims[first+k+i], step[first+k+i] = v.size[i], v.dilation[i]
		}
	}
	return g.b.Slice(y, start, dims, step)
}

package passes

import (
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// The gradient of a convolution is a contraction, of the cotangent and the
// kernels, whose windows unwindow adds up. Both sums are one: a contraction of
// windows of the cotangent and the kernels in reverse order, which needs no
// memory for the windows.

// An unwound is one axis of an unwindow, over a contraction, whose positions are
// read by one operand and whose offsets by the other. Element t of the result is
// the sum over offsets u of position p with p*stride + u*dilation - low = t.
type unwound struct {
	axis                              int // of the result
	position, offset                  byte
	size, stride, dilation, low, dims int
	x                                 int  // dimension of positions in the operand that has them
	phase                             byte // label of t+low mod stride

	taps   int // offsets that add to an element of the phases from lo to below hi
	lo, hi int
}

// A phaseRun is a range of phases to whose elements as many offsets add.
type phaseRun struct{ taps, lo, hi int }

// runs splits the phases: where the stride does not divide the size, the last
// ones have an offset less.
func (u *unwound) runs() []phaseRun {
	taps := (u.size + u.stride - 1) / u.stride
	more := u.size - (taps-1)*u.stride
	if more == u.stride {
		return []phaseRun{{taps, 0, u.stride}}
	}
	return []phaseRun{{taps, 0, more}, {taps - 1, more, u.stride}}
}

// rows is the number of runs of stride elements that cover the result and the
// padding before it.
func (u *unwound) rows() int { return (u.dims + u.low + u.stride - 1) / u.stride }

// canonUnwindow makes one contraction of an unwindow of a contraction, or one for
// every run of phases of the strides. It adds up in another order, and zeros of
// windows that leave the cotangent make NaN of a kernel's infinity. Where windows
// do not overlap there is nothing to add.
func canonUnwindow(r *rewriter, n *ir.Node) *ir.Node {
	c, dilation := undilated(n)
	if c.Op != ir.OpContract || r.users[c] != 1 || c != n.Args[0] && r.users[n.Args[0]] != 1 {
		return nil
	}
	la, lb, lo := ir.SplitLabels(c.Attr.Labels)
	x, y := c.Args[0], c.Args[1]
	if strings.IndexByte(la, lo[n.Attr.Axes[0]]) < 0 {
		x, y, la, lb = y, x, lb, la
	}
	var us []*unwound
	overlap := false
	for i, axis := range n.Attr.Axes {
		u := &unwound{
			axis: axis, position: lo[axis], offset: lo[len(n.Attr.Dims)+i], size: c.Shape()[len(n.Attr.Dims)+i],
			stride: n.Attr.Step[i], dilation: dilation[i], low: n.Attr.Start[i], dims: n.Attr.Dims[axis],
		}
		u.x = strings.IndexByte(la, u.position)
		if u.x < 0 || strings.IndexByte(lb, u.position) >= 0 || strings.IndexByte(lb, u.offset) < 0 || strings.IndexByte(la, u.offset) >= 0 ||
			u.stride > 1 && u.dilation > 1 || u.stride > u.size || u.low < 0 || u.dims == 0 {
			return nil
		}
		overlap = overlap || u.size > u.stride
		us = append(us, u)
	}
	if !overlap || !labelPhases(us, la+lb) {
		return nil
	}
	z := contractRuns(r, [2]*ir.Node{x, y}, [3]string{la, lb, lo[:len(n.Attr.Dims)]}, us, 0)
	return unsplit(r, z, n.Attr.Dims, us)
}

// contractRuns returns the contraction of all phases of the axes from i on; those
// before are at one run. Every run is a contraction of its own, so that none
// multiplies zeros in the place of the offsets that it lacks.
func contractRuns(r *rewriter, operands [2]*ir.Node, labels [3]string, us []*unwound, i int) *ir.Node {
	out := phases(labels[2], us)
	if i == len(us) {
		x, la := windowsOf(r, operands[0], labels[0], us)
		y, lb := reversed(r, operands[1], labels[1], us)
		return r.new(ir.OpContract, ir.Attr{Labels: la + "," + lb + "->" + out}, x, y)
	}
	u := us[i]
	var parts []*ir.Node
	for _, run := range u.runs() {
		u.taps, u.lo, u.hi = run.taps, run.lo, run.hi
		parts = append(parts, contractRuns(r, operands, labels, us, i+1))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return r.new(ir.OpConcat, ir.Attr{Axes: []int{strings.IndexByte(out, u.phase)}}, parts...)
}

// undilated returns the value whose windows n adds up, without the zeros that
// stand between the elements of dilated windows, and the distances of these.
func undilated(n *ir.Node) (*ir.Node, []int) {
	x := n.Args[0]
	one := make([]int, len(n.Attr.Axes))
	for i := range one {
		one[i] = 1
	}
	if x.Op != ir.OpPad || x.Attr.Value != 0 {
		return x, one
	}
	first := len(n.Attr.Dims)
	for i, d := range x.Args[0].Shape() {
		last := (d - 1) * x.Attr.Step[i]
		if x.Attr.Start[i] != 0 || x.Shape()[i] != last+1 || i < first && x.Attr.Step[i] != 1 {
			return x, one
		}
	}
	return x.Args[0], x.Attr.Step[first:]
}

// labelPhases gives phases labels that are free; false if there are none.
func labelPhases(us []*unwound, used string) bool {
	for _, u := range us {
		if u.stride == 1 {
			continue
		}
		for l := byte('a'); u.phase == 0; l++ {
			switch {
			case l > 'z':
				return false
			case strings.IndexByte(used, l) < 0:
				u.phase = l
				used += string(l)
			}
		}
	}
	return true
}

// windowsOf returns the windows of x, the operand with the positions: an element
// of the result reads the positions of one.
func windowsOf(r *rewriter, x *ir.Node, labels string, us []*unwound) (*ir.Node, string) {
	byAxis := slices.SortedFunc(slices.Values(us), func(a, b *unwound) int { return a.x - b.x })
	a := ir.Attr{Dims: x.Shape().Clone()}
	rank := len(a.Dims)
	var take []int
	for _, u := range byAxis {
		size, start, places := u.taps, u.taps-1, u.rows()
		if u.stride == 1 {
			size = (u.size-1)*u.dilation + 1
			start, places = size-1-u.low, u.dims
		}
		a.Axes, a.Size, a.Step, a.Start = append(a.Axes, u.x), append(a.Size, size), append(a.Step, 1), append(a.Start, start)
		a.Dims[u.x] = places
		labels += string(u.offset)
		take = append(take, u.taps)
	}
	a.Dims = append(a.Dims, a.Size...)
	w := r.new(ir.OpWindow, a, x)
	dims := append(w.Shape()[:rank].Clone(), take...)
	if w.Shape().Equal(dims) {
		return w, labels
	}
	step := unit(len(dims))
	for i, u := range byAxis {
		step[rank+i] = u.dilation
	}
	return r.new(ir.OpSlice, ir.Attr{Start: make([]int, len(dims)), Dims: dims, Step: step}, w), labels
}

// reversed returns y, the operand with the offsets, with these in reverse order;
// those of strides are split into taps and phases.
func reversed(r *rewriter, y *ir.Node, labels string, us []*unwound) (*ir.Node, string) {
	whole, split := y.Shape().Clone(), types.Shape{}
	cut := ir.Attr{}
	take := func(size, from, count, step int) {
		if count == 1 {
			step = 1
		}
		split, cut.Start, cut.Dims, cut.Step = append(split, size), append(cut.Start, from), append(cut.Dims, count), append(cut.Step, step)
	}
	for i, d := range y.Shape() {
		at := slices.IndexFunc(us, func(u *unwound) bool { return u.offset == labels[i] })
		if at < 0 {
			take(d, 0, d, 1)
			continue
		}
		u := us[at]
		take(u.taps, u.taps-1, u.taps, -1)
		if u.stride > 1 {
			whole[i] = u.taps * u.stride
			take(u.stride, u.lo, u.hi-u.lo, 1)
		}
	}
	if !y.Shape().Equal(whole) {
		// What is added is in phases that are cut off.
		y = r.new(ir.OpPad, ir.Attr{Start: make([]int, len(whole)), Dims: whole, Step: unit(len(whole))}, y)
	}
	if !y.Shape().Equal(split) {
		y = r.new(ir.OpReshape, ir.Attr{Dims: split}, y)
	}
	for _, u := range us {
		if u.stride > 1 {
			labels = strings.Replace(labels, string(u.offset), string([]byte{u.offset, u.phase}), 1)
		}
	}
	return r.new(ir.OpSlice, cut, y), labels
}

// phases puts the label of the phase behind every position with a stride.
func phases(labels string, us []*unwound) string {
	for _, u := range us {
		if u.stride > 1 {
			labels = strings.Replace(labels, string(u.position), string([]byte{u.position, u.phase}), 1)
		}
	}
	return labels
}

// unsplit joins rows and phases and takes the padding off.
func unsplit(r *rewriter, z *ir.Node, dims []int, us []*unwound) *ir.Node {
	joined, start := slices.Clone(dims), make([]int, len(dims))
	for _, u := range us {
		if u.stride > 1 {
			joined[u.axis], start[u.axis] = u.rows()*u.stride, u.low
		}
	}
	if !z.Shape().Equal(joined) {
		z = r.new(ir.OpReshape, ir.Attr{Dims: joined}, z)
	}
	if !z.Shape().Equal(dims) {
		z = r.new(ir.OpSlice, ir.Attr{Start: start, Dims: slices.Clone(dims), Step: unit(len(dims))}, z)
	}
	return z
}

func unit(n int) []int {
	l := make([]int, n)
	for i := range l {
		l[i] = 1
	}
	return l
}

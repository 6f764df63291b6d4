package graph

import (
	"math"
	"slices"

	"dumbtorch/ir/types"
)

// End as a bound of [Node.Slice] leaves it out.
const End = math.MaxInt

// Slice takes elements start, start+step and so on up to but not including stop
// along a dimension, by the rules of Python: negative bounds count from the
// end, bounds outside are cut, and the step may be negative. [End] leaves a
// bound out: x.Slice(0, graph.End, graph.End, -1) reverses. It is x[start:stop:step]
// of PyTorch, where steps are positive.
func (x *Node) Slice(axis, start, stop, step int) *Node {
	const op = "slice"
	g := x.use(op)
	a := x.axis(op, axis)
	if step == 0 {
		Fail(op, "the step is 0")
	}
	size := x.n.Shape()[a]
	if start == End && step > 0 {
		start = 0
	}
	if start != End {
		start = g.size(op, start)
	}
	if stop != End {
		stop = g.size(op, stop)
	}
	from, count := pythonSlice(start, stop, step, size)
	return x.slice(op, a, from, count, step)
}

// pythonSlice returns the first element and the number of elements that Python
// takes from size elements.
func pythonSlice(start, stop, step, size int) (from, count int) {
	low, high := 0, size // where bounds are cut
	if step < 0 {
		low, high = -1, size-1
	}
	cut := func(i int) int {
		if i < 0 {
			i += size
		}
		return min(max(i, low), high)
	}
	from = cut(start)
	to := low
	if step > 0 || stop != End {
		to = cut(stop)
	}
	switch {
	case step > 0 && to > from:
		count = (to - from - 1) / step
		count++
	case step < 0 && to < from:
		count = (from - to - 1) / -step
		count++
	}
	if count == 0 {
		from = 0
	}
	return from, count
}

// slice takes count elements along dimension a.
func (x *Node) slice(op string, a, from, count, step int) *Node {
	s := x.n.Shape().Clone()
	if from == 0 && count == s[a] && step == 1 {
		return x.g.wrap(op, x.n)
	}
	start, steps := make([]int, len(s)), filled(len(s), 1)
	if count <= 1 {
		step = 1
	}
	start[a], steps[a], s[a] = from, step, count
	return x.g.wrap(op, x.g.b.Slice(x.n, start, s, steps))
}

func filled(n, v int) []int {
	l := make([]int, n)
	for i := range l {
		l[i] = v
	}
	return l
}

// Index takes element i along a dimension and removes it: x[i], torch.select. A
// negative i counts from the end.
func (x *Node) Index(axis, i int) *Node {
	const op = "index"
	g := x.use(op)
	a := x.axis(op, axis)
	s := x.n.Shape()
	if i < -s[a] || i >= s[a] {
		Fail(op, "element %d is out of range for dimension %d of %v", i, a, x.n.Type)
	}
	if i < 0 {
		i += s[a]
	}
	y := x.slice(op, a, i, 1, 1)
	return g.wrap(op, g.b.Reshape(y.n, slices.Delete(s.Clone(), a, a+1)...))
}

// Flip reverses the given dimensions, all if none is given: torch.flip.
func (x *Node) Flip(axes ...int) *Node {
	const op = "flip"
	g := x.use(op)
	s := x.n.Shape()
	start, step := make([]int, len(s)), filled(len(s), 1)
	for _, a := range x.axes(op, axes) {
		if s[a] > 1 {
			start[a], step[a] = s[a]-1, -1
		}
	}
	return g.wrap(op, g.b.Slice(x.n, start, s.Clone(), step))
}

// Split cuts x along a dimension into pieces of the given sizes, which must add
// up: torch.split with a list.
func (x *Node) Split(axis int, sizes ...int) []*Node {
	const op = "split"
	g := x.use(op)
	a := x.axis(op, axis)
	pieces := g.shape(op, sizes)
	total := 0
	for _, n := range pieces {
		total += n
	}
	if total != x.n.Shape()[a] {
		Fail(op, "sizes %v do not add up to dimension %d of %v", pieces, a, x.n.Type)
	}
	var out []*Node
	at := 0
	for _, n := range pieces {
		out = append(out, x.slice(op, a, at, n, 1))
		at += n
	}
	return out
}

// Padding is what [Node.Pad] does to one dimension: elements put before and
// after, which a negative number takes away, and between any two.
type Padding struct{ Low, High, Interior int }

// Pad puts elements of the given value around and between those of x, with one
// Padding for each dimension: XLA's pad; torch.nn.functional.pad in mode
// "constant" without what is put between.
func (x *Node) Pad(value float64, pads ...Padding) *Node {
	const op = "pad"
	g := x.use(op)
	s := x.n.Shape()
	if len(pads) != len(s) {
		Fail(op, "wants one padding per dimension (%d), got %d", len(s), len(pads))
	}
	g.checkValue(op, x.n.DType(), value)
	start, dims, step := make([]int, len(s)), make([]int, len(s)), make([]int, len(s))
	for i, p := range pads {
		const most = types.MaxElements
		if p.Interior < 0 || max(p.Low, p.High, p.Interior) > most || min(p.Low, p.High) < -most {
			Fail(op, "padding %+v of dimension %d is out of range", p, i)
		}
		if s[i] > 1 && p.Interior > most/s[i] {
			Fail(op, "padding %+v makes dimension %d of %v too large", p, i, x.n.Type)
		}
		start[i], step[i] = p.Low, 1+p.Interior
		dims[i] = p.Low + p.High + s[i] + max(0, s[i]-1)*p.Interior
		if dims[i] < 0 {
			Fail(op, "padding %+v takes more than dimension %d of %v has", p, i, x.n.Type)
		}
	}
	return g.wrap(op, g.b.Pad(x.n, value, start, dims, step))
}

package graph

import (
	"math"

	"dumbtorch/ir/types"
)

// Upsample repeats elements so that the last dimensions of x get the given
// sizes, which may be smaller, too: element i of d takes the element
// floor(i*size/d) of size. It is torch.nn.functional.interpolate in mode
// "nearest", its rounding in f32 included.
func (x *Node) Upsample(sizes ...int) *Node {
	const op = "upsample"
	g := x.use(op)
	to := g.shape(op, sizes)
	from := x.spatial(op, len(to))
	for i, d := range to {
		if d < 1 {
			Fail(op, "size %v for %v: wants at least 1", to, x.n.Type)
		}
		x = x.nearest(len(x.n.Shape())-len(to)+i, d, float32(from[i])/float32(d))
	}
	return x
}

// UpsampleBy is [Node.Upsample] to the sizes times scale, rounded down: element i
// takes the element floor(i/scale).
func (x *Node) UpsampleBy(scale ...float64) *Node {
	const op = "upsample"
	x.use(op)
	from := x.spatial(op, len(scale))
	for i, f := range scale {
		d := math.Floor(float64(from[i]) * f)
		if !(d >= 1 && d <= types.MaxElements) {
			Fail(op, "scale %v of %v: wants a finite number that leaves elements", f, x.n.Type)
		}
		x = x.nearest(len(x.n.Shape())-len(scale)+i, int(d), float32(1/f))
	}
	return x
}

// spatial returns the last k dimensions of x.
func (x *Node) spatial(op string, k int) types.Shape {
	s := x.n.Shape()
	if k == 0 || k > len(s) || s[len(s)-k:].Size() == 0 {
		Fail(op, "%d dimensions of %v: wants at least one, none empty", k, x.n.Type)
	}
	return s[len(s)-k:]
}

// nearest makes d elements of dimension a: element i is floor(i*ratio).
func (x *Node) nearest(a, d int, ratio float32) *Node {
	size := x.n.Shape()[a]
	if d == size {
		return x
	}
	if max(d, size) > maxPositions {
		Fail("upsample", "from %d to %d elements of dimension %d of %v: more than 2^24", size, d, a, x.n.Type)
	}
	index := make([]int32, d)
	repeats := d%size == 0
	for i := range index {
		index[i] = int32(min(int(float32(i)*ratio), size-1))
		if d == 2*size {
			index[i] = int32(i / 2)
		}
		repeats = repeats && int(index[i]) == i/(d/size)
	}
	if !repeats {
		return x.Take(a, Constant(x.g, index, d))
	}
	before, after := x.n.Shape()[:a].Clone(), x.n.Shape()[a+1:]
	in := append(append(before.Clone(), size, 1), after...)
	wide := append(append(before.Clone(), size, d/size), after...)
	out := append(append(before, d), after...)
	return x.Reshape(in...).BroadcastTo(wide...).Reshape(out...)
}

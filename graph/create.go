package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Scalar returns a constant of no dimensions. v must be a value of d, rounded
// for floating-point types.
func Scalar(g *Graph, d types.DType, v float64) *Node { return full("scalar", g, d, v, nil) }

// Full returns a constant with every element v, a value of d, rounded for
// floating-point types: torch.full.
func Full(g *Graph, d types.DType, v float64, dims ...int) *Node { return full("full", g, d, v, dims) }

// Zeros returns a constant of zeros: torch.zeros.
func Zeros(g *Graph, d types.DType, dims ...int) *Node { return full("zeros", g, d, 0, dims) }

// Ones returns a constant of ones: torch.ones.
func Ones(g *Graph, d types.DType, dims ...int) *Node { return full("ones", g, d, 1, dims) }

func full(op string, g *Graph, d types.DType, v float64, list []int) *Node {
	g.open(op)
	return g.wrap(op, g.constant(op, types.Type{DType: g.dtype(op, d), Shape: g.shape(op, list)}, v))
}

func (g *Graph) dtype(op string, d types.DType) types.DType {
	if !d.Public() {
		Fail(op, "%v is no element type of a value", d)
	}
	return d
}

// Iota returns the index along one dimension: element [i,j] of
// Iota(g, d, 1, 2, 3) is j. d is no bool. It is torch.arange, expanded.
func Iota(g *Graph, d types.DType, axis int, dims ...int) *Node {
	const op = "iota"
	g.open(op)
	t := types.Type{DType: g.dtype(op, d), Shape: g.shape(op, dims)}
	return g.wrap(op, g.b.Iota(t, resolveAxis(op, axis, len(dims), t)))
}

// Arange returns start, start+step and so on up to but not including stop:
// torch.arange. Integer types want integers. d is no bool.
func Arange(g *Graph, d types.DType, start, stop, step float64) *Node {
	const op = "arange"
	g.open(op)
	if g.dtype(op, d) == types.Bool {
		Fail(op, "counts in numbers, not in bool")
	}
	g.checkValue(op, d, start)
	g.checkValue(op, d, step)
	checkNumber(op, stop)
	if d.IsHalf() { // whose indices would be rounded before they are moved and scaled
		return Arange(g, F32, start, stop, step).Cast(d)
	}
	n := math.Ceil((stop - start) / step)
	if step == 0 || !(n >= 0) {
		Fail(op, "from %v to %v in steps of %v: wants a step towards the end", start, stop, step)
	}
	if n > types.MaxElements {
		Fail(op, "from %v to %v in steps of %v: more than 2^48 elements", start, stop, step)
	}
	x := &Node{g, g.b.Iota(types.Of(d, int(n)), 0)}
	return g.wrap(op, x.affine(op, step, start).n)
}

// Linspace returns n numbers from start to stop, both included, at equal
// distances: torch.linspace. Of one number it is start. d is a floating-point
// type.
func Linspace(g *Graph, d types.DType, start, stop float64, n int) *Node {
	const op = "linspace"
	g.open(op)
	if !d.IsFloat() || !d.Public() {
		Fail(op, "makes floating-point numbers, not %v", d)
	}
	checkNumber(op, start)
	checkNumber(op, stop)
	if d.IsHalf() {
		return Linspace(g, F32, start, stop, n).Cast(d)
	}
	s := g.shape(op, []int{n})
	t := types.Type{DType: d, Shape: s}
	if s[0] < 2 {
		return g.wrap(op, g.b.Const(t, start))
	}
	// From the nearer end, so that both are met.
	i := &Node{g, g.b.Iota(types.Type{DType: types.I64, Shape: s.Clone()}, 0)}
	step := (stop - start) / float64(s[0]-1)
	up := i.Cast(d).MulScalar(step).AddScalar(start)
	down := i.Neg().AddScalar(float64(s[0] - 1)).Cast(d).MulScalar(-step).AddScalar(stop)
	low := i.binary(op, ir.OpLt, Scalar(g, types.I64, float64(s[0]/2)))
	return Where(low, up, down)
}

// Constant returns a constant of the given row-major elements; no dims make a
// scalar.
func Constant[T tensor.Element](g *Graph, data []T, dims ...int) *Node {
	const op = "constant"
	g.open(op)
	t, err := tensor.From(data, g.shape(op, dims)...)
	if err != nil {
		Fail(op, "%w", err)
	}
	return ConstantOf(g, t)
}

// ConstantOf returns a constant with the value that t has now.
func ConstantOf(g *Graph, t *tensor.Tensor) *Node {
	const op = "constant"
	g.open(op)
	if t == nil || !t.DType().Public() {
		Fail(op, "the tensor is nil")
	}
	return g.wrap(op, g.b.Literal(t.Type(), append([]byte{}, t.Bytes()...)))
}

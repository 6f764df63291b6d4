package graph

import (
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// rngState is the state of all random numbers: a seed and the number of steps
// taken. A session that runs several graphs has one, since they share the
// variable.
var rngState = func() *Variable {
	v := NewVariable("rng.state", types.Of(types.I64, 2), func(dst *tensor.Tensor, seed uint64) error {
		d, err := tensor.Data[int64](dst)
		if err != nil {
			return err
		}
		d[0], d[1] = int64(seed), 0
		return nil
	})
	v.Freeze()
	return v
}()

// Uniform returns random numbers, uniform in [lo, hi), other ones at every
// step. Every call has a stream of its own; the numbers are a function of the
// session's seed, the step, the stream and the position. They are lo plus a
// multiple of hi-lo, rounded: hi itself may come up where rounding takes it there.
// It is torch.Tensor.uniform_, whose numbers are others and depend on the order
// of calls.
func Uniform(g *Graph, d types.DType, lo, hi float64, dims ...int) *Node {
	const op = "uniform"
	g.open(op)
	if !(lo <= hi) {
		Fail(op, "bounds %v and %v are not in order", lo, hi)
	}
	n := g.b.Uniform(g.randomType(op, d, dims), g.Var(rngState).n, g.stream())
	return g.wrap(op, n).affine(op, hi-lo, lo)
}

// Normal returns random numbers of a normal distribution: torch.normal; see
// [Uniform].
func Normal(g *Graph, d types.DType, mean, std float64, dims ...int) *Node {
	const op = "normal"
	g.open(op)
	if !(std >= 0) {
		Fail(op, "the standard deviation %v is negative", std)
	}
	n := g.b.Normal(g.randomType(op, d, dims), g.Var(rngState).n, g.stream())
	return g.wrap(op, n).affine(op, std, mean)
}

// affine returns scale*x + shift.
func (x *Node) affine(op string, scale, shift float64) *Node {
	if scale != 1 {
		x = x.scalar(op, ir.OpMul, scale)
	}
	if shift != 0 {
		x = x.scalar(op, ir.OpAdd, shift)
	}
	return x
}

func (g *Graph) randomType(op string, d types.DType, dims []int) types.Type {
	if !d.IsFloat() {
		Fail(op, "makes floating-point numbers, not %v", d)
	}
	return types.Type{DType: d, Shape: g.shape(op, dims)}
}

// stream returns the number of the next stream of random numbers.
func (g *Graph) stream() int64 {
	g.randoms++
	return int64(g.randoms - 1)
}

// advanceRandom counts the step.
func (g *Graph) advanceRandom() {
	state := g.Var(rngState)
	g.Assign(rngState, state.Add(Constant(g, []int64{0, 1}, 2)))
}

// Dropout zeroes every element with probability p, chosen anew at every step,
// and scales the others by 1/(1-p), in a graph of training ([Training]); in any
// other it returns x: torch.nn.functional.dropout (Srivastava et al., "Dropout:
// a simple way to prevent neural networks from overfitting", 2014). The choice is
// a function of the session's seed, the step, the call's stream and the
// position, the same on every device; it compares p with multiples of 2^-24.
func (x *Node) Dropout(p float64) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Dropout(p) }); ok {
		return y
	}
	const op = "dropout"
	g := x.use(op)
	x.wantFloat(op)
	if !(p >= 0 && p <= 1) {
		Fail(op, "probability %v is not between 0 and 1", p)
	}
	if !g.training || p == 0 {
		return x
	}
	if p == 1 {
		return x.Mul(Scalar(g, x.n.DType(), 0))
	}
	u := Uniform(g, types.F32, 0, 1, x.n.Shape()...)
	keep := u.GreaterEqual(Scalar(g, types.F32, p))
	d := x.n.DType()
	return x.Mul(Where(keep, Scalar(g, d, 1/(1-p)), Scalar(g, d, 0)))
}

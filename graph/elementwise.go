package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Arithmetic. Operands are promoted and broadcast.

// Add returns x + y: torch.add. Integers wrap. Of two bool it is an error; use
// [Node.Or].
func (x *Node) Add(y *Node) *Node { return x.binary("add", ir.OpAdd, y) }

// Sub returns x - y: torch.sub. Integers wrap. Of two bool it is an error.
func (x *Node) Sub(y *Node) *Node { return x.binary("sub", ir.OpSub, y) }

// Mul returns x * y: torch.mul. Integers wrap. Of two bool it is an error; use
// [Node.And].
func (x *Node) Mul(y *Node) *Node { return x.binary("mul", ir.OpMul, y) }

// Div returns x / y: torch.div. Integers and bool are divided as f32.
func (x *Node) Div(y *Node) *Node {
	g := x.use("div", y)
	ns := g.promote(x.n, y.n)
	for i, n := range ns {
		ns[i] = g.toFloat(n)
	}
	ns = g.align("div", ns...)
	return g.wrap("div", g.b.Div(ns[0], ns[1]))
}

// FloorDiv returns the largest integer not above x / y: torch.floor_divide. An
// integer divided by zero is an error when the step runs. The gradient is zero.
func (x *Node) FloorDiv(y *Node) *Node {
	const op = "floor_div"
	g := x.use(op, y)
	ns := g.align(op, g.promote(x.n, y.n)...)
	a, b := &Node{g, ns[0]}, &Node{g, ns[1]}
	a.wantNumbers(op)
	if !a.n.DType().IsFloat() {
		return a.binary(op, ir.OpDiv, b)
	}
	a, b = a.StopGradient(), b.StopGradient()
	zero := Scalar(g, a.n.DType(), 0)
	q := a.Sub(a.Rem(b)).Div(b).Round()
	// A quotient below 1 is 0 or, of operands of different signs, -1; this holds
	// for an infinite divisor, too, where the remainder does not.
	q = Where(a.Abs().Less(b.Abs()), a.Sign().Mul(b.Sign()).Minimum(zero), q)
	return Where(b.Equal(zero), a.Div(b), q)
}

// Rem returns the remainder of x / y with the sign of y: torch.remainder. An
// integer divided by zero is an error when the step runs.
func (x *Node) Rem(y *Node) *Node { return x.binary("rem", ir.OpRem, y) }

// Pow returns x to the power y: torch.pow. Of two bool it is an error.
func (x *Node) Pow(y *Node) *Node { return x.binary("pow", ir.OpPow, y) }

// Maximum returns the larger operand, NaN if either is: torch.maximum. Equal
// operands share the gradient.
func (x *Node) Maximum(y *Node) *Node { return x.binary("maximum", ir.OpMax, y) }

// Minimum returns the smaller operand, NaN if either is: torch.minimum. Equal
// operands share the gradient.
func (x *Node) Minimum(y *Node) *Node { return x.binary("minimum", ir.OpMin, y) }

// Arithmetic with a number, which takes the element type of x: it must be one
// of its values, rounded for floating-point types. A bool x becomes i64.

// AddScalar returns x + c: torch.add with a number.
func (x *Node) AddScalar(c float64) *Node { return x.scalar("add_scalar", ir.OpAdd, c) }

// SubScalar returns x - c: torch.sub with a number.
func (x *Node) SubScalar(c float64) *Node { return x.scalar("sub_scalar", ir.OpSub, c) }

// MulScalar returns x * c: torch.mul with a number.
func (x *Node) MulScalar(c float64) *Node { return x.scalar("mul_scalar", ir.OpMul, c) }

// DivScalar returns x / c: torch.div with a number. Integers and bool are
// divided as f32.
func (x *Node) DivScalar(c float64) *Node {
	g := x.use("div_scalar")
	return (&Node{g, g.toFloat(x.n)}).scalar("div_scalar", ir.OpDiv, c)
}

// PowScalar returns x to the power c: torch.pow with a number.
func (x *Node) PowScalar(c float64) *Node { return x.scalar("pow_scalar", ir.OpPow, c) }

func (x *Node) scalar(name string, op ir.Op, c float64) *Node {
	g := x.use(name)
	n := x.n
	if n.DType() == types.Bool {
		n = g.b.Cast(n, types.I64)
	}
	return g.wrap(name, g.b.Bin(op, n, g.constant(name, n.Type, c)))
}

// Clamp limits every element to [lo, hi]: torch.clamp. NaN stays. The gradient
// passes where x is between the bounds, and not at them.
func (x *Node) Clamp(lo, hi float64) *Node {
	const op = "clamp"
	g := x.use(op)
	if !(lo <= hi) {
		Fail(op, "bounds %v and %v are not in order", lo, hi)
	}
	low, high := &Node{g, g.constant(op, x.n.Type, lo)}, &Node{g, g.constant(op, x.n.Type, hi)}
	inside := x.Greater(low).And(x.Less(high))
	return Where(inside, x, x.Maximum(low).Minimum(high).StopGradient())
}

// Neg returns -x: torch.neg. Of bool it is an error; u8 wraps.
func (x *Node) Neg() *Node { return x.unary("neg", ir.OpNeg) }

// Abs returns the absolute value: torch.abs. Its gradient at 0 is 0. Of bool it
// is an error.
func (x *Node) Abs() *Node { return x.unary("abs", ir.OpAbs) }

// Sign returns -1, 0 or 1: torch.sign, but NaN stays. Its gradient is 0.
func (x *Node) Sign() *Node { return x.unary("sign", ir.OpSign) }

// Floor returns the largest integer not above x: torch.floor. Integers stay as
// they are, bool is an error. The gradient is 0.
func (x *Node) Floor() *Node { return x.rounding("floor", ir.OpFloor) }

// Ceil returns the smallest integer not below x: torch.ceil. See [Node.Floor].
func (x *Node) Ceil() *Node { return x.rounding("ceil", ir.OpCeil) }

// Round returns the nearest integer, ties to even: torch.round. See
// [Node.Floor].
func (x *Node) Round() *Node { return x.rounding("round", ir.OpRound) }

func (x *Node) rounding(name string, op ir.Op) *Node {
	g := x.use(name)
	if x.n.DType().IsInt() {
		return g.wrap(name, x.n)
	}
	return x.unary(name, op)
}

// Functions of floating-point numbers; integers and bool become f32 first.

// Exp returns e to the x: torch.exp.
func (x *Node) Exp() *Node { return x.float("exp", ir.OpExp) }

// Expm1 returns e to the x less 1, accurate near 0: torch.expm1.
func (x *Node) Expm1() *Node { return x.float("expm1", ir.OpExpm1) }

// Log returns the natural logarithm: torch.log. Of 0 it is -Inf, of less NaN.
func (x *Node) Log() *Node { return x.float("log", ir.OpLog) }

// Log1p returns the natural logarithm of 1 + x, accurate near 0: torch.log1p.
func (x *Node) Log1p() *Node { return x.float("log1p", ir.OpLog1p) }

// Sqrt returns the square root: torch.sqrt. Of less than 0 it is NaN.
func (x *Node) Sqrt() *Node { return x.float("sqrt", ir.OpSqrt) }

// Rsqrt returns one over the square root: torch.rsqrt.
func (x *Node) Rsqrt() *Node { return x.float("rsqrt", ir.OpRsqrt) }

// Sin returns the sine of radians: torch.sin.
func (x *Node) Sin() *Node { return x.float("sin", ir.OpSin) }

// Cos returns the cosine of radians: torch.cos.
func (x *Node) Cos() *Node { return x.float("cos", ir.OpCos) }

// Tanh returns the hyperbolic tangent: torch.tanh.
func (x *Node) Tanh() *Node { return x.float("tanh", ir.OpTanh) }

// Sigmoid returns 1/(1+exp(-x)): torch.sigmoid.
func (x *Node) Sigmoid() *Node { return x.float("sigmoid", ir.OpSigmoid) }

// Erf returns the error function: torch.erf.
func (x *Node) Erf() *Node { return x.float("erf", ir.OpErf) }

// ReLU returns x where it is positive and 0 elsewhere: torch.relu. NaN stays.
// Its gradient at 0 is 0. Of bool it is an error.
func (x *Node) ReLU() *Node {
	const op = "relu"
	g := x.use(op)
	x.wantNumbers(op)
	zero := g.b.Like(x.n, 0)
	return g.wrap(op, g.b.Where(g.b.Bin(ir.OpLe, x.n, zero), zero, x.n))
}

// Comparisons give bool. Operands are promoted and broadcast; comparisons with
// NaN are false, but for NotEqual.

// Less returns x < y: torch.lt.
func (x *Node) Less(y *Node) *Node { return x.binary("less", ir.OpLt, y) }

// LessEqual returns x <= y: torch.le.
func (x *Node) LessEqual(y *Node) *Node { return x.binary("less_equal", ir.OpLe, y) }

// Greater returns x > y: torch.gt.
func (x *Node) Greater(y *Node) *Node {
	x.use("greater", y)
	return y.binary("greater", ir.OpLt, x)
}

// GreaterEqual returns x >= y: torch.ge.
func (x *Node) GreaterEqual(y *Node) *Node {
	x.use("greater_equal", y)
	return y.binary("greater_equal", ir.OpLe, x)
}

// Equal returns x == y: torch.eq.
func (x *Node) Equal(y *Node) *Node { return x.binary("equal", ir.OpEq, y) }

// NotEqual returns x != y: torch.ne.
func (x *Node) NotEqual(y *Node) *Node { return x.binary("not_equal", ir.OpNe, y) }

// Logic: of bool logical, of integers bitwise.

// And returns x and y: torch.bitwise_and.
func (x *Node) And(y *Node) *Node { return x.binary("and", ir.OpAnd, y) }

// Or returns x or y: torch.bitwise_or.
func (x *Node) Or(y *Node) *Node { return x.binary("or", ir.OpOr, y) }

// Xor returns either x or y: torch.bitwise_xor.
func (x *Node) Xor(y *Node) *Node { return x.binary("xor", ir.OpXor, y) }

// Not returns the complement: torch.bitwise_not. Floating-point numbers are an
// error, as for all of these.
func (x *Node) Not() *Node { return x.unary("not", ir.OpNot) }

// Cast converts the elements to type d: torch.Tensor.to. Floating-point numbers are cut towards
// zero and saturate in integer types, integers wrap, and to bool is "not zero".
func (x *Node) Cast(d types.DType) *Node {
	const op = "cast"
	g := x.use(op)
	if !d.Public() {
		Fail(op, "%v is no element type of a value", d)
	}
	return g.wrap(op, g.b.Cast(x.n, d))
}

// Where returns x where cond, of type bool, holds and y elsewhere: torch.where.
// x and y are promoted, all three broadcast.
func Where(cond, x, y *Node) *Node {
	const op = "where"
	g := common(op, []*Node{cond, x, y})
	if cond.n.DType() != types.Bool {
		Fail(op, "the condition is %v, not bool", cond.n.Type)
	}
	xy := g.promote(x.n, y.n)
	ns := g.align(op, cond.n, xy[0], xy[1])
	return g.wrap(op, g.b.Where(ns[0], ns[1], ns[2]))
}

// MaskedFill returns v where mask, of type bool, holds and x elsewhere:
// torch.Tensor.masked_fill. v takes the element type of x. x and mask broadcast.
func (x *Node) MaskedFill(mask *Node, v float64) *Node {
	const op = "masked_fill"
	g := x.use(op, mask)
	if mask.n.DType() != types.Bool {
		Fail(op, "the mask is %v, not bool", mask.n.Type)
	}
	ns := g.align(op, mask.n, x.n)
	return g.wrap(op, g.b.Where(ns[0], g.constant(op, ns[1].Type, v), ns[1]))
}

// constant appends v everywhere; it must be a value of t's element type.
func (g *Graph) constant(op string, t types.Type, v float64) *ir.Node {
	g.checkValue(op, t.DType, v)
	if t.DType.IsFloat() {
		return g.b.Const(t, v)
	}
	return g.b.ConstInt(t, int64(v))
}

// checkValue fails unless v is a value of type d; any number is one of a
// floating-point type, rounded.
func (g *Graph) checkValue(op string, d types.DType, v float64) {
	checkNumber(op, v)
	lo, hi := -math.Exp2(float64(8*d.Size()-1)), math.Exp2(float64(8*d.Size()-1))
	switch d.Kind() {
	case types.KindFloat:
		return
	case types.KindBool:
		lo, hi = 0, 2
	case types.KindUint:
		lo, hi = 0, 2*hi
	}
	if v != math.Trunc(v) || v < lo || v >= hi {
		Fail(op, "%v is not a value of type %v", v, d)
	}
}

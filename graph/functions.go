package graph

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Functions made of others. Those of floating-point numbers take integers and
// bool as f32.

// asFloat is use for functions of floating-point numbers with parameters.
func (x *Node) asFloat(op string, params ...float64) *Node {
	g := x.use(op)
	for _, p := range params {
		checkNumber(op, p)
	}
	return &Node{g, g.toFloat(x.n)}
}

// like returns a constant of x's element type, of no dimensions.
func (x *Node) like(v float64) *Node {
	return &Node{x.g, x.g.b.Const(types.Type{DType: x.n.DType(), Shape: types.Shape{}}, v)}
}

// odd returns the function f of the magnitude with the sign of x. Unlike a
// product with the sign it has a derivative at 0.
func (x *Node) odd(f func(a *Node) *Node) *Node {
	negative := x.Less(x.like(0))
	y := f(Where(negative, x.Neg(), x))
	return Where(negative, y.Neg(), y)
}

// Reciprocal returns 1/x: torch.reciprocal.
func (x *Node) Reciprocal() *Node {
	y := x.asFloat("reciprocal")
	return y.like(1).Div(y)
}

// Square returns x*x: torch.square. Of bool it is an error.
func (x *Node) Square() *Node {
	const op = "square"
	x.use(op)
	x.wantNumbers(op)
	return x.binary(op, ir.OpMul, x)
}

// Exp2 returns 2 to the x: torch.exp2.
func (x *Node) Exp2() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Exp2() }); ok {
		return y
	}
	y := x.asFloat("exp2")
	return y.like(2).Pow(y)
}

// Log2 returns the logarithm to base 2, as a multiple of the natural one:
// torch.log2, but of a power of 2 it may be the neighbour of an integer.
func (x *Node) Log2() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Log2() }); ok {
		return y
	}
	return x.asFloat("log2").Log().MulScalar(1 / math.Ln2)
}

// Log10 returns the logarithm to base 10, as a multiple of the natural one:
// torch.log10; see [Node.Log2].
func (x *Node) Log10() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Log10() }); ok {
		return y
	}
	return x.asFloat("log10").Log().MulScalar(1 / math.Ln10)
}

// Tan returns sin(x)/cos(x): torch.tan.
func (x *Node) Tan() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Tan() }); ok {
		return y
	}
	y := x.asFloat("tan")
	return y.Sin().Div(y.Cos())
}

// Sinh returns the hyperbolic sine, (expm1(x)-expm1(-x))/2: torch.sinh. It
// overflows where exp(|x|) does.
func (x *Node) Sinh() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Sinh() }); ok {
		return y
	}
	y := x.asFloat("sinh")
	return y.Expm1().Sub(y.Neg().Expm1()).MulScalar(0.5)
}

// Cosh returns the hyperbolic cosine, (exp(x)+exp(-x))/2: torch.cosh. It
// overflows where exp(|x|) does.
func (x *Node) Cosh() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Cosh() }); ok {
		return y
	}
	y := x.asFloat("cosh")
	return y.Exp().Add(y.Neg().Exp()).MulScalar(0.5)
}

// far returns a number whose square is finite, and no other with 1 added.
func (x *Node) far() *Node {
	if x.n.DType().IsHalf() {
		return x.like(1 << 7)
	}
	return x.like(1 << 28)
}

// Asinh returns the inverse hyperbolic sine: torch.asinh.
func (x *Node) Asinh() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Asinh() }); ok {
		return y
	}
	return x.asFloat("asinh").odd(func(a *Node) *Node {
		large := a.Greater(a.far())
		b := Where(large, a.like(1), a)
		root := b.Square().AddScalar(1).Sqrt()
		near := b.Add(b.Square().Div(root.AddScalar(1))).Log1p()
		return Where(large, Where(large, a, a.like(1)).Log().AddScalar(math.Ln2), near)
	})
}

// Acosh returns the inverse hyperbolic cosine, NaN below 1: torch.acosh.
func (x *Node) Acosh() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Acosh() }); ok {
		return y
	}
	y := x.asFloat("acosh")
	large := y.Greater(y.far())
	t := Where(large, y.like(2), y).SubScalar(1)
	near := t.Add(t.MulScalar(2).Add(t.Square()).Sqrt()).Log1p()
	return Where(large, Where(large, y, y.like(1)).Log().AddScalar(math.Ln2), near)
}

// Atanh returns the inverse hyperbolic tangent, NaN beyond 1: torch.atanh.
func (x *Node) Atanh() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Atanh() }); ok {
		return y
	}
	y := x.asFloat("atanh")
	return y.Log1p().Sub(y.Neg().Log1p()).MulScalar(0.5)
}

// Sinc returns sin(pi*x)/(pi*x), 1 at 0: torch.sinc.
func (x *Node) Sinc() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Sinc() }); ok {
		return y
	}
	y := x.asFloat("sinc")
	zero := y.Equal(y.like(0))
	t := Where(zero, y.like(1), y).MulScalar(math.Pi)
	return Where(zero, y.like(1), t.Sin().Div(t))
}

// Logit returns log(x/(1-x)), the inverse of [Node.Sigmoid]: torch.logit.
func (x *Node) Logit() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Logit() }); ok {
		return y
	}
	y := x.asFloat("logit")
	return y.Div(y.like(1).Sub(y)).Log()
}

// Trunc returns the integer next to x towards 0: torch.trunc. See [Node.Floor].
func (x *Node) Trunc() *Node {
	const op = "trunc"
	x.use(op)
	x.wantNumbers(op)
	if x.n.DType().IsInt() {
		return x
	}
	return Where(x.Less(x.like(0)), x.Ceil(), x.Floor())
}

// Frac returns what [Node.Trunc] takes away: torch.frac. Its gradient is 1.
func (x *Node) Frac() *Node {
	x.use("frac")
	x.wantFloat("frac")
	return x.Sub(x.Trunc())
}

// FMod returns the remainder of x / y with the sign of x: torch.fmod. An
// integer divided by zero is an error when the step runs. Of bool it is an
// error. See [Node.Rem].
func (x *Node) FMod(y *Node) *Node {
	if z, ok := x.bothInF32(y, (*Node).FMod); ok {
		return z
	}
	const op = "f_mod"
	g := x.use(op, y)
	ns := g.align(op, g.promote(x.n, y.n)...)
	a, b := &Node{g, ns[0]}, &Node{g, ns[1]}
	a.wantNumbers(op)
	if a.n.DType().Kind() == types.KindUint {
		return a.Rem(b)
	}
	zero := Scalar(g, a.n.DType(), 0)
	negative := a.Less(zero)
	r := Where(negative, a.Neg(), a).Rem(Where(b.Less(zero), b.Neg(), b))
	return Where(negative, r.Neg(), r)
}

// NaNToNum replaces NaN and the infinities by numbers: torch.nan_to_num. The
// gradient there is 0. Integers stay as they are.
func (x *Node) NaNToNum(nan, posInf, negInf float64) *Node {
	const op = "nan_to_num"
	x.use(op)
	for _, v := range []float64{nan, posInf, negInf} {
		checkNumber(op, v)
	}
	if !x.n.DType().IsFloat() {
		return x
	}
	inf := x.like(math.Inf(1))
	y := Where(x.Equal(inf), x.like(posInf), Where(x.Equal(inf.Neg()), x.like(negInf), x))
	return Where(x.IsNaN(), x.like(nan), y)
}

// Lerp returns x + weight*(end-x), computed from the nearer end, so that it is
// end where weight is 1: torch.lerp.
func (x *Node) Lerp(end, weight *Node) *Node {
	const op = "lerp"
	g := x.use(op, end, weight)
	ns := g.align(op, g.promote(x.n, end.n, weight.n)...)
	a, b, w := &Node{g, ns[0]}, &Node{g, ns[1]}, &Node{g, ns[2]}
	a.wantFloat(op)
	d := b.Sub(a)
	return Where(w.Abs().Less(w.like(0.5)), a.Add(w.Mul(d)), b.Sub(d.Mul(w.like(1).Sub(w))))
}

// AddCMul returns x + value*a*b: torch.addcmul. value is one of their common
// element type. Of three bool it is an error.
func (x *Node) AddCMul(value float64, a, b *Node) *Node {
	const op = "add_c_mul"
	g := x.use(op, a, b)
	ns := g.align(op, g.promote(x.n, a.n, b.n)...)
	y := &Node{g, ns[0]}
	y.wantNumbers(op)
	return y.Add((&Node{g, ns[1]}).scalar(op, ir.OpMul, value).Mul(&Node{g, ns[2]}))
}

// AddCDiv returns x + value*a/b of floating-point numbers: torch.addcdiv.
func (x *Node) AddCDiv(value float64, a, b *Node) *Node {
	const op = "add_c_div"
	g := x.use(op, a, b)
	ns := g.align(op, g.promote(x.n, a.n, b.n)...)
	y := &Node{g, ns[0]}
	y.wantFloat(op)
	return y.Add((&Node{g, ns[1]}).scalar(op, ir.OpMul, value).Div(&Node{g, ns[2]}))
}

// floats returns two floating-point operands, promoted and broadcast.
func (x *Node) floats(op string, y *Node) (a, b *Node) {
	g := x.use(op, y)
	ns := g.align(op, g.promote(g.toFloat(x.n), y.n)...)
	return &Node{g, ns[0]}, &Node{g, ns[1]}
}

// Hypot returns sqrt(x*x+y*y) without overflow: torch.hypot, but NaN beats an
// infinity. At 0, 0 the gradient is NaN.
func (x *Node) Hypot(y *Node) *Node {
	if z, ok := x.bothInF32(y, (*Node).Hypot); ok {
		return z
	}
	a, b := x.floats("hypot", y)
	scale := a.StopGradient().Abs().Maximum(b.StopGradient().Abs())
	ordinary := scale.Greater(scale.like(0)).And(scale.Less(scale.like(math.Inf(1))))
	scale = Where(ordinary, scale, scale.like(1))
	return a.Div(scale).Square().Add(b.Div(scale).Square()).Sqrt().Mul(scale)
}

// LogAddExp returns log(exp(x)+exp(y)) without overflow: torch.logaddexp.
func (x *Node) LogAddExp(y *Node) *Node {
	if z, ok := x.bothInF32(y, (*Node).LogAddExp); ok {
		return z
	}
	a, b := x.floats("log_add_exp", y)
	less := a.Less(b)
	high, low := Where(less, b, a), Where(less, a, b)
	same := high.Equal(low).And(high.IsInf())
	return high.Add(Where(same, high.like(0), low.Sub(high)).Exp().Log1p())
}

// XLogY returns x*log(y), 0 where x is 0 and y no NaN: torch.xlogy.
func (x *Node) XLogY(y *Node) *Node {
	if z, ok := x.bothInF32(y, (*Node).XLogY); ok {
		return z
	}
	a, b := x.floats("x_log_y", y)
	// Elsewhere 0 times a logarithm is 0, with the logarithm as its derivative.
	ordinary := b.Greater(b.like(0)).And(b.Less(b.like(math.Inf(1)))).Or(b.IsNaN())
	zero := a.Equal(a.like(0)).And(ordinary.Not())
	return Where(zero, a.like(0), a.Mul(Where(zero, b.like(1), b).Log()))
}

package graph

import "math"

// Activations. They take floating-point numbers, and integers and bool as f32.
// Each is finite, and so is its gradient, wherever the function's own value is.

// LeakyReLU returns x where it is positive and slope*x elsewhere:
// torch.nn.functional.leaky_relu, whose default slope is 0.01.
func (x *Node) LeakyReLU(slope float64) *Node {
	y := x.asFloat("leaky_relu", slope)
	return Where(y.Greater(y.like(0)), y, y.MulScalar(slope))
}

// PReLU is [Node.LeakyReLU] with a slope that is a value, broadcast to x:
// torch.nn.functional.prelu, where the slopes of channels, dimension 1, need no
// further dimensions.
func (x *Node) PReLU(slope *Node) *Node {
	y, s := x.floats("p_relu", slope)
	return Where(y.Greater(y.like(0)), y, y.Mul(s))
}

// ELU returns x where it is positive and alpha*(exp(x)-1) elsewhere:
// torch.nn.functional.elu, whose default alpha is 1 (Clevert, Unterthiner and
// Hochreiter, "Fast and accurate deep network learning by exponential linear
// units", 2015).
func (x *Node) ELU(alpha float64) *Node { return x.asFloat("elu", alpha).elu(1, alpha, 1) }

// CELU returns x where it is positive and alpha*(exp(x/alpha)-1) elsewhere:
// torch.nn.functional.celu, whose default alpha is 1. An alpha of 0 is an error.
func (x *Node) CELU(alpha float64) *Node {
	const op = "celu"
	y := x.asFloat(op, alpha)
	if alpha == 0 {
		Fail(op, "alpha is 0")
	}
	return y.elu(1, alpha, 1/alpha)
}

// SELU returns scale*x where it is positive and scale*alpha*(exp(x)-1)
// elsewhere, with the constants that make activations normal: torch.selu
// (Klambauer and others, "Self-normalizing neural networks", 2017).
func (x *Node) SELU() *Node {
	const alpha, scale = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
	return x.asFloat("selu").elu(scale, scale*alpha, 1)
}

// elu returns positive*x or negative*(exp(rate*x)-1).
func (x *Node) elu(positive, negative, rate float64) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.elu(positive, negative, rate) }); ok {
		return y
	}
	up := x.Greater(x.like(0))
	down := Where(up, x.like(0), x)
	if rate != 1 {
		down = down.MulScalar(rate)
	}
	right := x
	if positive != 1 {
		right = x.MulScalar(positive)
	}
	return Where(up, right, down.Expm1().MulScalar(negative))
}

// GELU returns x*Phi(x) with Phi the distribution function of the normal
// distribution, x/2*(1+erf(x/sqrt(2))): torch.nn.functional.gelu (Hendrycks and
// Gimpel, "Gaussian error linear units", 2016). See [Node.GELUTanh].
func (x *Node) GELU() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.GELU() }); ok {
		return y
	}
	y := x.asFloat("gelu")
	return y.MulScalar(0.5).Mul(y.MulScalar(math.Sqrt2 / 2).Erf().AddScalar(1))
}

// GELUTanh is an approximation of [Node.GELU],
// x/2*(1+tanh(sqrt(2/pi)*(x+0.044715*x^3))): torch.nn.functional.gelu with
// approximate="tanh".
func (x *Node) GELUTanh() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.GELUTanh() }); ok {
		return y
	}
	y := x.asFloat("gelu_tanh")
	cube := y.Square().Mul(y).MulScalar(0.044715)
	return y.MulScalar(0.5).Mul(y.Add(cube).MulScalar(math.Sqrt(2 / math.Pi)).Tanh().AddScalar(1))
}

// SiLU returns x*sigmoid(x), also called swish: torch.nn.functional.silu
// (Elfwing, Uchibe and Doya, 2017).
func (x *Node) SiLU() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.SiLU() }); ok {
		return y
	}
	y := x.asFloat("silu")
	return y.Mul(y.Sigmoid())
}

// Softplus returns log(1+exp(beta*x))/beta without overflow:
// torch.nn.functional.softplus, whose default beta is 1, but with no threshold
// above which it is x. A beta of 0 is an error.
func (x *Node) Softplus(beta float64) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Softplus(beta) }); ok {
		return y
	}
	const op = "softplus"
	y := x.asFloat(op, beta)
	if beta == 0 {
		Fail(op, "beta is 0")
	}
	if beta == 1 {
		return y.softplus()
	}
	return y.MulScalar(beta).softplus().DivScalar(beta)
}

// softplus returns max(x,0) + log(1+exp(-|x|)), written so that its derivatives
// at 0 are right, too.
func (x *Node) softplus() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.softplus() }); ok {
		return y
	}
	up := x.Greater(x.like(0))
	return Where(up, x, x.like(0)).Add(Where(up, x.Neg(), x).Exp().Log1p())
}

// LogSigmoid returns log(sigmoid(x)): torch.nn.functional.logsigmoid.
func (x *Node) LogSigmoid() *Node { return x.asFloat("log_sigmoid").Neg().softplus().Neg() }

// Mish returns x*tanh(softplus(x)): torch.nn.functional.mish (Misra, 2019).
func (x *Node) Mish() *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.Mish() }); ok {
		return y
	}
	y := x.asFloat("mish")
	return y.Mul(y.softplus().Tanh())
}

// HardTanh returns x limited to [lo, hi]: torch.nn.functional.hardtanh, whose
// default bounds are -1 and 1. The gradient at the bounds is 0.
func (x *Node) HardTanh(lo, hi float64) *Node {
	const op = "hard_tanh"
	y := x.asFloat(op, lo, hi)
	if !(lo <= hi) {
		Fail(op, "bounds %v and %v are not in order", lo, hi)
	}
	return y.Clamp(lo, hi)
}

// ReLU6 returns x limited to [0, 6]: torch.nn.functional.relu6.
func (x *Node) ReLU6() *Node { return x.asFloat("relu6").Clamp(0, 6) }

// HardSigmoid returns x/6+1/2 limited to [0, 1]:
// torch.nn.functional.hardsigmoid.
func (x *Node) HardSigmoid() *Node {
	return x.asFloat("hard_sigmoid").AddScalar(3).Clamp(0, 6).DivScalar(6)
}

// HardSwish returns x times [Node.HardSigmoid] of x:
// torch.nn.functional.hardswish (Howard and others, "Searching for MobileNetV3",
// 2019). Its gradient at -3 is 0, at 3 it is 1.
func (x *Node) HardSwish() *Node {
	y := x.asFloat("hard_swish")
	return y.Mul(y.AddScalar(3).Clamp(0, 6)).DivScalar(6)
}

// HardShrink returns x where its magnitude is above limit and 0 elsewhere:
// torch.nn.functional.hardshrink, whose default limit is 0.5. NaN stays.
func (x *Node) HardShrink(limit float64) *Node {
	y := x.asFloat("hard_shrink", limit)
	return Where(y.Abs().LessEqual(y.like(limit)), y.like(0), y)
}

// SoftShrink returns x moved towards 0 by limit, and 0 where that is nearer:
// torch.nn.functional.softshrink, whose default limit is 0.5. NaN stays. A
// negative limit is an error.
func (x *Node) SoftShrink(limit float64) *Node {
	const op = "soft_shrink"
	y := x.asFloat(op, limit)
	if !(limit >= 0) {
		Fail(op, "the limit %v is negative", limit)
	}
	moved := Where(y.Greater(y.like(0)), y.SubScalar(limit), y.AddScalar(limit))
	return Where(y.Abs().LessEqual(y.like(limit)), y.like(0), moved)
}

// TanhShrink returns x-tanh(x): torch.nn.functional.tanhshrink.
func (x *Node) TanhShrink() *Node {
	y := x.asFloat("tanh_shrink")
	return y.Sub(y.Tanh())
}

// Softsign returns x/(1+|x|): torch.nn.functional.softsign.
func (x *Node) Softsign() *Node {
	y := x.asFloat("softsign")
	return y.Div(y.Abs().AddScalar(1))
}

// Threshold returns x where it is above limit and v elsewhere:
// torch.nn.functional.threshold. NaN stays.
func (x *Node) Threshold(limit, v float64) *Node {
	y := x.asFloat("threshold", limit, v)
	return Where(y.LessEqual(y.like(limit)), y.like(v), y)
}

// GLU returns the first half of x along a dimension times the sigmoid of the
// second: torch.nn.functional.glu (Dauphin and others, "Language modeling with
// gated convolutional networks", 2016).
func (x *Node) GLU(axis int) *Node {
	const op = "glu"
	y := x.asFloat(op)
	a := y.axis(op, axis)
	n := y.n.Shape()[a]
	if n%2 != 0 {
		Fail(op, "dimension %d of %v has no halves", a, x.n.Type)
	}
	return y.slice(op, a, 0, n/2, 1).Mul(y.slice(op, a, n/2, n/2, 1).Sigmoid())
}

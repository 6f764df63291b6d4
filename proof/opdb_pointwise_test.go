package proof

import (
	"math"

	"dumbtorch/graph"
)

// pointwise are the elementwise entries of op_db.
var pointwise = map[string]entry{
	"abs": of1((*node).Abs), "ceil": of1((*node).Ceil), "floor": of1((*node).Floor), "round": of1((*node).Round), "trunc": of1((*node).Trunc),
	"frac": of1((*node).Frac), "exp": of1((*node).Exp), "expm1": of1((*node).Expm1), "exp2": of1((*node).Exp2), "log": of1((*node).Log),
	"log2": of1((*node).Log2), "log10": of1((*node).Log10), "log1p": of1((*node).Log1p), "sqrt": of1((*node).Sqrt), "rsqrt": of1((*node).Rsqrt),
	"reciprocal": of1((*node).Reciprocal), "square": of1((*node).Square), "sin": of1((*node).Sin), "cos": of1((*node).Cos), "tan": of1((*node).Tan),
	"sinh": of1((*node).Sinh), "cosh": of1((*node).Cosh), "tanh": of1((*node).Tanh), "asinh": of1((*node).Asinh), "acosh": of1((*node).Acosh),
	"atanh": of1((*node).Atanh), "sinc": of1((*node).Sinc), "sigmoid": of1((*node).Sigmoid), "erf": of1((*node).Erf), "neg": of1((*node).Neg),
	"sign": of1((*node).Sign), "sgn": of1((*node).Sign), "isnan": of1((*node).IsNaN), "isinf": of1((*node).IsInf), "isfinite": of1((*node).IsFinite),
	"positive": of1(func(x *node) *node { return x }),
	"isposinf": of1(func(x *node) *node { return x.IsInf().And(x.Greater(x.MulScalar(0))) }),
	"isneginf": of1(func(x *node) *node { return x.IsInf().And(x.Less(x.MulScalar(0))) }),
	"deg2rad":  of1(func(x *node) *node { return x.MulScalar(math.Pi / 180) }),
	"rad2deg":  of1(func(x *node) *node { return x.MulScalar(180 / math.Pi) }),
	"round/decimals_0": plain("input decimals", func(c *call) *node {
		return c.input().Round()
	}),
	"logical_not": of1(func(x *node) *node { return x.Cast(graph.Bool).Not() }),
	"bitwise_not": of1((*node).Not),
	"logit": plain("input eps", func(c *call) *node {
		x := c.input()
		if c.has("eps") {
			lo := graph.Scalar(c.g, x.DType(), c.float("eps", 0))
			x = graph.Where(x.Less(lo), lo, x.Minimum(lo.Neg().AddScalar(1)))
		}
		return x.Logit()
	}),
	"nan_to_num": plain("input nan posinf neginf", func(c *call) *node {
		const most = math.MaxFloat32
		return c.input().NaNToNum(c.float("nan", 0), c.float("posinf", most), c.float("neginf", -most))
	}),

	"add": plain("input other alpha", func(c *call) *node { return c.input().Add(c.scaled("other", "alpha")) }),
	"sub": plain("input other alpha", func(c *call) *node { return c.input().Sub(c.scaled("other", "alpha")) }),
	"rsub": plain("input other alpha", func(c *call) *node {
		x := c.input()
		if c.has("alpha") {
			x = x.MulScalar(c.float("alpha", 1))
		}
		return c.x("other").Sub(x)
	}),
	"mul": of2((*node).Mul), "true_divide": of2((*node).Div), "div/no_rounding_mode": of2((*node).Div),
	"div/trunc_rounding": plain("input other rounding_mode", func(c *call) *node { return c.input().Div(c.x("other")).Trunc() }),
	"div/floor_rounding": plain("input other rounding_mode", func(c *call) *node { return c.input().FloorDiv(c.x("other")) }),
	"floor_divide":       of2((*node).FloorDiv), "remainder": of2((*node).Rem), "fmod": of2((*node).FMod),
	"pow":     plain("input exponent", func(c *call) *node { return c.input().Pow(c.x("exponent")) }),
	"maximum": of2((*node).Maximum), "minimum": of2((*node).Minimum), "max/binary": of2((*node).Maximum), "min/binary": of2((*node).Minimum),
	"fmax": of2(func(x, y *node) *node {
		return graph.Where(x.IsNaN(), y, graph.Where(y.IsNaN().Or(x.GreaterEqual(y)), x, y))
	}),
	"fmin": of2(func(x, y *node) *node {
		return graph.Where(x.IsNaN(), y, graph.Where(y.IsNaN().Or(x.LessEqual(y)), x, y))
	}),
	"hypot": of2((*node).Hypot), "logaddexp": of2((*node).LogAddExp), "xlogy": of2((*node).XLogY),
	"logaddexp2": of2(func(x, y *node) *node {
		return x.MulScalar(math.Ln2).LogAddExp(y.MulScalar(math.Ln2)).MulScalar(1 / math.Ln2)
	}),
	"ldexp": of2(func(x, y *node) *node { return x.Mul(y.Exp2()) }),
	"eq":    of2((*node).Equal), "ne": of2((*node).NotEqual), "lt": of2((*node).Less), "le": of2((*node).LessEqual), "gt": of2((*node).Greater), "ge": of2((*node).GreaterEqual),
	"logical_and": logical((*node).And), "logical_or": logical((*node).Or), "logical_xor": logical((*node).Xor),
	"bitwise_and": of2((*node).And), "bitwise_or": of2((*node).Or), "bitwise_xor": of2((*node).Xor),
	"__radd__": reversed((*node).Add), "__rmul__": reversed((*node).Mul), "__rsub__": reversed((*node).Sub), "__rdiv__": reversed((*node).Div),
	"__rmod__": reversed((*node).Rem), "__rpow__": reversed((*node).Pow), "__rand__": reversed((*node).And), "__ror__": reversed((*node).Or),
	"__rxor__": reversed((*node).Xor),
	"lerp":     plain("input end weight", func(c *call) *node { return c.input().Lerp(c.x("end"), c.x("weight")) }),
	"addcmul": plain("input tensor1 tensor2 value", func(c *call) *node {
		return c.input().AddCMul(c.float("value", 1), c.x("tensor1"), c.x("tensor2"))
	}),
	"addcdiv": plain("input tensor1 tensor2 value", func(c *call) *node {
		return c.input().AddCDiv(c.float("value", 1), c.x("tensor1"), c.x("tensor2"))
	}),
	"clamp":     plain("input min max", clamp),
	"clamp_min": plain("input min", clamp),
	"clamp_max": plain("input max", clamp),
	"where": plain("input condition other", func(c *call) *node {
		return graph.Where(c.x("condition"), c.input(), c.x("other"))
	}),
	"masked_fill": plain("input mask value", func(c *call) *node {
		if _, number := c.args["value"].(float64); number {
			return c.input().MaskedFill(c.x("mask"), c.float("value", 0))
		}
		return graph.Where(c.x("mask"), c.x("value"), c.input())
	}),
	"heaviside": of2(func(x, y *node) *node {
		step := x.GreaterEqual(x.MulScalar(0)).Cast(x.DType())
		return graph.Where(x.Equal(x.MulScalar(0)), y, step)
	}),
	"float":  of1(func(x *node) *node { return x.Cast(graph.F32) }),
	"double": of1(func(x *node) *node { return x.Cast(graph.F64) }),
	"int":    of1(func(x *node) *node { return x.Cast(graph.I32) }),
	"long":   of1(func(x *node) *node { return x.Cast(graph.I64) }),
	"bool":   of1(func(x *node) *node { return x.Cast(graph.Bool) }),

	"nn.functional.relu": of1((*node).ReLU), "nn.functional.relu6": of1((*node).ReLU6), "nn.functional.silu": of1((*node).SiLU),
	"nn.functional.hardswish": of1((*node).HardSwish), "nn.functional.hardsigmoid": of1((*node).HardSigmoid), "nn.functional.logsigmoid": of1((*node).LogSigmoid),
	"nn.functional.mish": of1((*node).Mish), "nn.functional.softsign": of1((*node).Softsign), "nn.functional.tanhshrink": of1((*node).TanhShrink),
	"nn.functional.selu":       of1((*node).SELU),
	"nn.functional.celu":       plain("input alpha", func(c *call) *node { return c.input().CELU(c.float("alpha", 1)) }),
	"nn.functional.elu":        plain("input alpha", func(c *call) *node { return c.input().ELU(c.float("alpha", 1)) }),
	"nn.functional.leaky_relu": plain("input negative_slope", func(c *call) *node { return c.input().LeakyReLU(c.float("negative_slope", 0.01)) }),
	"nn.functional.hardtanh":   plain("input min_val max_val", func(c *call) *node { return c.input().HardTanh(c.float("min_val", -1), c.float("max_val", 1)) }),
	"nn.functional.hardshrink": plain("input lambd", func(c *call) *node { return c.input().HardShrink(c.float("lambd", 0.5)) }),
	"nn.functional.softshrink": plain("input lambd", func(c *call) *node { return c.input().SoftShrink(c.float("lambd", 0.5)) }),
	"nn.functional.threshold":  plain("input threshold value", func(c *call) *node { return c.input().Threshold(c.float("threshold", 0), c.float("value", 0)) }),
	"nn.functional.gelu": plain("input approximate", func(c *call) *node {
		switch c.text("approximate", "none") {
		case "tanh":
			return c.input().GELUTanh()
		case "none":
			return c.input().GELU()
		}
		leave("approximation %q", c.text("approximate", ""))
		return nil
	}),
	"nn.functional.softplus": plain("input beta threshold", func(c *call) *node {
		x, beta := c.input(), c.float("beta", 1)
		above := x.MulScalar(beta).Greater(graph.Scalar(c.g, x.DType(), c.float("threshold", 20)))
		return graph.Where(above, x, x.Softplus(beta))
	}),
	"nn.functional.glu": plain("input dim", func(c *call) *node { return c.input().GLU(c.axis("dim", -1, c.input())) }),
	"nn.functional.prelu": plain("input weight", func(c *call) *node {
		x, w := c.input(), c.x("weight")
		switch {
		case w.Size() == 1:
			w = w.Reshape()
		case x.Rank() > 1:
			w = w.Reshape(append([]int{w.Size()}, ones(x.Rank()-2)...)...)
		}
		return x.PReLU(w)
	}),
}

func ones(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

// scaled returns an operand times a number.
func (c *call) scaled(name, factor string) *node {
	if !c.has(factor) {
		return c.x(name)
	}
	return c.x(name).MulScalar(c.float(factor, 1))
}

func clamp(c *call) *node {
	x := c.input()
	lo, low := c.args["min"].(float64)
	hi, high := c.args["max"].(float64)
	if low && high && lo <= hi {
		return x.Clamp(lo, hi)
	}
	if c.has("min") {
		x = x.Maximum(c.x("min"))
	}
	if c.has("max") {
		x = x.Minimum(c.x("max"))
	}
	return x
}

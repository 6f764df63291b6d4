package graph_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/autodiff/gradcheck"
	"dumbtorch/graph"
	"dumbtorch/runtime/tensor"
)

// one is the value of a function at given numbers.
func one(name string, f func(x *graph.Node) *graph.Node, in, want []float64) valueTest {
	return typed(name, "f64", f, in, want)
}

func typed(name, dtype string, f func(x *graph.Node) *graph.Node, in, want []float64) valueTest {
	return valueTest{name, func(g *graph.Graph) *graph.Node { return f(f64(g, in)) }, dtype + "[" + itoa(len(want)) + "]", want}
}

func two(name string, f func(x, y *graph.Node) *graph.Node, x, y, want []float64) valueTest {
	return valueTest{name, func(g *graph.Graph) *graph.Node { return f(f64(g, x), f64(g, y)) }, "f64[" + itoa(len(want)) + "]", want}
}

// Values of functions made of others; package proof compares them with PyTorch's
// numbers, these are their corners.
var functionValues = []valueTest{
	one("reciprocal", (*graph.Node).Reciprocal, []float64{2, 0, -inf}, []float64{0.5, inf, 0}),
	one("square", (*graph.Node).Square, []float64{-3, nan}, []float64{9, nan}),
	one("exp2", (*graph.Node).Exp2, []float64{-1, 0, 10, -inf, inf}, []float64{0.5, 1, 1024, 0, inf}),
	one("log2", (*graph.Node).Log2, []float64{0.5, 8, 0, -1}, []float64{-1, 3, -inf, nan}),
	one("log10", (*graph.Node).Log10, []float64{0.1, 1000, inf}, []float64{-1, 3, inf}),
	one("tan", (*graph.Node).Tan, []float64{0, 1, inf}, []float64{0, math.Tan(1), nan}),
	one("sinh", (*graph.Node).Sinh, []float64{1e-10, -2, inf, -inf}, []float64{1e-10, math.Sinh(-2), inf, -inf}),
	one("cosh", (*graph.Node).Cosh, []float64{0, -2, -inf}, []float64{1, math.Cosh(2), inf}),
	one("asinh", (*graph.Node).Asinh, []float64{0, -1e-9, 2, -1e200, inf, -inf, nan}, []float64{0, -1e-9, math.Asinh(2), math.Asinh(-1e200), inf, -inf, nan}),
	one("acosh", (*graph.Node).Acosh, []float64{1, 1 + 1e-10, 2, 1e200, 0.5, inf}, []float64{0, math.Acosh(1 + 1e-10), math.Acosh(2), math.Acosh(1e200), nan, inf}),
	one("atanh", (*graph.Node).Atanh, []float64{0, 1e-10, -0.5, 1, 2}, []float64{0, 1e-10, math.Atanh(-0.5), inf, nan}),
	one("sinc", (*graph.Node).Sinc, []float64{0, 0.5, 2}, []float64{1, 2 / math.Pi, 0}),
	one("logit", (*graph.Node).Logit, []float64{0, 0.25, 1, 2}, []float64{-inf, math.Log(1. / 3), inf, nan}),
	one("trunc", (*graph.Node).Trunc, []float64{-1.7, 1.7, nan, -inf}, []float64{-1, 1, nan, -inf}),
	one("frac", (*graph.Node).Frac, []float64{-1.75, 1.75, inf}, []float64{-0.75, 0.75, nan}),
	one("nan_to_num", func(x *graph.Node) *graph.Node { return x.NaNToNum(7, 8, 9) }, []float64{nan, inf, -inf, 1}, []float64{7, 8, 9, 1}),
	two("f_mod", (*graph.Node).FMod, []float64{7, -7, 7, -7, 1, 1}, []float64{3, 3, -3, -3, 0, inf}, []float64{1, -1, 1, -1, nan, 1}),
	two("hypot", (*graph.Node).Hypot, []float64{3, 0, 1e300, 1e-300, inf}, []float64{4, 0, 1e300, 1e-300, 1}, []float64{5, 0, math.Sqrt2 * 1e300, 0, inf}),
	two("log_add_exp", (*graph.Node).LogAddExp, []float64{0, 1000, -inf, -inf, inf, inf, 0}, []float64{0, 999, -inf, 3, inf, -inf, nan},
		[]float64{math.Ln2, 1000 + math.Log1p(math.Exp(-1)), -inf, 3, inf, inf, nan}),
	two("x_log_y", (*graph.Node).XLogY, []float64{0, 0, 0, 2, nan}, []float64{0, -1, nan, math.E, 1}, []float64{0, 0, nan, 2, nan}),
	{"lerp", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{1, 1, 1e300}).Lerp(f64(g, []float64{3, 3, 2}), f64(g, []float64{0.25, -1, 1}))
	}, "f64[3]", []float64{1.5, -1, 2}},
	{"add_c_mul", func(g *graph.Graph) *graph.Node { return i64(g, []int64{1}).AddCMul(2, count(g, 3), count(g, 3)) }, "f64[3]", []float64{1, 3, 9}},
	{"add_c_div", func(g *graph.Graph) *graph.Node {
		return i64(g, []int64{1}).AddCDiv(2, count(g, 3), f64(g, []float64{4}))
	}, "f64[3]", []float64{1, 1.5, 2}},
	{"reciprocal of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{4, -2}).Reciprocal() }, "f32[2]", []float64{0.25, -0.5}},
	{"f_mod of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{7, -7}).FMod(i64(g, []int64{-4})) }, "i64[2]", []float64{3, -3}},
	{"trunc of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{7, -7}).Trunc() }, "i64[2]", []float64{7, -7}},

	typed("is_nan", "bool", (*graph.Node).IsNaN, []float64{nan, inf, 0}, []float64{1, 0, 0}),
	typed("is_inf", "bool", (*graph.Node).IsInf, []float64{nan, inf, -inf, 0}, []float64{0, 1, 1, 0}),
	typed("is_finite", "bool", (*graph.Node).IsFinite, []float64{nan, inf, -inf, 0}, []float64{0, 0, 0, 1}),
	{"is_finite of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{4, -2}).IsFinite() }, "bool[2]", []float64{1, 1}},
	{"all", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, nan, 0, 2}, 2, 2).All(1) }, "bool[2]", []float64{1, 0}},
	{"any", func(g *graph.Graph) *graph.Node {
		return f64(g, []float64{0, 0, 0, nan}, 2, 2).Any(1, graph.KeepDims)
	}, "bool[2,1]", []float64{0, 1}},
	{"all of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).All(1) }, "bool[2]", []float64{1, 1}},
	{"any of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).Any() }, "bool[]", []float64{0}},
	{"count_nonzero", func(g *graph.Graph) *graph.Node { return f64(g, []float64{1, nan, 0, -0.5}, 2, 2).CountNonzero(0) }, "i64[2]", []float64{1, 2}},

	{"var", func(g *graph.Graph) *graph.Node { return count(g, 2, 3).Var(1, -1) }, "f64[2]", []float64{1, 1}},
	{"var of all", func(g *graph.Graph) *graph.Node { return count(g, 5).Var(0) }, "f64[]", []float64{2}},
	{"var of one", func(g *graph.Graph) *graph.Node { return count(g, 1).Var(1) }, "f64[]", []float64{nan}},
	{"var corrected away", func(g *graph.Graph) *graph.Node { return count(g, 3).Var(4) }, "f64[]", []float64{inf}},
	{"std", func(g *graph.Graph) *graph.Node { return count(g, 5).Std(0, graph.KeepDims) }, "f64[1]", []float64{math.Sqrt2}},
	{"norm", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -4, 0}).Norm(2) }, "f64[]", []float64{5}},
	{"norm 1", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -4, 0}).Norm(1) }, "f64[]", []float64{7}},
	{"norm 3", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -4, 0}).Norm(3) }, "f64[]", []float64{math.Cbrt(91)}},
	{"norm 0", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -4, 0}).Norm(0) }, "f64[]", []float64{2}},
	{"norm inf", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -4, 0}).Norm(inf) }, "f64[]", []float64{4}},
	{"norm -inf", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -4, 1}).Norm(-inf) }, "f64[]", []float64{1}},
	{"norm -1", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, -6}).Norm(-1) }, "f64[]", []float64{2}},
	{"norm of nothing", func(g *graph.Graph) *graph.Node { return count(g, 2, 0).Norm(3, 1) }, "f64[2]", []float64{0, 0}},
	{"nan_sum", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, nan, -1}).NanSum() }, "f64[]", []float64{2}},
	{"nan_sum of integers", func(g *graph.Graph) *graph.Node { return i64(g, []int64{3, 4}).NanSum(0) }, "i64[]", []float64{7}},
	{"nan_mean", func(g *graph.Graph) *graph.Node { return f64(g, []float64{3, nan, nan, nan}, 2, 2).NanMean(1) }, "f64[2]", []float64{3, nan}},
}

// Activations are checked on both sides of their corners.
var activationGrads = func() (tests []gradTest) {
	for name, f := range map[string]func(x *graph.Node) *graph.Node{
		"leaky_relu": func(x *graph.Node) *graph.Node { return x.LeakyReLU(0.1) },
		"elu":        func(x *graph.Node) *graph.Node { return x.ELU(0.7) },
		"celu":       func(x *graph.Node) *graph.Node { return x.CELU(0.7) },
		"selu":       (*graph.Node).SELU, "gelu": (*graph.Node).GELU, "gelu_tanh": (*graph.Node).GELUTanh, "silu": (*graph.Node).SiLU, "mish": (*graph.Node).Mish,
		"softplus":    func(x *graph.Node) *graph.Node { return x.Softplus(2) },
		"log_sigmoid": (*graph.Node).LogSigmoid, "hard_sigmoid": (*graph.Node).HardSigmoid, "hard_swish": (*graph.Node).HardSwish, "softsign": (*graph.Node).Softsign,
		"hard_tanh":   func(x *graph.Node) *graph.Node { return x.HardTanh(-0.4, 0.7) },
		"hard_shrink": func(x *graph.Node) *graph.Node { return x.HardShrink(0.3) },
		"soft_shrink": func(x *graph.Node) *graph.Node { return x.SoftShrink(0.3) },
		"tanh_shrink": (*graph.Node).TanhShrink, "relu6": (*graph.Node).ReLU6,
		"threshold": func(x *graph.Node) *graph.Node { return x.Threshold(0.2, 3) },
	} {
		tests = append(tests, gradTest{name, func(x, y *graph.Node) *graph.Node {
			near, wide := f(x.SubScalar(1.03)), f(y.SubScalar(1.07).MulScalar(6))
			return near.Mul(wide.T())
		}})
	}
	return append(tests,
		gradTest{"glu", func(x, y *graph.Node) *graph.Node { return x.SubScalar(1).GLU(0).Mul(y.Slice(1, 0, 1, 1).T()) }},
		gradTest{"p_relu", func(x, y *graph.Node) *graph.Node { return x.SubScalar(1.03).PReLU(y.Index(1, 0)) }})
}()

// functionGrads are functions of x, f64[2,3], and y, f64[3,2]: see [gradTests].
var functionGrads = []gradTest{
	{"roots and powers", func(x, y *graph.Node) *graph.Node {
		return x.Reciprocal().Add(y.T().Square().Exp2()).Log2().Mul(y.T().Log10())
	}},
	{"circular", func(x, y *graph.Node) *graph.Node { return x.MulScalar(0.3).Tan().Mul(y.T().Sinc()) }},
	{"hyperbolic", func(x, y *graph.Node) *graph.Node {
		return x.Sinh().Mul(y.T().Cosh()).Add(x.Asinh()).Add(y.T().AddScalar(1).Acosh()).Add(x.DivScalar(4).Atanh())
	}},
	{"logit", func(x, y *graph.Node) *graph.Node { return x.DivScalar(4).Logit().Mul(y.T().Frac()) }},
	{"f_mod", func(x, y *graph.Node) *graph.Node { return x.MulScalar(-3).FMod(y.T()) }},
	{"lerp", func(x, y *graph.Node) *graph.Node { return x.Lerp(y.T(), x.Mul(y.T())) }},
	{"addc", func(x, y *graph.Node) *graph.Node { return x.AddCMul(2, y.T(), x).AddCDiv(0.5, x, y.T()) }},
	{"hypot", func(x, y *graph.Node) *graph.Node { return x.Hypot(y.T()).Mul(x) }},
	{"log_add_exp", func(x, y *graph.Node) *graph.Node { return x.LogAddExp(y.T()).LogAddExp(x) }},
	{"x_log_y", func(x, y *graph.Node) *graph.Node { return x.XLogY(y.T()) }},
	{"nan_to_num", func(x, y *graph.Node) *graph.Node { return x.NaNToNum(0, 0, 0).Mul(y.T()) }},
	{"var", func(x, y *graph.Node) *graph.Node { return x.Var(1, 1).Mul(y.Std(0, 0, graph.KeepDims)) }},
	{"norm", func(x, y *graph.Node) *graph.Node {
		return x.Norm(2, 1).Mul(y.Norm(3)).Add(x.Norm(1)).Mul(y.Norm(inf, 1).Sum())
	}},
	{"norm below 1", func(x, y *graph.Node) *graph.Node { return x.Norm(0.5, 0).Mul(y.Norm(-inf, 1)).Mul(y.Norm(-2)) }},
	{"nan sums", func(x, y *graph.Node) *graph.Node { return x.NanSum(1).Mul(y.NanMean(0)) }},
}

// Compositions have the gradients of central differences, twice.
func TestCompositionGradients(t *testing.T) {
	x, err := tensor.From(numbers(6, 1), 2, 3)
	require.NoError(t, err)
	y, err := tensor.From(numbers(6, 2), 3, 2)
	require.NoError(t, err)
	for _, c := range slices.Concat(functionGrads, activationGrads, partGrads) {
		t.Run(c.name, func(t *testing.T) {
			gradcheck.Options{Order: 2, Directions: 2}.Check(t, func(_ *graph.Graph, xs []*graph.Node) *graph.Node { return c.f(xs[0], xs[1]) }, x, y)
		})
	}
}

package proof

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// folds are the entries of op_db that reduce or scan.
var folds = map[string]entry{
	"sum": folding((*node).Sum), "mean": folding((*node).Mean), "amax": folding((*node).Amax), "amin": folding((*node).Amin),
	"prod": folding((*node).Prod), "all": folding((*node).All), "any": folding((*node).Any), "nansum": folding((*node).NanSum), "nanmean": folding((*node).NanMean),
	"argmax": folding((*node).ArgMax), "argmin": folding((*node).ArgMin), "logsumexp": folding((*node).LogSumExp),
	"count_nonzero": folding((*node).CountNonzero),
	"var":           spread("input dim unbiased keepdim correction", (*node).Var), "var/unbiased": spread("input unbiased", (*node).Var),
	"std": spread("input dim unbiased keepdim correction", (*node).Std), "std/unbiased": spread("input unbiased", (*node).Std),
	"var_mean": withMean((*node).Var), "var_mean/unbiased": withMean((*node).Var), "std_mean": withMean((*node).Std), "std_mean/unbiased": withMean((*node).Std),
	"max/reduction_with_dim": extreme((*node).Max), "min/reduction_with_dim": extreme((*node).Min),
	"max/reduction_no_dim": of1(func(x *node) *node { return x.Amax() }),
	"min/reduction_no_dim": of1(func(x *node) *node { return x.Amin() }),
	"aminmax": {"input dim keepdim", func(c *call) []*node {
		x := c.input()
		axes := c.axes(x)
		return []*node{x.Amin(axes...), x.Amax(axes...)}
	}},
	"norm": norm("input p dim keepdim dtype", "p"), "norm/fro": norm("input p dim keepdim dtype", "p"), "norm/inf": norm("input p dim keepdim dtype", "p"),
	"linalg.vector_norm": norm("input ord dim keepdim dtype", "ord"),
	"dist":               plain("input other p", func(c *call) *node { return c.input().Sub(c.x("other")).Norm(c.float("p", 2)) }),
	"cumsum":             scanning((*node).CumSum), "cumprod": scanning((*node).CumProd), "logcumsumexp": scanning((*node).LogCumSumExp),
	"cummax": running((*node).CumMax), "cummin": running((*node).CumMin),
	"softmax": scanning((*node).Softmax), "softmax/with_dtype": scanning((*node).Softmax), "log_softmax": scanning((*node).LogSoftmax),
	"log_softmax/with_dtype": scanning((*node).LogSoftmax),
	"nn.functional.softmin":  scanning(softmin), "nn.functional.softmin/with_dtype": scanning(softmin),
	"diff": plain("input n dim prepend append", func(c *call) *node {
		x := c.input()
		a := c.axis("dim", -1, x)
		parts := []*node{x}
		if p := c.optional("prepend"); p != nil {
			parts = append([]*node{p}, parts...)
		}
		if p := c.optional("append"); p != nil {
			parts = append(parts, p)
		}
		n := c.int("n", 1)
		if n < 0 {
			leave("%d differences", n)
		}
		if n == 0 { // also without what stands before and after
			return x
		}
		for x = graph.Concat(a, parts...); n > 0; n-- {
			x = x.Diff(a)
		}
		return x
	}),
	"trapezoid": plain("input x dx dim", trapezoid), "trapz": plain("input x dx dim", trapezoid),
	"nn.functional.normalize": plain("input p dim eps", func(c *call) *node {
		x := c.input()
		n := x.Norm(c.float("p", 2), c.axis("dim", 1, x), graph.KeepDims)
		return x.Div(n.Maximum(graph.Scalar(c.g, x.DType(), c.float("eps", 1e-12))))
	}),
	"nn.functional.cosine_similarity": plain("input x2 dim eps", func(c *call) *node {
		x, y := c.input(), c.x("x2")
		zero := x.MulScalar(0).Add(y.MulScalar(0)) // of the common shape
		x, y = x.Add(zero), y.Add(zero)
		a := c.axis("dim", 1, x)
		eps := graph.Scalar(c.g, x.DType(), c.float("eps", 1e-8))
		unit := func(x *node) *node { return x.Div(x.Norm(2, a, graph.KeepDims).Maximum(eps)) }
		return unit(x).Mul(unit(y)).Sum(a)
	}),
	"nn.functional.pairwise_distance": plain("input x2 p eps keepdim", func(c *call) *node {
		axes := []int{-1}
		if c.flag("keepdim", false) {
			axes = append(axes, graph.KeepDims)
		}
		return c.input().Sub(c.x("x2")).AddScalar(c.float("eps", 1e-6)).Norm(c.float("p", 2), axes...)
	}),
	"linalg.vecdot": plain("input y dim", func(c *call) *node { return c.input().Mul(c.x("y")).Sum(c.axis("dim", -1, c.input())) }),
}

func softmin(x *node, axis int) *node { return x.Neg().Softmax(axis) }

// correction returns what a variance takes off the number of elements.
func (c *call) correction() float64 {
	if c.has("correction") {
		return c.float("correction", 1)
	}
	if c.flag("unbiased", true) {
		return 1
	}
	return 0
}

func spread(params string, f func(x *node, correction float64, axes ...int) *node) entry {
	return plain(params, func(c *call) *node { return f(c.input(), c.correction(), c.axes(c.input())...) })
}

func withMean(f func(x *node, correction float64, axes ...int) *node) entry {
	return entry{"input dim unbiased keepdim correction", func(c *call) []*node {
		if _, first := c.args["dim"].(bool); first { // the overload without dimensions
			c.args["unbiased"], c.args["dim"] = c.args["dim"], nil
		}
		x := c.input()
		axes := c.axes(x)
		return []*node{f(x, c.correction(), axes...), x.Mean(axes...)}
	}}
}

func extreme(f func(x *node, axis int, keep ...int) (*node, *node)) entry {
	return entry{"input dim keepdim", func(c *call) []*node {
		x := c.input()
		var keep []int
		if c.flag("keepdim", false) {
			keep = []int{graph.KeepDims}
		}
		v, i := f(x, c.axis("dim", 0, x), keep...)
		return []*node{v, i}
	}}
}

func running(f func(x *node, axis int) (*node, *node)) entry {
	return entry{"input dim", func(c *call) []*node {
		v, i := f(c.input(), c.axis("dim", 0, c.input()))
		return []*node{v, i}
	}}
}

func norm(params, order string) entry {
	return plain(params, func(c *call) *node {
		p := 2.0
		switch v := c.args[order].(type) {
		case float64:
			p = v
		case string:
			if v == "nuc" {
				leave("nuclear norms")
			}
			if v == "inf" || v == "-inf" {
				p = number(v)
			}
		}
		x := c.cast(c.input())
		if (p < 0 || math.IsInf(p, 1)) && x.Size() == 0 {
			leave("extremes of nothing")
		}
		return x.Norm(p, c.axes(x)...)
	})
}

func trapezoid(c *call) *node {
	y := c.input()
	a := c.axis("dim", -1, y)
	n := y.Dim(a)
	if n == 0 {
		leave("trapezoids of nothing")
	}
	pairs := y.Slice(a, 1, graph.End, 1).Add(y.Slice(a, 0, n-1, 1)).MulScalar(0.5)
	switch {
	case c.has("x") && c.x("x").Rank() == 0:
		leave("x is a scalar")
	case c.has("x"):
		x := c.x("x")
		d := x.Diff(-1)
		if x.Rank() == 1 {
			for range y.Rank() - 1 - (a+y.Rank())%y.Rank() {
				d = d.Unsqueeze(-1)
			}
		} else {
			d = x.Diff(a)
		}
		pairs = pairs.Mul(d)
	default:
		pairs = pairs.MulScalar(c.float("dx", 1))
	}
	return pairs.Sum(a)
}

// created are the entries of op_db that make values of nothing.
var created = map[string]entry{
	"arange": plain("start end step dtype", func(c *call) *node {
		start, stop := c.float("start", 0), 0.0
		if c.has("end") {
			stop = c.float("end", 0)
		} else {
			start, stop = 0, start
		}
		return graph.Arange(c.g, c.dtype(types.I64), start, stop, c.float("step", 1))
	}),
	"linspace": plain("start end steps dtype", func(c *call) *node {
		return graph.Linspace(c.g, c.dtype(types.F32), c.float("start", 0), c.float("end", 0), c.int("steps", 0))
	}),
	"eye": plain("n m dtype", func(c *call) *node {
		n := c.int("n", 0)
		return graph.Eye(c.g, c.dtype(types.F32), n, c.int("m", n))
	}),
	"full": plain("size fill_value dtype", func(c *call) *node {
		return graph.Full(c.g, c.dtype(types.F32), c.float("fill_value", 0), c.ints("size")...)
	}),
	"zeros":      plain("size dtype", func(c *call) *node { return graph.Zeros(c.g, c.dtype(types.F32), c.ints("size")...) }),
	"ones":       plain("size dtype", func(c *call) *node { return graph.Ones(c.g, c.dtype(types.F32), c.ints("size")...) }),
	"zeros_like": alike(0), "ones_like": alike(1),
	"full_like": plain("input fill_value dtype", func(c *call) *node {
		x := c.input()
		return graph.Full(c.g, c.dtype(x.DType()), c.float("fill_value", 0), x.Shape()...)
	}),
	"fill": plain("input value", func(c *call) *node {
		x := c.input()
		return graph.Full(c.g, x.DType(), c.float("value", 0), x.Shape()...)
	}),
	"new_zeros": plain("input size dtype", func(c *call) *node { return graph.Zeros(c.g, c.dtype(c.input().DType()), c.ints("size")...) }),
	"new_ones":  plain("input size dtype", func(c *call) *node { return graph.Ones(c.g, c.dtype(c.input().DType()), c.ints("size")...) }),
	"new_full": plain("input size fill_value dtype", func(c *call) *node {
		return graph.Full(c.g, c.dtype(c.input().DType()), c.float("fill_value", 0), c.ints("size")...)
	}),
}

func alike(v float64) entry {
	return plain("input dtype", func(c *call) *node { return graph.Full(c.g, c.dtype(c.input().DType()), v, c.input().Shape()...) })
}

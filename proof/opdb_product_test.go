package proof

import (
	"slices"

	"dumbtorch/graph"
)

// products are the entries of op_db that contract or index.
var products = map[string]entry{
	"matmul": of2((*node).MatMul), "__rmatmul__": reversed((*node).MatMul),
	"mm": plain("input mat2", func(c *call) *node { return c.input().MatMul(c.x("mat2")) }), "bmm": plain("input mat2", func(c *call) *node { return c.input().MatMul(c.x("mat2")) }),
	"mv":  plain("input vec", func(c *call) *node { return c.input().MatMul(c.x("vec")) }),
	"dot": of2((*node).Dot), "vdot": of2((*node).Dot),
	"outer": plain("input vec2", func(c *call) *node { return c.input().Outer(c.x("vec2")) }),
	"inner": of2(func(x, y *node) *node {
		if x.Rank() == 0 || y.Rank() == 0 {
			return x.Mul(y)
		}
		return x.TensorDot(y, []int{-1}, []int{-1})
	}),
	"kron": of2(func(x, y *node) *node {
		for x.Rank() < y.Rank() {
			x = x.Unsqueeze(0)
		}
		for y.Rank() < x.Rank() {
			y = y.Unsqueeze(0)
		}
		var out, perm []int
		for i := range x.Rank() {
			out = append(out, x.Dim(i)*y.Dim(i))
			perm = append(perm, i, x.Rank()+i)
		}
		return permute(x.TensorDot(y, nil, nil), perm).Reshape(out...)
	}),
	"addmm": plain("input mat1 mat2 beta alpha", addmm("mat1", "mat2")), "addmm/decomposed": plain("input mat1 mat2 beta alpha", addmm("mat1", "mat2")),
	"addmv":   plain("input mat vec beta alpha", addmm("mat", "vec")),
	"baddbmm": plain("input batch1 batch2 beta alpha", addmm("batch1", "batch2")),
	"addbmm": plain("input batch1 batch2 beta alpha", func(c *call) *node {
		return c.added(graph.Einsum("bij,bjk->ik", c.x("batch1"), c.x("batch2")))
	}),
	"addr":   plain("input vec1 vec2 beta alpha", func(c *call) *node { return c.added(c.x("vec1").Outer(c.x("vec2"))) }),
	"einsum": plain("tensors equation", func(c *call) *node { return graph.Einsum(c.text("equation", ""), c.xs("tensors")...) }),
	"tensordot": plain("input other dims", func(c *call) *node {
		x, y := c.input(), c.x("other")
		lists, pairs := c.args["dims"].([]any)
		if !pairs {
			n := c.int("dims", 2)
			var a, b []int
			for i := range n {
				a, b = append(a, x.Rank()-n+i), append(b, i)
			}
			return x.TensorDot(y, a, b)
		}
		c.args["a"], c.args["b"] = lists[0], lists[1]
		a, b := c.ints("a"), c.ints("b")
		for i := range a {
			if x.Dim(a[i]) != y.Dim(b[i]) && min(x.Dim(a[i]), y.Dim(b[i])) == 1 {
				leave("sums over a dimension of size 1 and one of another size")
			}
		}
		return x.TensorDot(y, a, b)
	}),
	"linalg.multi_dot": plain("tensors", func(c *call) *node {
		xs := c.xs("tensors")
		y := xs[0]
		for _, x := range xs[1:] {
			y = y.MatMul(x)
		}
		return y
	}),
	"nn.functional.linear": plain("input weight bias", func(c *call) *node {
		w := c.x("weight")
		y := c.input().MatMul(reverse(w))
		if b := c.optional("bias"); b != nil {
			y = y.Add(b)
		}
		return y
	}),
	"nn.functional.bilinear": plain("input input2 weight bias", func(c *call) *node {
		y := graph.Einsum("...i,oij,...j->...o", c.input(), c.x("weight"), c.x("input2"))
		if b := c.optional("bias"); b != nil {
			y = y.Add(b)
		}
		return y
	}),

	"gather": plain("input dim index sparse_grad", func(c *call) *node {
		x, i := c.input(), c.x("index")
		if i.Size() == 0 && i.Rank() != x.Rank() {
			leave("an empty index of another rank")
		}
		return x.Gather(c.axis("dim", 0, x), i)
	}),
	"index_select": plain("input dim index", func(c *call) *node { return c.input().Take(c.axis("dim", 0, c.input()), c.x("index")) }),
	"take":         plain("input index", func(c *call) *node { return c.input().Reshape(c.input().Size()).Take(0, positive(c, c.input().Size())) }),
	"take_along_dim": plain("input index dim", func(c *call) *node {
		x, i := c.input(), c.x("index")
		if !c.has("dim") {
			return x.Reshape(x.Size()).Gather(0, positive(c, x.Size()).Reshape(i.Size()))
		}
		a := c.axis("dim", 0, x)
		i = positive(c, x.Dim(a))
		xs, is := x.Shape(), i.Shape()
		for d := range xs {
			if d != (a+len(xs))%len(xs) {
				xs[d], is[d] = max(xs[d], is[d]), max(xs[d], is[d])
			}
		}
		return x.BroadcastTo(xs...).Gather(a, i.BroadcastTo(is...))
	}),
	"scatter_add": plain("input dim index src", func(c *call) *node { return scatter(c, "index", "src") }),
	"scatter_reduce/sum": plain("input dim index src reduce include_self", func(c *call) *node {
		if !c.flag("include_self", true) {
			leave("include_self=False")
		}
		return scatter(c, "index", "src")
	}),
	"index_add": plain("input dim index source alpha", func(c *call) *node {
		x, i := c.input(), c.x("index")
		a := c.axis("dim", 0, x)
		src := c.scaled("source", "alpha")
		if src.Rank() != x.Rank() {
			leave("a source of other rank")
		}
		for range x.Rank() - 1 - (a+x.Rank())%x.Rank() {
			i = i.Unsqueeze(-1)
		}
		return x.ScatterAdd(a, i.BroadcastTo(src.Shape()...), src)
	}),
	"nn.functional.embedding": plain("weight indices padding_idx max_norm norm_type scale_grad_by_freq sparse", func(c *call) *node {
		if c.has("max_norm") || c.flag("scale_grad_by_freq", false) || c.flag("sparse", false) {
			leave("max_norm, scale_grad_by_freq and sparse")
		}
		w, i := c.x("weight"), c.x("indices")
		y := w.Take(0, i)
		if c.has("padding_idx") {
			row := c.int("padding_idx", 0)
			if row < 0 {
				row += w.Dim(0)
			}
			y = graph.Where(i.Equal(graph.Scalar(c.g, graph.I64, float64(row))).Unsqueeze(-1), y.StopGradient(), y)
		}
		return y
	}),
	"nn.functional.one_hot": plain("input num_classes", func(c *call) *node {
		n := c.int("num_classes", -1)
		if n < 0 {
			leave("a number of classes read from the data")
		}
		return c.input().OneHot(n, graph.I64)
	}),
	"isin": plain("elements test_elements assume_unique invert", func(c *call) *node {
		x, y := c.x("elements"), c.x("test_elements")
		hit := x.Unsqueeze(-1).Equal(y.Reshape(y.Size())).Any(-1)
		if c.flag("invert", false) {
			return hit.Not()
		}
		return hit
	}),
}

// positive makes indices that count from the end of n count from the start.
func positive(c *call, n int) *node {
	i := c.x("index")
	return graph.Where(i.Less(i.MulScalar(0)), i.AddScalar(float64(n)), i)
}

func addmm(left, right string) func(c *call) *node {
	return func(c *call) *node { return c.added(c.x(left).MatMul(c.x(right))) }
}

// added returns beta*input + alpha*x; a beta of 0 leaves NaN out, too.
func (c *call) added(x *node) *node {
	if c.has("alpha") {
		x = x.MulScalar(c.float("alpha", 1))
	}
	y, beta := c.input(), c.float("beta", 1)
	switch beta {
	case 0:
		y = y.NaNToNum(0, 0, 0).MulScalar(0)
	case 1:
	default:
		y = y.MulScalar(beta)
	}
	return y.Add(x)
}

// scatter is ScatterAdd of as much of the source as there are indices.
func scatter(c *call, index, src string) *node {
	x, i, s := c.input(), c.x(index), c.x(src)
	a := c.axis("dim", 0, x)
	for d, n := range i.Shape() {
		s = s.Slice(d, 0, n, 1)
	}
	return x.ScatterAdd(a, i, s)
}

// spatialRank is the number of dimensions in a name such as conv2d.
func spatialRank(name string) int {
	return int(name[len(name)-2] - '0')
}

func networks() map[string]entry {
	m := map[string]entry{}
	for _, d := range []string{"1d", "2d", "3d"} {
		n := spatialRank("_" + d)
		m["nn.functional.conv"+d] = plain("input weight bias stride padding dilation groups", func(c *call) *node { return conv(c, n) })
		m["nn.functional.avg_pool"+d] = plain("input kernel_size stride padding ceil_mode count_include_pad divisor_override", func(c *call) *node { return avgPool(c, n) })
		m["nn.functional.max_pool"+d] = entry{"input kernel_size stride padding dilation ceil_mode return_indices", func(c *call) []*node { return maxPool(c, n) }}
		m["nn.functional.adaptive_avg_pool"+d] = plain("input output_size", func(c *call) *node { return c.input().AdaptiveAvgPool(c.parts(n)...) })
		m["nn.functional.adaptive_max_pool"+d] = entry{"input output_size return_indices", func(c *call) []*node {
			y := c.input().AdaptiveMaxPool(c.parts(n)...)
			if c.flag("return_indices", false) {
				return []*node{y, nil}
			}
			return []*node{y}
		}}
	}
	return m
}

// parts returns the sizes of an adaptive pooling; PyTorch's None is the size that
// there is.
func (c *call) parts(n int) []int {
	x := c.input()
	list, ok := c.args["output_size"].([]any)
	if !ok {
		list = slices.Repeat([]any{c.args["output_size"]}, n)
	}
	var out []int
	for i, v := range list {
		if v == nil {
			out = append(out, x.Dim(x.Rank()-len(list)+i))
		} else if f, ok := v.(float64); ok {
			out = append(out, int(f))
		}
	}
	return out
}

func conv(c *call, n int) *node {
	w := c.x("weight")
	cv := graph.Conv{Stride: c.spatial("stride", n), Dilation: c.spatial("dilation", n), Groups: c.int("groups", 1)}
	if mode, named := c.args["padding"].(string); named {
		cv.Low, cv.High = make([]int, n), make([]int, n)
		for i := range n {
			if mode == "valid" {
				continue
			}
			d := 1
			if cv.Dilation != nil {
				d = cv.Dilation[i]
			}
			total := d * (w.Dim(2+i) - 1)
			cv.Low[i], cv.High[i] = total/2, total-total/2
		}
	} else {
		cv.Low = c.spatial("padding", n)
		cv.High = cv.Low
	}
	y := c.input().Conv(w, cv)
	if b := c.optional("bias"); b != nil {
		y = y.Add(b.Reshape(append([]int{b.Size()}, ones(n)...)...))
	}
	return y
}

func (c *call) pool(n int) graph.Pool {
	p := graph.Pool{Size: c.spatial("kernel_size", n), Stride: c.spatial("stride", n), Low: c.spatial("padding", n), Ceil: c.flag("ceil_mode", false)}
	if len(p.Stride) == 0 {
		p.Stride = nil
	}
	p.High = p.Low
	return p
}

func avgPool(c *call, n int) *node {
	p := c.pool(n)
	p.ExcludePadding = !c.flag("count_include_pad", true)
	p.Divisor = c.int("divisor_override", 0)
	return c.input().AvgPool(p)
}

// maxPool returns the largest elements; there is no counterpart of their indices.
func maxPool(c *call, n int) []*node {
	p := c.pool(n)
	p.Dilation = c.spatial("dilation", n)
	y := c.input().MaxPool(p)
	if c.flag("return_indices", false) {
		return []*node{y, nil}
	}
	return []*node{y}
}

package proof

import (
	"slices"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

// layers are the entries of op_db of norms, attention and losses.
var layers = map[string]entry{
	"nn.functional.layer_norm": plain("input normalized_shape weight bias eps", func(c *call) *node {
		return c.input().LayerNorm(c.ints("normalized_shape"), c.optional("weight"), c.optional("bias"), c.eps())
	}),
	"nn.functional.rms_norm": plain("input normalized_shape weight eps", func(c *call) *node {
		if c.float("eps", 0) < 0 {
			leave("a negative eps")
		}
		return c.input().RMSNorm(c.ints("normalized_shape"), c.optional("weight"), c.float("eps", 0))
	}),
	"nn.functional.group_norm": plain("input num_groups weight bias eps", func(c *call) *node {
		return c.input().GroupNorm(c.int("num_groups", 1), c.optional("weight"), c.optional("bias"), c.eps())
	}),
	"nn.functional.batch_norm": plain("input running_mean running_var weight bias training momentum eps", func(c *call) *node {
		x := c.input()
		if x.Rank() < 2 {
			leave("batches without channels")
		}
		mean, variance := c.optional("running_mean"), c.optional("running_var")
		if c.flag("training", false) {
			mean, variance = x.BatchStatistics()
		}
		return x.BatchNorm(mean, variance, c.optional("weight"), c.optional("bias"), c.eps())
	}),
	"nn.functional.instance_norm": plain("input running_mean running_var weight bias use_input_stats momentum eps", func(c *call) *node {
		x := c.input()
		if !c.flag("use_input_stats", true) {
			return x.BatchNorm(c.x("running_mean"), c.x("running_var"), c.optional("weight"), c.optional("bias"), c.eps())
		}
		return x.GroupNorm(x.Dim(1), c.optional("weight"), c.optional("bias"), c.eps())
	}),
	"nn.functional.interpolate/nearest": plain("input size scale_factor mode align_corners recompute_scale_factor", upsample),
	"nn.functional.upsample_nearest":    plain("input size scale_factor", upsample),
	"nn.functional.scaled_dot_product_attention": plain("input key value attn_mask dropout_p is_causal scale enable_gqa", func(c *call) *node {
		if c.float("dropout_p", 0) > 0 {
			leave("dropout, whose random numbers are others")
		}
		return c.input().Attention(c.x("key"), c.x("value"), graph.Attention{
			Mask: c.optional("attn_mask"), Causal: c.flag("is_causal", false), Scale: c.float("scale", 0), Grouped: c.flag("enable_gqa", false),
		})
	}),
	"nn.functional.dropout": plain("input p training inplace", func(c *call) *node {
		if c.flag("training", true) && c.float("p", 0.5) != 0 {
			leave("random numbers, which are others")
		}
		return c.input().Dropout(c.float("p", 0.5))
	}),

	"nn.functional.mse_loss": loss("input target", nn.MSE), "nn.functional.l1_loss": loss("input target", nn.L1),
	"nn.functional.smooth_l1_loss": loss("input target beta", nn.SmoothL1), "nn.functional.huber_loss": loss("input target delta", nn.Huber),
	"nn.functional.kl_div": loss("input target log_target", nn.KLDiv),
	"nn.functional.binary_cross_entropy_with_logits": plain("input target weight pos_weight reduction", func(c *call) *node {
		opts := c.reduction()
		if w := c.optional("weight"); w != nil {
			opts = append(opts, nn.Weights(w))
		}
		if w := c.optional("pos_weight"); w != nil {
			opts = append(opts, nn.PositiveWeight(w))
		}
		x, y := c.input(), c.x("target")
		if !x.Shape().Equal(y.Shape()) {
			leave("a target of another shape")
		}
		return nn.BCEWithLogits(x, y, opts...)
	}),
	"nn.functional.cross_entropy": plain("input target weight ignore_index label_smoothing reduction", func(c *call) *node {
		x, y := classesLast(c.input(), c.x("target"))
		return nn.CrossEntropy(x, y, append(c.classes(y), nn.LabelSmoothing(c.float("label_smoothing", 0)))...)
	}),
	"nn.functional.nll_loss": plain("input target weight ignore_index reduction", func(c *call) *node {
		x, y := classesLast(c.input(), c.x("target"))
		return nn.NLL(x, y, c.classes(y)...)
	}),
	"nn.functional.soft_margin_loss": plain("input target reduction", func(c *call) *node {
		y := c.x("target").Mul(c.input()).Neg().Softplus(1)
		switch c.text("reduction", "mean") {
		case "mean":
			return y.Mean()
		case "sum":
			return y.Sum()
		case "none":
			return y
		}
		leave("reduction %q", c.text("reduction", ""))
		return nil
	}),
}

func (c *call) eps() float64 {
	if c.float("eps", 1e-5) < 0 {
		leave("a negative eps")
	}
	return c.float("eps", 1e-5)
}

func upsample(c *call) *node {
	x := c.input()
	if sizes := c.spatial("size", x.Rank()-2); len(sizes) > 0 {
		return x.Upsample(sizes...)
	}
	var scale []float64
	if list, ok := c.args["scale_factor"].([]any); ok {
		for _, v := range list {
			f, _ := v.(float64)
			scale = append(scale, f)
		}
	} else {
		for range x.Rank() - 2 {
			scale = append(scale, c.float("scale_factor", 1))
		}
	}
	if c.flag("recompute_scale_factor", false) {
		var sizes []int
		for i, f := range scale {
			sizes = append(sizes, int(float64(x.Dim(2+i))*f))
		}
		return x.Upsample(sizes...)
	}
	return x.UpsampleBy(scale...)
}

// reduction is that of a loss.
func (c *call) reduction() []nn.LossOption {
	r := c.text("reduction", "mean")
	if !slices.Contains([]string{"mean", "sum", "none", "batchmean"}, r) {
		leave("reduction %q", r)
	}
	return attrs{Reduction: r}.loss()
}

func loss(params string, f func(x, y *node, opts ...nn.LossOption) *node) entry {
	return plain(params+" reduction", func(c *call) *node {
		opts := c.reduction()
		for _, name := range []string{"beta", "delta"} {
			if c.has(name) {
				opts = append(opts, nn.Delta(c.float(name, 1)))
			}
		}
		if c.flag("log_target", false) {
			opts = append(opts, nn.LogTarget())
		}
		x, y := c.input(), c.x("target")
		if !x.Shape().Equal(y.Shape()) {
			leave("a target of another shape")
		}
		return f(x, y, opts...)
	})
}

// classesLast moves the classes, PyTorch's dimension 1, to the end.
func classesLast(x, y *node) (logits, target *node) {
	if x.Rank() > 2 {
		x = x.MoveAxis(1, -1)
		if y.DType().IsFloat() {
			y = y.MoveAxis(1, -1)
		}
	}
	return x, y
}

func (c *call) classes(y *node) []nn.LossOption {
	opts := c.reduction()
	if w := c.optional("weight"); w != nil {
		opts = append(opts, nn.ClassWeights(w))
	}
	if y.DType().IsInt() {
		opts = append(opts, nn.IgnoreIndex(c.int("ignore_index", -100)))
	}
	return opts
}

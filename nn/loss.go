package nn

import (
	"dumbtorch/graph"
)

// Reduction tells how a loss is taken over its elements.
type Reduction uint8

// The reductions: torch's reduction="mean", "sum" and "none".
const (
	MeanReduction Reduction = iota
	SumReduction
	NoReduction
)

// A LossOption changes a loss.
type LossOption func(*lossOptions)

type lossOptions struct {
	reduction Reduction
	smoothing float64
}

// WithReduction sets the reduction; the default is the mean.
func WithReduction(r Reduction) LossOption { return func(o *lossOptions) { o.reduction = r } }

// LabelSmoothing mixes the target distribution with the uniform one: weight e
// on the uniform, 0 <= e <= 1.
func LabelSmoothing(e float64) LossOption { return func(o *lossOptions) { o.smoothing = e } }

func options(opts []LossOption) lossOptions {
	var o lossOptions
	for _, f := range opts {
		f(&o)
	}
	return o
}

func (o lossOptions) reduce(x *graph.Node) *graph.Node {
	switch o.reduction {
	case SumReduction:
		return x.Sum()
	case NoReduction:
		return x
	}
	return x.Mean()
}

// MSE is the squared difference of two values of one shape:
// torch.nn.functional.mse_loss.
func MSE(x, target *graph.Node, opts ...LossOption) *graph.Node {
	if !x.Shape().Equal(target.Shape()) {
		graph.Fail("mse", "shapes differ: %s and %s", x.TypeString(), target.TypeString())
	}
	d := x.Sub(target)
	return options(opts).reduce(d.Mul(d))
}

// CrossEntropy is the cross-entropy of logits x [...,classes] and a target:
// class indices [...] of an integer type, or probabilities [...,classes]. It is
// torch.nn.functional.cross_entropy with the classes in the last dimension. A
// class index outside [0,classes) is an error when the step runs.
func CrossEntropy(x, target *graph.Node, opts ...LossOption) *graph.Node {
	o := options(opts)
	rank := len(x.Shape())
	if rank == 0 {
		graph.Fail("cross_entropy", "logits need a dimension of classes, got %s", x.TypeString())
	}
	if o.smoothing < 0 || o.smoothing > 1 {
		graph.Fail("cross_entropy", "label smoothing %v is outside [0,1]", o.smoothing)
	}
	logp := x.LogSoftmax(-1)
	classes := float64(x.Dim(-1))
	var loss *graph.Node
	if target.DType().IsFloat() {
		if !target.Shape().Equal(x.Shape()) {
			graph.Fail("cross_entropy", "probabilities %s do not match logits %s", target.TypeString(), x.TypeString())
		}
		if e := o.smoothing; e > 0 {
			target = target.MulScalar(1 - e).AddScalar(e / classes)
		}
		loss = logp.Mul(target).Sum(-1).Neg()
	} else {
		if !target.Shape().Equal(x.Shape()[:rank-1]) {
			graph.Fail("cross_entropy", "labels %s do not match logits %s", target.TypeString(), x.TypeString())
		}
		loss = logp.Gather(-1, target.Unsqueeze(-1)).Squeeze(-1).Neg()
		if e := o.smoothing; e > 0 {
			loss = loss.MulScalar(1 - e).Sub(logp.Sum(-1).MulScalar(e / classes))
		}
	}
	return o.reduce(loss)
}

// Accuracy is the fraction of rows of logits [...,classes] whose largest
// element is at the label, an f32 scalar.
func Accuracy(x, labels *graph.Node) *graph.Node {
	hit := x.ArgMax(-1).Equal(labels)
	return hit.Cast(graph.F32).Mean()
}

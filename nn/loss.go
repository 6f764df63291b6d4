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
	smoothed  bool
}

// WithReduction sets the reduction; the default is the mean.
func WithReduction(r Reduction) LossOption { return func(o *lossOptions) { o.reduction = r } }

// LabelSmoothing mixes the target distribution of [CrossEntropy] with the
// uniform one: weight e on the uniform, 0 <= e <= 1.
func LabelSmoothing(e float64) LossOption {
	return func(o *lossOptions) { o.smoothing, o.smoothed = e, true }
}

func options(op string, opts []LossOption) lossOptions {
	var o lossOptions
	for _, f := range opts {
		f(&o)
	}
	if o.reduction > NoReduction {
		graph.Fail(op, "no reduction has the number %d", o.reduction)
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

// MSE is the squared difference of two floating-point values of one shape:
// torch.nn.functional.mse_loss.
func MSE(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "mse"
	o := options(op, opts)
	switch {
	case o.smoothed:
		graph.Fail(op, "label smoothing is for the cross-entropy")
	case !x.DType().IsFloat() || !target.DType().IsFloat():
		graph.Fail(op, "wants floating-point values, got %s and %s", x.TypeString(), target.TypeString())
	case !x.Shape().Equal(target.Shape()):
		graph.Fail(op, "shapes differ: %s and %s", x.TypeString(), target.TypeString())
	}
	d := x.Sub(target)
	return o.reduce(d.Mul(d))
}

// CrossEntropy is the cross-entropy of logits x [...,classes] and a target:
// class indices [...] of an integer type, or probabilities [...,classes]. It is
// torch.nn.functional.cross_entropy with the classes in the last dimension and
// without an index to ignore. Reductions run over the rows: the mean divides by
// their number, also with probabilities. A class index outside [0,classes) is an
// error when the step runs.
func CrossEntropy(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "cross_entropy"
	o := options(op, opts)
	rank, dt := x.Rank(), target.DType()
	switch {
	case !x.DType().IsFloat():
		graph.Fail(op, "logits are floating-point, got %s", x.TypeString())
	case rank == 0:
		graph.Fail(op, "logits need a dimension of classes, got %s", x.TypeString())
	case x.Dim(-1) == 0:
		graph.Fail(op, "logits %s have no classes", x.TypeString())
	case !(o.smoothing >= 0 && o.smoothing <= 1):
		graph.Fail(op, "label smoothing %v is outside [0,1]", o.smoothing)
	case dt.IsFloat() && !target.Shape().Equal(x.Shape()):
		graph.Fail(op, "probabilities %s do not match logits %s", target.TypeString(), x.TypeString())
	case !dt.IsFloat() && !dt.IsInt():
		graph.Fail(op, "the target is class indices or probabilities, got %s", target.TypeString())
	case dt.IsInt() && !target.Shape().Equal(x.Shape()[:rank-1]):
		graph.Fail(op, "labels %s do not match logits %s", target.TypeString(), x.TypeString())
	}
	logp := x.LogSoftmax(-1)
	uniform := o.smoothing / float64(x.Dim(-1))
	var loss *graph.Node
	if dt.IsFloat() {
		if o.smoothing > 0 {
			target = target.MulScalar(1 - o.smoothing).AddScalar(uniform)
		}
		loss = logp.Mul(target).Sum(-1).Neg()
	} else {
		loss = logp.Gather(-1, target.Unsqueeze(-1)).Squeeze(-1).Neg()
		if o.smoothing > 0 {
			loss = loss.MulScalar(1 - o.smoothing).Sub(logp.Sum(-1).MulScalar(uniform))
		}
	}
	return o.reduce(loss)
}

// Accuracy is the fraction of rows of logits [...,classes] whose largest
// element is at the label, an f32 scalar. Of equal elements the first counts.
func Accuracy(x, labels *graph.Node) *graph.Node {
	const op = "accuracy"
	rank := x.Rank()
	if rank == 0 || !labels.DType().IsInt() || !labels.Shape().Equal(x.Shape()[:rank-1]) {
		graph.Fail(op, "labels %s do not match logits %s", labels.TypeString(), x.TypeString())
	}
	return x.ArgMax(-1).Equal(labels).Cast(graph.F32).Mean()
}

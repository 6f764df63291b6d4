package nn

import (
	"dumbtorch/graph"
)

// Reduction tells how a loss is taken over its elements.
type Reduction uint8

// The reductions: torch's reduction="mean", "sum", "none" and, of [KLDiv],
// "batchmean".
const (
	MeanReduction Reduction = iota
	SumReduction
	NoReduction
	BatchMeanReduction
)

// A LossOption changes a loss. Each says which losses take it.
type LossOption func(*lossOptions)

type lossOptions struct {
	reduction Reduction
	smoothing float64
	weights   *graph.Node
	positive  *graph.Node
	ignore    *int
	delta     float64
	logTarget bool
	given     []string
	missing   bool // weights that are nil
}

// WithReduction sets the reduction of any loss, torch's reduction; the default is
// the mean.
func WithReduction(r Reduction) LossOption { return func(o *lossOptions) { o.reduction = r } }

// LabelSmoothing mixes the target distribution of [CrossEntropy] with the
// uniform one: weight e on the uniform, 0 <= e <= 1. It is torch's
// label_smoothing.
func LabelSmoothing(e float64) LossOption {
	return func(o *lossOptions) { o.smoothing = e; o.give("label smoothing") }
}

// ClassWeights multiplies the loss of a row of [CrossEntropy] or [NLL] by the
// weight of its class; w has shape [classes]. The mean divides by the sum of the
// weights of the rows, except with a target of probabilities. It is torch's weight.
func ClassWeights(w *graph.Node) LossOption {
	return func(o *lossOptions) { o.weights, o.missing = w, o.missing || w == nil; o.give("class weights") }
}

// IgnoreIndex leaves rows whose label is i out of [CrossEntropy] or [NLL]: their
// loss is 0 and the mean does not count them: torch's ignore_index. Without it
// there is none, where PyTorch ignores -100.
func IgnoreIndex(i int) LossOption {
	return func(o *lossOptions) { o.ignore = &i; o.give("an index to ignore") }
}

// PositiveWeight multiplies the loss of the positive target of
// [BCEWithLogits] by w, which broadcasts to it: pos_weight.
func PositiveWeight(w *graph.Node) LossOption {
	return func(o *lossOptions) {
		o.positive, o.missing = w, o.missing || w == nil
		o.give("a weight of positives")
	}
}

// Weights multiplies the elements of [BCEWithLogits] by w, which broadcasts to
// them: torch's weight.
func Weights(w *graph.Node) LossOption {
	return func(o *lossOptions) { o.weights, o.missing = w, o.missing || w == nil; o.give("weights") }
}

// Delta sets the distance at which [Huber] and [SmoothL1] become linear: delta
// of the one and beta of the other, at least 0. The default is 1.
func Delta(d float64) LossOption {
	return func(o *lossOptions) { o.delta = d; o.give("a distance") }
}

// LogTarget says that the target of [KLDiv] is of logarithms: torch's log_target.
func LogTarget() LossOption {
	return func(o *lossOptions) { o.logTarget = true; o.give("a target of logarithms") }
}

func (o *lossOptions) give(what string) { o.given = append(o.given, what) }

// options collects the options of a loss that takes the given ones.
func options(op string, opts []LossOption, takes ...string) lossOptions {
	o := lossOptions{delta: 1}
	for _, f := range opts {
		if f == nil {
			graph.Fail(op, "an option is nil")
		}
		f(&o)
	}
	if o.missing {
		graph.Fail(op, "the weights are a nil node")
	}
	for _, g := range o.given {
		known := false
		for _, t := range takes {
			known = known || g == t
		}
		if !known {
			graph.Fail(op, "does not take %s", g)
		}
	}
	if o.reduction > BatchMeanReduction || o.reduction == BatchMeanReduction && op != "kl_div" {
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
	case BatchMeanReduction:
		return x.Sum().DivScalar(float64(x.Dim(0)))
	}
	return x.Mean()
}

// wantSame fails unless x and target are floating-point values of one shape.
func wantSame(op string, x, target *graph.Node) {
	switch {
	case !x.DType().IsFloat() || !target.DType().IsFloat():
		graph.Fail(op, "wants floating-point values, got %s and %s", x.TypeString(), target.TypeString())
	case !x.Shape().Equal(target.Shape()):
		graph.Fail(op, "shapes differ: %s and %s", x.TypeString(), target.TypeString())
	}
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

package nn

import (
	"dumbtorch/graph"
)

// CrossEntropy is the cross-entropy of logits x [...,classes] and a target:
// class indices [...] of an integer type, or probabilities [...,classes]. It is
// torch.nn.functional.cross_entropy with the classes in the last dimension.
// Options are [LabelSmoothing], [ClassWeights] and, of indices, [IgnoreIndex].
// Reductions run over the rows: the mean divides by their number, or the sum of
// their weights, and is NaN if no row counts. A class index outside [0,classes)
// is an error when the step runs.
func CrossEntropy(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "cross_entropy"
	o := options(op, opts, "label smoothing", "class weights", "an index to ignore")
	if !(o.smoothing >= 0 && o.smoothing <= 1) {
		graph.Fail(op, "label smoothing %v is outside [0,1]", o.smoothing)
	}
	o.wantClasses(op, x)
	if !target.DType().IsFloat() {
		wantLabels(op, x, target, "class indices or probabilities")
		return o.labels(x.LogSoftmax(-1), target)
	}
	switch {
	case !target.Shape().Equal(x.Shape()):
		graph.Fail(op, "probabilities %s do not match logits %s", target.TypeString(), x.TypeString())
	case o.ignore != nil:
		graph.Fail(op, "an index to ignore is for class indices, not for probabilities")
	}
	logp := x.LogSoftmax(-1)
	if o.smoothing > 0 {
		target = target.MulScalar(1 - o.smoothing).AddScalar(o.smoothing / float64(x.Dim(-1)))
	}
	if o.weights != nil {
		logp = logp.Mul(o.weights)
	}
	return o.reduce(logp.Mul(target).Sum(-1).Neg())
}

// NLL is the negative of the logarithms of probabilities x [...,classes] at the
// class indices of the target [...], of an integer type:
// torch.nn.functional.nll_loss with the classes in the last dimension. Options
// are [ClassWeights] and [IgnoreIndex]; see [CrossEntropy].
func NLL(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "nll"
	o := options(op, opts, "class weights", "an index to ignore")
	o.wantClasses(op, x)
	wantLabels(op, x, target, "class indices")
	return o.labels(x, target)
}

// wantClasses fails unless x has classes, one for each weight.
func (o lossOptions) wantClasses(op string, x *graph.Node) {
	switch {
	case !x.DType().IsFloat():
		graph.Fail(op, "logits are floating-point, got %s", x.TypeString())
	case x.Rank() == 0:
		graph.Fail(op, "logits need a dimension of classes, got %s", x.TypeString())
	case x.Dim(-1) == 0:
		graph.Fail(op, "logits %s have no classes", x.TypeString())
	case o.weights != nil && (!o.weights.DType().IsFloat() || o.weights.Rank() != 1 || o.weights.Dim(0) != x.Dim(-1)):
		graph.Fail(op, "class weights %s are not one number for each class of %s", o.weights.TypeString(), x.TypeString())
	}
}

func wantLabels(op string, x, target *graph.Node, what string) {
	switch {
	case !target.DType().IsInt():
		graph.Fail(op, "the target is %s, got %s", what, target.TypeString())
	case !target.Shape().Equal(x.Shape()[:x.Rank()-1]):
		graph.Fail(op, "labels %s do not match logits %s", target.TypeString(), x.TypeString())
	}
}

// labels is the loss of log probabilities at labels.
func (o lossOptions) labels(logp, target *graph.Node) *graph.Node {
	g := logp.Graph()
	var counts *graph.Node // per row: whether it does
	if o.ignore != nil {
		label := target.Cast(graph.I64)
		counts = label.NotEqual(graph.Scalar(g, graph.I64, float64(*o.ignore)))
		target = graph.Where(counts, label, graph.Scalar(g, graph.I64, 0))
	}
	at := target.Unsqueeze(-1)
	loss := logp.Gather(-1, at).Squeeze(-1).Neg()
	var weight *graph.Node // per row
	if o.weights != nil {
		weight = o.weights.Take(0, target)
		loss = loss.Mul(weight)
		logp = logp.Mul(o.weights)
	}
	if o.smoothing > 0 {
		uniform := o.smoothing / float64(logp.Dim(-1))
		loss = loss.MulScalar(1 - o.smoothing).Sub(logp.Sum(-1).MulScalar(uniform))
	}
	if counts == nil {
		if weight != nil && o.reduction == MeanReduction {
			return loss.Sum().Div(weight.Sum())
		}
		return o.reduce(loss)
	}
	zero := graph.Scalar(g, loss.DType(), 0)
	loss = graph.Where(counts, loss, zero)
	if o.reduction != MeanReduction {
		return o.reduce(loss)
	}
	if weight == nil {
		return loss.Sum().Div(counts.Cast(loss.DType()).Sum())
	}
	return loss.Sum().Div(graph.Where(counts, weight, zero).Sum())
}

// BCEWithLogits is the binary cross-entropy of the sigmoids of logits x and
// target probabilities of the same shape:
//
//	-(p*target*log(sigmoid(x)) + (1-target)*log(1-sigmoid(x)))
//
// computed without overflow and without the loss of small values; p is the
// [PositiveWeight], 1 without. [Weights] multiply the elements. It is
// torch.nn.functional.binary_cross_entropy_with_logits.
func BCEWithLogits(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "bce_with_logits"
	o := options(op, opts, "a weight of positives", "weights")
	wantSame(op, x, target)
	for _, w := range []*graph.Node{o.positive, o.weights} {
		if w != nil && (!w.DType().IsFloat() || !broadcasts(w, x)) {
			graph.Fail(op, "weights %s do not broadcast to logits %s", w.TypeString(), x.TypeString())
		}
	}
	// -log(sigmoid(x)) and -log(1-sigmoid(x)) share log(1+exp(-|x|)).
	zero := graph.Scalar(x.Graph(), x.DType(), 0)
	up := x.Greater(zero)
	l := graph.Where(up, x.Neg(), x).Exp().Log1p()
	yes, no := graph.Where(up, zero, x.Neg()).Add(l), graph.Where(up, x, zero).Add(l)
	if o.positive != nil {
		yes = yes.Mul(o.positive)
	}
	loss := target.Mul(yes).Add(graph.Scalar(x.Graph(), x.DType(), 1).Sub(target).Mul(no))
	if o.weights != nil {
		loss = loss.Mul(o.weights)
	}
	return o.reduce(loss)
}

// broadcasts reports whether w broadcasts to the shape of x.
func broadcasts(w, x *graph.Node) bool {
	from, to := w.Shape(), x.Shape()
	for i := range from {
		at := len(to) - len(from) + i
		if at < 0 || from[i] != 1 && from[i] != to[at] {
			return false
		}
	}
	return true
}

// KLDiv is the divergence of Kullback and Leibler of a target distribution from
// one whose logarithms are x, of the same shape: target*(log(target)-x), 0 where
// the target is 0: torch.nn.functional.kl_div. The mean is over all elements;
// [BatchMeanReduction] divides the sum by the first dimension. [LogTarget] says
// that the target is of logarithms.
func KLDiv(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "kl_div"
	o := options(op, opts, "a target of logarithms")
	wantSame(op, x, target)
	if o.reduction == BatchMeanReduction && x.Rank() == 0 {
		graph.Fail(op, "%s has no dimension of batches", x.TypeString())
	}
	if o.logTarget {
		return o.reduce(target.Exp().Mul(target.Sub(x)))
	}
	return o.reduce(target.XLogY(target).Sub(target.Mul(x)))
}

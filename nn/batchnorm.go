package nn

import (
	"fmt"
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// BatchNorm brings every channel of x [batch,channels,...] to mean 0 and
// variance 1, then scales and shifts it:
//
//	y = (x - mean) / sqrt(variance + Eps) * Weight + Bias
//
// A graph that trains takes mean and variance of the batch, and moves the
// running ones towards them:
//
//	running = (1-Momentum)*running + Momentum*batch's
//
// where the variance is the unbiased one, with n-1 for n elements. Other graphs
// take the running ones. It is torch.nn.BatchNorm1d, where x may be
// [batch,channels], and torch.nn.BatchNorm2d (Ioffe and Szegedy, "Batch
// normalization: accelerating deep network training by reducing internal
// covariate shift", 2015).
//
// Weight and Bias, [channels], are nil for a layer without. RunningMean,
// RunningVar and NumBatchesTracked, the i64 number of training steps, are not
// trained; all are nil for a layer that always takes the batch's.
type BatchNorm struct {
	Weight, Bias            *graph.Variable
	RunningMean, RunningVar *graph.Variable
	NumBatchesTracked       *graph.Variable
	Eps                     float64
	// Momentum is the weight of the newest batch; if negative, the running ones
	// are the means over all batches: torch's momentum=None.
	Momentum float64

	dims, channels int
}

// NewBatchNorm1d returns the layer for x [batch,channels] or
// [batch,channels,length]; see [NewBatchNorm2d].
func NewBatchNorm1d(channels int, opts ...BatchNormOption) *BatchNorm {
	return newBatchNorm(1, channels, opts)
}

// NewBatchNorm2d returns the layer for x [batch,channels,height,width]: weight
// 1, bias 0, running mean 0 and variance 1, eps 1e-5, momentum 0.1.
func NewBatchNorm2d(channels int, opts ...BatchNormOption) *BatchNorm {
	return newBatchNorm(2, channels, opts)
}

func newBatchNorm(dims, channels int, opts []BatchNormOption) *BatchNorm {
	o := collect(append([]BatchNormOption{batchNormDefaults}, opts...))
	l := &BatchNorm{Eps: o.eps, Momentum: o.momentum, dims: dims, channels: channels}
	l.Weight, l.Bias = o.affine([]int{channels})
	if o.tracked {
		buffer := func(name string, t types.Type, first float64) *graph.Variable {
			v := graph.NewVariable(name, t, Constant(first))
			v.Freeze()
			return v
		}
		l.RunningMean = buffer("running_mean", types.Of(o.dtype, channels), 0)
		l.RunningVar = buffer("running_var", types.Of(o.dtype, channels), 1)
		l.NumBatchesTracked = buffer("num_batches_tracked", types.Of(types.I64), 0)
	}
	return l
}

// Forward applies the layer to x [batch,channels,...].
func (l *BatchNorm) Forward(x *graph.Node) *graph.Node {
	op := "batch_norm"
	if l == nil || l.dims == 0 {
		graph.Fail(op, "layers are made by NewBatchNorm1d and NewBatchNorm2d")
	}
	op = fmt.Sprintf("batch_norm%dd", l.dims)
	if r := x.Rank(); r != l.dims+2 && (l.dims > 1 || r != 2) || x.Dim(1) != l.channels {
		graph.Fail(op, "wants [batch,%d,...] with %d spatial dimensions, got %s", l.channels, l.dims, x.TypeString())
	}
	if !(l.Momentum <= 1) {
		graph.Fail(op, "momentum %v is more than 1", l.Momentum)
	}
	g := x.Graph()
	w, b := variable(x, l.Weight), variable(x, l.Bias)
	if l.RunningMean != nil && !g.Training() {
		return x.BatchNorm(g.Var(l.RunningMean), g.Var(l.RunningVar), w, b, l.Eps)
	}
	count := x.Size() / max(1, l.channels)
	if count < 2 {
		graph.Fail(op, "the variance of %d elements per channel of %s: training wants at least 2", count, x.TypeString())
	}
	mean, variance := x.BatchStatistics()
	if l.RunningMean != nil {
		l.track(mean, variance, count)
	}
	return x.BatchNorm(mean, variance, w, b, l.Eps)
}

// track moves the running statistics towards those of a batch of count elements
// per channel.
func (l *BatchNorm) track(mean, variance *graph.Node, count int) {
	g := mean.Graph()
	d := l.RunningMean.Type().DType
	batches := g.Var(l.NumBatchesTracked).AddScalar(1)
	g.Assign(l.NumBatchesTracked, batches)
	part := graph.Scalar(g, d, math.Max(l.Momentum, 0))
	if l.Momentum < 0 {
		part = graph.Scalar(g, d, 1).Div(batches.Cast(d))
	}
	rest := graph.Scalar(g, d, 1).Sub(part)
	move := func(v *graph.Variable, to *graph.Node) {
		g.Assign(v, g.Var(v).Mul(rest).Add(to.StopGradient().Cast(d).Mul(part)))
	}
	move(l.RunningMean, mean)
	move(l.RunningVar, variance.MulScalar(float64(count)/float64(count-1)))
}

// GroupNorm is [graph.Node.GroupNorm]: torch.nn.GroupNorm. Weight and Bias,
// [channels], are nil for a layer without.
type GroupNorm struct {
	Weight, Bias     *graph.Variable
	Groups, Channels int
	Eps              float64
}

// NewGroupNorm returns a group norm of the given numbers of groups and channels:
// weight 1, bias 0, eps 1e-5.
func NewGroupNorm(groups, channels int, opts ...NormOption) *GroupNorm {
	o := collect(append([]NormOption{Eps(1e-5)}, opts...))
	l := &GroupNorm{Groups: groups, Channels: channels, Eps: o.eps}
	l.Weight, l.Bias = o.affine([]int{channels})
	return l
}

// Forward applies the layer to x [batch,channels,...].
func (l *GroupNorm) Forward(x *graph.Node) *graph.Node {
	const op = "group_norm"
	if l == nil || l.Groups == 0 {
		graph.Fail(op, "the layer has no groups: layers are made by NewGroupNorm")
	}
	if x.Rank() < 2 || x.Dim(1) != l.Channels {
		graph.Fail(op, "wants [batch,%d,...], got %s", l.Channels, x.TypeString())
	}
	return x.GroupNorm(l.Groups, variable(x, l.Weight), variable(x, l.Bias), l.Eps)
}

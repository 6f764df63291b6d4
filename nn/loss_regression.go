package nn

import (
	"math"

	"dumbtorch/graph"
)

// MSE is the squared difference of two floating-point values of one shape:
// torch.nn.functional.mse_loss.
func MSE(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "mse"
	o := options(op, opts)
	wantSame(op, x, target)
	d := x.Sub(target)
	return o.reduce(d.Mul(d))
}

// L1 is the distance of two floating-point values of one shape:
// torch.nn.functional.l1_loss. Its gradient where they are equal is 0.
func L1(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "l1"
	o := options(op, opts)
	wantSame(op, x, target)
	return o.reduce(x.Sub(target).Abs())
}

// Huber is half the squared difference d of two floating-point values of one
// shape where it is below delta, else delta*(|d|-delta/2):
// torch.nn.functional.huber_loss (Huber, "Robust estimation of a location
// parameter", 1964). A [Delta] of 0 is an error.
func Huber(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "huber"
	o := options(op, opts, "a distance")
	wantSame(op, x, target)
	if !(o.delta > 0) || math.IsInf(o.delta, 1) {
		graph.Fail(op, "the distance %v is not positive and finite", o.delta)
	}
	return o.reduce(huber(x.Sub(target), o.delta))
}

// SmoothL1 is [Huber] divided by delta, the parameter beta of
// torch.nn.functional.smooth_l1_loss. With a [Delta] of 0 it is [L1].
func SmoothL1(x, target *graph.Node, opts ...LossOption) *graph.Node {
	const op = "smooth_l1"
	o := options(op, opts, "a distance")
	wantSame(op, x, target)
	if !(o.delta >= 0) || math.IsInf(o.delta, 1) {
		graph.Fail(op, "the distance %v is negative or not finite", o.delta)
	}
	d := x.Sub(target)
	if o.delta == 0 {
		return o.reduce(d.Abs())
	}
	return o.reduce(huber(d, o.delta).DivScalar(o.delta))
}

func huber(d *graph.Node, delta float64) *graph.Node {
	g := d.Graph()
	near := d.Abs().Less(graph.Scalar(g, d.DType(), delta))
	square := graph.Where(near, d, graph.Scalar(g, d.DType(), 0)).Square().MulScalar(0.5)
	return graph.Where(near, square, d.Abs().SubScalar(delta/2).MulScalar(delta))
}

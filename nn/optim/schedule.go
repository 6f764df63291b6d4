package optim

import (
	"math"

	"dumbtorch/graph"
)

// A Schedule gives the factor of the learning rate, a floating-point scalar, at
// the update n, an f64 scalar that counts from 0. It is part of the graph:
// no step needs a new rate from outside, and what a checkpoint holds of
// "optim.updates" is all that a resumed run needs.
//
// A schedule is a function of n, so that any other can be written as one.
type Schedule func(n *graph.Node) *graph.Node

// Scheduled multiplies the learning rate of every step by a schedule. Updates
// that are skipped or wait for a sum to be complete do not count.
func Scheduled(f Schedule) Option {
	return func(s *step) {
		if f == nil {
			graph.Fail("scheduled", "the schedule is nil")
		}
		s.schedule = f
	}
}

// at returns the factor at the update n, an i64 scalar.
func (f Schedule) at(n *graph.Node) *graph.Node {
	y := f(n.Cast(graph.F64))
	if y == nil || y.Rank() != 0 || !y.DType().IsFloat() {
		graph.Fail("scheduled", "the schedule returns %v, not a floating-point scalar", y)
	}
	return y
}

// Constant is 1 at all times.
func Constant() Schedule {
	return func(n *graph.Node) *graph.Node { return constant(n, 1) }
}

// Linear goes from one factor to another in the given number of updates, then
// stays: torch.optim.lr_scheduler.LinearLR. From a small factor to 1 it is a
// warm-up, from 1 to 0 a decay.
func Linear(updates int, from, to float64) Schedule {
	const op = "linear"
	checkUpdates(op, updates)
	checkPositive(op, "first factor", from)
	checkPositive(op, "last factor", to)
	return func(n *graph.Node) *graph.Node {
		return progress(n, updates).MulScalar(to - from).AddScalar(from)
	}
}

// Cosine falls from 1 to the factor last along half a period of a cosine in the
// given number of updates, then stays: torch.optim.lr_scheduler.CosineAnnealingLR
// with eta_min = last*rate, which instead rises again after T_max (Loshchilov
// and Hutter, "SGDR", 2017).
func Cosine(updates int, last float64) Schedule {
	const op = "cosine"
	checkUpdates(op, updates)
	checkPositive(op, "last factor", last)
	return func(n *graph.Node) *graph.Node { return anneal(progress(n, updates), 1, last) }
}

// Step multiplies by gamma after every size updates:
// torch.optim.lr_scheduler.StepLR.
func Step(size int, gamma float64) Schedule {
	const op = "step"
	checkUpdates(op, size)
	checkPositive(op, "factor", gamma)
	return func(n *graph.Node) *graph.Node { return constant(n, gamma).Pow(n.DivScalar(float64(size)).Floor()) }
}

// Cycle is one rise and fall of the learning rate, with 1 at the top:
// torch.optim.lr_scheduler.OneCycleLR, whose max_lr is the optimizer's LR here,
// without its cycling of the momentum (Smith and Topin, "Super-convergence",
// 2019).
type Cycle struct {
	Updates int     // of the whole cycle
	Rise    float64 // fraction of it in which the rate rises; 0 means 0.3
	First   float64 // factor at the start: 1/div_factor; 0 means 1/25
	Last    float64 // factor at the end: 1/(div_factor*final_div_factor); 0 means First/10000
	Linear  bool    // instead of along a cosine
}

// OneCycle is the schedule of a [Cycle].
func OneCycle(c Cycle) Schedule {
	const op = "one_cycle"
	checkUpdates(op, c.Updates)
	c.Rise = positive(op, "fraction of the rise", c.Rise, 0.3)
	c.First = positive(op, "first factor", c.First, 1./25)
	c.Last = positive(op, "last factor", c.Last, c.First/1e4)
	top, end := c.Rise*float64(c.Updates)-1, float64(c.Updates-1)
	if c.Rise > 1 || top <= 0 || top >= end {
		graph.Fail(op, "a rise in the fraction %v of %d updates leaves none for rise or fall", c.Rise, c.Updates)
	}
	between := anneal
	if c.Linear {
		between = func(t *graph.Node, from, to float64) *graph.Node { return t.MulScalar(to - from).AddScalar(from) }
	}
	return func(n *graph.Node) *graph.Node {
		rise := between(n.DivScalar(top), c.First, 1)
		fall := between(n.SubScalar(top).DivScalar(end-top).Clamp(0, 1), 1, c.Last)
		return graph.Where(n.LessEqual(constant(n, top)), rise, fall)
	}
}

// Then follows f for the given number of updates and next from there on, which
// counts anew: torch.optim.lr_scheduler.SequentialLR. A warm-up before a cosine
// is Linear(100, 0.01, 1).Then(100, Cosine(900, 0.1)).
func (f Schedule) Then(updates int, next Schedule) Schedule {
	const op = "then"
	checkUpdates(op, updates)
	if f == nil || next == nil {
		graph.Fail(op, "a schedule is nil")
	}
	return func(n *graph.Node) *graph.Node {
		turn := constant(n, float64(updates))
		return graph.Where(n.Less(turn), f(n), next(n.Sub(turn).Maximum(constant(n, 0))))
	}
}

// progress is n/updates, at most 1.
func progress(n *graph.Node, updates int) *graph.Node {
	return n.DivScalar(float64(updates)).Minimum(constant(n, 1))
}

// anneal goes from one factor to another along half a period of a cosine, as t
// goes from 0 to 1.
func anneal(t *graph.Node, from, to float64) *graph.Node {
	return t.MulScalar(math.Pi).Cos().AddScalar(1).MulScalar((from - to) / 2).AddScalar(to)
}

func constant(n *graph.Node, v float64) *graph.Node { return graph.Scalar(n.Graph(), graph.F64, v) }

func checkUpdates(op string, n int) {
	if n < 1 {
		graph.Fail(op, "%d updates: wants at least 1", n)
	}
}

package optim

import (
	"cmp"
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// GradScaler is dynamic loss scaling, torch.amp.GradScaler: the loss is
// multiplied by a scale before it is differentiated and the gradients are
// divided by it, so that small ones survive in a type of few bits. Where a
// gradient is not finite the update is skipped and the scale falls; after
// GrowthInterval updates without it grows. Scales that are powers of two change
// no bit of a gradient that neither over- nor underflows. (Micikevicius et al.,
// "Mixed precision training", 2018.)
//
// The scale is the variable "optim.loss_scale", f32, and the updates since it
// last changed are "optim.loss_scale_updates", i64.
type GradScaler struct {
	InitScale      float64 // 0 means 65536
	GrowthFactor   float64 // at least 1; 0 means 2
	BackoffFactor  float64 // below 1; 0 means 0.5
	GrowthInterval int     // 0 means 2000
}

// ScaleLoss scales the loss dynamically. The loss itself, as an output, is not
// scaled.
func ScaleLoss(o GradScaler) Option {
	return func(s *step) {
		const op = "scale_loss"
		o.InitScale = positive(op, "first scale", o.InitScale, 1<<16)
		o.GrowthFactor = positive(op, "growth factor", o.GrowthFactor, 2)
		o.BackoffFactor = positive(op, "backoff factor", o.BackoffFactor, 0.5)
		o.GrowthInterval = cmp.Or(o.GrowthInterval, 2000)
		if o.InitScale < minScale || o.InitScale > math.MaxFloat32 {
			graph.Fail(op, "the first scale %v is outside the normal numbers of f32", o.InitScale)
		}
		if o.GrowthFactor < 1 || o.BackoffFactor >= 1 {
			graph.Fail(op, "growth factor %v must be at least 1, backoff factor %v below 1", o.GrowthFactor, o.BackoffFactor)
		}
		if o.GrowthInterval < 1 {
			graph.Fail(op, "the growth interval %d is not at least 1", o.GrowthInterval)
		}
		s.scaler, s.skip = &o, true
	}
}

// SkipNonFinite skips updates in which a gradient is infinite or NaN: nothing
// changes, as if the step had not been made. Gradients that are accumulated up
// to such a step are dropped.
func SkipNonFinite() Option { return func(s *step) { s.skip = true } }

// minScale is the smallest normal number of f32, whose inverse is finite.
const minScale = 0x1p-126

// differentiate makes the gradients of loss, scaled while they are computed.
func (s *step) differentiate(loss *graph.Node, wrt []*graph.Node) {
	var inverse *graph.Node
	if s.scaler != nil {
		scale := s.g.Var(s.state.scalar(lossScale, types.F32, s.scaler.InitScale))
		loss = loss.Mul(scale)
		inverse = graph.Scalar(s.g, graph.F32, 1).Div(scale)
	}
	for _, d := range s.g.Grad(loss, wrt...) {
		if d = widen(d); inverse != nil {
			d = d.Mul(inverse.Cast(d.DType()))
		}
		s.grads = append(s.grads, d)
	}
}

// guard makes s.apply false where a gradient is not finite, and adjusts the
// scale of the loss.
func (s *step) guard() {
	if !s.skip {
		return
	}
	// Infinity times zero is NaN, and so is NaN. As for the norm, the sums are
	// independent.
	var zeros []*graph.Node
	for _, d := range s.grads {
		zeros = append(zeros, d.MulScalar(0).Sum())
	}
	sum := graph.Stack(0, zeros...).Sum()
	finite := sum.Equal(graph.Scalar(s.g, sum.DType(), 0))
	s.apply = finite
	if s.due != nil {
		s.apply = s.due.And(finite)
	}
	if s.scaler != nil {
		s.adjust(finite)
	}
}

// adjust gives the scale of the loss its next value, where this step updates or
// skips an update.
func (s *step) adjust(finite *graph.Node) {
	o, g := s.scaler, s.g
	v := s.state.scalar(lossScale, types.F32, o.InitScale)
	since := s.state.scalar("loss_scale_updates", types.I64, 0)
	scale, n := g.Var(v), g.Var(since).AddScalar(1)
	zero, limit := graph.Scalar(g, graph.I64, 0), graph.Scalar(g, graph.F32, math.MaxFloat32)
	grow := finite.And(n.GreaterEqual(graph.Scalar(g, graph.I64, float64(o.GrowthInterval))))
	grown := scale.MulScalar(o.GrowthFactor)
	grown = graph.Where(grown.LessEqual(limit), grown, scale)
	smaller := scale.MulScalar(o.BackoffFactor).Maximum(graph.Scalar(g, graph.F32, minScale))
	next := graph.Where(finite, graph.Where(grow, grown, scale), smaller)
	count := graph.Where(finite.And(grow.Not()), n, zero)
	if s.due != nil {
		next = graph.Where(s.due, next, scale)
		count = graph.Where(s.due, count, g.Var(since))
	}
	g.Assign(v, next)
	g.Assign(since, count)
}

const lossScale = "loss_scale"

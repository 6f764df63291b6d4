// Package optim holds update rules as functions that build graphs: the update
// of every parameter is part of the training step. The package must not import
// passes or devices.
package optim

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// An Optimizer turns gradients into assignments. What it keeps from step to step
// are variables that belong to the parameters ([graph.Variable.Companion]), so
// that an Optimizer itself has no state and may be made while a graph is built.
type Optimizer interface {
	// Minimize appends the gradient of loss, a floating-point scalar, with respect
	// to the trainable ones of params, and the update of each. A trainable
	// parameter that the loss does not reach is an error.
	Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option)
	// ZeroGrad appends the zeroing of what [Accumulate] has added up so far: the
	// next update has the gradients of later steps only. It is an error where no
	// Minimize of the same optimizer and parameters accumulates.
	ZeroGrad(g *graph.Graph, params []*graph.Variable)
	// Rate returns the variable that holds the learning rate, of no dimensions, in
	// the Minimize of the same optimizer and parameters. Setting it changes the
	// rate of the steps that follow.
	Rate(params []*graph.Variable) *graph.Variable
}

// An Option stands between gradients and update. Whatever their order,
// [Accumulate] comes first, then [ScaleLoss] or [SkipNonFinite]; clipping is done
// in the order of the options; [GroupRate], [GroupDecay] and [Scheduled] act on
// the update.
type Option func(*step)

// step is one Minimize: gradients on their way to the update.
type step struct {
	g      *graph.Graph
	state  state
	params []*graph.Variable
	grads  []*graph.Node
	due    *graph.Node // bool scalar: whether an accumulated sum is complete; nil: always
	apply  *graph.Node // bool scalar: whether this step updates; nil: always
	clips  []func(*step)
	every  int
	skip   bool // updates whose gradients are not finite
	scaler *GradScaler
	groups []group

	schedule   Schedule
	rateOutput string
	number     *graph.Node // of this update, from 1; nil until asked for
}

// Accumulate adds up the gradients of n steps, in accumulator variables, and
// updates with their sum at every n-th; the accumulators are then zeroed. Scale
// the loss by 1/n for the gradient of the mean. What is left of an incomplete
// sum stays for the next steps, unless [Optimizer.ZeroGrad] drops it.
func Accumulate(n int) Option {
	return func(s *step) {
		if n < 1 {
			graph.Fail("accumulate", "%d steps: wants at least 1", n)
		}
		s.every = n
	}
}

// prepare differentiates and applies the options.
func prepare(loss *graph.Node, params []*graph.Variable, state state, opts []Option) *step {
	const op = "minimize"
	s := &step{g: loss.Graph(), state: state}
	for i, o := range opts {
		if o == nil {
			graph.Fail(op, "option %d is nil", i)
		}
		o(s)
	}
	var wrt []*graph.Node
	seen := map[*graph.Variable]bool{}
	for i, p := range params {
		switch {
		case p == nil:
			graph.Fail(op, "parameter %d is nil", i)
		case seen[p]:
			graph.Fail(op, "parameter %s is given twice", p.Name())
		case p.Trainable():
			s.params = append(s.params, p)
			wrt = append(wrt, s.g.Var(p))
		}
		seen[p] = true
	}
	if len(wrt) == 0 {
		graph.Fail(op, "there are no trainable parameters among %d", len(params))
	}
	s.checkGroups()
	s.differentiate(loss, wrt)
	if s.every > 1 {
		s.accumulate()
	}
	s.guard()
	for _, c := range s.clips {
		c(s)
	}
	return s
}

// accumulate replaces the gradients by their running sums.
func (s *step) accumulate() {
	count := s.state.scalar(accumulated, types.I64, 0)
	seen := s.g.Var(count).AddScalar(1)
	s.due = seen.GreaterEqual(graph.Scalar(s.g, graph.I64, float64(s.every)))
	s.apply = s.due
	s.g.Assign(count, graph.Where(s.due, graph.Scalar(s.g, graph.I64, 0), seen))
	for i, p := range s.params {
		acc := s.state.like(p, accumulator)
		sum := s.read(acc).Add(s.grads[i])
		s.g.Assign(acc, graph.Where(s.due, graph.Scalar(s.g, sum.DType(), 0), sum).Cast(acc.Type().DType))
		s.grads[i] = sum
	}
}

// read returns the value of v for arithmetic: f16 and bf16 are computed in f32,
// and rounded where they are assigned.
func (s *step) read(v *graph.Variable) *graph.Node { return widen(s.g.Var(v)) }

// assign gives v its next value, where this step updates.
func (s *step) assign(v *graph.Variable, next *graph.Node) {
	next = next.Cast(v.Type().DType)
	if s.apply != nil {
		next = graph.Where(s.apply, next, s.g.Var(v))
	}
	s.g.Assign(v, next)
}

// widen casts f16 and bf16 to f32.
func widen(x *graph.Node) *graph.Node {
	if x.DType().IsHalf() {
		return x.Cast(types.F32)
	}
	return x
}

// updates returns the number of this update, from 1, an i64 scalar, and has it
// counted in the variable "optim.updates". Whatever depends on the count reads
// this node, not the variable, which can then be updated in place.
func (s *step) updates() *graph.Node {
	if s.number == nil {
		v := s.state.scalar("updates", types.I64, 0)
		s.number = s.g.Var(v).AddScalar(1)
		s.assign(v, s.number)
	}
	return s.number
}

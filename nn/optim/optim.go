// Package optim holds update rules as functions that build graphs: the update
// of every parameter is part of the training step. The package must not import
// passes or devices.
package optim

import (
	"cmp"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
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

// An Option stands between gradients and update. Clipping is done in the order
// of the options, after [Accumulate].
type Option func(*step)

// step is one Minimize: gradients on their way to the update.
type step struct {
	g      *graph.Graph
	state  state
	params []*graph.Variable
	grads  []*graph.Node
	apply  *graph.Node // bool scalar: whether this step updates; nil: always
	clips  []func(*step)
	every  int
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
	for _, o := range opts {
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
	s.grads = s.g.Grad(loss, wrt...)
	if s.every > 1 {
		s.accumulate()
	}
	for _, c := range s.clips {
		c(s)
	}
	return s
}

// accumulate replaces the gradients by their running sums.
func (s *step) accumulate() {
	count := s.state.scalar(accumulated, types.I64, 0)
	seen := s.g.Var(count).AddScalar(1)
	s.apply = seen.GreaterEqual(graph.Scalar(s.g, graph.I64, float64(s.every)))
	s.g.Assign(count, graph.Where(s.apply, graph.Scalar(s.g, graph.I64, 0), seen))
	for i, p := range s.params {
		acc := s.state.like(p, accumulator)
		sum := s.g.Var(acc).Add(s.grads[i])
		s.g.Assign(acc, graph.Where(s.apply, graph.Scalar(s.g, sum.DType(), 0), sum))
		s.grads[i] = sum
	}
}

// assign gives v its next value, where this step updates.
func (s *step) assign(v *graph.Variable, next *graph.Node) {
	if s.apply != nil {
		next = graph.Where(s.apply, next, s.g.Var(v))
	}
	s.g.Assign(v, next)
}

// The kinds of variables of [Accumulate]: sums of gradients, and their number.
const (
	accumulator = "accumulator"
	accumulated = "accumulated"
)

// state finds an optimizer's variables.
type state struct {
	name  string          // prefix of the names of those that belong to no parameter
	owner *graph.Variable // the first parameter, which these belong to
}

func newState(op, name string, params []*graph.Variable) state {
	if len(params) == 0 || params[0] == nil {
		graph.Fail(op, "there are no parameters")
	}
	return state{cmp.Or(name, "optim"), params[0]}
}

// key tells an optimizer's variables apart. The first value is a part of it: an
// optimizer of another rate has another variable.
type key struct {
	optimizer, kind string
	dtype           types.DType
	first           float64
}

// like returns the variable of one kind that belongs to a parameter, zero at
// first.
func (s state) like(p *graph.Variable, kind string) *graph.Variable {
	name := p.Name() + "." + kind
	v := p.Companion(key{s.name, kind, p.Type().DType, 0}, func() *graph.Variable { return newVariable(name, p.Type(), 0) })
	v.SetName(name) // the parameter may have been named anew
	return v
}

// scalar returns the variable of one kind that belongs to no parameter.
func (s state) scalar(kind string, d types.DType, first float64) *graph.Variable {
	return s.owner.Companion(key{s.name, kind, d, first}, func() *graph.Variable {
		return newVariable(s.name+"."+kind, types.Of(d), first)
	})
}

func newVariable(name string, t types.Type, first float64) *graph.Variable {
	v := graph.NewVariable(name, t, nn.Constant(first))
	v.Freeze()
	return v
}

// zeroGrad appends the zeroing of accumulators and of their count.
func (s state) zeroGrad(g *graph.Graph, params []*graph.Variable) {
	count := s.owner.Companion(key{s.name, accumulated, types.I64, 0}, nil)
	if count == nil {
		graph.Fail("zero_grad", "nothing is accumulated: build a training step with Accumulate first")
	}
	g.Assign(count, graph.Scalar(g, graph.I64, 0))
	for _, p := range params {
		if v := p.Companion(key{s.name, accumulator, p.Type().DType, 0}, nil); v != nil {
			g.Assign(v, graph.Zeros(g, v.Type().DType, v.Type().Shape...))
		}
	}
}

// Package optim holds update rules as functions that build graphs: the update
// of every parameter is part of the training step. The package must not import
// passes or devices.
package optim

import (
	"sync"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
)

// An Optimizer turns gradients into assignments.
type Optimizer interface {
	// Minimize appends the gradient of loss, a floating-point scalar, with respect
	// to the trainable ones of params, and the update of each. A trainable
	// parameter that the loss does not reach is an error.
	Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option)
	// ZeroGrad appends the zeroing of what [Accumulate] has added up so far: the
	// next update has the gradients of later steps only. Without Accumulate it is
	// an error.
	ZeroGrad(g *graph.Graph)
	// Rate returns the variable that holds the learning rate, of no dimensions; nil
	// before the first Minimize. Setting it changes the rate of the steps that
	// follow.
	Rate() *graph.Variable
}

// An Option stands between gradients and update. Clipping is done in the order
// of the options, after [Accumulate].
type Option func(*step)

// step is one Minimize: gradients on their way to the update.
type step struct {
	g      *graph.Graph
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
func prepare(loss *graph.Node, params []*graph.Variable, state *state, opts []Option) *step {
	const op = "minimize"
	s := &step{g: loss.Graph()}
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
		s.accumulate(state)
	}
	for _, c := range s.clips {
		c(s)
	}
	return s
}

// accumulate replaces the gradients by their running sums.
func (s *step) accumulate(state *state) {
	count := state.scalar("accumulated", types.I64, nil)
	seen := s.g.Var(count).AddScalar(1)
	s.apply = seen.GreaterEqual(graph.Scalar(s.g, graph.I64, float64(s.every)))
	s.g.Assign(count, graph.Where(s.apply, graph.Scalar(s.g, graph.I64, 0), seen))
	for i, p := range s.params {
		acc := state.like(p, accumulator)
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

// accumulator is the kind of variables that hold sums of gradients.
const accumulator = "accumulator"

// state keeps an optimizer's variables, so that building a graph again (for
// another batch size) finds the same ones.
type state struct {
	name string // prefix of the names of those that belong to no parameter

	mu   sync.Mutex // several graphs of one model may be bound at once
	vars map[stateKey]*graph.Variable
	list []stateKey // in the order in which they were made
}

type stateKey struct {
	param *graph.Variable
	kind  string
}

// variable returns the variable of one kind, made if there is none.
func (s *state) variable(k stateKey, name string, t types.Type, init graph.Initializer) *graph.Variable {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vars[k]
	if v == nil {
		if s.vars == nil {
			s.vars = map[stateKey]*graph.Variable{}
		}
		v = graph.NewVariable(name, t, init)
		v.Freeze()
		s.vars[k] = v
		s.list = append(s.list, k)
	}
	return v
}

// like returns the variable of one kind that belongs to a parameter, zero at
// first.
func (s *state) like(p *graph.Variable, kind string) *graph.Variable {
	return s.variable(stateKey{p, kind}, p.Name()+"."+kind, p.Type(), nn.Zeros())
}

// scalar returns the variable of one kind that belongs to no parameter.
func (s *state) scalar(kind string, d types.DType, init graph.Initializer) *graph.Variable {
	return s.variable(stateKey{nil, kind}, s.name+"."+kind, types.Of(d), init)
}

// find returns the variable of one kind that belongs to no parameter, or nil.
func (s *state) find(kind string) *graph.Variable {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vars[stateKey{nil, kind}]
}

// zeroGrad appends the zeroing of accumulators and of their count.
func (s *state) zeroGrad(g *graph.Graph) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for _, k := range s.list {
		if v := s.vars[k]; k.kind == accumulator || k.kind == "accumulated" {
			g.Assign(v, graph.Zeros(g, v.Type().DType, v.Type().Shape...))
			found = true
		}
	}
	if !found {
		graph.Fail("zero_grad", "nothing is accumulated: build a training step with Accumulate first")
	}
}

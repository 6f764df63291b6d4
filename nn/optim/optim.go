// Package optim holds update rules as functions that build graphs: the update
// of every parameter is part of the training step. The package must not import
// passes or devices.
package optim

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
)

// An Optimizer turns gradients into assignments.
type Optimizer interface {
	// Minimize appends the gradient of loss with respect to the trainable ones of
	// params, and the update of each. A trainable parameter that the loss does
	// not reach is an error.
	Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option)
}

// An Option stands between gradients and update.
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

// ClipNorm scales all gradients by max/norm when their joint 2-norm exceeds
// max: torch.nn.utils.clip_grad_norm_.
func ClipNorm(max float64) Option {
	return func(s *step) {
		s.clips = append(s.clips, func(s *step) {
			var sum *graph.Node
			for _, d := range s.grads {
				sq := d.Mul(d).Sum()
				if sum == nil {
					sum = sq
				} else {
					sum = sum.Add(sq)
				}
			}
			scale := graph.Scalar(s.g, graph.F32, max).Div(sum.Sqrt().AddScalar(1e-6))
			scale = scale.Minimum(graph.Scalar(s.g, graph.F32, 1))
			for i := range s.grads {
				s.grads[i] = s.grads[i].Mul(scale)
			}
		})
	}
}

// ClipValue limits every element of the gradients to [-max, max]:
// torch.nn.utils.clip_grad_value_.
func ClipValue(max float64) Option {
	return func(s *step) {
		s.clips = append(s.clips, func(s *step) {
			hi, lo := graph.Scalar(s.g, graph.F32, max), graph.Scalar(s.g, graph.F32, -max)
			for i := range s.grads {
				s.grads[i] = s.grads[i].Minimum(hi).Maximum(lo)
			}
		})
	}
}

// Accumulate adds up the gradients of n steps, in accumulator variables, and
// updates with their sum at every n-th; the accumulators are then zeroed. Scale
// the loss by 1/n for the gradient of the mean.
func Accumulate(n int) Option { return func(s *step) { s.every = n } }

// prepare differentiates and applies the options.
func prepare(loss *graph.Node, params []*graph.Variable, state *stateOf, opts []Option) *step {
	s := &step{g: loss.Graph()}
	for _, o := range opts {
		o(s)
	}
	var wrt []*graph.Node
	for _, p := range params {
		if p.Trainable() {
			s.params = append(s.params, p)
			wrt = append(wrt, s.g.Var(p))
		}
	}
	if len(wrt) == 0 {
		graph.Fail("minimize", "no trainable parameters")
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
func (s *step) accumulate(state *stateOf) {
	count := state.scalar("accumulated", types.I64)
	seen := s.g.Var(count).AddScalar(1)
	s.apply = seen.Equal(graph.Scalar(s.g, graph.I64, float64(s.every)))
	s.g.Assign(count, graph.Where(s.apply, seen.MulScalar(0), seen))
	for i, p := range s.params {
		acc := state.like(p, "accumulator")
		sum := s.g.Var(acc).Add(s.grads[i])
		s.g.Assign(acc, graph.Where(s.apply, sum.MulScalar(0), sum))
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

// stateOf keeps an optimizer's variables, so that building a graph again (for
// another batch size) finds the same ones.
type stateOf struct {
	vars map[stateKey]*graph.Variable
}

type stateKey struct {
	param *graph.Variable
	kind  string
}

func (s *stateOf) get(k stateKey, name string, t types.Type, init graph.Initializer) *graph.Variable {
	if s.vars == nil {
		s.vars = map[stateKey]*graph.Variable{}
	}
	v := s.vars[k]
	if v == nil {
		v = graph.NewVariable(name, t, init)
		v.Freeze()
		s.vars[k] = v
	}
	return v
}

// like returns the state variable of one kind for a parameter.
func (s *stateOf) like(p *graph.Variable, kind string) *graph.Variable {
	return s.get(stateKey{p, kind}, p.Name()+"."+kind, p.Type(), nn.Zeros())
}

func (s *stateOf) scalar(kind string, d types.DType) *graph.Variable {
	return s.get(stateKey{nil, kind}, "optim."+kind, types.Of(d), nil)
}

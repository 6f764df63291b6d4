package optim

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
)

// SGD is stochastic gradient descent, torch.optim.SGD:
//
//	d = gradient + WeightDecay*p
//	v = Momentum*v + (1-Dampening)*d   (at the first step: d)
//	d = v, or d + Momentum*v with Nesterov
//	p = p - rate*d
//
// The rate is a variable of the session, "optim.lr", which starts at LR: set it
// to change the rate without compiling anew.
type SGD struct {
	LR                               float64
	Momentum, Dampening, WeightDecay float64
	Nesterov                         bool

	state stateOf
}

// Rate returns the variable that holds the learning rate.
func (o *SGD) Rate() *graph.Variable {
	return o.state.get(stateKey{nil, "lr"}, "optim.lr", types.Of(types.F32), nn.Constant(o.LR))
}

// Minimize appends gradients and updates; see [Optimizer].
func (o *SGD) Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option) {
	switch {
	case o.LR < 0 || o.Momentum < 0 || o.WeightDecay < 0:
		graph.Fail("sgd", "learning rate %v, momentum %v and weight decay %v must not be negative", o.LR, o.Momentum, o.WeightDecay)
	case o.Nesterov && (o.Momentum == 0 || o.Dampening != 0):
		graph.Fail("sgd", "Nesterov momentum needs a momentum and no dampening")
	}
	s := prepare(loss, params, &o.state, opts)
	rate := s.g.Var(o.Rate())
	var damp *graph.Node // the factor of d in v
	if o.Momentum != 0 && o.Dampening != 0 {
		steps := o.state.scalar("steps", types.I64)
		taken := s.g.Var(steps)
		s.assign(steps, taken.AddScalar(1))
		first := taken.Equal(graph.Scalar(s.g, graph.I64, 0))
		damp = graph.Where(first, graph.Scalar(s.g, graph.F32, 1), graph.Scalar(s.g, graph.F32, 1-o.Dampening))
	}
	for i, p := range s.params {
		v := s.g.Var(p)
		d := s.grads[i]
		if o.WeightDecay != 0 {
			d = d.Add(v.MulScalar(o.WeightDecay))
		}
		if o.Momentum != 0 {
			buf := o.state.like(p, "momentum")
			m := s.g.Var(buf).MulScalar(o.Momentum)
			if damp != nil {
				m = m.Add(d.Mul(damp))
			} else {
				m = m.Add(d)
			}
			s.assign(buf, m)
			if o.Nesterov {
				d = d.Add(m.MulScalar(o.Momentum))
			} else {
				d = m
			}
		}
		s.assign(p, v.Sub(d.Mul(rate)))
	}
}

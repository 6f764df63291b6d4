package optim

import "dumbtorch/graph"

// SGD is stochastic gradient descent, torch.optim.SGD:
//
//	d = gradient + WeightDecay*p
//	v = Momentum*v + (1-Dampening)*d   (at the first update v is d)
//	d = v, or d + Momentum*v with Nesterov
//	p = p - rate*d
//
// The rate is a variable of the session, "optim.lr", which starts at LR: set it
// to change the rate without compiling anew. It is f32, or f64 where a
// parameter is. v is the variable "fc1.weight.momentum_buffer" for parameter
// "fc1.weight". With Dampening the number of updates is the variable
// "optim.updates".
type SGD struct {
	LR                               float64
	Momentum, Dampening, WeightDecay float64
	Nesterov                         bool
	// Name is the prefix of variables that belong to no parameter, "optim" by
	// default: optimizers that share a session need different ones.
	Name string
}

var _ Optimizer = SGD{}

// Rate returns the variable that holds the learning rate; see [Optimizer].
func (o SGD) Rate(params []*graph.Variable) *graph.Variable {
	return newState("rate", o.Name, params).rate(params, o.LR)
}

// ZeroGrad appends the zeroing of accumulated gradients; see [Optimizer].
func (o SGD) ZeroGrad(g *graph.Graph, params []*graph.Variable) {
	newState("zero_grad", o.Name, params).zeroGrad(g, params)
}

// Minimize appends gradients and updates; see [Optimizer].
func (o SGD) Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option) {
	o.check()
	s := prepare(loss, params, newState("minimize", o.Name, params), opts)
	rate := s.rate(o.Rate(params))
	undamped := o.undamped(s)
	for i, p := range s.params {
		v := s.read(p)
		d := s.grads[i]
		if w := s.decay(p, o.WeightDecay); w != 0 {
			d = d.Add(v.MulScalar(w))
		}
		if o.Momentum != 0 {
			buf := s.state.like(p, "momentum_buffer")
			part := d
			if undamped != nil {
				part = d.Mul(undamped.Cast(d.DType()))
			}
			m := s.read(buf).MulScalar(o.Momentum).Add(part)
			s.assign(buf, m)
			if o.Nesterov {
				d = d.Add(m.MulScalar(o.Momentum))
			} else {
				d = m
			}
		}
		s.assign(p, v.Sub(d.Mul(s.rateOf(p, rate).Cast(d.DType()))))
	}
}

// undamped returns the factor of the gradient in the momentum buffer: 1 at the
// first update and 1-Dampening later; nil if it is 1 always.
func (o SGD) undamped(s *step) *graph.Node {
	if o.Momentum == 0 || o.Dampening == 0 {
		return nil
	}
	first := s.updates().Equal(graph.Scalar(s.g, graph.I64, 1))
	return graph.Where(first, graph.Scalar(s.g, graph.F64, 1), graph.Scalar(s.g, graph.F64, 1-o.Dampening))
}

func (o SGD) check() {
	const op = "sgd"
	checkPositive(op, "learning rate", o.LR)
	checkPositive(op, "momentum", o.Momentum)
	checkPositive(op, "weight decay", o.WeightDecay)
	switch {
	case o.Dampening-o.Dampening != 0:
		graph.Fail(op, "dampening %v must be finite", o.Dampening)
	case o.Nesterov && (o.Momentum == 0 || o.Dampening != 0):
		graph.Fail(op, "Nesterov momentum needs a momentum and no dampening")
	}
}

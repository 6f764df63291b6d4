package optim

import "dumbtorch/graph"

// RMSprop is torch.optim.RMSprop (Hinton, lecture 6 of "Neural networks for
// machine learning", 2012), for a parameter p with gradient d:
//
//	d = d + WeightDecay*p
//	v = Alpha*v + (1-Alpha)*d*d
//	u = d / (sqrt(v) + Eps)
//	b = Momentum*b + u
//	p = p - rate*b
//
// Centered, sqrt(v - a*a) stands for sqrt(v), with the running average
// a = Alpha*a + (1-Alpha)*d (Graves, "Generating sequences with recurrent neural
// networks", 2013).
//
// v, a and b are the variables "fc1.weight.square_avg", "fc1.weight.grad_avg"
// and "fc1.weight.momentum_buffer" for parameter "fc1.weight", as in PyTorch. The
// rate is the variable "optim.lr", as of [SGD].
type RMSprop struct {
	LR                    float64
	Alpha                 float64 // 0 means 0.99
	Eps                   float64 // 0 means 1e-8
	WeightDecay, Momentum float64
	Centered              bool
	// Name is the prefix of variables that belong to no parameter; see [SGD].
	Name string
}

var _ Optimizer = RMSprop{}

// Rate returns the variable that holds the learning rate; see [Optimizer].
func (o RMSprop) Rate(params []*graph.Variable) *graph.Variable {
	return newState("rate", o.Name, params).rate(params, o.LR)
}

// ZeroGrad appends the zeroing of accumulated gradients; see [Optimizer].
func (o RMSprop) ZeroGrad(g *graph.Graph, params []*graph.Variable) {
	newState("zero_grad", o.Name, params).zeroGrad(g, params)
}

// Minimize appends gradients and updates; see [Optimizer].
func (o RMSprop) Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option) {
	const op = "rmsprop"
	alpha := positive(op, "alpha", o.Alpha, 0.99)
	eps := positive(op, "eps", o.Eps, 1e-8)
	checkPositive(op, "learning rate", o.LR)
	checkPositive(op, "weight decay", o.WeightDecay)
	checkPositive(op, "momentum", o.Momentum)
	if alpha >= 1 {
		graph.Fail(op, "alpha %v is not below 1", alpha)
	}
	s := prepare(loss, params, newState("minimize", o.Name, params), opts)
	rate := s.rate(o.Rate(params))
	for i, p := range s.params {
		x, d := s.read(p), s.grads[i]
		if w := s.decay(p, o.WeightDecay); w != 0 {
			d = d.Add(x.MulScalar(w))
		}
		square := s.state.like(p, "square_avg")
		v := average2(s.read(square), d, alpha)
		s.assign(square, v)
		if o.Centered {
			mean := s.state.like(p, "grad_avg")
			a := average(s.read(mean), d, alpha)
			s.assign(mean, a)
			v = v.Sub(a.Mul(a))
		}
		u := d.Div(v.Sqrt().AddScalar(eps))
		if o.Momentum != 0 {
			buf := s.state.like(p, "momentum_buffer")
			u = s.read(buf).MulScalar(o.Momentum).Add(u)
			s.assign(buf, u)
		}
		s.assign(p, x.Sub(u.Mul(s.rateOf(p, rate).Cast(x.DType()))))
	}
}

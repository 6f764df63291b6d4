package optim

import "dumbtorch/graph"

// Lion is the optimizer of Chen et al., "Symbolic discovery of optimization
// algorithms", 2023 (algorithm 2), for a parameter p with gradient d:
//
//	u = sign(Betas[0]*m + (1-Betas[0])*d)
//	m = Betas[1]*m + (1-Betas[1])*d
//	p = p - rate*(u + WeightDecay*p)
//
// Its rate is mostly three to ten times smaller than that of [AdamW], and its
// decay larger by the same. PyTorch has no counterpart. m is the variable
// "fc1.weight.exp_avg" for parameter "fc1.weight"; the rate is the variable
// "optim.lr", as of [SGD].
type Lion struct {
	LR          float64
	Betas       [2]float64 // {0, 0} means {0.9, 0.99}
	WeightDecay float64
	// Name is the prefix of variables that belong to no parameter; see [SGD].
	Name string
}

var _ Optimizer = Lion{}

// Rate returns the variable that holds the learning rate; see [Optimizer].
func (o Lion) Rate(params []*graph.Variable) *graph.Variable {
	return newState("rate", o.Name, params).rate(params, o.LR)
}

// ZeroGrad appends the zeroing of accumulated gradients; see [Optimizer].
func (o Lion) ZeroGrad(g *graph.Graph, params []*graph.Variable) {
	newState("zero_grad", o.Name, params).zeroGrad(g, params)
}

// Minimize appends gradients and updates; see [Optimizer].
func (o Lion) Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option) {
	const op = "lion"
	betas := coefficients(op, o.Betas, [2]float64{0.9, 0.99})
	checkPositive(op, "learning rate", o.LR)
	checkPositive(op, "weight decay", o.WeightDecay)
	s := prepare(loss, params, newState("minimize", o.Name, params), opts)
	rate := s.rate(o.Rate(params))
	for i, p := range s.params {
		x, d := s.read(p), s.grads[i]
		avg := s.state.like(p, "exp_avg")
		m := s.read(avg)
		u := m.MulScalar(betas[0]).Add(d.MulScalar(1 - betas[0])).Sign()
		s.assign(avg, m.MulScalar(betas[1]).Add(d.MulScalar(1-betas[1])))
		if w := s.decay(p, o.WeightDecay); w != 0 {
			u = u.Add(x.MulScalar(w))
		}
		s.assign(p, x.Sub(u.Mul(s.rateOf(p, rate).Cast(x.DType()))))
	}
}

package optim

import "dumbtorch/graph"

// Adam is torch.optim.Adam (Kingma and Ba, "Adam", 2015), for the n-th update of
// a parameter p with gradient d:
//
//	d = d + WeightDecay*p
//	m = Betas[0]*m + (1-Betas[0])*d
//	v = Betas[1]*v + (1-Betas[1])*d*d
//	p = p - rate/(1-Betas[0]^n) * m / (sqrt(v/(1-Betas[1]^n)) + Eps)
//
// With AMSGrad the largest v so far stands in v's place in the last line (Reddi,
// Kale and Kumar, "On the convergence of Adam and beyond", 2018).
//
// m, v and the largest v are the variables "fc1.weight.exp_avg",
// "fc1.weight.exp_avg_sq" and "fc1.weight.max_exp_avg_sq" for parameter
// "fc1.weight", as in PyTorch; n is counted in "optim.updates". The rate is the
// variable "optim.lr", as of [SGD].
type Adam struct {
	LR          float64
	Betas       [2]float64 // {0, 0} means {0.9, 0.999}
	Eps         float64    // 0 means 1e-8
	WeightDecay float64
	AMSGrad     bool
	// Name is the prefix of variables that belong to no parameter; see [SGD].
	Name string
}

// AdamW is torch.optim.AdamW: [Adam] whose weight decay is no part of the
// gradient, but p = p - rate*WeightDecay*p before the rest of the update
// (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019). Its
// WeightDecay of 0 is none, where PyTorch's default is 0.01.
type AdamW struct {
	LR          float64
	Betas       [2]float64 // {0, 0} means {0.9, 0.999}
	Eps         float64    // 0 means 1e-8
	WeightDecay float64
	AMSGrad     bool
	// Name is the prefix of variables that belong to no parameter; see [SGD].
	Name string
}

var _, _ Optimizer = Adam{}, AdamW{}

// Rate returns the variable that holds the learning rate; see [Optimizer].
func (o Adam) Rate(params []*graph.Variable) *graph.Variable {
	return newState("rate", o.Name, params).rate(params, o.LR)
}

// ZeroGrad appends the zeroing of accumulated gradients; see [Optimizer].
func (o Adam) ZeroGrad(g *graph.Graph, params []*graph.Variable) {
	newState("zero_grad", o.Name, params).zeroGrad(g, params)
}

// Minimize appends gradients and updates; see [Optimizer].
func (o Adam) Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option) {
	o.minimize("adam", false, loss, params, opts)
}

// Rate returns the variable that holds the learning rate; see [Optimizer].
func (o AdamW) Rate(params []*graph.Variable) *graph.Variable { return Adam(o).Rate(params) }

// ZeroGrad appends the zeroing of accumulated gradients; see [Optimizer].
func (o AdamW) ZeroGrad(g *graph.Graph, params []*graph.Variable) { Adam(o).ZeroGrad(g, params) }

// Minimize appends gradients and updates; see [Optimizer].
func (o AdamW) Minimize(loss *graph.Node, params []*graph.Variable, opts ...Option) {
	Adam(o).minimize("adamw", true, loss, params, opts)
}

func (o Adam) minimize(op string, decoupled bool, loss *graph.Node, params []*graph.Variable, opts []Option) {
	betas := coefficients(op, o.Betas, [2]float64{0.9, 0.999})
	eps := positive(op, "eps", o.Eps, 1e-8)
	checkPositive(op, "learning rate", o.LR)
	checkPositive(op, "weight decay", o.WeightDecay)
	s := prepare(loss, params, newState("minimize", o.Name, params), opts)
	rate := s.rate(o.Rate(params))
	weight1, weight2 := s.corrected(betas[0]), s.corrected(betas[1]).Sqrt()
	for i, p := range s.params {
		x, d := s.read(p), s.grads[i]
		t := x.DType()
		rate := s.rateOf(p, rate)
		switch w := s.decay(p, o.WeightDecay); {
		case w == 0:
		case decoupled:
			kept := graph.Scalar(s.g, graph.F64, 1).Sub(rate.Cast(graph.F64).MulScalar(w))
			x = x.Mul(kept.Cast(t))
		default:
			d = d.Add(x.MulScalar(w))
		}
		first, second := s.state.like(p, "exp_avg"), s.state.like(p, "exp_avg_sq")
		m := average(s.read(first), d, betas[0])
		v := average2(s.read(second), d, betas[1])
		s.assign(first, m)
		s.assign(second, v)
		if o.AMSGrad {
			most := s.state.like(p, "max_exp_avg_sq")
			v = s.read(most).Maximum(v)
			s.assign(most, v)
		}
		size := rate.Div(weight1).Cast(t)
		s.assign(p, x.Sub(m.Div(v.Sqrt().Div(weight2.Cast(t)).AddScalar(eps)).Mul(size)))
	}
}

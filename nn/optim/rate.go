package optim

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// OutputRate makes the learning rate of the step an output of the graph, before
// the factors of [GroupRate], so that it is logged as any other metric.
func OutputRate(name string) Option {
	return func(s *step) {
		if name == "" {
			graph.Fail("output_rate", "the output has no name")
		}
		s.rateOutput = name
	}
}

// rate returns the variable of the learning rate, which starts at lr.
func (s state) rate(params []*graph.Variable, lr float64) *graph.Variable {
	d := types.F32
	for _, p := range params {
		if p != nil && p.Type().DType == types.F64 {
			d = types.F64
		}
	}
	return s.scalar("lr", d, lr)
}

// rate returns the learning rate of this step, a scalar: that of the variable,
// times the schedule. With a schedule it is f64, so that what is computed from
// it is rounded once.
func (s *step) rate(v *graph.Variable) *graph.Node {
	r := s.g.Var(v)
	if s.schedule != nil {
		r = r.Mul(s.schedule.at(s.updates().SubScalar(1)))
	}
	if s.rateOutput != "" {
		s.g.Output(s.rateOutput, r)
	}
	return r
}

// rateOf returns the learning rate of one parameter, given that of the step.
func (s *step) rateOf(p *graph.Variable, rate *graph.Node) *graph.Node {
	if f := s.settings(p).rate; f != 1 {
		return rate.MulScalar(f)
	}
	return rate
}

// decay returns the weight decay of one parameter, given the optimizer's.
func (s *step) decay(p *graph.Variable, decay float64) float64 {
	if d := s.settings(p).decay; d != nil {
		return *d
	}
	return decay
}

// corrected returns 1 - beta^n, where n is the number of this update, from 1:
// the weight of the gradients in a running average that starts at zero. It is an
// f64 scalar.
func (s *step) corrected(beta float64) *graph.Node {
	n := s.updates().Cast(graph.F64)
	return graph.Scalar(s.g, graph.F64, 1).Sub(graph.Scalar(s.g, graph.F64, beta).Pow(n))
}

// average returns the next value of a running average, beta*m + (1-beta)*x.
func average(m, x *graph.Node, beta float64) *graph.Node {
	return m.MulScalar(beta).Add(x.MulScalar(1 - beta))
}

// average2 returns the next value of a running average of squares,
// beta*v + (1-beta)*x*x.
func average2(v, x *graph.Node, beta float64) *graph.Node {
	return v.MulScalar(beta).Add(x.Mul(x).MulScalar(1 - beta))
}

// coefficients returns betas, or their defaults where both are zero.
func coefficients(op string, betas, standard [2]float64) [2]float64 {
	if betas == [2]float64{} {
		return standard
	}
	for i, b := range betas {
		if !(b >= 0 && b < 1) {
			graph.Fail(op, "beta %d is %v: wants a number from 0 to 1, without 1", i+1, b)
		}
	}
	return betas
}

// positive returns v, or its default where it is zero.
func positive(op, what string, v, standard float64) float64 {
	checkPositive(op, what, v)
	if v == 0 {
		return standard
	}
	return v
}

// checkPositive fails unless v is finite and at least 0.
func checkPositive(op, what string, v float64) {
	if !(v >= 0) || math.IsInf(v, 1) {
		graph.Fail(op, "the %s %v is not a finite number of at least 0", what, v)
	}
}

package optim

import (
	"cmp"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
)

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
// first. That of a half is f32, where PyTorch keeps the parameter's type: squares
// of gradients below 2^-12 are 0 in f16.
func (s state) like(p *graph.Variable, kind string) *graph.Variable {
	name := p.Name() + "." + kind
	v := p.Companion(key{s.name, kind, p.Type().DType, 0}, func() *graph.Variable {
		return newVariable(name, types.Of(p.Type().DType.Arith(), p.Type().Shape...), 0)
	})
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

package randgraph

import (
	"fmt"
	"strings"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

const exactSuffix = "_exact"

// Exact reports whether an output has the same elements on every device, by its
// name.
func Exact(output string) bool { return strings.HasSuffix(output, exactSuffix) }

// fits reports whether all values broadcast together to a size that is kept.
func fits(vs ...value) bool {
	s := types.Shape{}
	for _, v := range vs {
		var err error
		if s, err = types.Broadcast(s, v.x.Shape()); err != nil {
			return false
		}
	}
	return s.Size() <= maxSize && len(s) <= maxRank
}

// finish declares outputs, gradients and assignments.
func (m *maker) finish() {
	n := min(len(m.pool), 1+m.choose(4))
	var outs, cts []*graph.Node
	for i, v := range m.pool[len(m.pool)-n:] {
		name := fmt.Sprint("y", i)
		if v.exact {
			name += exactSuffix
		}
		m.g.Output(name, v.x)
		if v.float() {
			outs = append(outs, v.x)
			cts = append(cts, m.g.Input(m.name("ct"), m.d, v.x.Shape()...))
		}
	}
	grads := map[*graph.Node]*graph.Node{}
	if wrt := m.reaching(outs); len(wrt) > 0 {
		ds := graph.VJP(outs, cts, wrt)
		for i, d := range ds {
			m.g.Output(fmt.Sprint("d", i), d)
			grads[wrt[i]] = d
		}
		if m.chance(6) {
			if again := m.reaching(ds); len(again) > 0 {
				for i, d := range graph.VJP(ds, wrt, again) {
					m.g.Output(fmt.Sprint("dd", i), d)
				}
			}
		}
	}
	for _, v := range m.vars {
		m.assign(v, grads[v.now.x])
	}
	if n == 0 && len(m.vars) == 0 {
		m.g.Output("y"+exactSuffix, graph.Scalar(m.g, m.d, 1))
	}
}

// reaching returns the leaves that outs depend on.
func (m *maker) reaching(outs []*graph.Node) []*graph.Node {
	reached := map[*ir.Node]bool{}
	var visit func(n *ir.Node)
	visit = func(n *ir.Node) {
		if !reached[n] {
			reached[n] = true
			for _, a := range n.Args {
				visit(a)
			}
		}
	}
	for _, o := range outs {
		visit(o.IR())
	}
	var wrt []*graph.Node
	for _, l := range m.leaves {
		if reached[l.IR()] && len(wrt) < 4 {
			wrt = append(wrt, l)
		}
	}
	return wrt
}

// assign gives a variable another value within its bound.
func (m *maker) assign(v *variable, grad *graph.Node) {
	now := v.now
	if m.chance(4) {
		return
	}
	same, found := m.find(func(o value) bool {
		return o.x.DType() == now.x.DType() && o.x.Shape().Equal(now.x.Shape()) && (o.exact || !v.exact)
	})
	if !found {
		same = now
	}
	switch {
	case !now.float():
		m.g.Assign(v.v, same.x.AddScalar(1))
	case v.exact:
		m.g.Assign(v.v, same.x.AddScalar(1).Clamp(-4, 4).Round())
	case grad != nil && m.chance(2):
		m.g.Assign(v.v, now.x.Sub(grad.MulScalar(0.1)).Tanh())
	default:
		m.g.Assign(v.v, now.x.MulScalar(0.5).Add(same.x).Tanh())
	}
}

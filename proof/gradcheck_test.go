package proof

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/autodiff/gradcheck"
	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/runtime/tensor"
)

// unchecked are the operations of testdata/ops whose gradient is not the
// derivative of their value, and why.
var unchecked = map[string]string{
	"floor_div":     "PyTorch defines no gradient; ours is zero",
	"stop_gradient": "stops what central differences see",
	"no_grad":       "stops what central differences see",
	"custom_vjp":    "its gradient is ten times the derivative",
	"one_hot":       "of integers",
	"arange":        "of nothing",
	"sgd":           "an optimizer",
	"argmax":        "integers",
	"argmin":        "integers",
	"acosh":         "its domain starts at 1; package graph checks it",
	"atanh":         "its domain ends at 1; package graph checks it",
	"logit":         "its domain ends at 1; package graph checks it",
	"kl_div_log":    "of logarithms, which are not positive; kl_div is checked",
}

// smooth returns numbers for the operands of a case: floating-point ones are
// positive, distinct and away from kinks; integers are those of the case. It is
// nil if the case is not of f64, or has too many or too few elements.
func (c *record) smooth(t *testing.T, s *suite) []*tensor.Tensor {
	for _, ref := range slices.Concat(c.In, c.Out) {
		if strings.HasPrefix(ref, "f32") {
			return nil
		}
	}
	moved := 0
	in := s.tensors(t, c.In)
	for i, x := range in {
		data, err := tensor.Data[float64](x)
		if err != nil {
			continue
		}
		moved += len(data)
		r := rand.New(rand.NewPCG(uint64(i), 9))
		for k, p := range r.Perm(len(data)) {
			data[k] = 0.4 + 1.5*(float64(p)+0.2+0.6*r.Float64())/float64(len(data))
		}
	}
	if moved < 2 || moved > 120 {
		return nil
	}
	return in
}

// Every operation and layer has the gradient of central differences, and so has
// its gradient.
func TestGradientsAreDerivatives(t *testing.T) {
	s := cases(t)
	const each = 6 // cases of an operation
	checked := map[string]int{}
	met := map[ir.Op]bool{}
	for _, c := range s.cases {
		if checked[c.Op] == each || unchecked[c.Op] != "" || c.Grad == nil {
			continue
		}
		in := c.smooth(t, s)
		if in == nil {
			continue
		}
		checked[c.Op]++
		c.Attr.fed = in
		f := func(g *graph.Graph, xs []*graph.Node) *graph.Node {
			var all *graph.Node
			for _, y := range ops[c.Op].f(g, c.Attr, c.views(xs)) {
				if !y.DType().IsFloat() {
					continue
				}
				if y = y.Reshape(-1); all == nil {
					all = y
				} else {
					all = graph.Concat(0, all, y)
				}
			}
			for _, n := range g.IR().Nodes {
				met[n.Op] = true
			}
			return all
		}
		if err := (gradcheck.Options{Order: 2}).Compare(f, in...); err != nil {
			t.Errorf("%s: %v\n%v", c.Name, err, in)
		}
	}
	for name := range ops {
		if unchecked[name] == "" && hasGradient(s, name) {
			require.NotZero(t, checked[name], "no case of %s is fit for a gradient check", name)
		}
	}
	for _, d := range ir.Ops() {
		// A cast between floating-point types has too few digits for differences.
		if d.VJP != nil && d.Op != ir.OpCustomVJP && d.Op != ir.OpCast {
			require.True(t, met[d.Op], "the gradient of operation %s is not checked", d.Name)
		}
	}
}

func hasGradient(s *suite, op string) bool {
	return slices.ContainsFunc(s.cases, func(c *record) bool { return c.Op == op && c.Grad != nil })
}

package optim

import (
	"path"

	"dumbtorch/graph"
)

// A Selection is some of the parameters of a model: a group that is trained
// otherwise than the rest.
type Selection func(p *graph.Variable) bool

// Vectors selects parameters of at most one dimension: biases, and the scales
// and shifts of norms, which mostly shall not decay.
func Vectors(p *graph.Variable) bool { return len(p.Type().Shape) <= 1 }

// Named selects parameters by name: those that a pattern of [path.Match]
// matches, as "head.*" or "*.bias". The dot is no separator: "*" matches any
// run of characters.
func Named(patterns ...string) Selection {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			graph.Fail("named", "the pattern %q: %w", p, err)
		}
	}
	return func(v *graph.Variable) bool {
		for _, p := range patterns {
			if ok, _ := path.Match(p, v.Name()); ok {
				return true
			}
		}
		return false
	}
}

// group is a selection and what is different about it.
type group struct {
	op     string
	which  Selection
	change func(*settings)
}

// settings are what a group can change.
type settings struct {
	rate  float64  // factor of the learning rate
	decay *float64 // weight decay; nil is the optimizer's
}

// GroupRate multiplies the learning rate of the selected parameters by a factor.
// A parameter in several groups gets the product. A selection of none is an
// error.
func GroupRate(factor float64, which Selection) Option {
	return groupOption("group_rate", "factor", factor, which, func(t *settings) { t.rate *= factor })
}

// GroupDecay gives the selected parameters a weight decay of their own, as
// GroupDecay(0, Vectors) for none on biases and norms. For a parameter in
// several groups the last option counts. A selection of none is an error.
func GroupDecay(decay float64, which Selection) Option {
	return groupOption("group_decay", "weight decay", decay, which, func(t *settings) { t.decay = &decay })
}

func groupOption(op, what string, v float64, which Selection, change func(*settings)) Option {
	return func(s *step) {
		checkPositive(op, what, v)
		if which == nil {
			graph.Fail(op, "the selection is nil")
		}
		s.groups = append(s.groups, group{op, which, change})
	}
}

// checkGroups fails if a group has no parameter.
func (s *step) checkGroups() {
	for _, gr := range s.groups {
		found := false
		for _, p := range s.params {
			found = found || gr.which(p)
		}
		if !found {
			graph.Fail(gr.op, "none of the %d trainable parameters is selected", len(s.params))
		}
	}
}

// settings returns what groups change about a parameter.
func (s *step) settings(p *graph.Variable) settings {
	t := settings{rate: 1}
	for _, gr := range s.groups {
		if gr.which(p) {
			gr.change(&t)
		}
	}
	return t
}

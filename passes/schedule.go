package passes

import (
	"slices"

	"dumbtorch/ir/kernel"
)

// schedule chooses the form of a built kernel from its cluster, or the general
// form where the expressions turned out otherwise.
func (kb *kernelBuild) schedule() kernel.Schedule {
	k := kb.kernel
	s := kernel.Schedule{Form: kernel.Pointwise}
	folds, roles := false, false
	for _, st := range k.Stores {
		folds = folds || st.Value.HasFold()
	}
	for _, n := range kb.k.nodes {
		roles = roles || kb.k.role[n] != full
	}
	switch {
	case !folds:
		s.Outer = k.Stores[0].Axes
		for _, st := range k.Stores {
			if !slices.Equal(st.Axes, s.Outer) {
				s.Outer = nil
			}
		}
	case kb.k.contract != nil:
		s.Form, s.Contract = kernel.Contract, contraction(k)
	case roles:
		s.Form = kernel.Rows
		used := kernel.SetOf(k.Axes)
		for _, d := range kb.dims {
			for _, a := range d.d.Axes {
				switch {
				case !used.Has(a):
				case d.inner:
					s.Inner = append(s.Inner, a)
				default:
					s.Outer = append(s.Outer, a)
				}
			}
		}
	default:
		s.Form = kernel.General
	}
	if k.CheckSchedule(s) != nil {
		return kernel.Schedule{}
	}
	return s
}

// contraction describes the first fold over a product in k's stores, or returns
// nil where there is none.
func contraction(k *kernel.Kernel) *kernel.Contraction {
	var fold *kernel.Expr
	kernel.Walk(k.Roots(), func(e *kernel.Expr) {
		if e.Kind == kernel.Fold && e.Op == kernel.Add && fold == nil {
			fold = e
		}
	})
	if fold == nil {
		return nil
	}
	body := fold.Args[0]
	if body.Kind != kernel.Call || body.Op != kernel.Mul {
		return nil
	}
	x, y := body.Args[0], body.Args[1]
	axes := k.Stores[0].Axes
	if len(axes) > 0 && x.Free().Has(axes[len(axes)-1]) && !y.Free().Has(axes[len(axes)-1]) {
		x, y = y, x // the innermost axis of the result is an N axis
	}
	c := &kernel.Contraction{Fold: fold, A: x, B: y, K: fold.Axes}
	for _, a := range axes {
		inA, inB := x.Free().Has(a), y.Free().Has(a)
		switch {
		case inA && inB:
			c.Batch = append(c.Batch, a)
		case inA:
			c.M = append(c.M, a)
		case inB:
			c.N = append(c.N, a)
		default:
			return nil
		}
	}
	for _, a := range fold.Axes {
		if !x.Free().Has(a) || !y.Free().Has(a) {
			return nil
		}
	}
	return c
}

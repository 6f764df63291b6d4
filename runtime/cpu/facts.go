package cpu

import "dumbtorch/ir/kernel"

// facts are what a kernel's expressions tell before they are compiled.
type facts struct {
	// sensitive expressions must not be evaluated where a guard forbids it: they
	// hold a load that may leave its buffer, or a run-time check.
	sensitive map[*kernel.Expr]bool
	// guarded expressions stand in a branch of an If, wherever they stand.
	guarded map[*kernel.Expr]bool
}

func newFacts(k *kernel.Kernel, roots []*kernel.Expr) *facts {
	f := &facts{sensitive: map[*kernel.Expr]bool{}, guarded: map[*kernel.Expr]bool{}}
	kernel.Walk(roots, func(e *kernel.Expr) {
		s := e.Kind == kernel.CheckIndex
		if e.Kind == kernel.Load && e.Param < len(k.Params) {
			lo, hi := e.Args[0].Range()
			s = lo < 0 || hi >= int64(k.Params[e.Param].Len)
		}
		for _, a := range e.Args {
			s = s || f.sensitive[a]
		}
		f.sensitive[e] = s
	})
	open := map[*kernel.Expr]bool{}
	for e := range f.sensitive {
		f.guarded[e] = true
	}
	var visit func(e *kernel.Expr)
	visit = func(e *kernel.Expr) {
		if open[e] {
			return
		}
		open[e] = true
		f.guarded[e] = false
		if e.Kind == kernel.If {
			visit(e.Args[0])
			return
		}
		for _, a := range e.Args {
			visit(a)
		}
	}
	for _, r := range roots {
		visit(r)
	}
	return f
}

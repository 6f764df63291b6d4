package passes

import (
	"errors"
	"fmt"
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
		s.Form, s.Contract = kernel.Contract, contraction(kb.in.b, k)
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
	if objection(k, s) != nil {
		return kernel.Schedule{}
	}
	return s
}

// objection tells why a kernel does not have the structure that a schedule
// claims, or returns nil.
func objection(k *kernel.Kernel, s kernel.Schedule) error {
	switch s.Form {
	case kernel.Pointwise:
		for _, st := range k.Stores {
			if st.Value.HasFold() || st.Index.HasFold() {
				return errors.New("a fold in a pointwise kernel")
			}
		}
	case kernel.Contract:
		return objectionToContract(k, s.Contract)
	case kernel.Rows:
		return objectionToRows(k, s)
	}
	return nil
}

// objectionToRows checks the stores of a row program: values over all axes, row
// values over the outer ones, and sinks.
func objectionToRows(k *kernel.Kernel, s kernel.Schedule) error {
	w := rowsWalk{outer: kernel.SetOf(s.Outer), inner: kernel.SetOf(s.Inner)}
	all := w.outer | w.inner
	for i, st := range k.Stores {
		w.over, w.sink, w.seen = kernel.SetOf(st.Axes), false, map[visit]bool{}
		if err := w.check(st.Value, false); err != nil {
			return fmt.Errorf("store %d %w", i, err)
		}
		if st.Index.HasFold() || w.over&^all != 0 || !w.sink && w.over != w.outer && w.over != all {
			return fmt.Errorf("store %d is neither full, nor of rows, nor a sink", i)
		}
	}
	return nil
}

// A rowsWalk looks at the folds of one store of a row program.
type rowsWalk struct {
	outer, inner, over kernel.AxisSet // over: of the store
	sink               bool           // there was a fold of a sink
	seen               map[visit]bool
}

func (w *rowsWalk) check(e *kernel.Expr, inFold bool) error {
	v := visit{e, inFold}
	if !e.HasFold() || w.seen[v] {
		return nil
	}
	w.seen[v] = true
	if e.Kind == kernel.Fold {
		switch axes := kernel.SetOf(e.Axes); {
		case axes == w.inner:
		case axes&^(w.outer|w.inner) != 0 || axes&w.outer == 0:
			return errors.New("folds over axes that are neither a row nor a column")
		case inFold:
			return errors.New("folds a sink")
		case axes&w.over != 0:
			return errors.New("keeps an axis that its sink folds")
		default:
			w.sink = true
		}
		inFold = true
	}
	for _, a := range e.Args {
		if err := w.check(a, inFold); err != nil {
			return err
		}
	}
	return nil
}

// objectionToContract checks that a kernel has one fold, that of the
// contraction, and stores over its axes only.
func objectionToContract(k *kernel.Kernel, c *kernel.Contraction) error {
	if c == nil {
		return errors.New("no fold of a product")
	}
	if len(c.M) == 0 || len(c.N) == 0 {
		return errors.New("an operand has no axes of its own")
	}
	if c.A.HasFold() || c.B.HasFold() {
		return errors.New("a fold in an operand")
	}
	axes := kernel.SetOf(c.Batch) | kernel.SetOf(c.M) | kernel.SetOf(c.N)
	other := false
	kernel.Walk(k.Roots(), func(e *kernel.Expr) { other = other || e.Kind == kernel.Fold && e != c.Fold })
	for _, s := range k.Stores {
		if kernel.SetOf(s.Axes) != axes || s.Index.HasFold() {
			return errors.New("a store over other axes than the contraction's")
		}
	}
	if other {
		return errors.New("a second fold")
	}
	return nil
}

// contraction describes the first fold over a product in k's stores, or returns
// nil where there is none.
func contraction(b *kernel.Builder, k *kernel.Kernel) *kernel.Contraction {
	var fold *kernel.Expr
	kernel.Walk(k.Roots(), func(e *kernel.Expr) {
		if e.Kind == kernel.Fold && e.Op == kernel.Add && fold == nil {
			fold = e
		}
	})
	if fold == nil {
		return nil
	}
	x, y, ok := factors(b, fold.Args[0])
	if !ok {
		return nil
	}
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

// factors returns the factors of a product. The conjuncts of a guard around it
// go to the factors that have their axes.
func factors(b *kernel.Builder, e *kernel.Expr) (x, y *kernel.Expr, ok bool) {
	guards := []*kernel.Expr(nil)
	if e.Kind == kernel.If && e.Args[2].IsConst(0) {
		guards, e = e.Args[:1], e.Args[1]
		if guards[0].Kind == kernel.AllOf {
			guards = guards[0].Args
		}
	}
	if e.Kind != kernel.Call || e.Op != kernel.Mul {
		return nil, nil, false
	}
	x, y = e.Args[0], e.Args[1]
	inX, inY := b.True(), b.True()
	for _, g := range guards {
		fitsX, fitsY := g.Free()&^x.Free() == 0, g.Free()&^y.Free() == 0
		if fitsX {
			inX = b.AllOf(inX, g)
		}
		if fitsY {
			inY = b.AllOf(inY, g)
		}
		if !fitsX && !fitsY {
			return nil, nil, false
		}
	}
	zero := b.Const(e.DType, 0)
	return b.If(inX, x, zero), b.If(inY, y, zero), true
}

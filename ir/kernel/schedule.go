package kernel

import (
	"errors"
	"fmt"
	"slices"
)

// CheckSchedule returns an error unless the kernel has the structure that the
// schedule claims; see [Form] and [Contraction].
func (k *Kernel) CheckSchedule(s Schedule) error {
	if err := disjoint(s.Outer, s.Inner); err != nil {
		return err
	}
	if s.Form != Tiles && (len(k.Stages) > 0 || len(k.Locals) > 0 || s.Blocks != 0) {
		return fmt.Errorf("form %s and stages do not go together", s.Form)
	}
	if err := disjoint(s.Block); err != nil {
		return err
	}
	if (s.Contract != nil) != (s.Form == Contract) {
		return fmt.Errorf("form %s and a contraction do not go together", s.Form)
	}
	switch s.Form {
	case General:
		return nil
	case Pointwise:
		return k.checkPointwise(s)
	case Rows:
		return k.checkRows(s)
	case Contract:
		return k.checkContract(s.Contract)
	case Tiles:
		return k.checkTiles()
	}
	return fmt.Errorf("form %d does not exist", s.Form)
}

// disjoint checks that no axis occurs twice in the lists.
func disjoint(lists ...[]*Axis) error {
	var seen AxisSet
	for _, l := range lists {
		for _, a := range l {
			if seen.Has(a) {
				return fmt.Errorf("axis %s has two places in the schedule", a.Name)
			}
			seen |= a.Bit()
		}
	}
	return nil
}

func (k *Kernel) checkPointwise(s Schedule) error {
	groups := map[int][]*Axis{}
	for i, st := range k.Stores {
		if st.Value.HasFold() || st.Index.HasFold() {
			return errors.New("a fold in a pointwise kernel")
		}
		if len(s.Outer) > 0 && !slices.Equal(st.Axes, s.Outer) {
			return fmt.Errorf("store %d runs over other axes than the schedule", i)
		}
		if g, ok := groups[st.Param]; ok && !slices.Equal(g, st.Axes) {
			return fmt.Errorf("stores over different axes write parameter p%d", st.Param)
		}
		groups[st.Param] = st.Axes
	}
	return nil
}

// checkRows checks the stores of a row program: values over all axes, row
// values over the outer ones, and sinks.
func (k *Kernel) checkRows(s Schedule) error {
	w := rowsWalk{outer: SetOf(s.Outer), inner: SetOf(s.Inner)}
	all := w.outer | w.inner
	for i, st := range k.Stores {
		w.over, w.sink, w.seen = SetOf(st.Axes), false, newFoldVisits(st.Value)
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
	outer, inner, over AxisSet // over: of the store
	sink               bool    // there was a fold of a sink
	seen               foldVisits
}

func (w *rowsWalk) check(e *Expr, inFold bool) error {
	if !e.HasFold() || !w.seen.add(e, inFold) {
		return nil
	}
	if e.Kind == Fold {
		switch axes := SetOf(e.Axes); {
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

// checkContract checks that a kernel has one fold, that of the contraction,
// that the fold is of the product of the contraction's factors, that every axis
// has its role, and that all stores run over the batch, M and N axes.
func (k *Kernel) checkContract(c *Contraction) error {
	switch {
	case c.Fold == nil || c.A == nil || c.B == nil || c.Fold.Kind != Fold || c.Fold.Op != Add:
		return errors.New("no fold of a product")
	case len(c.M) == 0 || len(c.N) == 0:
		return errors.New("an operand has no axes of its own")
	case c.A.HasFold() || c.B.HasFold():
		return errors.New("a fold in an operand")
	}
	if err := disjoint(c.Batch, c.M, c.N, c.K); err != nil {
		return err
	}
	if SetOf(c.K) != SetOf(c.Fold.Axes) {
		return errors.New("other K axes than the fold's")
	}
	kept := SetOf(c.Batch) | SetOf(c.M) | SetOf(c.N)
	found, others := false, 0
	Walk(k.Roots(), func(e *Expr) {
		found = found || e == c.Fold
		if e.Kind == Fold && e != c.Fold {
			others++
		}
	})
	switch {
	case !found:
		return errors.New("no store uses the contraction's fold")
	case others > 0:
		return errors.New("a second fold")
	}
	for _, s := range k.Stores {
		if SetOf(s.Axes) != kept || s.Index.HasFold() {
			return errors.New("a store over other axes than the contraction's")
		}
	}
	shared := SetOf(c.Batch) | SetOf(c.K)
	either := SetOf(k.Sched.Block) & SetOf(c.Batch) & (c.A.Free() | c.B.Free())
	if c.A.Free()|either != shared|SetOf(c.M) || c.B.Free()|either != shared|SetOf(c.N) {
		return errors.New("an operand depends on other axes than its own, the batch axes and the K axes")
	}
	if !c.isProduct() {
		return errors.New("the fold is not of the product of the operands")
	}
	return nil
}

// isProduct reports whether the fold's value is A*B, also where its guards have
// gone to A or B.
func (c *Contraction) isProduct() bool {
	guards, core := guarded(c.Fold.Args[0])
	if core.Kind != Call || core.Op != Mul {
		return false
	}
	gx, x := guarded(core.Args[0])
	gy, y := guarded(core.Args[1])
	ga, a := guarded(c.A)
	gb, b := guarded(c.B)
	if a != x || b != y {
		if gx, gy = gy, gx; a != y || b != x {
			return false
		}
	}
	within := func(set []*Expr, others ...[]*Expr) bool {
		return !slices.ContainsFunc(set, func(g *Expr) bool {
			return !slices.ContainsFunc(others, func(o []*Expr) bool { return slices.Contains(o, g) })
		})
	}
	return within(ga, gx, guards) && within(gb, gy, guards) && within(gx, ga) && within(gy, gb) && within(guards, ga, gb)
}

// guarded returns the conjuncts under which e is not 0, and what it is then.
func guarded(e *Expr) (guards []*Expr, core *Expr) {
	for e.Kind == If && e.Args[2].IsConst(0) {
		if p := e.Args[0]; p.Kind == AllOf {
			guards = append(guards, p.Args...)
		} else {
			guards = append(guards, p)
		}
		e = e.Args[1]
	}
	return guards, e
}

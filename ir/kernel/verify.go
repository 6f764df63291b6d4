package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir/types"
)

// Verify checks that the kernel is well formed:
//
//   - read parameters come before written ones, and only those are stored to;
//   - expressions have operands of the right number, sort and type;
//   - an axis occurs under a fold over it or in a store over it only;
//   - loads that no If guards stay within their buffers;
//   - stores stay within theirs, and write every element exactly once: the
//     index is affine with ranges that do not interfere, or there are few
//     enough points to try them all;
//   - the schedule fits; see [Kernel.CheckSchedule].
func (k *Kernel) Verify() error {
	if err := k.check(); err != nil {
		return fmt.Errorf("%w\nnear\n%s", err, err.around())
	}
	return nil
}

// A kernelError is a mistake in one kernel.
type kernelError struct {
	k     *Kernel
	e     *Expr // at fault; nil if none is
	store int   // at fault; -1 if none is
	err   error
}

func (e *kernelError) Error() string {
	if e.store >= 0 {
		return fmt.Sprintf("kernel %s: store %d: %v", e.k.Name, e.store, e.err)
	}
	return fmt.Sprintf("kernel %s: %v", e.k.Name, e.err)
}

func (e *kernelError) Unwrap() error { return e.err }

// nearLines is how many lines an error shows before and after the place.
const nearLines = 5

// around returns the lines of the text around the mistake.
func (e *kernelError) around() string {
	p := &printer{names: axisNames(e.k.Axes), num: map[*Expr]int{}}
	p.kernel(e.k)
	at := 0
	lines := strings.SplitAfter(p.b.String(), "\n")
	if n, ok := p.num[e.e]; ok {
		at = slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, fmt.Sprintf("  %%%d = ", n)) })
	} else if e.store >= 0 {
		at = slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "  store ") }) + e.store
	}
	return strings.Join(lines[max(0, at-nearLines):min(len(lines), at+nearLines+1)], "")
}

// check returns the first mistake, or nil.
func (k *Kernel) check() *kernelError {
	whole := func(err error) *kernelError { return &kernelError{k, nil, -1, err} }
	if err := k.checkParams(); err != nil {
		return whole(err)
	}
	if err := k.checkAxes(); err != nil {
		return whole(err)
	}
	for i, s := range k.Stores {
		if s.Index == nil || s.Value == nil {
			return whole(fmt.Errorf("store %d has no index or no value", i))
		}
	}
	roots := k.Roots()
	if c := k.Sched.Contract; c != nil {
		for _, e := range []*Expr{c.Fold, c.A, c.B} {
			if e == nil {
				return whole(errors.New("a contraction without a fold or an operand"))
			}
			roots = append(roots, e)
		}
	}
	if e, err := k.checkExprs(roots); err != nil {
		return &kernelError{k, e, -1, err}
	}
	g := bounds{k: k, seen: map[guardedExpr]bool{}}
	for i, s := range k.Stores {
		if err := k.checkStore(s); err != nil {
			return &kernelError{k, nil, i, err}
		}
		for _, e := range []*Expr{s.Index, s.Value} {
			if bad, err := g.check(e, false); err != nil {
				return &kernelError{k, bad, i, err}
			}
		}
	}
	if k.Sched.Form != Tiles {
		if err := k.checkWritten(); err != nil {
			return whole(err)
		}
	}
	if err := k.CheckSchedule(k.Sched); err != nil {
		return whole(fmt.Errorf("schedule: %w", err))
	}
	return nil
}

func (k *Kernel) checkParams() error {
	written := false
	for i, p := range k.Params {
		switch {
		case p.DType.Kind() == types.KindInvalid:
			return fmt.Errorf("parameter p%d has no element type", i)
		case p.Len < 0 || p.Len > types.MaxElements:
			return fmt.Errorf("parameter p%d has %d elements", i, p.Len)
		case written && !p.Out:
			return fmt.Errorf("parameter p%d is read and comes after a written one", i)
		}
		written = written || p.Out
	}
	return nil
}

func (k *Kernel) checkAxes() error {
	var seen AxisSet
	for _, a := range k.Axes {
		switch {
		case a.Extent < 1 || a.Extent > types.MaxElements:
			return fmt.Errorf("axis %s has extent %d", a.Name, a.Extent)
		case seen.Has(a):
			return fmt.Errorf("axis %s is listed twice, or is of another builder", a.Name)
		}
		seen |= a.Bit()
	}
	return nil
}

// checkExprs checks every expression by itself.
func (k *Kernel) checkExprs(roots []*Expr) (bad *Expr, err error) {
	known := map[*Axis]bool{}
	for _, a := range k.Axes {
		known[a] = true
	}
	Walk(roots, func(e *Expr) {
		if err == nil {
			if err = k.checkExpr(e, known); err != nil {
				bad = e
			}
		}
	})
	return bad, err
}

func (k *Kernel) checkExpr(e *Expr, known map[*Axis]bool) error {
	if err := e.check(); err != nil {
		return err
	}
	for _, a := range e.Axes {
		if !known[a] {
			return fmt.Errorf("axis %s is not one of the kernel's", a.Name)
		}
	}
	switch e.Kind {
	case Load:
		switch {
		case e.Param < 0 || e.Param >= len(k.Params):
			return fmt.Errorf("load from parameter p%d of %d", e.Param, len(k.Params))
		case k.Params[e.Param].Out:
			return fmt.Errorf("load from parameter p%d, which is written", e.Param)
		case k.Params[e.Param].DType != e.DType:
			return fmt.Errorf("load of type %v from parameter p%d of type %v", e.DType, e.Param, k.Params[e.Param].DType)
		}
	case CheckIndex:
		if e.Site >= len(k.Sites) {
			return fmt.Errorf("site %d of %d", e.Site, len(k.Sites))
		}
	case FromIndex:
		if lo, hi := e.Args[0].Range(); e.DType != types.I64 && !(fits(lo, e.DType) && fits(hi, e.DType)) {
			return fmt.Errorf("an index from %d to %d as %v", lo, hi, e.DType)
		}
	}
	return nil
}

func (k *Kernel) checkStore(s Store) error {
	if s.Param < 0 || s.Param >= len(k.Params) || !k.Params[s.Param].Out {
		return fmt.Errorf("parameter p%d is not one that is written", s.Param)
	}
	p := k.Params[s.Param]
	over := SetOf(s.Axes)
	for _, a := range s.Axes {
		if !slices.Contains(k.Axes, a) {
			return fmt.Errorf("axis %s is not one of the kernel's", a.Name)
		}
	}
	switch {
	case !s.Index.IsIndex():
		return errors.New("the place of the element is no index")
	case !s.Value.IsData() || s.Value.DType != p.DType:
		return fmt.Errorf("a value of type %v in parameter p%d of type %v", s.Value.DType, s.Param, p.DType)
	case s.Index.Free()&^over != 0 || s.Value.Free()&^over != 0:
		return fmt.Errorf("depends on axis %s, over which it does not run", k.axisOf((s.Index.Free()|s.Value.Free())&^over))
	}
	if err := disjoint(s.Axes); err != nil {
		return err
	}
	if !inRange(s.Index, p.Len) {
		lo, hi := s.Index.Range()
		return fmt.Errorf("index from %d to %d of parameter p%d with %d elements", lo, hi, s.Param, p.Len)
	}
	return nil
}

// axisOf returns the name of an axis of the set.
func (k *Kernel) axisOf(s AxisSet) string {
	for _, a := range k.Axes {
		if s.Has(a) {
			return a.Name
		}
	}
	return "of another kernel"
}

// guardedExpr is an expression at a place that a predicate guards, or not.
type guardedExpr struct {
	e     *Expr
	under bool
}

// bounds checks that loads which no predicate guards stay within their buffers.
type bounds struct {
	k    *Kernel
	seen map[guardedExpr]bool
}

func (g *bounds) check(e *Expr, under bool) (*Expr, error) {
	if under || g.seen[guardedExpr{e, under}] || !e.HasLoad() {
		return nil, nil // what a guard keeps in range is known at run time only
	}
	g.seen[guardedExpr{e, under}] = true
	if e.Kind == Load && !inRange(e.Args[0], g.k.Params[e.Param].Len) {
		lo, hi := e.Args[0].Range()
		return e, fmt.Errorf("unguarded load at index %d to %d of parameter p%d with %d elements", lo, hi, e.Param, g.k.Params[e.Param].Len)
	}
	for i, a := range e.Args {
		if bad, err := g.check(a, e.Kind == If && i > 0); err != nil {
			return bad, err
		}
	}
	return nil, nil
}

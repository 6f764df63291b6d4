package kernel

import "slices"

// InPlace reports whether the launch may write parameter out into the memory of
// the program's buffer in, which it reads: every element must be read only at the point that
// stores it. That holds whatever the order of the points if
//
//   - one store writes out, at an index that reads no memory;
//   - every load of the buffer, in any store, has exactly that index;
//   - the stores that load it run over the same axes, so that a device takes
//     them together, point by point; beside a store over whole rows, those over
//     the outer axes of a row program without sinks may load it too, because a
//     device computes the results of a row before it stores the row;
//   - no load of it stands under a fold, which would read it more than once;
//     but a row program reads whole rows before it stores one, so that there
//     folds over the row may stand above, and no others;
//   - the kernel's form takes points one by one: pointwise, or a contraction's
//     epilogue; or rows one by one.
func (l *Launch) InPlace(out, in int) bool {
	k := l.Kernel
	if k.Sched.Form != Pointwise && k.Sched.Form != Contract && k.Sched.Form != Rows {
		return false
	}
	var s *Store
	for i := range k.Stores {
		if k.Stores[i].Param == out {
			if s != nil {
				return false
			}
			s = &k.Stores[i]
		}
	}
	if s == nil || !k.Params[out].Out || s.Index.HasLoad() {
		return false
	}
	w := loadWalk{bound: func(param int) bool { return l.Args[param] == in }, at: s.Index}
	for j, a := range l.Args {
		if a == in {
			w.params |= paramBit(j)
		}
	}
	if k.Sched.Form == Rows {
		w.row = SetOf(k.Sched.Inner)
	}
	for i := range k.Stores {
		t := &k.Stores[i]
		if (t.Index.loads|t.Value.loads)&w.params == 0 {
			continue
		}
		w.seen, w.loads, w.column = newFoldVisits(t.Index, t.Value), false, false
		if !w.ok(t.Index, false) || !w.ok(t.Value, false) {
			return false
		}
		if w.loads && (!slices.Equal(t.Axes, s.Axes) && !k.resultOfRow(t, s) || w.column && k.Sched.Form == Rows) {
			return false
		}
	}
	return true
}

// resultOfRow reports whether a device computes what store t stores, a result of
// a row, before s stores the row.
func (k *Kernel) resultOfRow(t, s *Store) bool {
	if k.Sched.Form != Rows {
		return false
	}
	outer, inner := SetOf(k.Sched.Outer), SetOf(k.Sched.Inner)
	sinks := false
	Walk(k.Roots(), func(e *Expr) { sinks = sinks || e.Kind == Fold && SetOf(e.Axes) != inner })
	return !sinks && SetOf(t.Axes) == outer && SetOf(s.Axes) == outer|inner
}

// A loadWalk looks for loads of some parameters elsewhere than at one index.
type loadWalk struct {
	bound  func(param int) bool
	params uint64 // those that bound holds for, and others that share their bits
	at     *Expr
	row    AxisSet // folds over it may stand above the loads
	seen   foldVisits
	loads  bool // there was a load
	column bool // there was a fold over other axes than row
}

func (w *loadWalk) ok(e *Expr, inFold bool) bool {
	if e.loads&w.params == 0 && !e.folds || !w.seen.add(e, inFold) {
		return true
	}
	switch {
	case e.Kind == Load && w.bound(e.Param):
		if inFold || e.Args[0] != w.at {
			return false
		}
		w.loads = true
	case e.Kind == Fold && (w.row == 0 || SetOf(e.Axes) != w.row):
		w.column, inFold = true, true
	}
	for _, a := range e.Args {
		if !w.ok(a, inFold) {
			return false
		}
	}
	return true
}

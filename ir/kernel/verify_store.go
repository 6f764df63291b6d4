package kernel

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// maxTried bounds the points that the verifier evaluates one by one.
const maxTried = 1 << 16

// inRange reports whether an index lies in [0, n): by its bounds, or at every
// point.
func inRange(e *Expr, n int) bool {
	if lo, hi := e.Range(); lo >= 0 && hi < int64(n) {
		return true
	}
	ok := true
	tried := eachIndex(e, axesOf(e), func(v int64) { ok = ok && v >= 0 && v < int64(n) })
	return tried && ok
}

// checkWritten checks that the stores write every element of every written
// parameter exactly once.
func (k *Kernel) checkWritten() error {
	for q, p := range k.Params {
		if !p.Out {
			continue
		}
		var stores []Store
		total := 0
		for _, s := range k.Stores {
			if s.Param != q {
				continue
			}
			stores = append(stores, s)
			n := points64(s.Axes)
			if n > int64(p.Len) {
				return fmt.Errorf("%d points are stored in the %d elements of parameter p%d", n, p.Len, q)
			}
			total += int(n)
		}
		if total != p.Len {
			return fmt.Errorf("%d of the %d elements of parameter p%d are stored", total, p.Len, q)
		}
		if err := onto(stores, p.Len); err != nil {
			return fmt.Errorf("parameter p%d: %w", q, err)
		}
	}
	return nil
}

// points64 returns the number of points of the axes, at most 2^62.
func points64(axes []*Axis) int64 {
	n := int64(1)
	for _, a := range axes {
		if n > 1<<62/int64(max(1, a.Extent)) {
			return 1 << 62
		}
		n *= int64(a.Extent)
	}
	return n
}

// onto checks that stores of n points together, in a parameter of n elements,
// write each element once.
func onto(stores []Store, n int) error {
	proven := len(stores) == 1 && injective(stores[0])
	if len(stores) > 1 {
		proven = !slices.ContainsFunc(stores, func(s Store) bool { return !injective(s) }) && apart(stores)
	}
	if proven || n == 0 {
		return nil
	}
	if n > maxTried {
		return errors.New("the indices of the stores cannot be shown to differ")
	}
	seen := make([]bool, n)
	twice := int64(-1)
	for _, s := range stores {
		tried := eachIndex(s.Index, s.Axes, func(v int64) {
			if seen[v] {
				twice = v
			}
			seen[v] = true
		})
		if !tried {
			return errors.New("the indices of the stores cannot be shown to differ")
		}
	}
	if twice >= 0 {
		return fmt.Errorf("element %d is stored twice", twice)
	}
	return nil
}

// injective reports whether the store's index is affine in all axes of the store
// such that each coefficient exceeds the span of all smaller ones.
func injective(s Store) bool {
	type step struct{ coef, span int64 }
	var steps []step
	var seen AxisSet
	affine := true
	s.Index.Terms(func(c int64, arg *Expr) {
		if arg.Kind != Var {
			affine = false
			return
		}
		seen |= arg.free
		steps = append(steps, step{max(c, -c), max(c, -c) * (int64(arg.Axes[0].Extent) - 1)})
	})
	for _, a := range s.Axes {
		affine = affine && (seen.Has(a) || a.Extent == 1)
	}
	slices.SortFunc(steps, func(a, b step) int { return int(min(max(a.coef-b.coef, -1), 1)) })
	span := int64(0)
	for _, t := range steps {
		if t.coef <= span {
			return false
		}
		span += t.span
	}
	return affine
}

// apart reports whether the ranges of the stores' indices do not overlap.
func apart(stores []Store) bool {
	s := slices.Clone(stores)
	slices.SortFunc(s, func(a, b Store) int { return int(min(max(a.Index.lo-b.Index.lo, -1), 1)) })
	for i := range s[1:] {
		if s[i].Index.hi >= s[i+1].Index.lo {
			return false
		}
	}
	return true
}

// axesOf returns the axes that an index depends on.
func axesOf(e *Expr) []*Axis {
	var axes []*Axis
	Walk([]*Expr{e}, func(x *Expr) {
		if x.Kind == Var && !slices.Contains(axes, x.Axes[0]) {
			axes = append(axes, x.Axes[0])
		}
	})
	return axes
}

// eachIndex calls f with the value of an index at every point of the axes. It
// returns false where the index depends on data or there are too many points.
func eachIndex(e *Expr, axes []*Axis, f func(v int64)) bool {
	if e.hasCheck() || points64(axes) > maxTried {
		return false
	}
	at := map[*Axis]int64{}
	var run func(rest []*Axis)
	run = func(rest []*Axis) {
		if len(rest) == 0 {
			f(e.at(at))
			return
		}
		for i := range rest[0].Extent {
			at[rest[0]] = int64(i)
			run(rest[1:])
		}
	}
	run(axes)
	return true
}

func (e *Expr) hasCheck() bool {
	found := false
	Walk([]*Expr{e}, func(x *Expr) { found = found || x.Kind == CheckIndex })
	return found
}

// at returns the value of an index without run-time checks at a point.
func (e *Expr) at(point map[*Axis]int64) int64 {
	switch e.Kind {
	case Int:
		return e.Int
	case Var:
		return point[e.Axes[0]]
	case FloorDiv:
		return floorDiv(e.Args[0].at(point), e.Int)
	case FloorMod:
		return floorMod(e.Args[0].at(point), e.Int)
	case Affine:
		v := e.Int
		for i, a := range e.Args {
			v += e.Coef[i] * a.at(point)
		}
		return v
	}
	return math.MinInt64
}

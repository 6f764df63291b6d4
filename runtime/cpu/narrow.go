package cpu

import (
	"dumbtorch/ir/kernel"
)

// Rows of a few elements that lie apart, as the windows of a pooling do, are
// taken point by point, with the rows in lanes: a fold over a row is a loop over
// its points, and so is what stores a row's elements.

const (
	// narrowRow is the length up to which rows may be taken so.
	narrowRow = 16
	// tinyRow is the length up to which it pays even if a row's elements are
	// neighbours.
	tinyRow = 4
)

// narrow reports whether the rows are better taken point by point.
func (c *compiler) narrow(passing []int, sinks []*sink) bool {
	s := &c.k.Sched
	switch width := points(s.Inner); {
	case points(s.Outer) < 2*tileLanes/width:
		return false
	case width <= tinyRow:
		return true
	case width > narrowRow:
		return false
	}
	var roots []*kernel.Expr
	for _, i := range passing {
		roots = append(roots, c.k.Stores[i].Value)
	}
	for _, k := range sinks {
		roots = append(roots, k.fold)
	}
	apart := false
	kernel.Walk(roots, func(e *kernel.Expr) {
		if e.Kind != kernel.Load {
			return
		}
		f, _, ok := linearOf(e.Args[0])
		_, flat := collapse(s.Inner, f)
		apart = apart || ok && !flat
	})
	return apart
}

// narrowRows takes tiles of rows.
func (c *compiler) narrowRows(b *builder, passing []int, sinks []*sink) {
	s := &c.k.Sched
	inner := kernel.SetOf(s.Inner)
	rowStores, fullStores, rowSinks, fullSinks := c.byRow(passing, sinks)
	total := points(s.Outer)
	step := min(total, tileLanes)
	n := b.open()
	b.bindLanes(n, &space{axes: s.Outer}, step)
	b.in(n, func() value {
		// What is folded and the values of rows come first: the stores of points
		// may overwrite what they read.
		seen := map[*kernel.Expr]bool{}
		for _, i := range passing {
			b.store = i
			b.rowParts(c.k.Stores[i].Value, inner, seen)
		}
		for _, k := range sinks {
			b.store = k.store
			b.rowParts(k.fold.Args[0], inner, seen)
		}
		if len(fullStores)+len(fullSinks) > 0 {
			m := b.open()
			slots := b.bindEnv(m, s.Inner)
			b.in(m, func() value {
				b.rowValues(c, fullStores, fullSinks)
				return noValue
			})
			b.emit(instr{fn: runLoop, name: "points", dst: none, a: none, b: none, c: none, body: m.code, env: true, loop: newLoop(slots, s.Inner, 0)})
		}
		b.rowValues(c, rowStores, rowSinks)
		return noValue
	})
	b.emit(instr{fn: runTiles, name: "tiles", kind: laneTiles, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: total, step: step}})
}

// rowParts computes what of e is the same for all points of a row, if it is not
// among those seen: an expression is a graph, with far more paths than nodes.
func (b *builder) rowParts(e *kernel.Expr, inner kernel.AxisSet, seen map[*kernel.Expr]bool) {
	if seen[e] {
		return
	}
	seen[e] = true
	switch {
	case !e.IsData() || b.facts.sensitive[e]:
	case e.Free()&inner == 0:
		b.data(e, noValue)
	default:
		for _, a := range e.Args {
			b.rowParts(a, inner, seen)
		}
	}
}

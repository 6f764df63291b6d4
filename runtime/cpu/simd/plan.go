package simd

import (
	"slices"

	"dumbtorch/runtime/cpu/amd64"
)

// A row is computed in passes over its lanes. Pass p holds the folds whose
// values stand on p folds, one on the other; the last pass holds all stores of
// lanes, so that no lane is loaded again once it may have been overwritten. What
// a pass needs of an earlier one is computed again where that is cheap, and
// otherwise kept in a row of scratch memory. Values of rows are computed between
// the passes.

// plan is the order in which a row is computed.
type plan struct {
	first  []Value // of the row, before the passes
	passes []pass
	kept   map[Value]int // row of scratch memory, by value
	slot   map[Value]int // of values of the row
}

// A pass is one loop over the lanes of a row.
type pass struct {
	items []item
	folds []Value
	after []Value // of the row, computed when the folds are
	heavy bool    // the pass that asks for the next row
}

// An item is the next thing to do in a pass: to compute a value, to reload a
// value that was kept, to keep one, or to store one.
type item struct {
	do    action
	v     Value
	store int
}

type action uint8

const (
	doCompute action = iota
	doReload
	doKeep
	doStore
)

// keepCost is the number of operations from which it pays to keep a value of an
// earlier pass.
const keepCost = 6

// cost returns a measure of the work of one operation.
func (n *node) cost() int {
	switch {
	case n.kind == kConst || n.kind == kTable || n.kind == kScalar:
		return 0
	case n.op == amd64.VDIVPS || n.op == amd64.VSQRTPS:
		return 4
	}
	return 1
}

// cone returns the work of computing v from loads, counted up to a limit.
func (b *Builder) cone(v Value, limit int) int {
	seen := map[Value]bool{}
	sum := 0
	var visit func(v Value)
	visit = func(v Value) {
		if seen[v] || !b.facts[v].lanes || sum >= limit {
			return
		}
		seen[v] = true
		sum += b.nodes[v].cost()
		for _, x := range b.nodes[v].operands() {
			visit(x)
		}
	}
	visit(v)
	return sum
}

// live marks what the stores need.
func (b *Builder) live() []bool {
	alive := make([]bool, len(b.nodes))
	for _, s := range b.stores {
		alive[s.v] = true
	}
	for v := len(alive) - 1; v >= 0; v-- {
		if alive[v] {
			for _, x := range b.nodes[v].operands() {
				alive[x] = true
			}
		}
	}
	return alive
}

// A planner makes a plan.
type planner struct {
	*Builder
	*plan
	keep  bool // there are rows of scratch memory
	alive []bool
	keeps [][]Value      // by pass
	ofRow map[Value]bool // values of the row that are needed
}

// plan orders the program; rows of scratch memory exist where keep is set.
func (b *Builder) plan(keep bool) *plan {
	p := &planner{Builder: b, plan: &plan{kept: map[Value]int{}, slot: map[Value]int{}}, keep: keep, alive: b.live(), ofRow: map[Value]bool{}}
	last := -1
	for v, n := range b.nodes {
		if p.alive[v] && n.kind == kFold {
			last = max(last, b.facts[n.a].depth)
		}
	}
	for _, s := range b.stores {
		if b.streams[s.stream].Row {
			p.ofRow[s.v] = true
		} else {
			last = max(last, b.facts[s.v].depth)
		}
	}
	p.passes, p.keeps = make([]pass, last+1), make([][]Value, last+1)
	heavy := last
	for i := last; i >= 0; i-- {
		p.pass(i)
		if len(p.passes[i].items) > len(p.passes[heavy].items) {
			heavy = i
		}
	}
	p.row()
	if last >= 0 {
		p.passes[heavy].heavy = true
	}
	return p.plan
}

// pass collects what pass i computes.
func (p *planner) pass(i int) {
	ps := &p.passes[i]
	do := map[Value]action{}
	var visit func(v Value)
	visit = func(v Value) {
		f := p.facts[v]
		if _, ok := do[v]; ok {
			return
		}
		if !f.lanes {
			p.ofRow[v] = true
			return
		}
		if f.depth < i && p.keep && p.cone(v, keepCost) >= keepCost {
			if _, ok := p.kept[v]; !ok {
				p.kept[v] = len(p.kept)
				p.keeps[f.depth] = append(p.keeps[f.depth], v)
			}
			do[v] = doReload
			return
		}
		do[v] = doCompute
		for _, x := range p.nodes[v].operands() {
			visit(x)
		}
	}
	for v, n := range p.nodes {
		if p.alive[v] && n.kind == kFold && p.facts[n.a].depth == i {
			ps.folds = append(ps.folds, Value(v))
			p.ofRow[Value(v)] = true
			do[Value(v)] = doCompute
			visit(n.a)
		}
	}
	for _, v := range p.keeps[i] {
		visit(v)
	}
	last := i == len(p.passes)-1
	if last {
		for _, s := range p.stores {
			if !p.streams[s.stream].Row {
				visit(s.v)
			}
		}
	}
	values := make([]Value, 0, len(do))
	lastLoad := Value(-1)
	for v := range do {
		values = append(values, v)
		if p.nodes[v].isLoad() {
			lastLoad = max(lastLoad, v)
		}
	}
	slices.Sort(values)
	// A store follows its value and all loads, of which its memory may be.
	next := 0
	storeBefore := func(v Value) {
		for ; last && next < len(p.stores); next++ {
			if s := p.stores[next]; !p.streams[s.stream].Row {
				if max(s.v, lastLoad) >= v {
					return
				}
				ps.items = append(ps.items, item{do: doStore, v: s.v, store: next})
			}
		}
	}
	for _, v := range values {
		storeBefore(v)
		ps.items = append(ps.items, item{do: do[v], v: v})
		if slices.Contains(p.keeps[i], v) {
			ps.items = append(ps.items, item{do: doKeep, v: v})
		}
	}
	storeBefore(Value(len(p.nodes)))
}

// row puts the values of the row between the passes.
func (p *planner) row() {
	var values []Value
	for v := Value(len(p.nodes) - 1); v >= 0; v-- {
		n := &p.nodes[v]
		if !p.ofRow[v] || n.kind == kConst || n.kind == kTable || n.kind == kScalar {
			continue
		}
		values = append(values, v)
		if n.kind != kFold {
			for _, x := range n.operands() {
				p.ofRow[x] = true
			}
		}
	}
	slices.Reverse(values)
	for _, v := range values {
		p.slot[v] = p.scalars + len(p.slot)
		if d := p.facts[v].depth; d == 0 {
			p.first = append(p.first, v)
		} else if p.nodes[v].kind != kFold {
			p.passes[d-1].after = append(p.passes[d-1].after, v)
		}
	}
}

package cpu

import (
	"slices"

	"dumbtorch/ir/kernel"
)

const (
	// longRow is the length beyond which a row is computed in chunks, each value
	// as often as folds and stores need it.
	longRow = 1 << 14
	// maxBlocks bounds the partial sums of a sink, sinkLanes the memory for them.
	maxBlocks = 16
	sinkLanes = 1 << 21
)

// A sink is a sum over rows that is accumulated while the rows pass.
type sink struct {
	fold   *kernel.Expr
	store  int // that needs it first
	buf    int
	points int
	terms  []axisTerm
}

// rows compiles a row program: one phase that takes the rows, with partial sums
// of the sinks per block of rows, then the stores of the sinks. It reports false
// for a program that runs better store by store.
func (c *compiler) rows() bool {
	s := &c.k.Sched
	outer, inner := kernel.SetOf(s.Outer), kernel.SetOf(s.Inner)
	rows, width := points(s.Outer), points(s.Inner)
	if rows == 0 || width == 0 {
		return false
	}
	blocks := min(maxBlocks, rows, max(1, rows*width/grainLanes))
	grain := (rows + blocks - 1) / blocks
	blocks = (rows + grain - 1) / grain
	var passing, late []int
	var sinks []*sink
	seen := map[*kernel.Expr]bool{}
	for i := range c.k.Stores {
		st := &c.k.Stores[i]
		isLate := false
		for _, e := range sinkFolds(st.Value, outer) {
			isLate = true
			if seen[e] {
				continue
			}
			seen[e] = true
			var kept []*kernel.Axis
			for _, a := range st.Axes {
				if e.Free().Has(a) {
					kept = append(kept, a)
				}
			}
			// A sink over some inner axes only would be added once for each point of
			// the others.
			if in := (kernel.SetOf(e.Axes) | e.Free()) & inner; in != 0 && in != inner {
				return false
			}
			n := points(kept)
			if e.Op != kernel.Add || e.DType.Size() < 4 || n*blocks > sinkLanes || kernel.SetOf(kept) != e.Free() ||
				e.Free()&^(outer|inner) != 0 || outer&^(kernel.SetOf(e.Axes)|e.Free()) != 0 || c.facts.guarded[e] {
				return false
			}
			sinks = append(sinks, &sink{fold: e, store: i, points: n, terms: rowMajor(kept)})
		}
		switch axes := kernel.SetOf(st.Axes); {
		case isLate:
			late = append(late, i)
		case axes != outer && axes != outer|inner:
			return false
		default:
			passing = append(passing, i)
		}
	}
	if len(sinks) == 0 {
		// No block needs to be large.
		grain = max(1, grainLanes/2/width)
	}
	for _, k := range sinks {
		k.buf = c.temp(k.fold.DType, k.points*blocks)
	}
	b := c.builder(0)
	b.point = outer | inner
	for _, k := range sinks {
		b.emit(instr{
			fn: zeroBlock, name: "zero", dst: none, a: none, b: none, c: none, cl: scalar, buf: k.buf, imm: int64(k.points * k.fold.DType.Size()),
		})
	}
	name := "rows"
	switch {
	case c.narrow(passing, sinks):
		name = "narrow rows"
		c.narrowRows(b, passing, sinks)
	case width <= longRow:
		name = "row tiles"
		c.shortRows(b, passing, sinks)
	default:
		name = "long rows"
		c.longRows(b, passing, sinks)
	}
	c.finish(b, name, rows, grain)
	for _, k := range sinks {
		c.subst[k.fold] = source{buf: k.buf, terms: k.terms, blocks: blocks, stride: int64(k.points), op: kernel.Add}
	}
	var rest []kernel.Store
	for _, i := range late {
		rest = append(rest, c.k.Stores[i])
	}
	c.groups(rest)
	return true
}

// sinkFolds returns the outermost folds of e over outer axes.
func sinkFolds(e *kernel.Expr, outer kernel.AxisSet) []*kernel.Expr {
	var out []*kernel.Expr
	for _, f := range outermost(e) {
		if kernel.SetOf(f.Axes)&outer != 0 {
			out = append(out, f)
		}
	}
	return out
}

// zeroBlock clears the task's part of a scratch buffer.
func zeroBlock(st *state, in *instr) {
	m := st.bufs[in.buf]
	at := in.imm * int64(st.task)
	clear(m.bytes[at : at+in.imm])
}

// shortRows takes whole rows, several a tile where they are short.
func (c *compiler) shortRows(b *builder, passing []int, sinks []*sink) {
	s := &c.k.Sched
	b.openRows(s.Outer, s.Inner, max(1, tileLanes/points(s.Inner)), func() { b.rowValues(c, passing, sinks) })
}

// openRows emits a loop over tiles of step rows; f fills its body.
func (b *builder) openRows(outer, inner []*kernel.Axis, step int, f func()) {
	width := points(inner)
	n := b.open()
	b.bindLanes(n, &space{axes: concat(outer, inner), row: len(outer), whole: true}, step*width)
	b.rows = max(b.rows, step)
	b.in(n, func() value {
		f()
		return noValue
	})
	b.emit(instr{
		fn: runRowTiles, name: "row tiles", kind: rowTiles, dst: none, a: none, b: none, c: none, body: n.code, width: width, loop: &loop{total: points(outer), step: step},
	})
}

// minRow is the number of lanes from which on it pays to take points row by row.
const minRow = 32

// rowsOf returns how many of the stores' axes number rows along which every load
// is of neighbours or of one element, where over all axes some load is neither:
// generated loops then load from the buffers themselves. It returns 0 where
// tiles of points do.
func (c *compiler) rowsOf(group []int) int {
	axes := c.k.Stores[group[0]].Axes
	var roots []*kernel.Expr
	for _, i := range group {
		if c.k.Stores[i].Value.HasFold() {
			return 0
		}
		roots = append(roots, c.k.Stores[i].Value)
	}
	var coefs []map[*kernel.Axis]int64
	plain := true
	kernel.Walk(roots, func(e *kernel.Expr) {
		if e.Kind != kernel.Load {
			return
		}
		m := map[*kernel.Axis]int64{}
		e.Args[0].Terms(func(k int64, arg *kernel.Expr) {
			if plain = plain && arg.Kind == kernel.Var; plain {
				m[arg.Axes[0]] = k
			}
		})
		coefs = append(coefs, m)
	})
	if !plain {
		return 0
	}
	fits := func(axes []*kernel.Axis) bool {
		return !slices.ContainsFunc(coefs, func(m map[*kernel.Axis]int64) bool {
			k, ok := collapse(axes, m)
			return !ok || k != 0 && k != 1
		})
	}
	for k := range axes {
		if n := points(axes[k:]); n < minRow {
			break
		} else if n <= longRow && fits(axes[k:]) {
			return k
		} else if k == 0 && fits(axes) {
			break
		}
	}
	return 0
}

func concat(a, b []*kernel.Axis) []*kernel.Axis { return append(append([]*kernel.Axis{}, a...), b...) }

// byRow tells stores and sinks of row values from those of full values.
func (c *compiler) byRow(passing []int, sinks []*sink) (rowStores, fullStores []int, rowSinks, fullSinks []*sink) {
	inner := kernel.SetOf(c.k.Sched.Inner)
	for _, i := range passing {
		if kernel.SetOf(c.k.Stores[i].Axes)&inner != 0 {
			fullStores = append(fullStores, i)
		} else {
			rowStores = append(rowStores, i)
		}
	}
	for _, k := range sinks {
		if k.fold.Args[0].Free()&inner != 0 {
			fullSinks = append(fullSinks, k)
		} else {
			rowSinks = append(rowSinks, k)
		}
	}
	return rowStores, fullStores, rowSinks, fullSinks
}

// longRows takes one row at a time in chunks.
func (c *compiler) longRows(b *builder, passing []int, sinks []*sink) {
	s := &c.k.Sched
	rowStores, fullStores, rowSinks, fullSinks := c.byRow(passing, sinks)
	outer := b.open()
	slots := b.bindEnv(outer, s.Outer)
	b.in(outer, func() value {
		// Values of rows come first: a chunk's stores may overwrite what they read.
		for _, i := range rowStores {
			b.store = i
			b.data(c.k.Stores[i].Value, noValue)
		}
		if len(fullStores)+len(fullSinks) > 0 {
			n := b.open()
			b.bindLanes(n, &space{axes: s.Inner}, tileLanes)
			b.in(n, func() value {
				b.rowValues(c, fullStores, fullSinks)
				return noValue
			})
			b.emit(instr{fn: runChunks, name: "chunks", kind: laneTiles, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: points(s.Inner), step: tileLanes}})
		}
		b.rowValues(c, rowStores, rowSinks)
		return noValue
	})
	b.emit(instr{fn: runRows, name: "rows", dst: none, a: none, b: none, c: none, body: outer.code, loop: newLoop(slots, s.Outer, 0)})
}

// rowValues accumulates sinks and computes stores, in the current block.
func (b *builder) rowValues(c *compiler, passing []int, sinks []*sink) {
	// A run-time check belongs to the first store that needs it.
	for n := range c.k.Stores {
		b.store = n
		for _, k := range sinks {
			if k.store == n {
				b.data(k.fold.Args[0], noValue)
			}
		}
		if slices.Contains(passing, n) {
			b.data(c.k.Stores[n].Value, noValue)
		}
	}
	for _, k := range sinks {
		free := k.fold.Args[0].Free()
		b.store = k.store
		v := b.data(k.fold.Args[0], noValue)
		cl := b.class(free | termAxes(k.terms))
		v = b.expand(v, cl)
		ix := index{terms: k.terms, slots: []term{{int64(k.points), taskSlot}}, cl: cl}
		b.emit(instr{
			fn: foldLoops(kernel.Add, k.fold.DType).accum, name: "sum." + k.fold.DType.String(),
			dst: none, a: v.r, b: none, c: none, cl: cl, buf: k.buf, aff: ix.affine(b, cl), sem: sem{kind: semAccum, d: k.fold.DType},
		})
	}
	b.stores(c.k, passing)
}

func termAxes(terms []axisTerm) kernel.AxisSet {
	var s kernel.AxisSet
	for _, t := range terms {
		s |= t.axis.Bit()
	}
	return s
}

package cpu

import (
	"dumbtorch/ir/kernel"
)

// Limits for folds that get a phase of their own: a fold of many values into
// few would be one long task.
const (
	splitTotal  = 1 << 13 // values folded into each result
	splitLanes  = 1 << 14 // results
	splitBlocks = 64      // partial results of each
	splitWork   = 1 << 17 // values folded altogether
)

// splitFolds gives the long folds of a store phases of their own: first blocks
// of the fold into a scratch buffer; where the fold was, the blocks are combined
// in order. How many blocks there are depends on the extents alone.
func (c *compiler) splitFolds(s *kernel.Store) {
	over := points(s.Axes)
	for _, e := range outermost(s.Value) {
		if _, ok := c.subst[e]; ok {
			continue
		}
		var kept []*kernel.Axis
		for _, a := range s.Axes {
			if e.Free().Has(a) {
				kept = append(kept, a)
			}
		}
		n, total := points(kept), points(e.Axes)
		if kernel.SetOf(kept) == e.Free() && total > 0 && n > 0 && c.push(e, kept, c.number(s)) {
			continue
		}
		if kernel.SetOf(kept) != e.Free() || total == 0 || n == 0 || c.facts.guarded[e] || c.facts.sensitive[e] {
			continue
		}
		switch {
		case n*total < splitWork || n > splitLanes || over > n*1024:
		case n <= 64 && total >= splitTotal:
			c.split(e, kept, min(splitBlocks, total/(splitTotal/2)), c.foldChunks)
		case n > 64 && n < grainLanes/2 && total >= 64:
			c.split(e, kept, min(8, total/32), c.foldColumns)
		}
	}
}

// outermost returns the folds of e that stand in no other fold.
func outermost(e *kernel.Expr) []*kernel.Expr {
	var out []*kernel.Expr
	seen := map[*kernel.Expr]bool{}
	var visit func(e *kernel.Expr)
	visit = func(e *kernel.Expr) {
		if seen[e] || !e.HasFold() {
			return
		}
		seen[e] = true
		if e.Kind == kernel.Fold {
			out = append(out, e)
			return
		}
		for _, a := range e.Args {
			visit(a)
		}
	}
	visit(e)
	return out
}

// split compiles a phase that folds blocks of e and notes where they are.
func (c *compiler) split(e *kernel.Expr, kept []*kernel.Axis, blocks int, body func(b *builder, e *kernel.Expr, kept []*kernel.Axis, ix index, buf int)) {
	n, total := points(kept), points(e.Axes)
	grain := (total + blocks - 1) / blocks
	blocks = (total + grain - 1) / grain
	buf := c.temp(e.DType, n*blocks)
	terms := rowMajor(kept)
	b := c.builder(0)
	body(b, e, kept, index{terms: terms, slots: []term{{int64(n), taskSlot}}, cl: scalar}, buf)
	c.finish(b, "fold", total, grain)
	c.subst[e] = source{buf: buf, terms: terms, blocks: blocks, stride: int64(n), op: e.Op}
}

// rowMajor returns the flat index over axes.
func rowMajor(axes []*kernel.Axis) []axisTerm {
	terms := make([]axisTerm, len(axes))
	stride := int64(1)
	for i := len(axes) - 1; i >= 0; i-- {
		terms[i] = axisTerm{axes[i], stride}
		stride *= int64(axes[i].Extent)
	}
	return terms
}

// foldChunks folds with lanes along the fold, for each kept point.
func (c *compiler) foldChunks(b *builder, e *kernel.Expr, kept []*kernel.Axis, ix index, buf int) {
	outer := b.open()
	slots := b.bindEnv(outer, kept)
	b.in(outer, func() value {
		d := b.running(e)
		n := b.open()
		step := min(points(e.Axes), tileLanes)
		b.bindLanes(n, &space{axes: e.Axes}, step)
		n.fold |= kernel.SetOf(e.Axes)
		b.in(n, func() value {
			v := b.expand(b.data(e.Args[0], noValue), full)
			b.emit(foldInto(e, d, v))
			return d
		})
		b.emit(instr{fn: runTiles, name: "tiles", kind: laneTiles, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: points(e.Axes), step: step}})
		b.put(buf, ix, noValue, d, scalar, e.DType)
		return d
	})
	b.emit(instr{fn: runLoop, name: "loop", dst: none, a: none, b: none, c: none, body: outer.code, env: true, loop: newLoop(slots, kept, 0)})
}

// foldColumns folds with lanes along the kept points.
func (c *compiler) foldColumns(b *builder, e *kernel.Expr, kept []*kernel.Axis, ix index, buf int) {
	all := b.open()
	b.bindLanes(all, &space{axes: kept, whole: true}, points(kept))
	b.in(all, func() value {
		d := b.fresh(kernel.Identity(e.Op, e.DType), full)
		n := b.open()
		slots := b.bindEnv(n, e.Axes)
		n.fold |= kernel.SetOf(e.Axes)
		b.in(n, func() value {
			b.accumulate(e.Op, e.DType, d, b.data(e.Args[0], noValue))
			return d
		})
		b.emit(instr{fn: runRows, name: "rows", dst: none, a: none, b: none, c: none, body: n.code, loop: newLoop(slots, e.Axes, 0)})
		b.put(buf, ix, noValue, d, full, e.DType)
		return d
	})
	b.emit(instr{fn: runWhole, name: "whole", kind: laneTiles, dst: none, a: none, b: none, c: none, body: all.code, loop: &loop{total: points(kept)}})
}

// foldInto is the instruction d = op(d, fold of the lanes of v).
func foldInto(e *kernel.Expr, d, v value) instr {
	return instr{
		fn: foldLoops(e.Op, e.DType).into, name: "fold." + e.Op.String() + "." + e.DType.String(),
		dst: d.r, a: v.r, b: none, c: none, cl: scalar, accumulates: true,
		sem: sem{kind: semFold, op: e.Op, d: e.DType},
	}
}

package cpu

import (
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// tileLanes is how many lanes the tiles of long spaces have.
const tileLanes = 1024

// minChunk is how many points of a fold are worth lanes of their own.
const minChunk = 16

// fold returns the value of a Fold. Over the lanes of the tile it is a
// reduction; where nothing is bound to lanes yet it gets lanes of its own;
// anything else is a loop that accumulates.
func (b *builder) fold(e *kernel.Expr, mask value) value {
	total := points(e.Axes)
	over := kernel.SetOf(e.Axes)
	cl := b.class(e.Free())
	if mask.r != none {
		cl = max(cl, mask.cl)
	}
	switch s := b.cur.lanes; {
	case total == 0:
		return b.constant(kernel.Identity(e.Op, e.DType))
	case b.cur.full != 0 && s.whole && cl != full && b.cur.full == kernel.SetOf(s.axes) && over == b.cur.full&^b.cur.row:
		return b.reduce(e, mask)
	case cl == scalar && total >= minChunk:
		return b.chunks(e, mask)
	}
	return b.loop(e, mask, cl)
}

// reduce folds the lanes of each row.
func (b *builder) reduce(e *kernel.Expr, mask value) value {
	v := b.expand(b.data(e.Args[0], mask), full)
	f := foldLoops(e.Op, e.DType)
	name := "fold." + e.Op.String() + "." + e.DType.String()
	if b.cur.row != 0 {
		d := b.op(name+".rows", f.rows, row, e.DType.Size(), false, v)
		b.last().width, b.last().sem = b.cur.lanes.width(), sem{kind: semRows, op: e.Op, d: e.DType}
		return d
	}
	d := b.running(e)
	b.emit(foldInto(e, d, v))
	return d
}

// chunks folds over a space of lanes of its own, chunk after chunk.
func (b *builder) chunks(e *kernel.Expr, mask value) value {
	total := points(e.Axes)
	step := min(total, tileLanes)
	d := b.running(e)
	n := b.open()
	b.bindLanes(n, &space{axes: e.Axes, whole: total <= step}, step)
	n.fold |= kernel.SetOf(e.Axes)
	b.in(n, func() value {
		v := b.expand(b.data(e.Args[0], mask), full)
		b.emit(foldInto(e, d, v))
		return d
	})
	b.emit(instr{
		fn: runChunks, name: "chunks", kind: laneTiles, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: total, step: step},
	})
	return d
}

// loop folds by running through the axes, accumulating in cl lanes.
func (b *builder) loop(e *kernel.Expr, mask value, cl class) value {
	d := b.fresh(kernel.Identity(e.Op, e.DType), cl)
	n := b.open()
	slots := b.bindEnv(n, e.Axes)
	n.fold |= kernel.SetOf(e.Axes)
	b.in(n, func() value {
		v := b.data(e.Args[0], mask)
		b.accumulate(e.Op, e.DType, d, v)
		return d
	})
	b.emit(instr{fn: runLoop, name: "loop", dst: none, a: none, b: none, c: none, body: n.code, env: true, loop: newLoop(slots, e.Axes, 0)})
	return d
}

// running returns a new scalar that starts as the identity of the fold e.
func (b *builder) running(e *kernel.Expr) value {
	return b.fresh(kernel.Identity(e.Op, e.DType), scalar)
}

// fresh returns a new register whose lanes hold s at first.
func (b *builder) fresh(s kernel.Scalar, cl class) value {
	d := b.constant(s)
	if cl == scalar {
		b.regs[d.r].konst = false
		return d
	}
	size := s.DType.Size()
	v := b.op("splat", bySizeOf(size, opSplat[uint8], opSplat[uint16], opSplat[uint32], opSplat[uint64]), cl, size, false, d)
	b.last().sem = copySem(size)
	return v
}

// accumulate emits d = op(d, v).
func (b *builder) accumulate(op kernel.Op, t types.DType, d, v value) {
	f := binary(op, t)
	fn := f.vv
	if v.cl < d.cl {
		if v.cl == scalar && f.vs != nil {
			fn = f.vs
		} else {
			v = b.expand(v, d.cl)
		}
	}
	if fn == nil {
		b.fail("no fold with %s of %s", op, t)
	}
	b.emit(instr{
		fn: fn, name: op.String() + "." + t.String(), dst: d.r, a: d.r, b: v.r, c: none, cl: d.cl, accumulates: true,
		sem: sem{kind: semBinary, op: op, d: t},
	})
}

func newLoop(slots []int, axes []*kernel.Axis, step int) *loop {
	l := &loop{slots: slots, total: points(axes), step: step}
	for _, a := range axes {
		l.extents = append(l.extents, a.Extent)
	}
	return l
}

// A source says where an expression is found that an earlier phase computed:
// in a buffer, at an index affine in axes, perhaps in blocks that are still to
// be combined.
type source struct {
	reg    *value // in a register instead
	buf    int
	terms  []axisTerm
	blocks int
	stride int64 // from block to block
	op     kernel.Op
}

// emit loads the value of e.
func (s source) emit(b *builder, e *kernel.Expr) value {
	if s.reg != nil {
		return *s.reg
	}
	var axes kernel.AxisSet
	for _, t := range s.terms {
		axes |= t.axis.Bit()
	}
	cl := b.class(axes)
	if s.blocks <= 1 {
		return b.fetch(s.buf, index{terms: s.terms, cl: cl}, noValue, e.DType)
	}
	d := b.fresh(kernel.Identity(s.op, e.DType), cl)
	slot := b.env
	b.env++
	n := b.open()
	b.in(n, func() value {
		v := b.fetch(s.buf, index{terms: s.terms, slots: []term{{s.stride, slot}}, cl: cl}, noValue, e.DType)
		b.accumulate(s.op, e.DType, d, v)
		return d
	})
	b.emit(instr{
		fn: runLoop, name: "blocks", dst: none, a: none, b: none, c: none, body: n.code, env: true,
		loop: &loop{slots: []int{slot}, extents: []int{s.blocks}, total: s.blocks},
	})
	return d
}

package cpu

import (
	"fmt"
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A builder compiles expressions of a kernel to one phase's tile program. The
// program is nested blocks: a block binds axes, either to env slots (the block
// runs once per point) or to lanes. Every value is computed in the outermost
// block in which its axes have the meaning that they have where it is used.
type builder struct {
	k     *kernel.Kernel
	facts *facts
	subst map[*kernel.Expr]source
	cur   *block
	root  *block
	regs  []register // virtual
	env   int        // slots so far
	lanes int        // most lanes of a tile
	rows  int        // most rows of a tile of several rows
	store int        // the store that is compiled, for run-time checks
	point kernel.AxisSet
}

// A register is what is known of a virtual register.
type register struct {
	cl     class
	size   int
	home   *block
	placed bool // a name of other memory
	loaded bool // of a parameter's memory
	konst  bool // the constant word
	fixed  int  // bytes of memory that holds no lanes
	word   int64
}

// A value is a register and the lanes that it has.
type value struct {
	r  reg
	cl class
}

var noValue = value{r: none}

type memoKey struct {
	e    *kernel.Expr
	mask reg
}

// A space is the axes that lanes run over, outermost first. In a tile of
// several rows the first axes, row, number the rows.
type space struct {
	axes  []*kernel.Axis
	row   int  // how many of the axes
	whole bool // a tile holds all points of the axes, or whole rows
}

// width is the lanes of one row.
func (s *space) width() int { return points(s.axes[s.row:]) }

func points(axes []*kernel.Axis) int {
	n := 1
	for _, a := range axes {
		n *= a.Extent
	}
	return n
}

type block struct {
	parent *block
	depth  int
	code   []instr
	env    map[*kernel.Axis]int
	lanes  *space
	bound  kernel.AxisSet // bound here
	fold   kernel.AxisSet // visible axes bound by folds
	full   kernel.AxisSet // visible axes bound to lanes
	row    kernel.AxisSet // those that number rows
	memo   map[memoKey]value
	ops    map[opKey]value
}

// An opKey names an operation on masks or a change of class.
type opKey struct {
	name string
	a, b reg
}

func newBuilder(k *kernel.Kernel, f *facts) *builder {
	b := &builder{k: k, facts: f, lanes: 1, rows: 1, env: taskSlot + 1}
	b.root = b.open()
	b.cur = b.root
	return b
}

// open returns a new block within the current one.
func (b *builder) open() *block {
	n := &block{parent: b.cur, memo: map[memoKey]value{}, ops: map[opKey]value{}, env: map[*kernel.Axis]int{}}
	if b.cur != nil {
		n.depth, n.full, n.row, n.lanes, n.fold = b.cur.depth+1, b.cur.full, b.cur.row, b.cur.lanes, b.cur.fold
	}
	return n
}

// bindEnv makes axes scalars of block n; it returns their slots.
func (b *builder) bindEnv(n *block, axes []*kernel.Axis) []int {
	var slots []int
	for _, a := range axes {
		n.env[a] = b.env
		slots = append(slots, b.env)
		b.env++
	}
	s := kernel.SetOf(axes)
	n.bound |= s
	n.full &^= s
	n.row &^= s
	n.fold &^= s
	return slots
}

// bindLanes makes the axes of s the lanes of block n.
func (b *builder) bindLanes(n *block, s *space, most int) {
	all := kernel.SetOf(s.axes)
	n.lanes, n.bound = s, n.bound|all
	n.full, n.row = all, kernel.SetOf(s.axes[:s.row])
	n.fold &^= all
	b.lanes = max(b.lanes, most)
}

// failure carries an error out of the recursion.
type buildError struct{ error }

func (b *builder) fail(format string, args ...any) {
	panic(buildError{fmt.Errorf(format, args...)})
}

// class returns the lanes of a value that depends on the given axes.
func (b *builder) class(free kernel.AxisSet) class {
	switch {
	case free&b.cur.full == 0:
		return scalar
	case free&b.cur.full&^b.cur.row == 0:
		return row
	}
	return full
}

// home returns the block where a value with the given axes and mask belongs.
func (b *builder) home(free kernel.AxisSet, mask value) *block {
	h := b.cur
	for h.parent != nil && h.bound&free == 0 && (mask.r == none || b.regs[mask.r].home.depth < h.depth) {
		h = h.parent
	}
	return h
}

// in runs f with h as the current block.
func (b *builder) in(h *block, f func() value) value {
	saved := b.cur
	b.cur = h
	v := f()
	b.cur = saved
	return v
}

// reg returns a new register.
func (b *builder) reg(cl class, size int) value {
	b.regs = append(b.regs, register{cl: cl, size: size, home: b.cur})
	return value{reg(len(b.regs) - 1), cl}
}

func (b *builder) emit(in instr) { b.cur.code = append(b.cur.code, in) }

// op emits an instruction with up to three operands and returns its result.
func (b *builder) op(name string, fn func(*state, *instr), cl class, size int, lanewise bool, args ...value) value {
	if fn == nil {
		b.fail("no operation %s", name)
	}
	d := b.reg(cl, size)
	in := instr{fn: fn, name: name, dst: d.r, a: none, b: none, c: none, cl: cl, lanewise: lanewise}
	for i, v := range args {
		switch i {
		case 0:
			in.a = v.r
		case 1:
			in.b = v.r
		case 2:
			in.c = v.r
		}
	}
	b.emit(in)
	return d
}

// last returns the instruction emitted last in the current block.
func (b *builder) last() *instr { return &b.cur.code[len(b.cur.code)-1] }

// expand returns v with the lanes of class cl.
func (b *builder) expand(v value, cl class) value {
	if v.cl >= cl {
		return v
	}
	size := b.regs[v.r].size
	h := b.cur
	for h.parent != nil && h.parent.lanes == h.lanes && h.lanes != nil && b.regs[v.r].home.depth < h.depth {
		h = h.parent
	}
	key := opKey{classNames[cl], v.r, none}
	if w, ok := h.ops[key]; ok {
		return w
	}
	w := b.in(h, func() value {
		if v.cl == scalar {
			w := b.op("splat", bySizeOf(size, opSplat[uint8], opSplat[uint16], opSplat[uint32], opSplat[uint64]), cl, size, false, v)
			b.last().sem = copySem(size)
			return w
		}
		w := b.op("expand", bySizeOf(size, opExpand[uint8], opExpand[uint16], opExpand[uint32], opExpand[uint64]), cl, size, false, v)
		b.last().width, b.last().sem = b.cur.lanes.width(), copySem(size)
		return w
	})
	h.ops[key] = w
	return w
}

// data returns the value of a data expression; lanes at which mask is 0 are
// not wanted.
func (b *builder) data(e *kernel.Expr, mask value) value {
	if !b.facts.sensitive[e] {
		mask = noValue
	}
	h := b.home(e.Free(), mask)
	key := memoKey{e, mask.r}
	if v, ok := h.memo[key]; ok {
		return v
	}
	v := b.in(h, func() value { return b.compute(e, mask) })
	h.memo[key] = v
	return v
}

func (b *builder) compute(e *kernel.Expr, mask value) value {
	if s, ok := b.subst[e]; ok {
		return s.emit(b, e)
	}
	switch e.Kind {
	case kernel.Const:
		return b.constant(e.Value())
	case kernel.Call:
		switch len(e.Args) {
		case 1:
			return b.call1(e.Op, b.data(e.Args[0], mask), e.Args[0].DType, e.DType)
		case 2:
			if y := e.Args[1]; e.Op == kernel.Shr && isCount(e.Args[0]) && y.Kind == kernel.Const && y.Value().Int() >= 31 {
				return b.constant(kernel.IntScalar(e.DType, 0))
			}
			x, y := b.data(e.Args[0], mask), b.data(e.Args[1], mask)
			return b.call2(e.Op, x, y, e.Args[0].DType)
		}
	case kernel.Cast:
		if i := e.Args[0]; isCount(i) && (e.DType == types.U32 || e.DType == types.I32) {
			return b.fromIndex(i.Args[0], e.DType, mask)
		}
		x := b.data(e.Args[0], mask)
		from := e.Args[0].DType
		v := b.op("cast."+e.DType.String(), castLoop(from, e.DType), x.cl, e.DType.Size(), from.Size() == e.DType.Size(), x)
		b.last().sem = sem{kind: semCast, d: from, to: e.DType}
		return v
	case kernel.Select:
		c := b.data(e.Args[0], mask)
		x, y := b.data(e.Args[1], mask), b.data(e.Args[2], mask)
		return b.choose(c, x, y, e.DType)
	case kernel.If:
		return b.branch(e, mask)
	case kernel.FromIndex:
		return b.fromIndex(e.Args[0], e.DType, mask)
	case kernel.FromPred:
		return b.pred(e.Args[0], mask)
	case kernel.Load:
		return b.load(e, mask)
	case kernel.Fold:
		return b.fold(e, mask)
	}
	b.fail("expression of kind %d is not data", e.Kind)
	return noValue
}

func (b *builder) constant(s kernel.Scalar) value {
	v := b.op("const "+s.String(), bySize(s.DType, opConst[uint8], opConst[uint16], opConst[uint32], opConst[uint64]), scalar, s.DType.Size(), false)
	b.last().imm = int64(s.Bits())
	b.regs[v.r].konst, b.regs[v.r].word = true, b.last().imm
	return v
}

func (b *builder) call1(op kernel.Op, x value, from, to types.DType) value {
	if op == kernel.Bitcast {
		v := b.op("bitcast", bySize(to, copyLanes[uint8], copyLanes[uint16], copyLanes[uint32], copyLanes[uint64]), x.cl, to.Size(), true, x)
		b.last().sem = copySem(to.Size())
		return v
	}
	v := b.op(op.String()+"."+from.String(), unary(op, from), x.cl, to.Size(), true, x)
	b.last().sem = sem{kind: semUnary, op: op, d: from}
	return v
}

// call2 returns op of x and y, whose elements are of type d.
func (b *builder) call2(op kernel.Op, x, y value, d types.DType) value {
	cl := max(x.cl, y.cl)
	f := binary(op, d)
	size := op.Result(d).Size()
	name := op.String() + "." + d.String()
	lanewise := size == d.Size()
	if x.cl == scalar && y.cl != scalar && f.sv == nil && op.Info().Commutative {
		x, y = y, x
	}
	var v value
	switch {
	case y.cl == scalar && cl != scalar && f.vs != nil:
		v = b.op(name+".vs", f.vs, cl, size, lanewise, x, y)
	case x.cl == scalar && cl != scalar && f.sv != nil:
		v = b.op(name+".sv", f.sv, cl, size, lanewise, x, y)
	default:
		x, y = b.expand(x, cl), b.expand(y, cl)
		v = b.op(name, f.vv, cl, size, lanewise, x, y)
	}
	if op == kernel.Shl || op == kernel.Shr {
		b.last().imm = int64(8 * d.Size())
	}
	b.last().sem = sem{kind: semBinary, op: op, d: d}
	return v
}

// choose returns c ? x : y.
func (b *builder) choose(c, x, y value, d types.DType) value {
	cl := max(c.cl, x.cl, y.cl)
	if x.cl == row && cl == full {
		x = b.expand(x, cl)
	}
	if y.cl == row && cl == full {
		y = b.expand(y, cl)
	}
	var scalars int64
	if x.cl < cl {
		scalars |= 1
	}
	if y.cl < cl {
		scalars |= 2
	}
	size := d.Size()
	if c.cl == scalar && cl != scalar {
		v := b.op("choose", bySize(d, opChoose[uint8], opChoose[uint16], opChoose[uint32], opChoose[uint64]), cl, size, true, c, x, y)
		b.last().imm = scalars
		b.last().sem = sem{kind: semSelect, d: d}
		return v
	}
	c = b.expand(c, cl)
	if scalars == 0 {
		v := b.op("select", bySize(d, opSelect[uint8], opSelect[uint16], opSelect[uint32], opSelect[uint64]), cl, size, true, c, x, y)
		b.last().sem = sem{kind: semSelect, d: d}
		return v
	}
	v := b.op("select.s", bySize(d, opSelectScalar[uint8], opSelectScalar[uint16], opSelectScalar[uint32], opSelectScalar[uint64]), cl, size, true, c, x, y)
	b.last().imm = scalars
	b.last().sem = sem{kind: semSelect, d: d}
	return v
}

// branch returns the value of an If.
func (b *builder) branch(e *kernel.Expr, mask value) value {
	p := b.pred(e.Args[0], mask)
	yes, no := noValue, noValue
	if b.facts.sensitive[e.Args[1]] {
		yes = b.and(mask, p)
	}
	if b.facts.sensitive[e.Args[2]] {
		no = b.and(mask, b.not(p))
	}
	return b.choose(p, b.data(e.Args[1], yes), b.data(e.Args[2], no), e.DType)
}

// and returns the conjunction of two masks; the first may be none.
func (b *builder) and(m, p value) value {
	if m.r == none {
		return p
	}
	h := b.home(0, p)
	if g := b.home(0, m); g.depth > h.depth {
		h = g
	}
	return b.once(h, opKey{"and", m.r, p.r}, func() value { return b.call2(kernel.And, m, p, types.Bool) })
}

// not returns the negation of a mask.
func (b *builder) not(p value) value {
	return b.once(b.home(0, p), opKey{"not", p.r, none}, func() value {
		v := b.op("not", notBool, p.cl, 1, true, p)
		b.last().sem = sem{kind: semUnary, op: kernel.Not, d: types.Bool}
		return v
	})
}

// once returns what f makes in block h, made once.
func (b *builder) once(h *block, key opKey, f func() value) value {
	if v, ok := h.ops[key]; ok {
		return v
	}
	v := b.in(h, f)
	h.ops[key] = v
	return v
}

// load returns the value of a Load.
func (b *builder) load(e *kernel.Expr, mask value) value {
	if e.Param >= len(b.k.Params) {
		b.fail("load of parameter %d of %d", e.Param, len(b.k.Params))
	}
	lo, hi := e.Args[0].Range()
	guarded := mask.r != none && (lo < 0 || hi >= int64(b.k.Params[e.Param].Len))
	ix := b.index(e.Args[0], mask)
	if !guarded {
		mask = noValue
	}
	v := b.fetch(e.Param, ix, mask, e.DType)
	if in := b.last(); mask.r != none && len(ix.vec) == 0 && in.b != none && b.regs[in.b].cl == full && isWord(e.Args[0]) && b.k.Params[e.Param].Len <= math.MaxInt32 {
		in.sem = sem{kind: semLoadIf, d: e.DType}
	}
	return v
}

// fetch loads elements of a buffer at an index.
func (b *builder) fetch(buf int, ix index, mask value, d types.DType) value {
	cl := ix.cl
	if mask.r != none {
		cl = max(cl, mask.cl)
	}
	var v value
	switch {
	case mask.r == none && b.rowTerms(&ix) != nil:
		v = b.op("load.rows", bySize(d, opLoadRows[uint8], opLoadRows[uint16], opLoadRows[uint32], opLoadRows[uint64]), cl, d.Size(), false)
		in := b.last()
		in.aff, in.terms, in.width = ix.affine(b, cl), b.rowTerms(&ix), b.cur.lanes.width()
	case len(ix.vec) > 0:
		at := b.vector(ix, cl)
		if mask.r != none {
			mask = b.expand(mask, cl)
			v = b.op("gather.m", bySize(d, opGatherMasked[uint8], opGatherMasked[uint16], opGatherMasked[uint32], opGatherMasked[uint64]), cl, d.Size(), false, at, mask)
		} else {
			v = b.op("gather", bySize(d, opGather[uint8], opGather[uint16], opGather[uint32], opGather[uint64]), cl, d.Size(), false, at)
		}
	case mask.r == none:
		v = b.op("load", bySize(d, opLoad[uint8], opLoad[uint16], opLoad[uint32], opLoad[uint64]), cl, d.Size(), false)
		in := b.last()
		in.aff = ix.affine(b, cl)
		if cl == full && len(in.aff.dims) == 1 && in.aff.dims[0].coef == 1 {
			in.places = true
			b.regs[v.r].placed, b.regs[v.r].loaded = true, true
		}
	case mask.cl == scalar:
		v = b.op("load.if", bySize(d, opLoadIf[uint8], opLoadIf[uint16], opLoadIf[uint32], opLoadIf[uint64]), cl, d.Size(), false, noValue, mask)
		b.last().aff = ix.affine(b, cl)
	default:
		mask = b.expand(mask, cl)
		v = b.op("load.m", bySize(d, opLoadMasked[uint8], opLoadMasked[uint16], opLoadMasked[uint32], opLoadMasked[uint64]), cl, d.Size(), false, noValue, mask)
		b.last().aff = ix.affine(b, cl)
	}
	b.last().buf = buf
	if len(ix.vec) == 0 && mask.r == none {
		b.last().sem = sem{kind: semLoad, d: d}
	}
	return v
}

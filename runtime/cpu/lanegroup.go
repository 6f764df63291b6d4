package cpu

import (
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/simd"
)

// compileLanes replaces runs of instructions by generated loops.
func (p *phase) compileLanes(b *builder) {
	if !simd.Supported() {
		return
	}
	c := &laneCompiler{b: b, reads: make([]int, len(b.regs))}
	c.count(p.code)
	p.code = c.block(p.code)
}

type laneCompiler struct {
	b     *builder
	reads []int // of each register, anywhere
	width int   // lanes of a row, in tiles of several rows; else 0
	loads bool  // loops load from buffers themselves
	group *laneGroup
	out   []instr
}

// count counts the reads of registers.
func (c *laneCompiler) count(code []instr) {
	for i := range code {
		code[i].eachRead(func(r reg) { c.reads[r]++ })
		c.count(code[i].body)
	}
}

// block compiles one list of instructions and those within.
func (c *laneCompiler) block(code []instr) []instr {
	saved, group := c.out, c.group
	c.out, c.group = nil, nil
	for i := range code {
		in := code[i]
		if in.body != nil {
			c.flush()
			width, loads := c.width, c.loads
			switch in.kind {
			case rowTiles:
				c.width, c.loads = in.width, true
			case laneTiles:
				c.width, c.loads = 0, true
			case productTile:
				c.width, c.loads = 0, false
			}
			in.body = c.block(in.body)
			c.width, c.loads = width, loads
			c.out = append(c.out, in)
			continue
		}
		if c.join(&in) {
			continue
		}
		if c.group != nil && c.group.conflicts(&in) {
			c.flush()
		}
		c.out = append(c.out, in)
	}
	c.flush()
	code, c.out, c.group = c.out, saved, group
	return code
}

// join adds an instruction to the group if it is one that the generator has.
func (c *laneCompiler) join(in *instr) bool {
	if in.sem.kind == semNone || in.sem.kind == semMemory {
		return false
	}
	if _, ok := laneType(in.sem.d); !ok {
		return false
	}
	if _, ok := laneType(in.sem.to); in.sem.kind == semCast && !ok {
		return false
	}
	switch {
	case in.cl == full, in.cl == row && c.width > 0:
	case in.sem.kind == semFold:
		if c.width > 0 || in.a == none || c.b.regs[in.a].cl != full {
			return false
		}
	case in.cl == scalar && c.width == 0 && c.group != nil && in.sem.kind <= semCopy && c.group.follows(in):
	default:
		return false
	}
	if (in.sem.kind == semLoad || in.sem.kind == semLoadIf) && !c.loads {
		return false
	}
	if c.group == nil {
		c.group = newLaneGroup(c)
	}
	if c.group.full() {
		c.flush()
		if in.cl == scalar && in.sem.kind != semFold {
			return false
		}
		c.group = newLaneGroup(c)
	}
	return c.group.add(in)
}

// flush ends the group.
func (c *laneCompiler) flush() {
	g := c.group
	c.group = nil
	if g == nil || len(g.code) == 0 {
		return
	}
	if l, loads := g.finish(); l != nil {
		c.out = append(c.out, loads...)
		c.out = append(c.out, instr{fn: runLanes, name: "lanes", dst: none, a: none, b: none, c: none, cl: full, lane: l})
		return
	}
	c.out = append(c.out, g.code...)
}

// A laneGroup is a run of instructions on its way to a loop.
type laneGroup struct {
	c       *laneCompiler
	b       *simd.Builder
	l       *laneLoop
	code    []instr
	values  map[reg]laneValue
	defined map[reg]simd.Type // registers that the group writes, by type
	loads   map[reg]*instr    // those that are loaded
	order   []reg
	reads   map[reg]int // within the group
	touched []reg       // by the instruction at hand
	stores  bool
	byRow   bool // has what is of a row
	work    int  // instructions but for loads
}

type laneValue struct {
	v   simd.Value
	typ simd.Type
}

func newLaneGroup(c *laneCompiler) *laneGroup {
	return &laneGroup{
		c: c, b: simd.NewBuilder(), l: &laneLoop{width: c.width, scratch: none},
		values: map[reg]laneValue{}, defined: map[reg]simd.Type{}, loads: map[reg]*instr{}, reads: map[reg]int{},
	}
}

// Limits of a group, below those of the generator.
const (
	maxLaneStreams = 14
	maxLaneValues  = 500
	maxLaneScalars = 20
)

func (g *laneGroup) full() bool {
	return len(g.l.ins)+len(g.l.mems) > maxLaneStreams-3 || g.b.Len() > maxLaneValues || len(g.l.scalars) > maxLaneScalars-3
}

// follows reports whether an instruction reads a scalar that the group computes.
func (g *laneGroup) follows(in *instr) bool {
	found := false
	for _, r := range []reg{in.a, in.b, in.c} {
		if r != none {
			_, ok := g.defined[r]
			found = found || ok && g.c.b.regs[r].cl == scalar
		}
	}
	return found
}

// conflicts reports whether an instruction that is not of the group must wait
// for it.
func (g *laneGroup) conflicts(in *instr) bool {
	hit := in.sem.kind == semMemory || in.sem.kind == semStore || in.sem.kind == semAccum || g.stores
	in.eachRead(func(r reg) {
		_, ok := g.defined[r]
		hit = hit || ok
	})
	in.eachWritten(func(r reg) {
		_, ok := g.values[r]
		hit = hit || ok
	})
	return hit
}

// get returns the value of a register, which is of type t.
func (g *laneGroup) get(r reg, t simd.Type) (simd.Value, bool) {
	g.read(r)
	if v, ok := g.values[r]; ok {
		return v.v, (v.typ == simd.Bool) == (t == simd.Bool)
	}
	i := &g.c.b.regs[r]
	var v simd.Value
	switch {
	case i.konst:
		v = g.b.Const(laneWord(t, uint32(i.word)))
	case i.cl == scalar:
		s := laneScalar{r: r, typ: t}
		v, s.slot = g.b.Scalar()
		g.l.scalars = append(g.l.scalars, s)
	default:
		s := stream{r: r, step: g.step(r)}
		v, s.n = g.b.Load(simd.Stream{Type: t, Step: s.step, Row: i.cl == row})
		g.byRow = g.byRow || i.cl == row
		g.l.ins = append(g.l.ins, s)
	}
	g.values[r] = laneValue{v, t}
	return v, true
}

// read counts a read of a register.
func (g *laneGroup) read(r reg) {
	g.reads[r]++
	g.touched = append(g.touched, r)
}

// step returns the bytes from row to row of a register.
func (g *laneGroup) step(r reg) int {
	switch i := &g.c.b.regs[r]; i.cl {
	case scalar:
		return 0
	case row:
		return i.size
	default:
		return i.size * g.c.width
	}
}

// define makes v the value of a register.
func (g *laneGroup) define(r reg, v simd.Value, t simd.Type) {
	g.values[r] = laneValue{v, t}
	if _, ok := g.defined[r]; !ok {
		g.order = append(g.order, r)
	}
	g.defined[r] = t
	delete(g.loads, r)
	g.byRow = g.byRow || g.c.b.regs[r].cl == row
}

// add appends an instruction; it reports false, and the group is as it was but
// for loads, if the generator does not have it.
func (g *laneGroup) add(in *instr) bool {
	t, _ := laneType(in.sem.d)
	g.touched = g.touched[:0]
	if !g.emit(in, t) {
		for _, r := range g.touched {
			g.reads[r]--
		}
		return false
	}
	if in.accumulates && in.sem.kind == semBinary {
		g.reads[in.dst]++ // read as operand and as what is accumulated
	}
	g.code = append(g.code, *in)
	if in.sem.kind != semLoad {
		g.work++
	}
	return true
}

func (g *laneGroup) emit(in *instr, t simd.Type) bool {
	var x, y, z, v simd.Value
	ok := false
	switch in.sem.kind {
	case semUnary:
		if x, ok = g.get(in.a, t); ok {
			v, ok = g.b.Unary(in.sem.op, t, x)
		}
	case semBinary:
		if x, ok = g.get(in.a, t); ok {
			y, ok = g.get(in.b, t)
		}
		if ok {
			v, ok = g.b.Binary(in.sem.op, t, x, y)
		}
		if in.sem.op.Info().Compare {
			t = simd.Bool
		}
	case semSelect:
		if x, ok = g.get(in.a, simd.Bool); ok {
			y, ok = g.get(in.b, t)
		}
		if ok {
			z, ok = g.get(in.c, t)
		}
		if ok {
			v = g.b.Select(x, y, z)
		}
	case semCast:
		to, _ := laneType(in.sem.to)
		if x, ok = g.get(in.a, t); ok {
			v, ok = g.b.Convert(t, to, x)
		}
		t = to
	case semCopy:
		// Of what has one byte the type is not known.
		if x, known := g.values[in.a]; t != simd.Bool || known && x.typ == simd.Bool {
			v, ok = g.get(in.a, t)
		}
	case semRows:
		if x, ok = g.get(in.a, t); ok {
			v, ok = g.b.Fold(in.sem.op, t, x)
			g.byRow = true
		}
	case semFold:
		if x, ok = g.get(in.a, t); ok {
			y, ok = g.running(in.dst, t)
		}
		if ok {
			v, ok = g.b.Fold(in.sem.op, t, x)
		}
		if ok {
			v, ok = g.b.Binary(in.sem.op, t, y, v)
		}
	case semIota, semGe0, semEq0:
		if v, ok = g.index(in); ok {
			if v, ok = g.ofRows(in, v); !ok {
				return false
			}
			switch {
			case in.sem.kind == semIota:
				v, ok = g.b.Convert(simd.I32, t, v)
			case in.sem.kind == semGe0:
				v, ok = g.b.Binary(kernel.Le, simd.I32, g.b.Const(0), v)
			default:
				v, ok = g.b.Binary(kernel.Eq, simd.I32, g.b.Const(0), v)
			}
		}
	case semLoad:
		v, ok = g.memory(in, t, false, 0)
	case semLoadIf:
		if t.Bits() != 32 {
			return false
		}
		if x, ok = g.get(in.b, simd.Bool); ok {
			v, ok = g.memoryIf(in, t, x)
		}
	case semStore, semAccum:
		if x, ok = g.get(in.a, t); ok && in.sem.kind == semAccum {
			if y, ok = g.memory(in, t, false, 0); ok {
				x, ok = g.b.Binary(kernel.Add, t, y, x)
			}
		}
		if ok {
			_, ok = g.memory(in, t, true, x)
			g.stores = g.stores || ok
		}
		return ok
	}
	if ok {
		g.define(in.dst, v, t)
		if in.sem.kind == semLoad {
			g.loads[in.dst] = in
		}
	}
	return ok
}

// index returns an affine index, which fits 32 bits: what is the same for all
// lanes, or for a row, and a multiple of the lane's number.
func (g *laneGroup) index(in *instr) (simd.Value, bool) {
	if in.cl != full {
		return 0, false
	}
	rows, lane := []dim(nil), int64(0)
	if g.c.width > 0 {
		var ok bool
		if rows, lane, ok = splitDims(in.aff.dims, g.c.width); !ok {
			return 0, false
		}
		g.byRow = true
	} else if len(in.aff.dims) > 1 {
		return 0, false
	} else if len(in.aff.dims) == 1 {
		lane = in.aff.dims[0].coef
	}
	var v simd.Value
	if !slices.ContainsFunc(rows, func(d dim) bool { return d.coef != 0 }) {
		s := laneScalar{r: none, aff: in.aff}
		v, s.slot = g.b.Scalar()
		g.l.scalars = append(g.l.scalars, s)
	} else {
		// A number for each row comes from the tile program.
		r := g.c.b.reg(row, 4)
		g.c.reads = append(g.c.reads, 1)
		aff := *in.aff
		aff.dims = rows
		g.c.out = append(g.c.out, instr{fn: opIota[int32], name: "iota.i32", dst: r.r, a: none, b: none, c: none, cl: row, aff: &aff})
		v, _ = g.get(r.r, simd.I32)
	}
	x := g.b.Lane()
	switch lane {
	case 0:
		return v, true
	case 1:
	case -1:
		return g.b.Binary(kernel.Sub, simd.I32, v, x)
	default:
		x, _ = g.b.Binary(kernel.Mul, simd.I32, x, g.b.Const(uint32(lane)))
	}
	return g.b.Binary(kernel.Add, simd.I32, x, v)
}

// ofRows adds to an index what it has of values of the rows, 64-bit numbers of
// which the lower half is enough.
func (g *laneGroup) ofRows(in *instr, v simd.Value) (simd.Value, bool) {
	if len(in.terms) > 0 && g.c.width == 0 {
		return 0, false
	}
	for _, t := range in.terms {
		x, ok := g.get(reg(t.at), simd.I32)
		if ok {
			x, ok = g.b.Binary(kernel.Mul, simd.I32, x, g.b.Const(uint32(t.coef)))
		}
		if ok {
			v, ok = g.b.Binary(kernel.Add, simd.I32, v, x)
		}
		if !ok {
			return 0, false
		}
	}
	return v, true
}

// running returns the scalar that a fold continues.
func (g *laneGroup) running(r reg, t simd.Type) (simd.Value, bool) {
	if _, ok := g.defined[r]; ok {
		return g.get(r, t)
	}
	g.read(r)
	s := stream{r: r}
	var v simd.Value
	v, s.n = g.b.Load(simd.Stream{Type: t, Row: true})
	g.l.ins = append(g.l.ins, s)
	return v, true
}

// aroundBytes is the size from which on an output that nothing reads soon
// bypasses the caches.
const aroundBytes = 8 << 20

// aheadLanes is the length of a row from which on it pays to ask for the next
// one.
const aheadLanes = 256

// memory returns the lanes of a buffer, or stores x there.
func (g *laneGroup) memory(in *instr, t simd.Type, store bool, x simd.Value) (simd.Value, bool) {
	m := memStream{buf: in.buf, size: in.sem.d.Size(), aff: in.aff}
	contiguous := len(in.aff.dims) == 1 && in.aff.dims[0].coef == 1
	switch {
	case g.c.width == 0:
		if !contiguous {
			return 0, false
		}
	case in.cl == row:
		m.dims, m.one = in.aff.dims, true
	default:
		dims, lane, ok := splitDims(in.aff.dims, g.c.width)
		if !ok || lane != 1 && lane != 0 || lane == 0 && store && g.c.width > 1 {
			return 0, false
		}
		m.dims, m.one = dims, lane == 0
	}
	if n := len(m.dims); n > 0 {
		m.step = int(m.dims[n-1].coef)
	}
	s := simd.Stream{Type: t, Row: m.one, Step: m.step * m.size, Ahead: !store && !m.one && (g.c.width == 0 || m.step != 0 && g.c.width >= aheadLanes)}
	if s.Step != int(int32(s.Step)) {
		return 0, false
	}
	if store {
		if k := g.c.b.k; in.buf < len(k.Params) && !m.one {
			m.around = m.size == 4 && k.Params[in.buf].Len*m.size >= aroundBytes
			s.Around = m.around
		}
		m.n = g.b.Store(s, x)
	} else {
		x, m.n = g.b.Load(s)
	}
	g.l.mems = append(g.l.mems, m)
	g.byRow = g.byRow || !contiguous || in.cl == row
	return x, true
}

// memoryIf returns the lanes of a buffer that a mask has. Whatever the mask says,
// nothing beside the buffer is touched.
func (g *laneGroup) memoryIf(in *instr, t simd.Type, mask simd.Value) (simd.Value, bool) {
	m := memStream{buf: in.buf, size: in.sem.d.Size(), aff: in.aff, masked: true}
	lane := int64(0)
	if g.c.width > 0 {
		var ok bool
		if m.dims, lane, ok = splitDims(in.aff.dims, g.c.width); !ok {
			return 0, false
		}
	} else if len(in.aff.dims) == 1 {
		lane = in.aff.dims[0].coef
	}
	if lane != 1 {
		return 0, false
	}
	if n := len(m.dims); n > 0 {
		m.step = int(m.dims[n-1].coef)
	}
	s := simd.Stream{Type: t, Step: m.step * m.size}
	at, ok := g.index(in)
	if !ok || s.Step != int(int32(s.Step)) {
		return 0, false
	}
	within, _ := g.b.Binary(kernel.Lt, simd.U32, at, g.b.Const(uint32(g.c.b.k.Params[in.buf].Len)))
	mask, _ = g.b.Binary(kernel.And, simd.Bool, mask, within)
	var v simd.Value
	v, m.n = g.b.LoadIf(s, mask)
	g.l.mems = append(g.l.mems, m)
	g.byRow = g.byRow || g.c.width > 0
	return v, true
}

// finish compiles the group and returns the loads that others need; no loop
// means that its instructions stay.
func (g *laneGroup) finish() (*laneLoop, []instr) {
	if g.work == 0 {
		return nil, nil
	}
	var loads []instr
	for _, r := range g.order {
		if g.c.reads[r] <= g.reads[r] && !g.accumulated(r) {
			continue
		}
		if in := g.loads[r]; in != nil {
			loads = append(loads, *in)
			continue
		}
		i := &g.c.b.regs[r]
		s := stream{r: r, step: g.step(r)}
		s.n = g.b.Store(simd.Stream{Type: g.defined[r], Step: s.step, Row: i.cl != full}, g.values[r].v)
		g.l.outs = append(g.l.outs, s)
	}
	g.l.rows = g.c.width > 0 && g.byRow
	width := 0
	if g.l.rows {
		width = g.c.width
	}
	loop, err := g.b.Compile(width)
	if err != nil {
		return nil, nil
	}
	if n := loop.Scratch(); n > 0 {
		g.l.scratch = g.c.b.memory(n)
		g.c.reads = append(g.c.reads, 1)
	}
	g.l.loop, g.l.replace = loop, g.code
	return g.l, loads
}

// accumulated reports whether r lives on from iteration to iteration.
func (g *laneGroup) accumulated(r reg) bool {
	for i := range g.code {
		if in := &g.code[i]; in.dst == r && in.accumulates {
			return true
		}
	}
	return false
}

// memory returns a register that is n bytes of memory.
func (b *builder) memory(n int) reg {
	b.regs = append(b.regs, register{cl: full, size: 1, fixed: n})
	return reg(len(b.regs) - 1)
}

package cpu

import (
	"math"
	"unsafe"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/simd"
)

// Where the machine has vector instructions, runs of lanewise instructions of a
// tile program become one instruction that runs a generated loop: what they
// compute for one another stays in vector registers.

// sem is what an instruction means, for the generator.
type sem struct {
	kind  semKind
	op    kernel.Op
	d, to types.DType
}

type semKind uint8

const (
	semNone   semKind = iota
	semUnary          // dst = op(a)
	semBinary         // dst = op(a, b)
	semSelect         // dst = a ? b : c
	semCast           // dst = a as another type
	semFold           // the scalar dst = op(dst, fold of a)
	semStore          // lanes of a to memory at an affine index
	semAccum          // lanes of a added to memory at an affine index
	semMemory         // any other writing of memory
)

// A laneLoop is a generated loop and what it is run with.
type laneLoop struct {
	loop    *simd.Loop
	ins     []stream
	outs    []stream
	mems    []memStream
	scalars []laneScalar
	folds   []laneFold
	replace []instr // what it stands for, in the listing
}

type stream struct {
	r reg
	n int // stream of the loop
}

// memStream is a stream in a buffer at an affine index of unit stride.
type memStream struct {
	buf  int
	size int
	aff  *affine
	n    int
}

type laneScalar struct {
	r    reg
	slot int
	bool bool
}

type laneFold struct {
	r     reg
	op    kernel.Op
	carry int
}

func (l *laneLoop) eachRead(f func(reg)) {
	for _, s := range l.ins {
		f(s.r)
	}
	for _, s := range l.scalars {
		f(s.r)
	}
	for _, s := range l.folds {
		f(s.r)
	}
	for _, m := range l.mems {
		for _, t := range m.aff.regs {
			f(reg(t.at))
		}
	}
}

// laneType returns the generator's type for elements of type d.
func laneType(d types.DType) (simd.Type, bool) {
	switch d {
	case types.F32:
		return simd.F32, true
	case types.I32:
		return simd.I32, true
	case types.Bool:
		return simd.Bool, true
	}
	return 0, false
}

// compileLanes replaces runs of instructions by generated loops.
func (p *phase) compileLanes(b *builder) {
	if !simd.Supported() {
		return
	}
	c := &laneCompiler{regs: b.regs, reads: make([]int, len(b.regs))}
	c.count(p.code)
	p.code = c.block(p.code)
}

type laneCompiler struct {
	regs  []register
	reads []int // of each register, anywhere
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
	for _, in := range code {
		if in.body != nil {
			c.flush()
			in.body = c.block(in.body)
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
	if in.sem.kind == semNone || in.sem.kind == semMemory || in.cl != full && in.sem.kind != semFold {
		return false
	}
	if _, ok := laneType(in.sem.d); !ok {
		return false
	}
	switch in.sem.kind {
	case semFold:
		if in.sem.d != types.F32 || in.sem.op == kernel.Mul || in.a == none || c.regs[in.a].cl != full {
			return false
		}
	case semStore, semAccum:
		if len(in.aff.dims) != 1 || in.aff.dims[0].coef != 1 || in.sem.kind == semAccum && in.sem.d != types.F32 {
			return false
		}
	case semCast:
		if _, ok := laneType(in.sem.to); !ok {
			return false
		}
	}
	if c.group == nil {
		c.group = newLaneGroup(c)
	}
	if c.group.full() || !c.group.add(in) {
		c.flush()
		c.group = newLaneGroup(c)
		if !c.group.add(in) {
			c.group = nil
			return false
		}
	}
	return true
}

// flush ends the group.
func (c *laneCompiler) flush() {
	g := c.group
	c.group = nil
	if g == nil || len(g.code) == 0 {
		return
	}
	if l := g.finish(); l != nil {
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
	order   []reg
	reads   map[reg]int // within the group
	fold    map[reg]bool
	stores  bool
}

type laneValue struct {
	v   simd.Value
	typ simd.Type
}

func newLaneGroup(c *laneCompiler) *laneGroup {
	return &laneGroup{
		c: c, b: simd.NewBuilder(), l: &laneLoop{}, values: map[reg]laneValue{}, defined: map[reg]simd.Type{}, reads: map[reg]int{}, fold: map[reg]bool{},
	}
}

// Limits of a group, below those of the generator.
const (
	maxLaneStreams = 11
	maxLaneValues  = 400
	maxLaneFolds   = 3
)

func (g *laneGroup) full() bool {
	return len(g.l.ins)+len(g.l.mems) > maxLaneStreams-3 || g.b.Len() > maxLaneValues || len(g.l.folds) >= maxLaneFolds || len(g.l.scalars) > 12
}

// conflicts reports whether an instruction that is not of the group must wait
// for it.
func (g *laneGroup) conflicts(in *instr) bool {
	hit := in.sem.kind == semMemory || in.sem.kind == semStore || in.sem.kind == semAccum || g.stores
	in.eachRead(func(r reg) {
		_, ok := g.defined[r]
		hit = hit || ok || g.fold[r]
	})
	in.eachWritten(func(r reg) {
		_, ok := g.values[r]
		hit = hit || ok || g.fold[r]
	})
	return hit
}

// get returns the value of a register, which is of type t.
func (g *laneGroup) get(r reg, t simd.Type) (simd.Value, bool) {
	if g.fold[r] {
		return 0, false // known when the loop is done
	}
	g.reads[r]++
	if v, ok := g.values[r]; ok {
		return v.v, (v.typ == simd.Bool) == (t == simd.Bool)
	}
	i := &g.c.regs[r]
	var v simd.Value
	switch {
	case i.cl == row:
		return 0, false
	case i.konst:
		word := uint32(i.word)
		if t == simd.Bool && word != 0 {
			word = math.MaxUint32
		}
		v = g.b.Const(word)
	case i.cl == scalar:
		s := laneScalar{r: r, bool: t == simd.Bool}
		v, s.slot = g.b.Scalar()
		g.l.scalars = append(g.l.scalars, s)
	default:
		s := stream{r: r}
		v, s.n = g.b.Load(t)
		g.l.ins = append(g.l.ins, s)
	}
	g.values[r] = laneValue{v, t}
	return v, true
}

// define makes v the value of a register.
func (g *laneGroup) define(r reg, v simd.Value, t simd.Type) {
	g.values[r] = laneValue{v, t}
	if _, ok := g.defined[r]; !ok {
		g.order = append(g.order, r)
	}
	g.defined[r] = t
}

// add appends an instruction; it reports false, and the group is as it was but
// for loads, if the generator does not have it.
func (g *laneGroup) add(in *instr) bool {
	t, _ := laneType(in.sem.d)
	if in.sem.kind == semFold && g.fold[in.dst] {
		return false
	}
	reads := map[reg]int{}
	for r, n := range g.reads {
		reads[r] = n
	}
	ok := g.emit(in, t)
	if !ok {
		g.reads = reads
		return false
	}
	if in.accumulates && in.sem.kind == semBinary {
		g.reads[in.dst]++ // read as operand and as what is accumulated
	}
	g.code = append(g.code, *in)
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
		if ok {
			g.define(in.dst, v, t)
		}
	case semBinary:
		if x, ok = g.get(in.a, t); ok {
			y, ok = g.get(in.b, t)
		}
		if ok {
			v, ok = g.b.Binary(in.sem.op, t, x, y)
		}
		if ok {
			if in.sem.op.Info().Compare {
				t = simd.Bool
			}
			g.define(in.dst, v, t)
		}
	case semSelect:
		if x, ok = g.get(in.a, simd.Bool); ok {
			y, ok = g.get(in.b, t)
		}
		if ok {
			z, ok = g.get(in.c, t)
		}
		if ok {
			g.define(in.dst, g.b.Select(x, y, z), t)
		}
	case semCast:
		to, _ := laneType(in.sem.to)
		if x, ok = g.get(in.a, t); ok {
			v, ok = g.b.Convert(t, to, x)
		}
		if ok {
			g.define(in.dst, v, to)
		}
	case semFold:
		if x, ok = g.get(in.a, t); ok {
			f := laneFold{r: in.dst, op: in.sem.op}
			z, f.carry = g.b.Carry()
			v, ok = g.b.Binary(in.sem.op, t, z, x)
			g.b.SetCarry(f.carry, v)
			g.l.folds = append(g.l.folds, f)
			g.fold[in.dst] = true
			g.reads[in.dst]++
		}
	case semStore:
		if x, ok = g.get(in.a, t); ok {
			m := memStream{buf: in.buf, size: in.sem.d.Size(), aff: in.aff}
			m.n = g.b.Store(t, x)
			g.l.mems = append(g.l.mems, m)
			g.stores = true
		}
	case semAccum:
		if x, ok = g.get(in.a, t); ok {
			from := memStream{buf: in.buf, size: in.sem.d.Size(), aff: in.aff}
			y, from.n = g.b.Load(t)
			v, ok = g.b.Binary(kernel.Add, t, y, x)
			to := from
			to.n = g.b.Store(t, v)
			g.l.mems = append(g.l.mems, from, to)
			g.stores = true
		}
	}
	return ok
}

// finish compiles the group; nil means that its instructions stay.
func (g *laneGroup) finish() *laneLoop {
	for _, r := range g.order {
		if g.c.reads[r] > g.reads[r] || g.accumulated(r) {
			s := stream{r: r}
			s.n = g.b.Store(g.defined[r], g.values[r].v)
			g.l.outs = append(g.l.outs, s)
		}
	}
	loop, err := g.b.Compile()
	if err != nil {
		return nil
	}
	g.l.loop, g.l.replace = loop, g.code
	return g.l
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

// setScalars puts the loop's scalars into the arguments.
func (l *laneLoop) setScalars(st *state) {
	args := &st.args
	for _, s := range l.scalars {
		switch p := st.ptr[s.r]; {
		case !s.bool:
			args.Scalars[s.slot] = *(*uint32)(p)
		case *(*uint8)(p) != 0:
			args.Scalars[s.slot] = math.MaxUint32
		default:
			args.Scalars[s.slot] = 0
		}
	}
}

// runLanes runs a generated loop over the lanes of the tile.
func runLanes(st *state, in *instr) {
	l, args, n := in.lane, &st.args, st.n[full]
	for _, s := range l.ins {
		args.Streams[s.n] = st.ptr[s.r]
	}
	for _, s := range l.outs {
		args.Streams[s.n] = st.ptr[s.r]
	}
	for i := range l.mems {
		m := &l.mems[i]
		at := int(m.aff.base(st)) + st.pos[full]
		mem := &st.bufs[m.buf]
		if at < 0 || at+n > mem.n {
			panic("cpu: a store leaves its buffer")
		}
		args.Streams[m.n] = unsafe.Add(mem.p, at*m.size)
	}
	l.setScalars(st)
	for _, f := range l.folds {
		id := math.Float32bits(float32(kernel.Identity(f.op, types.F32).Float()))
		for i := range args.Carry[f.carry] {
			args.Carry[f.carry][i] = id
		}
	}
	l.loop.Run(args, n)
	for _, f := range l.folds {
		p := (*float32)(st.ptr[f.r])
		*p = combine(f.op, *p, &args.Carry[f.carry])
	}
}

// combine adds the eight lanes of a fold in pairs, and then to v.
func combine(op kernel.Op, v float32, lanes *[8]uint32) float32 {
	f := func(i int) float32 { return math.Float32frombits(lanes[i]) }
	switch op {
	case kernel.Max:
		return max(v, max(max(f(0), f(1)), max(f(2), f(3))), max(max(f(4), f(5)), max(f(6), f(7))))
	case kernel.Min:
		return min(v, min(min(f(0), f(1)), min(f(2), f(3))), min(min(f(4), f(5)), min(f(6), f(7))))
	}
	return v + (((f(0) + f(1)) + (f(2) + f(3))) + ((f(4) + f(5)) + (f(6) + f(7))))
}

package cpu

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A phase is a tile program and the tasks that run it. All tasks of a phase may
// run at once; a phase starts when the one before is done. How positions are cut
// into tasks depends on the kernel alone.
type phase struct {
	name      string
	code      []instr
	offset    []int32 // of each register in scratch, in bytes; -1 where it is a name of other memory
	scratch   int     // bytes
	env       int     // slots
	positions int     // of the outermost loop
	grain     int     // positions of a task
	work      int     // lanes times instructions, roughly
	contract  *contraction
	packs     bool     // packs the operands of contract
	stages    []*stage // of a tiled kernel: run in the place of code
	steps     int      // blocks of a task
	locals    int64    // bytes of the local values of one
	whole     bool     // stages are one, with one phase, whose tasks these are
}

// tasks returns the number of tasks of a phase that is no contraction.
func (p *phase) tasks() int { return (p.positions + p.grain - 1) / p.grain }

// A plan is a kernel compiled: phases in order, and scratch buffers that they
// share, which follow the kernel's parameters in a launch's list of buffers.
type plan struct {
	phases []*phase
	temps  []temp
	work   int
	locals int64 // bytes of the local values of one block
}

type temp struct {
	dtype types.DType
	len   int
}

// compiler makes a plan.
type compiler struct {
	k     *kernel.Kernel
	facts *facts
	subst map[*kernel.Expr]source
	plan  *plan
}

// compileKernel compiles k. An error is a kernel that breaks the rules of its
// form or of loads and stores.
func compileKernel(k *kernel.Kernel) (p *plan, err error) {
	c := &compiler{k: k, subst: map[*kernel.Expr]source{}, plan: &plan{}}
	defer func() {
		if e, ok := recover().(buildError); ok {
			err = fmt.Errorf("kernel %s: %w", k.Name, e.error)
		} else if r := recover(); r != nil {
			panic(r)
		}
	}()
	roots := k.Roots()
	if s := k.Sched.Contract; s != nil {
		roots = append(roots, s.A, s.B)
	}
	c.facts = newFacts(k, roots)
	done := false
	switch k.Sched.Form {
	case kernel.Tiles:
		if err := c.compileTiles(); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", k.Name, err)
		}
		done = true
	case kernel.Contract:
		done = c.contract(k.Sched.Contract)
	case kernel.Rows:
		done = c.rows()
	case kernel.General:
		if s := c.stencil(); s != nil {
			done = c.contract(s)
		}
	}
	if !done {
		c.groups(k.Stores)
	}
	for _, ph := range c.plan.phases {
		c.plan.work += ph.work
	}
	return c.plan, nil
}

// temp returns the number of a new scratch buffer.
func (c *compiler) temp(d types.DType, n int) int {
	c.plan.temps = append(c.plan.temps, temp{d, n})
	return len(c.k.Params) + len(c.plan.temps) - 1
}

// builder returns a builder that knows what earlier phases computed.
func (c *compiler) builder(store int) *builder {
	b := newBuilder(c.k, c.facts)
	b.subst = c.subst
	b.store = store
	return b
}

// finish makes a phase of what b built.
func (c *compiler) finish(b *builder, name string, positions, grain int) *phase {
	p := &phase{name: name, code: b.root.code, env: b.env, positions: positions, grain: max(1, grain)}
	p.compileLanes(b)
	p.widen(b)
	p.place(b)
	p.work = positions * countOps(p.code)
	c.plan.phases = append(c.plan.phases, p)
	return p
}

// maxTileLanes bounds the lanes of tiles that one generated loop takes, and with
// them the time that it runs without a pause.
const maxTileLanes = 1 << 16

// widen makes tiles as large as a task where no register holds all lanes.
func (p *phase) widen(b *builder) {
	if holdsLanes(b, p.code) {
		return
	}
	for i := range p.code {
		switch in := &p.code[i]; in.kind {
		case laneTiles:
			if in.tasks && in.loop.step == min(in.loop.total, tileLanes) {
				in.loop.step = min(p.grain, maxTileLanes)
			}
		case rowTiles:
			in.loop.step = max(in.loop.step, min(p.grain, maxTileLanes/in.width))
			b.rows = max(b.rows, in.loop.step)
		}
	}
}

// holdsLanes reports whether code has a register with memory for all lanes.
func holdsLanes(b *builder, code []instr) bool {
	found := false
	for i := range code {
		code[i].eachWritten(func(r reg) {
			g := &b.regs[r]
			found = found || g.cl == full && !g.placed && g.fixed == 0
		})
		found = found || holdsLanes(b, code[i].body)
	}
	return found
}

// countOps counts the instructions of a program, those in loops as often as
// they run.
func countOps(code []instr) int {
	n := 0
	for i := range code {
		in := &code[i]
		n++
		if in.lane != nil {
			n += len(in.lane.replace)
		}
		if in.body != nil {
			m := countOps(in.body)
			if in.kind == rowTiles {
				m *= in.width
			}
			if in.env && in.loop != nil {
				m *= max(1, min(in.loop.total, 1<<20))
			}
			n += m
		}
	}
	return n
}

// groups compiles stores one by one, those over equal axes together.
func (c *compiler) groups(stores []kernel.Store) {
	done := make([]bool, len(stores))
	for i := range stores {
		if done[i] {
			continue
		}
		var group []int
		for j := i; j < len(stores); j++ {
			if slices.Equal(stores[j].Axes, stores[i].Axes) {
				group, done[j] = append(group, c.number(&stores[j])), true
			}
		}
		c.tiles(group)
	}
}

// number returns the number of a store of the kernel.
func (c *compiler) number(s *kernel.Store) int {
	for i := range c.k.Stores {
		if t := &c.k.Stores[i]; t.Param == s.Param && t.Index == s.Index && t.Value == s.Value {
			return i
		}
	}
	return 0
}

// grainLanes is how many lanes a task should have.
const grainLanes = 16 * tileLanes

// tiles compiles stores over the same axes to tiles of lanes over them.
func (c *compiler) tiles(group []int) {
	axes := c.k.Stores[group[0]].Axes
	total := points(axes)
	if total == 0 {
		return
	}
	for _, i := range group {
		c.splitFolds(&c.k.Stores[i])
	}
	b := c.builder(group[0])
	b.point = kernel.SetOf(axes)
	if total == 1 {
		for _, a := range axes {
			b.root.env[a] = b.env
			b.root.bound |= a.Bit()
			b.env++
		}
		b.stores(c.k, group)
		c.finish(b, "point", 1, 1)
		return
	}
	if k := c.rowsOf(group); k > 0 {
		width := points(axes[k:])
		step := max(1, tileLanes/width)
		b.openRows(axes[:k], axes[k:], step, func() { b.stores(c.k, group) })
		c.finish(b, "row tiles", points(axes[:k]), max(step, grainLanes/width))
		return
	}
	step := min(total, tileLanes)
	n := b.open()
	b.bindLanes(n, &space{axes: axes, whole: total <= step}, step)
	b.in(n, func() value {
		b.stores(c.k, group)
		return noValue
	})
	b.emit(instr{fn: runTiles, name: "tiles", kind: laneTiles, tasks: true, dst: none, a: none, b: none, c: none, body: n.code, loop: &loop{total: total, step: step}})
	// A task has many lanes, but few if each takes a long fold.
	grain := max(step, grainLanes/max(1, foldLength(n.code)/8)/step*step)
	c.finish(b, "tiles", total, grain)
}

// foldLength is the number of times that the longest loop in code runs.
func foldLength(code []instr) int {
	n := 1
	for i := range code {
		if in := &code[i]; in.body != nil && in.loop != nil {
			n = max(n, in.loop.total*foldLength(in.body))
		}
	}
	return n
}

// stores computes the values of stores and then stores them.
func (b *builder) stores(k *kernel.Kernel, group []int) {
	vals := make([]value, len(group))
	for i, n := range group {
		b.store = n
		vals[i] = b.data(k.Stores[n].Value, noValue)
		if len(group) > 1 && b.regs[vals[i].r].loaded {
			// Another store may write the memory that this register is a name of.
			vals[i] = b.op("copy", bySizeOf(b.regs[vals[i].r].size, copyLanes[uint8], copyLanes[uint16], copyLanes[uint32], copyLanes[uint64]),
				vals[i].cl, b.regs[vals[i].r].size, false, vals[i])
			b.last().sem = copySem(b.regs[vals[i].r].size)
		}
	}
	ixs := make([]index, len(group))
	ats := make([]value, len(group))
	for i, n := range group {
		ixs[i] = b.index(k.Stores[n].Index, noValue)
		if len(ixs[i].vec) > 0 {
			ats[i] = b.vector(ixs[i], b.class(kernel.SetOf(k.Stores[n].Axes)))
		}
	}
	for i, n := range group {
		b.put(k.Stores[n].Param, ixs[i], ats[i], vals[i], b.class(kernel.SetOf(k.Stores[n].Axes)), k.Stores[n].Value.DType)
	}
}

// put stores lanes of class cl of v to a buffer.
func (b *builder) put(buf int, ix index, at, v value, cl class, d types.DType) {
	in := instr{dst: none, a: none, b: none, c: none, cl: cl, buf: buf, sem: sem{kind: semMemory}}
	switch {
	case len(ix.vec) > 0:
		in.fn, in.name = bySize(d, opScatter[uint8], opScatter[uint16], opScatter[uint32], opScatter[uint64]), "scatter"
		in.a, in.b = b.expand(v, cl).r, at.r
	case v.cl == scalar && cl != scalar:
		in.fn, in.name = bySize(d, opStoreScalar[uint8], opStoreScalar[uint16], opStoreScalar[uint32], opStoreScalar[uint64]), "store.s"
		in.a, in.aff = v.r, ix.affine(b, cl)
		in.sem = sem{kind: semStore, d: d}
	default:
		in.fn, in.name = bySize(d, opStore[uint8], opStore[uint16], opStore[uint32], opStore[uint64]), "store"
		in.a, in.aff = b.expand(v, cl).r, ix.affine(b, cl)
		in.sem = sem{kind: semStore, d: d}
	}
	b.emit(in)
}

package cpu

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
)

// A stage is one kernel of a tiled kernel: its phases, and where its buffers are.
type stage struct {
	name   string
	phases []*phase
	// args names buffers: of the launch, its scratch buffers included, or where
	// local says so the worker's memory for one block.
	args  []int
	local []*local // nil for a buffer of the launch
	temps [2]int   // its own scratch buffers, in the launch's list: first and end
}

// compileTiles compiles a tiled kernel: one phase with a task for each block, or
// for those that run in order, which takes all stages; or, where a stage cannot
// be cut into blocks, all the stages' phases one after the other.
func (c *compiler) compileTiles() error {
	if stages, bytes, err := c.blockStages(); err != nil || stages != nil {
		if err == nil {
			p := &phase{name: "blocks", stages: stages, positions: c.k.Sched.Blocks / c.k.Steps(), grain: 1, env: taskSlot + 1, steps: c.k.Steps(), locals: bytes}
			for _, s := range stages {
				for _, inner := range s.phases {
					p.work += inner.work
				}
			}
			c.plan.locals = bytes
			c.plan.phases = append(c.plan.phases, p)
		}
		return err
	}
	c.plan.temps = nil
	for _, q := range c.k.Locals {
		c.temp(q.DType, q.Len)
	}
	for _, s := range c.k.Stages {
		k := *s.Kernel
		k.Sched.Block = nil
		pl, err := compileKernel(&k)
		if err != nil {
			return err
		}
		st := c.stage(s, pl)
		copy(st.args, s.Args) // locals are the first scratch buffers
		for _, inner := range pl.phases {
			one := *st
			one.phases = []*phase{inner}
			c.plan.phases = append(c.plan.phases, &phase{
				name: s.Kernel.Name + " " + inner.name, stages: []*stage{&one}, positions: inner.positionsToTasks(), grain: 1, env: taskSlot + 1, work: inner.work, whole: true,
			})
		}
	}
	return nil
}

// stage returns a stage of the plan of its kernel, whose scratch buffers join
// those of the launch.
func (c *compiler) stage(s kernel.Stage, pl *plan) *stage {
	st := &stage{name: s.Kernel.Name, phases: pl.phases, args: make([]int, len(s.Args)), local: make([]*local, len(s.Args))}
	st.temps[0] = len(c.k.Params) + len(c.plan.temps)
	c.plan.temps = append(c.plan.temps, pl.temps...)
	st.temps[1] = len(c.k.Params) + len(c.plan.temps)
	return st
}

// blockStages compiles the stages for one block at a time; it returns none where
// one cannot be cut so, and the bytes that a block's local values take.
func (c *compiler) blockStages() (stages []*stage, bytes int64, err error) {
	blocks, params := c.k.Sched.Blocks, len(c.k.Params)
	own := slices.Clone(c.k.Stages)
	for i, s := range own {
		own[i].Kernel = inBlock(s, params, blocks)
	}
	values := slices.Clone(c.k.Locals)
	for i := range values {
		values[i].Len /= blocks
	}
	locals, bytes := placeLocals(own, params, values)
	for i, s := range c.k.Stages {
		pl, err := compileKernel(own[i].Kernel)
		if err != nil {
			return nil, 0, err
		}
		if !pl.blockwise(s.Kernel, blocks) {
			return nil, 0, nil
		}
		st := c.stage(s, pl)
		for j, a := range s.Args {
			if st.args[j] = a; a >= params {
				st.local[j] = locals[a-params]
			}
		}
		stages = append(stages, st)
	}
	return stages, bytes, nil
}

// inBlock returns the stage's kernel with local values that hold one block: the
// terms of their indices that number the block are gone. A sum over blocks is
// left as that over the steps of one.
func inBlock(s kernel.Stage, params, blocks int) *kernel.Kernel {
	k := *s.Kernel
	k.Params = slices.Clone(k.Params)
	for j, a := range s.Args {
		if a >= params {
			k.Params[j].Len /= blocks
		}
	}
	b := kernel.NewBuilder()
	m := &kernel.Mapping{Axes: map[*kernel.Axis]*kernel.Axis{}, Param: func(p int) int { return p }}
	axes := func(as []*kernel.Axis) []*kernel.Axis {
		var out []*kernel.Axis
		for _, a := range as {
			if m.Axes[a] == nil {
				m.Axes[a] = b.NewAxis(a.Name, a.Extent)
			}
			out = append(out, m.Axes[a])
		}
		return out
	}
	k.Axes = axes(k.Axes)
	k.Sched.Outer, k.Sched.Inner, k.Sched.Block = axes(k.Sched.Outer), axes(k.Sched.Inner), axes(k.Sched.Block)
	block := kernel.SetOf(k.Sched.Block)
	m.Index = func(param int, ix *kernel.Expr) *kernel.Expr {
		if s.Args[param] < params {
			return ix
		}
		own := b.Int(0)
		c := ix.Terms(func(coef int64, arg *kernel.Expr) {
			if arg.Free()&block == 0 {
				own = b.IAdd(own, b.IMul(arg, coef))
			}
		})
		return b.IAdd(own, b.Int(c))
	}
	summed := s.Summed()
	value := func(e *kernel.Expr) *kernel.Expr {
		if len(summed) == 0 || e.Kind != kernel.Fold {
			return b.Import(e, m)
		}
		own := slices.DeleteFunc(slices.Clone(e.Axes), func(a *kernel.Axis) bool { return slices.Contains(summed, a) })
		return b.FoldAxes(e.Op, axes(own), b.Import(e.Args[0], m))
	}
	k.Stores = slices.Clone(k.Stores)
	for i, st := range k.Stores {
		k.Stores[i] = kernel.Store{Axes: axes(st.Axes), Param: st.Param, Index: m.Index(st.Param, b.Import(st.Index, m)), Value: value(st.Value)}
	}
	if x := k.Sched.Contract; x != nil {
		own := slices.DeleteFunc(slices.Clone(x.K), func(a *kernel.Axis) bool { return slices.Contains(summed, a) })
		k.Sched.Contract = &kernel.Contraction{
			Fold: value(x.Fold), A: b.Import(x.A, m), B: b.Import(x.B, m), Batch: axes(x.Batch), M: axes(x.M), N: axes(x.N), K: axes(own),
		}
	}
	return &k
}

// blockwise reports whether every phase of the plan of a stage's kernel k takes
// positions of which equal stretches are the blocks in order.
func (p *plan) blockwise(k *kernel.Kernel, blocks int) bool {
	lead := func(axes []*kernel.Axis) bool {
		n := len(k.Sched.Block)
		return len(axes) >= n && slices.Equal(axes[:n], k.Sched.Block)
	}
	switch k.Sched.Form {
	case kernel.Contract:
		x := (*contraction)(nil)
		if len(p.phases) == 1 {
			x = p.phases[0].contract
		}
		if x == nil || x.summed == 0 && !lead(k.Sched.Contract.Batch) {
			return false
		}
	case kernel.Rows:
		if len(p.phases) != 1 || !lead(k.Sched.Outer) {
			return false
		}
	case kernel.Pointwise:
	default:
		return false
	}
	for _, ph := range p.phases {
		if ph.positions%blocks != 0 || ph.packs {
			return false
		}
	}
	return true
}

// takeStages runs a task of a phase of stages: a block of all of them, or a task
// of the one phase of one.
func (l *lease) takeStages(st *state, j *job, task int) {
	ph := j.phase
	if ph.whole {
		s := ph.stages[0]
		st.stageBufs = s.bind(st, l.bufs[j.launch])
		st.enter(s.phases[0], st.stageBufs)
		st.runTask(s.phases[0], task)
		return
	}
	for block := task * ph.steps; block < (task+1)*ph.steps; block++ {
		for _, s := range ph.stages {
			st.stageBufs = s.bind(st, l.bufs[j.launch])
			for _, inner := range s.phases {
				st.enter(inner, st.stageBufs)
				st.runBlock(inner, block, inner.positions/(ph.positions*ph.steps))
			}
		}
	}
}

// runBlock runs the n positions of a phase that belong to a block.
func (st *state) runBlock(ph *phase, block, n int) {
	if ph.contract != nil {
		for t := block * n; t < (block+1)*n; t++ {
			st.runTask(ph, t)
		}
		return
	}
	st.task, st.env[taskSlot] = block, int64(block)
	st.lo, st.hi = block*n, (block+1)*n
	run(st, ph.code)
}

// bind lists the stage's buffers.
func (s *stage) bind(st *state, launch []mem) []mem {
	bufs := st.stageBufs[:0]
	for j, a := range s.args {
		if o := s.local[j]; o != nil {
			bufs = append(bufs, memOf(st.locals, o.offset, o.bytes, o.len))
		} else {
			bufs = append(bufs, launch[a])
		}
	}
	return append(bufs, launch[s.temps[0]:s.temps[1]]...)
}

// eachPhase calls f with every phase of the plan and of its stages.
func (p *plan) eachPhase(f func(*phase)) {
	for _, ph := range p.phases {
		f(ph)
		for _, s := range ph.stages {
			for _, inner := range s.phases {
				f(inner)
			}
		}
	}
}

// describe says what a phase does, for the listing.
func (p *phase) describe() string {
	switch {
	case p.whole:
		return fmt.Sprintf("%d tasks", p.positions)
	case p.stages != nil:
		return fmt.Sprintf("%d blocks of %d stages, %d blocks a task, %d bytes of local values", p.positions*p.steps, len(p.stages), p.steps, p.locals)
	}
	return fmt.Sprintf("%d tasks, %d bytes of registers", p.positionsToTasks(), p.scratch)
}

package cpu

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/simd"
	"dumbtorch/runtime/device"
)

// An executable is a compiled program.
type executable struct {
	dev        *Device
	prog       *kernel.Program
	plans      []*plan // by launch
	kernels    map[*kernel.Kernel]*plan
	consts     map[int]*slab
	firstWrite int
	need       sizes

	mu     sync.Mutex
	free   []*lease
	closed bool
	inUse  int
}

// sizes are what a worker needs.
type sizes struct {
	regs, env, scratch int // scratch in bytes
	temps, locals      int64
	stageBufs          int
	windows            int // bytes of the planes of a product's windows
}

// A lease is the memory of one running call.
type lease struct {
	exe    *executable
	memory *slab // arena, then temps
	bufs   [][]mem
	states []*state
	job    job
	in     []*hostBuffer
}

// Compile implements [device.Device].
func (d *Device) Compile(p *kernel.Program) (device.Executable, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := p.Verify(); err != nil {
		return nil, fmt.Errorf("device cpu: %w", err)
	}
	switch temps := p.Of(kernel.TempBuffer); {
	case len(p.Updates) > 0:
		return nil, fmt.Errorf("device cpu: program %s has updates that no launch writes", p.Name)
	case p.ArenaSize == 0 && slices.ContainsFunc(temps, func(b int) bool { return p.Buffers[b].Len > 0 }):
		return nil, fmt.Errorf("device cpu: program %s: temporaries have no memory", p.Name)
	}
	e := &executable{dev: d, prog: p, kernels: map[*kernel.Kernel]*plan{}, consts: map[int]*slab{}, firstWrite: p.FirstWrite()}
	if err := e.prepare(); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// prepare makes the plans and the constants. After an error the caller
// releases what it has made.
func (e *executable) prepare() error {
	p, d := e.prog, e.dev
	for i := range p.Launches {
		k := p.Launches[i].Kernel
		if e.kernels[k] == nil {
			pl, err := d.plans.get(k)
			if err != nil {
				return fmt.Errorf("device cpu: %w", err)
			}
			e.kernels[k] = pl
		}
		e.plans = append(e.plans, e.kernels[k])
	}
	for _, pl := range e.kernels {
		e.need.temps = max(e.need.temps, pl.tempBytes())
		e.need.locals = max(e.need.locals, pl.locals)
		pl.eachPhase(func(ph *phase) {
			for _, s := range ph.stages {
				e.need.stageBufs = max(e.need.stageBufs, len(s.args)+s.temps[1]-s.temps[0])
			}
			e.need.regs, e.need.env = max(e.need.regs, len(ph.offset)), max(e.need.env, ph.env, taskSlot+1)
			bytes := ph.scratch
			if x := ph.contract; x != nil {
				bytes += (x.gemm.ScratchLen() + x.turnLen()) * x.d.Size()
				e.need.windows = max(e.need.windows, (x.a.windowLen()+x.b.windowLen())*x.d.Size())
			}
			e.need.scratch = max(e.need.scratch, bytes)
		})
	}
	for i := range p.Buffers {
		b := &p.Buffers[i]
		if b.Kind != kernel.ConstBuffer {
			continue
		}
		if int64(len(b.Data)) != b.Bytes() {
			return fmt.Errorf("device cpu: constant b%d has %d bytes, not %d", i, len(b.Data), b.Bytes())
		}
		s, err := d.slab(b.Bytes())
		if err != nil {
			return err
		}
		copy(s.bytes, b.Data)
		e.consts[i] = s
	}
	return nil
}

func (p *plan) tempBytes() int64 {
	n := int64(0)
	for _, t := range p.temps {
		n += alignUp(int64(t.len) * int64(t.dtype.Size()))
	}
	return n
}

func alignUp(n int64) int64 { return (n + 63) &^ 63 }

// lease returns memory for a call.
func (e *executable) lease() (*lease, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, fmt.Errorf("device cpu: program %s: %w", e.prog.Name, device.ErrClosed)
	}
	e.inUse++
	if n := len(e.free); n > 0 {
		l := e.free[n-1]
		e.free = e.free[:n-1]
		e.mu.Unlock()
		return l, nil
	}
	e.mu.Unlock()
	l, err := e.newLease()
	if err != nil {
		e.giveBack(nil)
	}
	return l, err
}

// giveBack ends a call.
func (e *executable) giveBack(l *lease) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inUse--
	if l != nil {
		e.free = append(e.free, l)
	}
	if e.closed && e.inUse == 0 {
		e.release()
	}
}

// release gives all memory back.
func (e *executable) release() {
	for _, l := range e.free {
		e.dev.recycle(l.memory)
	}
	for _, s := range e.consts {
		e.dev.recycle(s)
	}
	e.dev.plans.drop(e.kernels)
	e.free, e.consts, e.kernels = nil, nil, nil
}

// Close implements [device.Executable].
func (e *executable) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		if e.inUse == 0 {
			e.release()
		}
	}
	return nil
}

func (e *executable) newLease() (*lease, error) {
	arena := alignUp(e.prog.ArenaSize)
	memory, err := e.dev.slab(arena + e.need.temps + int64(e.dev.threads)*e.need.locals)
	if err != nil {
		return nil, fmt.Errorf("program %s: arena: %w", e.prog.Name, err)
	}
	l := &lease{exe: e, memory: memory}
	l.job.l = l
	at := make([]mem, len(e.prog.Buffers))
	for i := range e.prog.Buffers {
		b := &e.prog.Buffers[i]
		switch b.Kind {
		case kernel.TempBuffer:
			at[i] = memOf(memory.bytes, b.Offset, b.Bytes(), b.Len)
		case kernel.ConstBuffer:
			at[i] = memOf(e.consts[i].bytes, 0, b.Bytes(), b.Len)
		}
	}
	for i, pl := range e.plans {
		la := &e.prog.Launches[i]
		bufs := make([]mem, 0, len(la.Args)+len(pl.temps))
		for _, a := range la.Args {
			bufs = append(bufs, at[a])
		}
		off := arena
		for _, t := range pl.temps {
			n := int64(t.len) * int64(t.dtype.Size())
			bufs = append(bufs, memOf(memory.bytes, off, n, t.len))
			off += alignUp(n)
		}
		l.bufs = append(l.bufs, bufs)
	}
	for w := range e.dev.threads {
		st := e.newState()
		st.locals = memory.bytes[arena+e.need.temps+int64(w)*e.need.locals:][:e.need.locals]
		l.states = append(l.states, st)
	}
	return l, nil
}

func (e *executable) newState() *state {
	st := &state{
		ptr: make([]unsafe.Pointer, e.need.regs), env: make([]int64, e.need.env), scratch: alignedWords(e.need.scratch), windows: alignedWords(e.need.windows), products: map[*contraction]product{}, args: simd.NewArgs(),
		stageBufs: make([]mem, 0, e.need.stageBufs),
	}
	st.n[scalar] = 1
	for _, pl := range e.plans {
		pl.eachPhase(func(ph *phase) {
			if x := ph.contract; x != nil && st.products[x] == nil {
				st.products[x] = newProduct(st, x)
			}
		})
	}
	return st
}

// alignedWords returns memory of at least n bytes that starts at a cache line.
func alignedWords(n int) []uint64 {
	w := make([]uint64, n/8+16)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(w)))&63) / 8
	return w[skip:]
}

var nothing [64]byte

func memOf(b []byte, off, n int64, elems int) mem {
	if n == 0 {
		return mem{p: unsafe.Pointer(&nothing), bytes: nothing[:0]}
	}
	b = b[off : off+n : off+n]
	return mem{p: unsafe.Pointer(unsafe.SliceData(b)), n: elems, bytes: b}
}

// Run implements [device.Executable].
func (e *executable) Run(ctx context.Context, in, out []device.Buffer) error {
	return e.run(ctx, in, out, nil)
}

// Trace implements [device.Tracer].
func (e *executable) Trace(ctx context.Context, in, out []device.Buffer, visit func(launch int, read func(buffer int) []byte) error) error {
	return e.run(ctx, in, out, visit)
}

func (e *executable) run(ctx context.Context, in, out []device.Buffer, visit func(launch int, read func(buffer int) []byte) error) error {
	l, err := e.lease()
	if err != nil {
		return err
	}
	defer e.giveBack(l)
	defer l.letGo()
	if err := l.bind(in, out); err != nil {
		return err
	}
	parallel := e.dev.pool.begin()
	if parallel {
		defer e.dev.pool.end()
	}
	for i := range e.plans {
		if i <= e.firstWrite {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		if err := l.launch(i, parallel); err != nil {
			return err
		}
		if visit == nil {
			continue
		}
		if err := visit(i, l.read(i)); err != nil {
			return err
		}
	}
	return nil
}

// bind puts the caller's buffers into the launches.
func (l *lease) bind(in, out []device.Buffer) error {
	p := l.exe.prog
	ni, no := 0, 0
	for _, kind := range [...]kernel.BufferKind{kernel.InputBuffer, kernel.VariableBuffer, kernel.OutputBuffer} {
		for i := range p.Buffers {
			b := &p.Buffers[i]
			if b.Kind != kind {
				continue
			}
			list, n := in, &ni
			if kind == kernel.OutputBuffer {
				list, n = out, &no
			}
			if *n >= len(list) {
				return fmt.Errorf("device cpu: program %s wants more than %d %s buffers", p.Name, len(list), kind)
			}
			buf, ok := list[*n].(*hostBuffer)
			*n++
			if !ok || buf.dev != l.exe.dev {
				return fmt.Errorf("device cpu: program %s: the buffer of %s %q is of another device", p.Name, kind, b.Name)
			}
			s, err := buf.acquire()
			if err != nil {
				return fmt.Errorf("program %s: %s %q: %w", p.Name, kind, b.Name, err)
			}
			l.in = append(l.in, buf)
			if buf.size < b.Bytes() {
				return fmt.Errorf("device cpu: program %s: %s %q has %d bytes, its buffer %d", p.Name, kind, b.Name, b.Bytes(), buf.size)
			}
			m := memOf(s.bytes, 0, b.Bytes(), b.Len)
			m.output = kind == kernel.OutputBuffer
			l.point(i, m)
		}
	}
	if ni != len(in) || no != len(out) {
		return fmt.Errorf("device cpu: program %s wants %d and %d buffers, got %d and %d", p.Name, ni, no, len(in), len(out))
	}
	return nil
}

// point binds a buffer of the program in all launches.
func (l *lease) point(n int, m mem) {
	for i := range l.exe.prog.Launches {
		for j, a := range l.exe.prog.Launches[i].Args {
			if a == n {
				l.bufs[i][j] = m
			}
		}
	}
}

// letGo ends the use of the caller's buffers.
func (l *lease) letGo() {
	for i, b := range l.in {
		b.letGo()
		l.in[i] = nil
	}
	l.in = l.in[:0]
}

// read returns a reader of the program's buffers for a tracer.
func (l *lease) read(launch int) func(buffer int) []byte {
	return func(n int) []byte {
		for j, a := range l.exe.prog.Launches[launch].Args {
			if a == n {
				return l.bufs[launch][j].bytes
			}
		}
		for i := launch; i >= 0; i-- {
			for j, a := range l.exe.prog.Launches[i].Args {
				if a == n {
					return l.bufs[i][j].bytes
				}
			}
		}
		return nil
	}
}

// serialWork is the work of a phase below which other workers gain nothing.
const serialWork = 1 << 15

// launch runs the phases of one launch.
func (l *lease) launch(i int, parallel bool) error {
	for _, st := range l.states {
		st.failed = failure{}
	}
	j := &l.job
	for _, ph := range l.exe.plans[i].phases {
		// The counter, which lets workers in, is set last.
		j.phase, j.launch, j.total, j.err = ph, i, ph.positionsToTasks(), nil
		j.done.Store(0)
		for _, st := range l.states {
			st.phase = nil
		}
		j.left.Store(int64(j.total))
		if parallel && ph.work >= serialWork && j.total > 1 {
			l.exe.dev.pool.run(j)
		} else {
			j.finish()
		}
		if j.err != nil {
			return j.err
		}
	}
	return l.failure(i)
}

// positionsToTasks returns the number of tasks.
func (p *phase) positionsToTasks() int {
	if p.contract != nil {
		return p.positions
	}
	return p.tasks()
}

// failure returns the first failed check of a launch.
func (l *lease) failure(i int) error {
	var f failure
	for _, st := range l.states {
		if st.failed.before(&f) {
			f = st.failed
		}
	}
	if !f.found {
		return nil
	}
	e := &device.CheckError{Value: f.value, Limit: f.limit, VariablesWritten: i >= l.exe.firstWrite}
	if pos := l.exe.prog.Launches[i].Pos; f.site < len(pos) {
		e.Pos = pos[f.site]
	}
	return e
}

// task runs a task of j as worker w.
func (l *lease) task(j *job, w, task int) {
	st, ph := l.states[w], j.phase
	if ph.stages != nil {
		l.takeStages(st, j, task)
		return
	}
	if st.phase != ph {
		st.enter(ph, l.bufs[j.launch])
	}
	st.runTask(ph, task)
}

// enter sets the registers up for a phase.
func (st *state) enter(ph *phase, bufs []mem) {
	st.phase, st.bufs = ph, bufs
	base := unsafe.Pointer(unsafe.SliceData(st.scratch))
	for r, off := range ph.offset {
		if off >= 0 {
			st.ptr[r] = unsafe.Add(base, off)
		}
	}
}

// runTask runs a task of the phase that the registers are set up for.
func (st *state) runTask(ph *phase, task int) {
	st.task, st.env[taskSlot] = task, int64(task)
	switch {
	case ph.contract == nil:
		st.lo, st.hi = task*ph.grain, min((task+1)*ph.grain, ph.positions)
		run(st, ph.code)
	case ph.packs:
		st.products[ph.contract].pack(task)
	default:
		st.products[ph.contract].run(ph, task)
	}
}

// Source returns a listing of the tile programs.
func (e *executable) Source() string { return e.listing() }

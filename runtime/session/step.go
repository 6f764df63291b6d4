package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"dumbtorch/passes"
	"dumbtorch/runtime/device"
)

// A Step is a graph compiled in a session.
type Step struct {
	s    *Session
	src  *source
	vars []*variable // in the order of the source
	gate

	mu       sync.Mutex
	programs []*program // most recently used first
	done     sync.Once
	doneErr  error
}

// A Binding gives sizes to named dimensions.
type Binding map[string]int

// Name returns the graph's name.
func (st *Step) Name() string { return st.src.name }

// Dims returns the names of the dimensions that feeds bind, in order of appearance in the inputs.
func (st *Step) Dims() []string { return slices.Clone(st.src.dims) }

// Bindings returns the bindings for which programs are kept, the most recently used first. A step without named dimensions
// has one empty binding.
func (st *Step) Bindings() []Binding {
	st.mu.Lock()
	defer st.mu.Unlock()
	var bs []Binding
	for _, p := range st.programs {
		bs = append(bs, st.src.bindingOf(p.sizes))
	}
	return bs
}

// Close waits for running calls and gives back the step's programs. Its variables stay in the session, its results with
// the caller. Closing twice is fine.
func (st *Step) Close() error {
	err := st.shut()
	st.s.mu.Lock()
	delete(st.s.steps, st)
	st.s.mu.Unlock()
	return err
}

func (st *Step) shut() error {
	st.gate.close()
	st.done.Do(func() { st.doneErr = st.freePrograms() })
	return st.doneErr
}

func (st *Step) freePrograms() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	var errs []error
	for _, p := range st.programs {
		errs = append(errs, p.close(&st.s.kernels))
	}
	st.programs = nil
	return errors.Join(errs...)
}

// begin lets a call in; end must follow.
func (st *Step) begin() error {
	if !st.s.enter() {
		return fmt.Errorf("%s: session %w", st.src.name, ErrClosed)
	}
	if !st.enter() {
		st.s.leave()
		return fmt.Errorf("%s: step %w", st.src.name, ErrClosed)
	}
	return nil
}

func (st *Step) end() {
	st.leave()
	st.s.leave()
}

// programFor returns the program that runs on feeds; release must follow. Of many calls with a new binding one compiles,
// the others wait.
func (st *Step) programFor(ctx context.Context, feeds Feeds) (*program, error) {
	st.mu.Lock()
	for i, p := range st.programs {
		if st.src.fits(feeds, p.types) {
			return st.use(ctx, i)
		}
	}
	st.mu.Unlock()
	sizes, err := st.src.sizesFrom(feeds)
	if err != nil {
		return nil, err
	}
	return st.programOf(ctx, sizes)
}

// programOf returns the program for a binding; release must follow.
func (st *Step) programOf(ctx context.Context, sizes []int) (*program, error) {
	st.mu.Lock()
	for i, p := range st.programs {
		if slices.Equal(p.sizes, sizes) {
			return st.use(ctx, i)
		}
	}
	p := &program{src: st.src, sizes: sizes, types: st.src.inputTypes(sizes), ready: make(chan struct{}), refs: 1}
	st.programs = slices.Insert(st.programs, 0, p)
	st.evict()
	st.mu.Unlock()
	st.fill(p)
	if p.err != nil {
		err := p.err
		st.mu.Lock()
		if i := slices.Index(st.programs, p); i >= 0 {
			st.programs = slices.Delete(st.programs, i, i+1)
		}
		p.gone = true
		st.mu.Unlock()
		st.release(p)
		return nil, err
	}
	return p, nil
}

// use takes the i-th program and waits until it is compiled. The caller holds mu, which it gives up.
func (st *Step) use(ctx context.Context, i int) (*program, error) {
	p := st.programs[i]
	copy(st.programs[1:i+1], st.programs[:i])
	st.programs[0] = p
	p.refs++
	st.mu.Unlock()
	err := error(nil)
	select {
	case <-p.ready:
		err = p.err
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		st.release(p)
		return nil, err
	}
	return p, nil
}

// evict gives up the programs beyond the bound; those in use go when their last call ends. The caller holds mu.
func (st *Step) evict() {
	for len(st.programs) > st.s.cfg.programs {
		last := len(st.programs) - 1
		p := st.programs[last]
		st.programs = slices.Delete(st.programs, last, last+1)
		p.gone = true
		st.s.cfg.log.Info("gave up a program", "step", st.src.name, "binding", st.src.describe(p.sizes), "kept", last)
		if p.refs == 0 {
			st.logError(p.close(&st.s.kernels))
		}
	}
}

// release ends a call's use of a program.
func (st *Step) release(p *program) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if p.refs--; p.refs == 0 && p.gone {
		st.logError(p.close(&st.s.kernels))
	}
}

func (st *Step) logError(err error) {
	if err != nil {
		st.s.cfg.log.Error("close a program", "step", st.src.name, "error", err)
	}
}

// frameOf returns buffers for one call; putFrame must follow.
func (st *Step) frameOf(p *program) (*frame, error) {
	st.mu.Lock()
	if n := len(p.free); n > 0 {
		f := p.free[n-1]
		p.free = p.free[:n-1]
		st.mu.Unlock()
		return f, nil
	}
	st.mu.Unlock()
	return p.newFrame(st.s.dev)
}

func (st *Step) putFrame(p *program, f *frame) {
	st.mu.Lock()
	p.free = append(p.free, f)
	st.mu.Unlock()
}

// look calls f with the program for a binding, which is compiled if need be.
func (st *Step) look(b Binding, f func(*program)) error {
	if err := st.begin(); err != nil {
		return err
	}
	defer st.end()
	sizes, err := st.src.sizesOf(b)
	if err != nil {
		return fmt.Errorf("%s: %w", st.src.name, err)
	}
	p, err := st.programOf(context.Background(), sizes)
	if err != nil {
		return fmt.Errorf("%s: %w", st.src.name, err)
	}
	defer st.release(p)
	f(p)
	return nil
}

// Program returns what the compiler made of the graph for a binding of its named dimensions (nil where there are none),
// which is compiled if need be. It must not be changed.
func (st *Step) Program(b Binding) (c *passes.Compiled, err error) {
	err = st.look(b, func(p *program) { c = p.code })
	return c, err
}

// Executable returns the device's form of the program for a binding. It is the step's: it works until the step gives the
// program up ([WithPrograms]) or is closed.
func (st *Step) Executable(b Binding) (e device.Executable, err error) {
	err = st.look(b, func(p *program) { e = p.exe })
	return e, err
}

// Memory returns the memory that one run needs for a binding, which is compiled if need be.
func (st *Step) Memory(b Binding) (m MemoryReport, err error) {
	err = st.look(b, func(p *program) { m = p.memory })
	return m, err
}

package session

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
)

// A Session runs graphs on one device and owns their variables.
type Session struct {
	dev device.Device
	cfg config
	gate

	// compiling serialises Compile, so that a failed one can take back the variables it made.
	compiling sync.Mutex
	// state guards the contents of variables on the device, and dirty: a step that assigns, and every change from outside,
	// holds it alone.
	state sync.RWMutex
	dirty map[*variable]bool

	mu     sync.Mutex // guards what follows; held briefly
	vars   map[any]*variable
	byName map[string]*variable
	steps  map[*Step]bool
	blocks blockList

	kernels kernelCache

	done    sync.Once
	doneErr error
}

// New returns a session on a device, which stays the caller's: close it after the session. A mistake in an option is
// reported by the first [Session.Compile].
func New(dev device.Device, opts ...Option) *Session {
	s := &Session{
		dev:    dev,
		cfg:    defaultConfig(),
		dirty:  map[*variable]bool{},
		vars:   map[any]*variable{},
		byName: map[string]*variable{},
		steps:  map[*Step]bool{},
	}
	fromEnvironment(&s.cfg)
	for _, o := range opts {
		if o != nil {
			o(&s.cfg)
		}
	}
	if slices.ContainsFunc(opts, func(o Option) bool { return o == nil }) {
		s.cfg.err = errors.New("an option is nil")
	}
	if dev == nil {
		s.cfg.err = errors.New("there is no device: the one given to New is nil")
		return s
	}
	s.cfg.passes.Target = dev.Target()
	if s.cfg.passes.FindNaN {
		s.cfg.nodeByNode()
	}
	if s.cfg.compile == nil {
		s.cfg.compile = func(g *ir.Graph) (*passes.Compiled, error) { return passes.Compile(g, &s.cfg.passes) }
	}
	return s
}

// Device returns the session's device.
func (s *Session) Device() device.Device { return s.dev }

// Seed returns the seed from which variables are initialised.
func (s *Session) Seed() uint64 { return s.cfg.seed }

// Compile prepares a graph for running: it creates those of its variables that the session does not have yet and gives
// them their initial values, and compiles the graph unless dimensions are left named; then each binding of them is compiled
// at its first feed. Errors: two variables of one name, a compiler bug, no memory ([ErrMemoryLimit],
// [device.ErrOutOfMemory]), [ErrClosed]. After an error the session is as it was.
func (s *Session) Compile(g *graph.Graph) (*Step, error) {
	if g == nil || g.IR() == nil {
		return nil, errors.New("session: no graph to compile")
	}
	return s.compile(sourceOf(g))
}

// CompileIR prepares a graph of the intermediate representation, as a parser gives it: its sizes are those of its inputs.
// Variables are known by their names: one that the session has, of the same type, is shared, others are zero at first and
// are set with [Session.Set]. Errors: those of [Session.Compile], and a graph that does not verify. The graph must not
// change afterwards.
func (s *Session) CompileIR(g *ir.Graph) (*Step, error) {
	if g == nil {
		return nil, errors.New("session: no graph to compile")
	}
	src, err := sourceOfIR(g)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.Name, err)
	}
	return s.compile(src)
}

func (s *Session) compile(src *source) (*Step, error) {
	if !s.enter() {
		return nil, fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	if s.cfg.err != nil {
		return nil, fmt.Errorf("session: %w", s.cfg.err)
	}
	s.compiling.Lock()
	defer s.compiling.Unlock()
	plan, err := s.planVariables(src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.name, err)
	}
	st := &Step{s: s, src: src, vars: plan.all}
	ok := false
	defer func() {
		if !ok {
			st.freePrograms()
			plan.drop()
		}
	}()
	var p *program
	if len(src.dims) == 0 {
		if p, err = st.build(nil, src.inputTypes(nil)); err != nil {
			return nil, fmt.Errorf("%s: %w", src.name, err)
		}
	} else if err = st.checkMemory(&MemoryReport{}); err != nil {
		return nil, fmt.Errorf("%s: %w", src.name, err)
	}
	if p != nil {
		st.programs = append(st.programs, p)
	}
	if err := s.createVariables(plan); err != nil {
		return nil, fmt.Errorf("%s: %w", src.name, err)
	}
	s.mu.Lock()
	s.steps[st] = true
	s.mu.Unlock()
	ok = true
	return st, nil
}

// Close waits for running steps and gives back everything that the session holds on its device: programs, variables, and
// results that were not released. Further use fails with [ErrClosed], of results with [ErrReleased]. Closing twice is fine.
func (s *Session) Close() error {
	s.gate.close()
	s.done.Do(func() {
		var errs []error
		s.mu.Lock()
		steps := s.steps
		s.steps = nil
		s.mu.Unlock()
		for st := range steps {
			errs = append(errs, st.shut())
		}
		s.blocks.releaseAll()
		s.mu.Lock()
		vars := s.vars
		s.vars, s.byName = nil, nil
		s.mu.Unlock()
		for _, v := range vars {
			v.buf.Release()
		}
		s.doneErr = errors.Join(errs...)
	})
	return s.doneErr
}

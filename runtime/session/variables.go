package session

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"dumbtorch/graph"
	"dumbtorch/internal/spell"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

// variable is state on the device.
type variable struct {
	varSpec
	buf device.Buffer
}

// variablePlan says which variables a graph uses and which of them are new.
type variablePlan struct {
	all   []*variable // in the order of the source
	fresh []*variable
}

// drop gives back what createVariables has taken.
func (p *variablePlan) drop() {
	if p == nil {
		return
	}
	for _, v := range p.fresh {
		if v.buf != nil {
			v.buf.Release()
			v.buf = nil
		}
	}
}

// planVariables finds a graph's variables among the session's.
func (s *Session) planVariables(src *source) (*variablePlan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, byName := &variablePlan{}, map[string]*variable{}
	for _, spec := range src.vars {
		v := s.vars[spec.key]
		other := s.byName[spec.name]
		if spec.byName {
			v = other
		}
		switch {
		case v != nil && v.name != spec.name:
			return nil, fmt.Errorf("variable %q was compiled under the name %q before: name variables before the first Compile", spec.name, v.name)
		case v != nil && !v.typ.Equal(spec.typ):
			return nil, fmt.Errorf("variable %q is %s in this graph, %s in one compiled before", spec.name, spec.typ, v.typ)
		case v == nil && other != nil:
			return nil, fmt.Errorf("two different variables are named %q: %s in this graph, %s in one compiled before", spec.name, spec.typ, other.typ)
		case v == nil:
			v = &variable{varSpec: spec}
			p.fresh = append(p.fresh, v)
		}
		if o := byName[spec.name]; o != nil {
			return nil, fmt.Errorf("two different variables are named %q: %s and %s", spec.name, o.typ, spec.typ)
		}
		byName[spec.name] = v
		p.all = append(p.all, v)
	}
	return p, nil
}

// createVariables gives the new variables memory and initial values and makes them the session's.
func (s *Session) createVariables(p *variablePlan) error {
	for _, v := range p.fresh {
		buf, err := s.dev.Alloc(v.typ.Bytes())
		if err != nil {
			return fmt.Errorf("variable %q %s: %w", v.name, v.typ, err)
		}
		v.buf = buf
		if err := s.initialise(v); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range p.fresh {
		s.vars[v.key] = v
		s.byName[v.name] = v
	}
	return nil
}

// Declare creates variables that no graph has used yet, with their initial values, so that they can be set, loaded and saved;
// those that the session has stay as they are. Errors: those of [Session.Compile].
func (s *Session) Declare(vars ...*graph.Variable) error {
	if !s.enter() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	if s.cfg.err != nil {
		return fmt.Errorf("session: %w", s.cfg.err)
	}
	src := &source{}
	for _, v := range vars {
		if v == nil {
			return errors.New("session: a variable to declare is nil")
		}
		src.vars = append(src.vars, varSpec{key: v, name: v.Name(), typ: v.Type(), init: v.Initialize})
	}
	s.compiling.Lock()
	defer s.compiling.Unlock()
	plan, err := s.planVariables(src)
	if err == nil {
		err = s.createVariables(plan)
	}
	if err != nil {
		plan.drop()
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// initialise gives a variable its first value.
func (s *Session) initialise(v *variable) error {
	t, err := tensor.New(v.typ)
	if err != nil {
		return fmt.Errorf("initialise variable %s: %w", v.name, err)
	}
	if err := v.init(t, s.cfg.seed); err != nil {
		return err
	}
	if err := v.buf.CopyFrom(t.Bytes()); err != nil {
		return fmt.Errorf("initialise variable %s: %w", v.name, err)
	}
	return nil
}

// Names returns the names of all variables, sorted; none after Close.
func (s *Session) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.byName))
}

// Type returns the type of a variable.
func (s *Session) Type(name string) (types.Type, error) {
	v, err := s.find(name)
	if err != nil {
		return types.Type{}, err
	}
	return types.Of(v.typ.DType, v.typ.Shape...), nil
}

// find returns a variable by name; the caller is inside the gate or wants its description only.
func (s *Session) find(name string) (*variable, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.byName[name]; v != nil {
		return v, nil
	}
	if s.byName == nil {
		return nil, fmt.Errorf("session: %w", ErrClosed)
	}
	return nil, fmt.Errorf("session: no variable is named %q%s", name, spell.DidYouMean(name, slices.Sorted(maps.Keys(s.byName))))
}

// all returns the variables in the order of their names.
func (s *Session) all() []*variable {
	s.mu.Lock()
	defer s.mu.Unlock()
	vs := slices.Collect(maps.Values(s.byName))
	slices.SortFunc(vs, func(a, b *variable) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return vs
}

// Get returns a copy of a variable's value. Errors: no such variable, [ErrNeedsReload], [ErrClosed].
func (s *Session) Get(name string) (*tensor.Tensor, error) {
	typ, err := s.Type(name)
	if err != nil {
		return nil, err
	}
	t, err := tensor.New(typ)
	if err != nil {
		return nil, err
	}
	return t, s.Read(name, t)
}

// Read copies a variable's value to dst, which must have its type, without allocating.
func (s *Session) Read(name string, dst *tensor.Tensor) error {
	if !s.enter() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	v, err := s.find(name)
	if err != nil {
		return err
	}
	if dst == nil || !dst.Type().Equal(v.typ) {
		return fmt.Errorf("session: variable %q is %s, it cannot be read into %s", name, v.typ, typeOf(dst))
	}
	s.state.RLock()
	defer s.state.RUnlock()
	if s.dirty[v] {
		return fmt.Errorf("session: variable %q: %w", name, ErrNeedsReload)
	}
	return v.read(dst)
}

func (v *variable) read(dst *tensor.Tensor) error {
	if err := v.buf.CopyTo(dst.Bytes()); err != nil {
		return fmt.Errorf("session: read variable %q: %w", v.name, err)
	}
	return nil
}

// write replaces a variable's value; the caller holds the state alone. A fault on the way leaves the variable dirty.
func (s *Session) write(v *variable, t *tensor.Tensor) error {
	s.dirty[v] = true
	if err := v.buf.CopyFrom(t.Bytes()); err != nil {
		return fmt.Errorf("session: set variable %q: %w (%w)", v.name, err, ErrNeedsReload)
	}
	delete(s.dirty, v)
	return nil
}

// Set replaces a variable's value with a copy of t, which must have its type; it waits for running steps. Errors: no such
// variable, another type, [ErrClosed].
func (s *Session) Set(name string, t *tensor.Tensor) error {
	if !s.enter() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	v, err := s.find(name)
	if err != nil {
		return err
	}
	if t == nil || !t.Type().Equal(v.typ) {
		return fmt.Errorf("session: variable %q is %s, it cannot be set to %s", name, v.typ, typeOf(t))
	}
	s.state.Lock()
	defer s.state.Unlock()
	return s.write(v, t)
}

// Reinit gives all variables their initial values again.
func (s *Session) Reinit() error {
	if !s.enter() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	s.state.Lock()
	defer s.state.Unlock()
	var errs []error
	for _, v := range s.all() {
		s.dirty[v] = true
		if err := s.initialise(v); err != nil {
			errs = append(errs, fmt.Errorf("session: %w", err))
			continue
		}
		delete(s.dirty, v)
	}
	return errors.Join(errs...)
}

func typeOf(t *tensor.Tensor) string {
	if t == nil {
		return "nil"
	}
	return t.Type().String()
}

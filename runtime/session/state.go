package session

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"dumbtorch/runtime/tensor"
)

// A LoadOption changes what [Session.SetState] and [Session.Load] accept.
type LoadOption func(*loadConfig)

type loadConfig struct{ missing, surplus bool }

// KeepMissing leaves variables as they are for which there is no value.
func KeepMissing() LoadOption { return func(c *loadConfig) { c.missing = true } }

// IgnoreSurplus passes over values for which there is no variable: the optimizer's, where only a model is wanted.
func IgnoreSurplus() LoadOption { return func(c *loadConfig) { c.surplus = true } }

// State returns copies of all variables by name, all from one moment between steps. Errors: [ErrNeedsReload], [ErrClosed].
func (s *Session) State() (map[string]*tensor.Tensor, error) {
	if !s.enter() {
		return nil, fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	s.state.RLock()
	defer s.state.RUnlock()
	if len(s.dirty) > 0 {
		return nil, fmt.Errorf("session: %w", ErrNeedsReload)
	}
	m := map[string]*tensor.Tensor{}
	for _, v := range s.all() {
		t, err := tensor.New(v.typ)
		if err != nil {
			return nil, fmt.Errorf("session: variable %q: %w", v.name, err)
		}
		if err := v.read(t); err != nil {
			return nil, err
		}
		m[v.name] = t
	}
	return m, nil
}

// SetState replaces the values of all variables with copies of those given. Names that are missing, surplus or of another
// type are all listed in one error, and nothing is changed. [KeepMissing] and [IgnoreSurplus] accept the first two.
func (s *Session) SetState(state map[string]*tensor.Tensor, opts ...LoadOption) error {
	var c loadConfig
	for _, o := range opts {
		o(&c)
	}
	if !s.enter() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	s.state.Lock()
	defer s.state.Unlock()
	vars := s.all()
	if err := checkState(vars, state, c); err != nil {
		return err
	}
	for _, v := range vars {
		if t := state[v.name]; t != nil {
			if err := s.write(v, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkState compares values with the variables that they are for.
func checkState(vars []*variable, state map[string]*tensor.Tensor, c loadConfig) error {
	var missing, surplus, wrong []string
	known := map[string]bool{}
	for _, v := range vars {
		known[v.name] = true
		switch t, ok := state[v.name]; {
		case !ok:
			missing = append(missing, fmt.Sprintf("%s %s", v.name, v.typ))
		case t == nil || !t.Type().Equal(v.typ):
			wrong = append(wrong, fmt.Sprintf("%s is %s, given %s", v.name, v.typ, typeOf(t)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if !known[name] {
			surplus = append(surplus, name)
		}
	}
	var b strings.Builder
	list := func(what string, items []string) {
		if len(items) > 0 {
			fmt.Fprintf(&b, "\n  %s: %s", what, strings.Join(items, ", "))
		}
	}
	list("wrong type", wrong)
	if !c.missing {
		list("missing", missing)
	}
	if !c.surplus {
		list("no such variable", surplus)
	}
	if b.Len() == 0 {
		return nil
	}
	return fmt.Errorf("session: the values do not fit the variables; nothing was changed:%s", b.String())
}

// Save writes all variables to an npz file, which holds either its old content or all of the new. It may be called while
// steps run. Errors: those of [Session.State] and of the file.
func (s *Session) Save(path string) error {
	state, err := s.State()
	if err != nil {
		return err
	}
	return tensor.WriteNPZ(path, tensor.SortByName(state))
}

// Load replaces all variables with those of an npz file. Errors name the file; they are those of the file and of
// [Session.SetState].
func (s *Session) Load(path string, opts ...LoadOption) error {
	state, err := tensor.ReadNPZ(path)
	if err != nil {
		return err
	}
	if err := s.SetState(state, opts...); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

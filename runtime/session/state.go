package session

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// A LoadOption changes what [Session.SetState] and [Session.Load] accept.
type LoadOption func(*loadConfig)

type loadConfig struct {
	missing, surplus, convert bool
	only                      map[string]bool // nil: all variables
}

// KeepMissing leaves variables as they are for which there is no value.
func KeepMissing() LoadOption { return func(c *loadConfig) { c.missing = true } }

// IgnoreSurplus passes over values for which there is no variable: the optimizer's, where only a model is wanted. With
// [KeepMissing] it is strict=False of PyTorch's load_state_dict.
func IgnoreSurplus() LoadOption { return func(c *loadConfig) { c.surplus = true } }

// ConvertFloats rounds values of one floating-point type to that of their variable, as [tensor.Tensor.Convert] does: weights
// in bf16 for a model in f32.
func ConvertFloats() LoadOption { return func(c *loadConfig) { c.convert = true } }

// Only gives values to the named variables and no others: what is said of all variables then holds for these.
func Only(names ...string) LoadOption {
	return func(c *loadConfig) {
		c.only = map[string]bool{}
		for _, n := range names {
			c.only[n] = true
		}
	}
}

// State returns copies of the named variables, or of all without names, all from one moment between steps. Errors: no such
// variable, [ErrNeedsReload], [ErrClosed].
func (s *Session) State(names ...string) (map[string]*tensor.Tensor, error) {
	if !s.enter() {
		return nil, fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	s.state.RLock()
	defer s.state.RUnlock()
	vars := s.all()
	if len(names) > 0 {
		vars = vars[:0]
		for _, name := range names {
			v, err := s.find(name)
			if err != nil {
				return nil, err
			}
			vars = append(vars, v)
		}
	}
	m := map[string]*tensor.Tensor{}
	for _, v := range vars {
		if s.dirty[v] || len(names) == 0 && len(s.dirty) > 0 {
			return nil, fmt.Errorf("session: %w", ErrNeedsReload)
		}
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
// type are all listed in one error, and nothing is changed; see [LoadOption] for what else is accepted.
func (s *Session) SetState(state map[string]*tensor.Tensor, opts ...LoadOption) error {
	offers := make(map[string]offer, len(state))
	for name, t := range state {
		offers[name] = offerOf(t)
	}
	return s.setState(offers, opts)
}

// offer is a value for a variable.
type offer struct {
	typ  types.Type
	text string // names the type, also where tensors have none such
	twin string // the name under which the file has it, where that is another one
	view func(use func(*tensor.Tensor) error) error
}

func offerOf(t *tensor.Tensor) offer {
	o := offer{text: typeOf(t), view: func(use func(*tensor.Tensor) error) error { return use(t) }}
	if t != nil {
		o.typ = t.Type()
	}
	return o
}

// fits reports whether a value can be that of a variable.
func (o offer) fits(v *variable, convert bool) bool {
	return o.typ.Equal(v.typ) || convert && o.typ.Shape.Equal(v.typ.Shape) && o.typ.DType.IsFloat() && v.typ.DType.IsFloat()
}

func (s *Session) setState(offers map[string]offer, opts []LoadOption) error {
	var c loadConfig
	for _, o := range opts {
		if o != nil {
			o(&c)
		}
	}
	if !s.enter() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	defer s.leave()
	s.state.Lock()
	defer s.state.Unlock()
	vars := s.all()
	if c.only != nil {
		for name := range c.only {
			if _, err := s.find(name); err != nil {
				return err
			}
		}
		vars = slices.DeleteFunc(vars, func(v *variable) bool { return !c.only[v.name] })
	}
	if err := checkState(vars, offers, c); err != nil {
		return err
	}
	vars = slices.DeleteFunc(vars, func(v *variable) bool {
		_, ok := offers[v.name]
		return !ok
	})
	for i, v := range vars {
		err := offers[v.name].view(func(t *tensor.Tensor) (err error) {
			if t.DType() != v.typ.DType {
				if t, err = t.Convert(v.typ.DType); err != nil {
					return err
				}
			}
			return s.write(v, t)
		})
		if err == nil {
			continue
		}
		if i == 0 && !s.dirty[v] {
			return err // nothing was changed yet
		}
		for _, v := range vars[i:] {
			s.dirty[v] = true
		}
		if !errors.Is(err, ErrNeedsReload) {
			err = fmt.Errorf("%w (%w)", err, ErrNeedsReload)
		}
		return err
	}
	return nil
}

// checkState compares values with the variables that they are for.
func checkState(vars []*variable, offers map[string]offer, c loadConfig) error {
	var missing, surplus, wrong []string
	known, taken := map[string]bool{}, map[string]bool{}
	for _, v := range vars {
		known[v.name] = true
		taken[cmp.Or(offers[v.name].twin, v.name)] = true
		switch o, ok := offers[v.name]; {
		case !ok:
			missing = append(missing, fmt.Sprintf("%s %s", v.name, v.typ))
		case !o.fits(v, c.convert):
			wrong = append(wrong, fmt.Sprintf("%s is %s, given %s", v.name, v.typ, o.text))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(offers)) {
		if !known[name] && !taken[name] && offers[name].twin == "" {
			surplus = append(surplus, name+" "+offers[name].text)
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

package train

import (
	"fmt"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// rate writes the learning rate into its variable.
type rate struct {
	at    func(step int) float64
	s     *session.Session
	name  string
	value *tensor.Tensor
	last  float64
	known bool // last is what the variable holds
}

func newRate(c *Config) (*rate, error) {
	r := &rate{at: c.Rate, s: c.Session, name: c.RateVariable}
	if r.at == nil {
		return r, nil
	}
	if r.name == "" {
		r.name = "optim.lr"
	}
	t, err := r.s.Type(r.name)
	if err != nil {
		return nil, fmt.Errorf("learning rate: %w", err)
	}
	if !t.DType.IsFloat() || len(t.Shape) != 0 {
		return nil, fmt.Errorf("learning rate: variable %q is %v, not one floating-point number", r.name, t)
	}
	r.value, err = tensor.New(types.Of(t.DType))
	return r, err
}

// set gives the rate of a step, counted from 0, to the session.
func (r *rate) set(step int) (float64, error) {
	if r.at == nil {
		return 0, nil
	}
	v := r.at(step)
	if r.known && v == r.last {
		return v, nil
	}
	if !(v >= 0) || v-v != 0 {
		return 0, fmt.Errorf("learning rate: that of step %d is %v, not a finite number of at least 0", step, v)
	}
	if err := r.value.Set(v); err != nil {
		return 0, fmt.Errorf("learning rate: %w", err)
	}
	if err := r.s.Set(r.name, r.value); err != nil {
		return 0, fmt.Errorf("learning rate: %w", err)
	}
	r.last, r.known = v, true
	return v, nil
}

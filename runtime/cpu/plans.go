package cpu

import (
	"sync"

	"dumbtorch/ir/kernel"
)

// A planCache holds the plans of the kernels of a device's programs. Programs that share a kernel, as those for different
// sizes of a named dimension do, share its plan: a plan does not change once it is made.
type planCache struct {
	mu sync.Mutex
	of map[*kernel.Kernel]*sharedPlan
}

// A sharedPlan is a plan and the number of executables that use it.
type sharedPlan struct {
	plan  *plan
	users int
}

// get returns the plan of a kernel; drop must follow.
func (c *planCache) get(k *kernel.Kernel) (*plan, error) {
	if p := c.use(k, nil); p != nil {
		return p, nil
	}
	p, err := compileKernel(k)
	if err != nil {
		return nil, err
	}
	return c.use(k, p), nil
}

// use returns the plan that is there, or else fresh, which may be nil, and counts its user.
func (c *planCache) use(k *kernel.Kernel, fresh *plan) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.of[k]
	switch {
	case s == nil && fresh == nil:
		return nil
	case s == nil:
		if c.of == nil {
			c.of = map[*kernel.Kernel]*sharedPlan{}
		}
		s = &sharedPlan{plan: fresh}
		c.of[k] = s
	}
	s.users++
	return s.plan
}

// drop ends the use of plans.
func (c *planCache) drop(plans map[*kernel.Kernel]*plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := range plans {
		if s := c.of[k]; s != nil {
			if s.users--; s.users == 0 {
				delete(c.of, k)
			}
		}
	}
}

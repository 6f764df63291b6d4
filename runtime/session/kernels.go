package session

import (
	"sync"

	"dumbtorch/ir/kernel"
)

// kernelCache makes equal kernels of a session's programs one: programs of one graph for different bindings have those in
// common that do not depend on the named dimensions. A device sees one pointer and may compile it once.
type kernelCache struct {
	mu     sync.Mutex
	byText map[string]*sharedKernel
}

// sharedKernel is a kernel and the number of programs that launch it.
type sharedKernel struct {
	text  string
	k     *kernel.Kernel
	users int
}

// share replaces the kernels of a program by equal ones of programs before it. It returns the kernels to give to release
// when the program goes, and how many of them were there.
func (c *kernelCache) share(p *kernel.Program) (held []*sharedKernel, found int) {
	own := map[*kernel.Kernel]*sharedKernel{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byText == nil {
		c.byText = map[string]*sharedKernel{}
	}
	for i := range p.Launches {
		l := &p.Launches[i]
		e := own[l.Kernel]
		if e == nil {
			text := l.Kernel.String()
			if e = c.byText[text]; e != nil {
				found++
			} else {
				e = &sharedKernel{text: text, k: l.Kernel}
				c.byText[text] = e
			}
			e.users++
			own[l.Kernel] = e
			held = append(held, e)
		}
		l.Kernel = e.k
	}
	return held, found
}

// release ends a program's use of its kernels.
func (c *kernelCache) release(held []*sharedKernel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range held {
		if e.users--; e.users == 0 {
			delete(c.byText, e.text)
		}
	}
}

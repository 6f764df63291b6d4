package session

import (
	"fmt"
	"sync"

	"dumbtorch/ir/kernel"
)

// kernelCache makes kernels of one structure one in all of a session's programs, whatever their names: programs of one graph
// for different bindings have those in common that do not depend on the named dimensions. A device sees one pointer and may
// compile it once.
type kernelCache struct {
	mu     sync.Mutex
	byText map[string]*sharedKernel
	names  map[string]bool // of the kernels, each of which has one of its own
}

// sharedKernel is a kernel and the number of uses that release ends. Its text is without its name.
type sharedKernel struct {
	text  string
	k     *kernel.Kernel
	users int
}

// share replaces the kernels of a program, which must be the session's to change, by those of one structure that are there.
// A kernel that is new gets another name if a different one bears its own, since names are unique in any program. share
// returns the kernels to give to release when the program goes, and how many of them were there.
func (c *kernelCache) share(p *kernel.Program) (held []*sharedKernel, found int) {
	own := map[*kernel.Kernel]*sharedKernel{}
	fresh := map[*sharedKernel]bool{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byText == nil {
		c.byText, c.names = map[string]*sharedKernel{}, map[string]bool{}
	}
	for i := range p.Launches {
		l := &p.Launches[i]
		e := own[l.Kernel]
		if e == nil {
			e = c.byText[structure(l.Kernel)]
			switch {
			case e == nil:
				e = c.add(l.Kernel)
				fresh[e] = true
			case !fresh[e]:
				found++
			}
			e.users++
			own[l.Kernel] = e
			held = append(held, e)
		}
		l.Kernel = e.k
	}
	return held, found
}

// add enters a kernel under a name of its own; the caller holds mu.
func (c *kernelCache) add(k *kernel.Kernel) *sharedKernel {
	e := &sharedKernel{text: structure(k), k: k}
	c.byText[e.text] = e
	name := k.Name
	for i := 2; c.names[k.Name]; i++ {
		k.Name = fmt.Sprintf("%s_%d", name, i)
	}
	c.names[k.Name] = true
	return e
}

// structure returns the text of a kernel without its name.
func structure(k *kernel.Kernel) string {
	nameless := *k
	nameless.Name = ""
	return nameless.String()
}

// release ends a program's use of its kernels.
func (c *kernelCache) release(held []*sharedKernel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range held {
		if e.users--; e.users == 0 {
			delete(c.byText, e.text)
			delete(c.names, e.k.Name)
		}
	}
}

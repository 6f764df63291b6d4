package passes

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
)

// offReuse in [Config.Off] gives every temporary memory of its own and updates
// every variable by a copy: the plan that differential tests compare with.
const offReuse = "memplan-reuse"

func alignUp(n int64) int64 { return (n + kernel.ArenaAlign - 1) &^ (kernel.ArenaAlign - 1) }

// memplan decides where values live: it resolves the program's updates, lets
// results take over the memory of operands that die, and gives every temporary
// its place in the arena. The order of the launches is taken as it is.
func memplan(c *Config, p *kernel.Program) error {
	var before *kernel.Program
	if c.Check {
		before = snapshot(p)
	}
	reuse := !c.Off[offReuse]
	if err := resolveUpdates(p, reuse); err != nil {
		return err
	}
	dropUnused(p)
	spans, err := lifetimes(p)
	if err != nil {
		return err
	}
	if reuse {
		p.ArenaSize = place(p, shareSlots(p, spans))
	} else {
		p.ArenaSize = 0
		for i := range p.Buffers {
			if b := &p.Buffers[i]; b.Kind == kernel.TempBuffer {
				b.Offset = p.ArenaSize
				p.ArenaSize += alignUp(b.Bytes())
			}
		}
	}
	if c.Check {
		return checkMemory(before, p)
	}
	return nil
}

// snapshot copies what the memory plan changes.
func snapshot(p *kernel.Program) *kernel.Program {
	q := *p
	q.Buffers = slices.Clone(p.Buffers)
	q.Updates = slices.Clone(p.Updates)
	q.Launches = slices.Clone(p.Launches)
	for i := range q.Launches {
		q.Launches[i].Args = slices.Clone(q.Launches[i].Args)
	}
	return &q
}

// dropUnused removes temporaries that no launch uses and renumbers the others.
func dropUnused(p *kernel.Program) {
	used := make([]bool, len(p.Buffers))
	for _, l := range p.Launches {
		for _, a := range l.Args {
			used[a] = true
		}
	}
	number := make([]int, len(p.Buffers))
	var kept []kernel.Buffer
	for i, b := range p.Buffers {
		if b.Kind == kernel.TempBuffer && !used[i] {
			continue
		}
		number[i] = len(kept)
		kept = append(kept, b)
	}
	p.Buffers = kept
	for _, l := range p.Launches {
		for j, a := range l.Args {
			l.Args[j] = number[a]
		}
	}
}

// A span is the life of a temporary in launches, both ends inclusive; first is
// -1 for a buffer that is no temporary.
type span struct{ first, last int }

// lifetimes returns the span of every buffer.
func lifetimes(p *kernel.Program) ([]span, error) {
	spans := make([]span, len(p.Buffers))
	for i := range spans {
		spans[i] = span{-1, -1}
	}
	for i := range p.Launches {
		l := &p.Launches[i]
		for j, q := range l.Kernel.Params {
			a := l.Args[j]
			if p.Buffers[a].Kind != kernel.TempBuffer {
				continue
			}
			if s := &spans[a]; s.first >= 0 {
				s.last = i
			} else if q.Out {
				*s = span{i, i}
			} else {
				return nil, fmt.Errorf("launch %d (%s) reads buffer b%d, which nothing wrote", i, l.Label, a)
			}
		}
	}
	return spans, nil
}

// A block is a piece of the arena over a stretch of launches: a temporary, or
// several that take over from one another in place.
type block struct {
	size        int64
	first, last int
	offset      int64
	buffers     []int
}

func (b *block) overlaps(o *block) bool { return b.first <= o.last && o.first <= b.last }

// shareSlots makes the blocks: a result takes over the slot of an operand that
// the launch reads for the last time, at the very index that it stores.
func shareSlots(p *kernel.Program, spans []span) []*block {
	var blocks []*block
	of := make([]*block, len(p.Buffers))
	for i := range p.Launches {
		l := &p.Launches[i]
		taken := map[*block]bool{}
		for j, q := range l.Kernel.Params {
			out := l.Args[j]
			if !q.Out || p.Buffers[out].Kind != kernel.TempBuffer || of[out] != nil {
				continue
			}
			for _, in := range l.Args {
				k := of[in]
				if k == nil || in == out || taken[k] || spans[in].last != i || !sameLayout(p, in, out) || !l.InPlace(j, in) {
					continue
				}
				taken[k] = true
				k.last = spans[out].last
				k.buffers = append(k.buffers, out)
				of[out] = k
				break
			}
			if of[out] == nil {
				b := &block{size: alignUp(p.Buffers[out].Bytes()), first: i, last: spans[out].last, buffers: []int{out}}
				of[out] = b
				taken[b] = true
				blocks = append(blocks, b)
			}
		}
	}
	return blocks
}

// sameLayout reports whether element i of both buffers lies at one offset.
func sameLayout(p *kernel.Program, a, b int) bool {
	x, y := &p.Buffers[a], &p.Buffers[b]
	return x.Len == y.Len && x.DType.Size() == y.DType.Size()
}

package simd

import (
	"math"
	"slices"

	"dumbtorch/runtime/cpu/amd64"
)

// Registers are handed out in one forward run over the items of a body; the
// value whose next use is farthest gives way (Belady 1966): to a slot of the
// argument block, or to nothing where it has a place in memory, as constants,
// scalars and values of the row have.

// registers is the state of the vector registers.
type registers struct {
	count int       // of the machine
	in    [32]Value // what each holds
	reg   []int8    // of each value; -1: none
	spill []int     // the slot where a value was spilled; -1: nowhere
	uses  [][]int   // positions of the uses that are left, ascending
	pins  []Value   // operands of the item at hand
	taken []int8    // registers that the item at hand got
	at    int
	slots int // in use
}

// What a register holds that holds no value: nothing, or a running fold.
const (
	noValue  Value = -1
	reserved Value = -2
)

// clear forgets all values.
func (c *compiler) clear() {
	n := len(c.nodes)
	if c.reg == nil {
		c.reg, c.spill, c.uses = make([]int8, n), make([]int, n), make([][]int, n)
		for i := range c.in {
			c.in[i] = noValue
		}
	}
	for i := range c.reg {
		c.reg[i], c.spill[i], c.uses[i] = -1, -1, c.uses[i][:0]
	}
	for i, v := range c.in {
		if v != reserved {
			c.in[i] = noValue
		}
	}
	c.next()
	c.slots, c.at = c.base, -1
}

// next begins an item.
func (c *compiler) next() { c.pins, c.taken = c.pins[:0], c.taken[:0] }

// body appends the code of items for the k-th vector of a group.
func (c *compiler) body(items []item, k int, r rest) {
	c.clear()
	for i, it := range items {
		switch it.do {
		case doCompute:
			for _, x := range c.nodes[it.v].operands() {
				c.used(x, i)
			}
		case doKeep, doStore:
			c.used(it.v, i)
		}
	}
	for i, it := range items {
		c.at = i
		c.next()
		switch it.do {
		case doCompute:
			c.compute(it.v, k, r)
			if slot, ok := c.slot[it.v]; ok && c.reg[it.v] >= 0 {
				c.a.Store(amd64.VMOVUPSStore, c.w, slotAt(slot), amd64.Vec(c.reg[it.v]))
			}
		case doReload:
			m := c.keptAt(it.v, k)
			c.a.Op2(amd64.VMOVUPS, c.w, c.define(it.v), m)
		case doKeep:
			x := c.use(it.v)
			c.a.Store(amd64.VMOVUPSStore, c.w, c.keptAt(it.v, k), x)
		case doStore:
			c.storeLanes(c.Builder.stores[it.store], k, r)
		}
		c.done(it.v)
	}
}

func (c *compiler) used(v Value, at int) {
	if u := c.uses[v]; len(u) == 0 || u[len(u)-1] != at {
		c.uses[v] = append(u, at)
	}
}

// nextUse is the position of the first use of v after the current item.
func (c *compiler) nextUse(v Value) int {
	for _, u := range c.uses[v] {
		if u > c.at {
			return u
		}
	}
	return math.MaxInt
}

// dies reports whether the current item is the last to use v.
func (c *compiler) dies(v Value) bool { return c.nextUse(v) == math.MaxInt }

// free returns a register, taking one from the value that is needed last. It
// stays taken while the item is at hand.
func (c *compiler) free() amd64.Vec {
	best, far := -1, -1
	for r := range c.count {
		v := c.in[r]
		if v == reserved || slices.Contains(c.taken, int8(r)) {
			continue
		}
		if v == noValue {
			best = r
			break
		}
		if next := c.nextUse(v); next > far && !slices.Contains(c.pins, v) {
			best, far = r, next
		}
	}
	if best < 0 {
		c.fail("no register is left")
		return 0
	}
	if v := c.in[best]; v != noValue {
		if far != math.MaxInt && c.home(v) == nil {
			if c.slots >= maxSlots {
				c.fail("more than %d values to keep in memory", maxSlots)
				return 0
			}
			c.spill[v] = c.slots
			c.slots++
			c.a.Store(amd64.VMOVUPSStore, c.w, slotAt(c.spill[v]), amd64.Vec(best))
		}
		c.reg[v] = -1
		c.in[best] = noValue
	}
	c.taken = append(c.taken, int8(best))
	return amd64.Vec(best)
}

// giveBack ends the use of a temporary.
func (c *compiler) giveBack(r amd64.Vec) {
	if i := slices.Index(c.taken, int8(r)); i >= 0 {
		c.taken = slices.Delete(c.taken, i, i+1)
	}
}

// home returns the memory that holds v in all lanes, or nil.
func (c *compiler) home(v Value) amd64.Operand {
	n := &c.nodes[v]
	switch {
	case n.kind == kConst:
		return c.vector(func(int) uint32 { return n.bits })
	case n.kind == kTable:
		return c.vector(func(i int) uint32 { return c.tables[n.n][i%8] })
	case n.kind == kScalar:
		return slotAt(n.n)
	case c.spill[v] >= 0:
		return slotAt(c.spill[v])
	}
	if slot, ok := c.slot[v]; ok {
		return slotAt(slot)
	}
	return nil
}

// operand returns v where it is: in a register or in memory.
func (c *compiler) operand(v Value) amd64.Operand {
	if r := c.reg[v]; r >= 0 {
		c.pins = append(c.pins, v)
		return amd64.Vec(r)
	}
	return c.home(v)
}

// use returns the register that holds v, loading it if need be.
func (c *compiler) use(v Value) amd64.Vec {
	if c.reg[v] < 0 {
		h := c.home(v)
		if h == nil {
			c.fail("value %d is nowhere", v)
			return 0
		}
		r := c.free()
		c.a.Op2(amd64.VMOVUPS, c.w, r, h)
		c.reg[v], c.in[r] = int8(r), v
	}
	c.pins = append(c.pins, v)
	return amd64.Vec(c.reg[v])
}

// done gives back the registers of values that nothing reads any more.
func (c *compiler) done(vs ...Value) {
	for _, v := range vs {
		if r := c.reg[v]; r >= 0 && c.dies(v) {
			c.reg[v], c.in[r] = -1, noValue
			c.giveBack(amd64.Vec(r))
		}
	}
}

// define returns the register of the result v.
func (c *compiler) define(v Value) amd64.Vec {
	r := c.free()
	c.reg[v], c.in[r] = int8(r), v
	return r
}

// become makes v the next value in x's register.
func (c *compiler) become(v, x Value) amd64.Vec {
	r := c.reg[x]
	c.reg[x], c.reg[v], c.in[r] = -1, r, v
	return amd64.Vec(r)
}

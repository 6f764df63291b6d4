package simd

import (
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/amd64"
)

// A fold has foldLanes running folds. The greatest and the least of
// floating-point numbers have two vectors more: one of ones where a NaN was
// seen, for a NaN wins, and one of signs. A greatest number that is zero is -0
// if all numbers had the sign, a least one if any had: all others are on the
// other side of zero.

// identity returns the bits that leave a running fold as it is.
func identity(op kernel.Op, t Type) uint32 {
	switch t {
	case F32:
		switch op {
		case kernel.Mul:
			return math.Float32bits(1)
		case kernel.Max:
			return math.Float32bits(float32(math.Inf(-1)))
		case kernel.Min:
			return math.Float32bits(float32(math.Inf(1)))
		}
	case I32:
		switch op {
		case kernel.Mul:
			return 1
		case kernel.Max:
			return 1 << 31
		case kernel.Min:
			return math.MaxInt32
		}
	case U32:
		switch op {
		case kernel.Mul:
			return 1
		case kernel.Min:
			return math.MaxUint32
		}
	default:
		if op == kernel.Mul || op == kernel.Min {
			return math.MaxUint32
		}
	}
	return 0
}

// foldOp is the instruction that combines two running folds.
func foldOp(op kernel.Op, t Type) amd64.Op {
	switch t {
	case F32:
		return map[kernel.Op]amd64.Op{kernel.Add: amd64.VADDPS, kernel.Mul: amd64.VMULPS, kernel.Max: amd64.VMAXPS, kernel.Min: amd64.VMINPS}[op]
	case I32:
		return map[kernel.Op]amd64.Op{kernel.Add: amd64.VPADDD, kernel.Mul: amd64.VPMULLD, kernel.Max: amd64.VPMAXSD, kernel.Min: amd64.VPMINSD}[op]
	case U32:
		return map[kernel.Op]amd64.Op{kernel.Add: amd64.VPADDD, kernel.Mul: amd64.VPMULLD, kernel.Max: amd64.VPMAXUD, kernel.Min: amd64.VPMINUD}[op]
	}
	if op == kernel.Add || op == kernel.Max {
		return amd64.VORPS
	}
	return amd64.VANDPS
}

// extremes reports whether the fold is a greatest or least floating-point number.
func (n *node) extremes() bool {
	return n.typ == F32 && (n.fold == kernel.Max || n.fold == kernel.Min)
}

// signOp combines signs.
func (n *node) signOp() amd64.Op {
	if n.fold == kernel.Max {
		return amd64.VANDPS
	}
	return amd64.VORPS
}

// A cell is a running fold of the lanes of a vector, in a register or in a slot.
type cell struct {
	reg  int8 // -1: none
	slot int
}

// bodyRegisters are the registers that the bodies of a pass need at least.
const bodyRegisters = 8

// startFolds gives the running folds of a pass registers, or slots where these
// are few, and their first values.
func (c *compiler) startFolds(p *pass) {
	c.clear()
	c.cells = map[Value][]cell{}
	copies := foldLanes / c.lanes
	need := 0
	for _, f := range p.folds {
		need += copies
		if c.nodes[f].extremes() {
			need += 2
		}
	}
	inRegs := need <= c.count-bodyRegisters
	c.base = c.scalars + len(c.slot)
	next := c.count - 1
	for _, f := range p.folds {
		n := &c.nodes[f]
		first := make([]uint32, copies, copies+2)
		for i := range first {
			first[i] = identity(n.fold, n.typ)
		}
		if n.extremes() {
			sign := uint32(0)
			if n.fold == kernel.Max {
				sign = math.MaxUint32
			}
			first = append(first, 0, sign)
		}
		for _, bits := range first {
			x := cell{reg: -1}
			if inRegs {
				x.reg = int8(next)
				c.in[next] = reserved
				next--
			} else {
				x.slot = c.base
				c.base++
			}
			c.cells[f] = append(c.cells[f], x)
			c.setCell(x, bits)
		}
	}
	if c.base > maxSlots {
		c.fail("more than %d values to keep in memory", maxSlots)
	}
}

// setCell gives a cell its first value.
func (c *compiler) setCell(x cell, bits uint32) {
	r := amd64.Vec(0)
	if x.reg >= 0 {
		r = amd64.Vec(x.reg)
	}
	if bits == 0 {
		c.op3(amd64.VXORPS, r, r, r)
	} else {
		c.a.Op2(amd64.VMOVUPS, c.w, r, c.vector(func(int) uint32 { return bits }))
	}
	if x.reg < 0 {
		c.a.Store(amd64.VMOVUPSStore, c.w, slotAt(x.slot), r)
	}
}

// update combines a cell with x.
func (c *compiler) update(op amd64.Op, to cell, x amd64.Vec) {
	if to.reg >= 0 {
		c.op3(op, amd64.Vec(to.reg), amd64.Vec(to.reg), x)
		return
	}
	t := c.free()
	c.op3(op, t, x, slotAt(to.slot))
	c.a.Store(amd64.VMOVUPSStore, c.w, slotAt(to.slot), t)
	c.giveBack(t)
}

// fold appends the update of the running folds by the k-th vector of a group.
func (c *compiler) fold(v Value, n *node, k int, r rest) {
	a := c.a
	x := c.use(n.a)
	cells := c.cells[v]
	if r != wholeVector {
		// Lanes that do not count become the identity.
		t := c.free()
		a.Op2(amd64.VMOVUPS, c.w, t, c.vector(func(int) uint32 { return identity(n.fold, n.typ) }))
		if c.wide {
			c.masked(r, false).Op2(amd64.VMOVUPS, c.w, t, x)
		} else {
			m := c.free()
			a.Op2(amd64.VMOVUPS, c.w, m, c.restMask(r))
			a.Blend(amd64.VBLENDVPS, c.w, t, t, x, m)
		}
		x = t
	}
	c.update(foldOp(n.fold, n.typ), cells[k], x)
	if n.extremes() {
		copies := foldLanes / c.lanes
		t := c.free()
		c.compareFloats(t, x, x, cmpUnord)
		c.update(amd64.VORPS, cells[copies], t)
		c.update(n.signOp(), cells[copies+1], x)
	}
	c.done(n.a)
}

// endFolds combines the running folds and puts the results into their slots.
func (c *compiler) endFolds(p *pass) {
	c.clear()
	a := c.a
	copies := foldLanes / c.lanes
	narrow := func(bits uint32) amd64.Mem { return c.data(8, func(int) uint32 { return bits }) }
	for _, f := range p.folds {
		c.next()
		n := &c.nodes[f]
		cells := c.cells[f]
		v := c.combine(cells[:copies], foldOp(n.fold, n.typ))
		if n.extremes() {
			nan := c.combine(cells[copies:copies+1], amd64.VORPS)
			sign := c.combine(cells[copies+1:], n.signOp())
			t := c.low()
			a.Op3(amd64.VXORPS, amd64.Y, t, t, t)
			a.Op3Imm(amd64.VCMPPS, amd64.Y, t, v, t, cmpEQ)
			a.Op3(amd64.VANDPS, amd64.Y, sign, sign, narrow(signBit))
			a.Blend(amd64.VBLENDVPS, amd64.Y, v, v, sign, t)
			a.Blend(amd64.VBLENDVPS, amd64.Y, v, v, narrow(0x7FC00000), nan)
		}
		if c.wide {
			a.Op3Imm(amd64.VSHUFF32X4, amd64.Z, v, v, v, 0x44)
		}
		a.Store(amd64.VMOVUPSStore, c.w, slotAt(c.slot[f]), v)
	}
	for i, v := range c.in {
		if v == reserved {
			c.in[i] = noValue
		}
	}
	c.base = c.scalars + len(c.slot)
}

// combine folds cells to one vector of 256 bits and its lanes to one another, in
// pairs; all lanes of the result are the same.
func (c *compiler) combine(cells []cell, op amd64.Op) amd64.Vec {
	a := c.a
	var parts []amd64.Vec
	for _, x := range cells {
		r := c.low()
		if x.reg >= 0 {
			a.Op2(amd64.VMOVUPS, c.w, r, amd64.Vec(x.reg))
		} else {
			a.Op2(amd64.VMOVUPS, c.w, r, slotAt(x.slot))
		}
		if c.wide {
			hi := c.low()
			a.StoreImm(amd64.VEXTRACTF64X4, amd64.Z, hi, r, 1)
			a.Op3(op, amd64.Y, r, r, hi)
			c.giveBack(hi)
		}
		parts = append(parts, r)
	}
	for len(parts) > 1 {
		for i := range len(parts) / 2 {
			a.Op3(op, amd64.Y, parts[2*i], parts[2*i], parts[2*i+1])
			c.giveBack(parts[2*i+1])
			parts[i] = parts[2*i]
		}
		parts = parts[:len(parts)/2]
	}
	r, t := parts[0], c.low()
	a.Op2Imm(amd64.VPERMILPS, amd64.Y, t, r, 0xB1)
	a.Op3(op, amd64.Y, r, r, t)
	a.Op2Imm(amd64.VPERMILPS, amd64.Y, t, r, 0x4E)
	a.Op3(op, amd64.Y, r, r, t)
	a.Op3Imm(amd64.VPERM2F128, amd64.Y, t, r, r, 1)
	a.Op3(op, amd64.Y, r, r, t)
	c.giveBack(t)
	return r
}

// low returns a free register that instructions without AVX-512 forms can name.
func (c *compiler) low() amd64.Vec {
	r := c.free()
	if r > 15 {
		c.fail("no register below 16 is left")
		return 0
	}
	return r
}

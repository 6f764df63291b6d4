package simd

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"dumbtorch/runtime/cpu/amd64"
)

// The code is one loop over vectors of eight elements. Values are computed in
// order; registers are handed out in one forward pass, and the value whose next
// use is farthest gives way (Belady 1966): to a slot of the argument block, or
// to nothing where it is a constant or a scalar, which have a place in memory.

const (
	maxStreams = 16
	maxSlots   = 48 // scalars and spilled values
	maxCarries = 4
	lanes      = 8
	vecBytes   = 4 * lanes
)

// Offsets in Args.
const (
	offCount   = 0
	offStreams = 8
	offScalars = offStreams + 8*maxStreams
	offMask    = offScalars + 4*maxSlots // lanes of the last, partial vector
	offCarry   = offMask + vecBytes
	offSlots   = offCarry + maxCarries*vecBytes
)

// The registers of the loop: the argument block, bytes done of streams of 32
// bits and of bytes, vectors left; the rest hold streams, the last one those
// that have no register.
const (
	rArgs  = amd64.RDI
	rIndex = amd64.RAX
	rByte  = amd64.RCX
	rLeft  = amd64.RDX
	rTemp  = amd64.RSI
)

var streamRegs = []amd64.Reg{amd64.RBX, amd64.R8, amd64.R9, amd64.R10, amd64.R11, amd64.R12, amd64.R13, amd64.R15}

// compiler is the state of the forward pass.
type compiler struct {
	*Builder
	a     *amd64.Assembler
	reg   []int8  // of each value; -1: none
	slot  []int   // where a value was spilled; -1: nowhere
	uses  [][]int // positions of the uses that are left, ascending
	in    [16]Value
	pins  []Value // operands of the instruction at hand
	slots int
	at    int
	last  bool // the code of the last, partial vector
	err   error

	lastLoad Value // 0 where nothing is loaded
}

// What a register holds that holds no value: nothing, or a carry.
const (
	noValue  Value = -1
	reserved Value = -2
)

// compile returns the code of the program: a loop over vectors, and at offset
// tail the same for one vector of which only the lanes of the mask count.
func (b *Builder) compile() (code []byte, tail int, err error) {
	switch {
	case len(b.types) > maxStreams:
		return nil, 0, fmt.Errorf("simd: %d streams, more than %d", len(b.types), maxStreams)
	case b.slots > maxSlots:
		return nil, 0, fmt.Errorf("simd: %d scalars, more than %d", b.slots, maxSlots)
	case len(b.carry) > maxCarries:
		return nil, 0, fmt.Errorf("simd: %d carries, more than %d", len(b.carry), maxCarries)
	}
	a := amd64.New()
	for _, last := range []bool{false, true} {
		if last && len(b.carry) == 0 {
			break // the loop itself will do
		}
		a.Align(64)
		if last {
			tail = a.Len()
		}
		c := &compiler{Builder: b, a: a, slots: b.slots, last: last}
		if c.loop(); c.err != nil {
			return nil, 0, c.err
		}
	}
	code, err = a.Finish()
	return code, tail, err
}

// loop appends the loop and what goes before and after it.
func (c *compiler) loop() {
	a := c.a
	c.countUses()
	for i := range c.in {
		c.in[i] = noValue
	}
	for i := range c.types {
		if i < len(streamRegs) {
			a.Mov(streamRegs[i], amd64.At(rArgs, offStreams+8*i))
		}
	}
	for i := range c.Builder.slots {
		a.Op2(amd64.VBROADCASTSS, amd64.Y, 0, amd64.At(rArgs, offScalars+4*i))
		a.Store(amd64.VMOVUPSStore, amd64.Y, slotAt(i), 0)
	}
	for i := range c.carry {
		a.Op2(amd64.VMOVUPS, amd64.Y, carryReg(i), carryAt(i))
		c.in[carryReg(i)] = reserved
	}
	a.Mov(rLeft, amd64.At(rArgs, offCount))
	a.Xor(rIndex, rIndex)
	a.Xor(rByte, rByte)
	a.Align(32)
	top := a.Here()
	for v := range c.nodes {
		c.at = v
		c.emit(Value(v))
		c.storeAll(Value(v))
	}
	c.carryOver()
	a.AddImm(rIndex, vecBytes)
	a.AddImm(rByte, lanes)
	a.SubImm(rLeft, 1)
	a.Jcc(amd64.NotEqual, top)
	for i := range c.carry {
		a.Store(amd64.VMOVUPSStore, amd64.Y, carryAt(i), carryReg(i))
	}
	a.VZeroUpper()
	a.Ret()
}

// carryReg is the register that holds a carry throughout.
func carryReg(i int) amd64.Vec { return amd64.Vec(15 - i) }

func carryAt(i int) amd64.Mem { return amd64.At(rArgs, offCarry+vecBytes*i) }

// carryOver gives the carries their next values, all at once.
func (c *compiler) carryOver() {
	c.at = len(c.nodes)
	c.pins = c.pins[:0]
	for _, v := range c.carry {
		c.use(v)
	}
	for i, v := range c.carry {
		switch from := amd64.Vec(c.reg[v]); {
		case c.nodes[v].kind == kCarry && c.nodes[v].n == i:
		case c.nodes[v].kind == kCarry:
			c.err = fmt.Errorf("simd: a carry becomes another one")
		case c.last:
			mask := amd64.Vec(c.free())
			c.a.Op2(amd64.VMOVUPS, amd64.Y, mask, amd64.At(rArgs, offMask))
			c.a.Blend(amd64.VBLENDVPS, amd64.Y, carryReg(i), carryReg(i), from, mask)
		default:
			c.a.Op2(amd64.VMOVUPS, amd64.Y, carryReg(i), from)
		}
	}
}

func slotAt(i int) amd64.Mem { return amd64.At(rArgs, offSlots+vecBytes*i) }

// countUses notes where values are used. A store uses its value where that is
// defined, but not before the last load, of whose memory it may be.
func (c *compiler) countUses() {
	n := len(c.nodes)
	for i := range c.nodes {
		if k := c.nodes[i].kind; k == kLoad || k == kLoadBit {
			c.lastLoad = Value(i)
		}
	}
	c.reg, c.slot, c.uses = make([]int8, n), make([]int, n), make([][]int, n)
	for i := range c.nodes {
		c.reg[i], c.slot[i] = -1, -1
		for _, v := range c.nodes[i].operands() {
			if u := c.uses[v]; len(u) == 0 || u[len(u)-1] != i {
				c.uses[v] = append(u, i)
			}
		}
		if Value(i) == c.lastLoad {
			for _, s := range c.stores {
				if u := c.uses[s.v]; s.v < c.lastLoad && (len(u) == 0 || u[len(u)-1] != i) {
					c.uses[s.v] = append(u, i)
				}
			}
		}
	}
	for _, v := range c.carry {
		c.uses[v] = append(c.uses[v], n)
	}
}

// operands returns the values that n reads.
func (n *node) operands() []Value {
	switch n.kind {
	case kRM, kRMI, kShift:
		return []Value{n.a}
	case kRVM, kRVMI:
		return []Value{n.a, n.b}
	case kBlend, kFMA:
		return []Value{n.a, n.b, n.c}
	}
	return nil
}

// nextUse is the position of the first use of v after the current instruction.
func (c *compiler) nextUse(v Value) int {
	u := c.uses[v]
	for len(u) > 0 && u[0] <= c.at {
		u = u[1:]
	}
	c.uses[v] = u
	if len(u) == 0 {
		return math.MaxInt
	}
	return u[0]
}

// dies reports whether the current instruction is the last to use v.
func (c *compiler) dies(v Value) bool { return c.nextUse(v) == math.MaxInt }

// free returns a register, taking one from the value that is needed last.
func (c *compiler) free() int8 {
	best, far := -1, -1
	for r, v := range c.in {
		if v == noValue {
			return int8(r)
		}
		if v == reserved || slices.Contains(c.pins, v) {
			continue
		}
		if next := c.nextUse(v); next > far {
			best, far = r, next
		}
	}
	if best < 0 {
		c.err = fmt.Errorf("simd: no register is left")
		return 0
	}
	v := c.in[best]
	if far != math.MaxInt && c.home(v) == nil {
		if c.slots == maxSlots {
			c.err = fmt.Errorf("simd: more than %d values to keep in memory", maxSlots)
			return 0
		}
		c.slot[v] = c.slots
		c.slots++
		c.a.Store(amd64.VMOVUPSStore, amd64.Y, slotAt(c.slot[v]), amd64.Vec(best))
	}
	c.reg[v] = -1
	c.in[best] = noValue
	return int8(best)
}

// home returns the memory that holds v in all lanes, or nil.
func (c *compiler) home(v Value) amd64.Operand {
	n := &c.nodes[v]
	switch {
	case n.kind == kConst:
		var data [vecBytes]byte
		for i := range lanes {
			binary.LittleEndian.PutUint32(data[4*i:], n.bits)
		}
		return c.a.Pool(data[:])
	case n.kind == kScalar:
		return slotAt(n.n)
	case c.slot[v] >= 0:
		return slotAt(c.slot[v])
	}
	return nil
}

// operand returns v where it is: in a register or in memory.
func (c *compiler) operand(v Value) amd64.Operand {
	if r := c.reg[v]; r >= 0 {
		return amd64.Vec(r)
	}
	return c.home(v)
}

// use returns the register that holds v, loading it if need be.
func (c *compiler) use(v Value) amd64.Vec {
	if c.reg[v] < 0 {
		h := c.home(v)
		r := c.free()
		c.a.Op2(amd64.VMOVUPS, amd64.Y, amd64.Vec(r), h)
		c.reg[v], c.in[r] = r, v
	}
	c.pins = append(c.pins, v)
	return amd64.Vec(c.reg[v])
}

// done gives back the registers of operands that nothing reads any more.
func (c *compiler) done(vs ...Value) {
	for _, v := range vs {
		if r := c.reg[v]; r >= 0 && c.in[r] != reserved && c.dies(v) {
			c.reg[v], c.in[r] = -1, noValue
		}
	}
}

// define returns the register of the result v.
func (c *compiler) define(v Value) amd64.Vec {
	r := c.free()
	c.reg[v], c.in[r] = r, v
	c.pins = append(c.pins, v)
	return amd64.Vec(r)
}

// emit appends the instruction that computes v.
func (c *compiler) emit(v Value) {
	n := &c.nodes[v]
	a, y := c.a, amd64.Y
	c.pins = c.pins[:0]
	switch n.kind {
	case kConst, kScalar:
	case kCarry:
		c.reg[v] = int8(carryReg(n.n))
	case kLoad:
		a.Op2(amd64.VMOVUPS, y, c.define(v), c.stream(n.n))
	case kLoadBit:
		d := c.define(v)
		a.Op2(amd64.VPMOVZXBD, y, d, c.stream(n.n))
		zero := amd64.Vec(c.free())
		a.Op3(amd64.VXORPS, y, zero, zero, zero)
		a.Op3(amd64.VPSUBD, y, d, zero, d) // 1 becomes ones
	case kRM, kRMI:
		x := c.operand(n.a)
		c.pin(n.a)
		c.done(n.a)
		if d := c.define(v); n.kind == kRM {
			a.Op2(n.op, y, d, x)
		} else {
			a.Op2Imm(n.op, y, d, x, n.imm)
		}
	case kShift:
		x := c.use(n.a)
		c.done(n.a)
		a.Shift(n.op, y, c.define(v), x, n.imm)
	case kRVM, kRVMI:
		x := c.use(n.a)
		z := c.operand(n.b)
		c.pin(n.b)
		c.done(n.a, n.b)
		if d := c.define(v); n.kind == kRVM {
			a.Op3(n.op, y, d, x, z)
		} else {
			a.Op3Imm(n.op, y, d, x, z, n.imm)
		}
	case kBlend:
		x, m := c.use(n.a), c.use(n.c)
		z := c.operand(n.b)
		c.pin(n.b)
		c.done(n.a, n.b, n.c)
		a.Blend(amd64.VBLENDVPS, y, c.define(v), x, z, m)
	case kFMA:
		c.emitFMA(v, n)
	}
}

// pin keeps v's register until the instruction is complete.
func (c *compiler) pin(v Value) { c.pins = append(c.pins, v) }

// emitFMA chooses the form by what may be overwritten and what is in memory.
func (c *compiler) emitFMA(v Value, n *node) {
	forms := [3]amd64.Op{amd64.VFMADD132PS, amd64.VFMADD213PS, amd64.VFMADD231PS}
	if n.neg {
		forms = [3]amd64.Op{amd64.VFNMADD132PS, amd64.VFNMADD213PS, amd64.VFNMADD231PS}
	}
	a, y := c.a, amd64.Y
	for _, x := range []Value{n.a, n.b, n.c} {
		c.pin(x)
	}
	overwrite := func(x Value) bool { return c.reg[x] >= 0 && c.in[c.reg[x]] != reserved && c.dies(x) }
	become := func(x Value) amd64.Vec { // v takes over x's register
		r := c.reg[x]
		c.reg[x], c.reg[v], c.in[r] = -1, r, v
		return amd64.Vec(r)
	}
	switch {
	case overwrite(n.a) && n.a != n.b && n.a != n.c:
		b := c.use(n.b)
		z := c.operand(n.c)
		a.Op3(forms[1], y, become(n.a), b, z) // a = b*a + c
	case overwrite(n.b) && n.b != n.a && n.b != n.c:
		x := c.use(n.a)
		z := c.operand(n.c)
		a.Op3(forms[1], y, become(n.b), x, z)
	case overwrite(n.c) && n.c != n.a && n.c != n.b:
		x := c.use(n.a)
		z := c.operand(n.b)
		a.Op3(forms[2], y, become(n.c), x, z) // c = a*b + c
	default:
		x, z := c.use(n.a), c.operand(n.b)
		d := c.define(v)
		a.Op2(amd64.VMOVUPS, y, d, c.operand(n.c))
		a.Op3(forms[2], y, d, x, z)
	}
	c.done(n.a, n.b, n.c)
}

// stream returns the memory of the current vector of a stream.
func (c *compiler) stream(s int) amd64.Mem {
	base := rTemp
	if s < len(streamRegs) {
		base = streamRegs[s]
	} else {
		c.a.Mov(rTemp, amd64.At(rArgs, offStreams+8*s))
	}
	if c.types[s] == Bool {
		return amd64.AtIndex(base, rByte, 1, 0)
	}
	return amd64.AtIndex(base, rIndex, 1, 0)
}

// storeAll appends the stores of v, or with the last load those of all values so
// far.
func (c *compiler) storeAll(v Value) {
	here := func(s store) bool { return v == max(s.v, c.lastLoad) }
	for _, s := range c.stores {
		if here(s) {
			c.store(s)
		}
	}
	for _, s := range c.stores {
		if here(s) {
			c.done(s.v)
		}
	}
	c.done(v)
}

// store appends one store.
func (c *compiler) store(s store) {
	c.pins = c.pins[:0]
	x := c.use(s.v)
	if s.typ != Bool {
		c.a.Store(amd64.VMOVUPSStore, amd64.Y, c.stream(s.stream), x)
		return
	}
	// Ones shrink to bytes of 0xFF, of which the absolute value is 1.
	c.pin(s.v)
	lo := amd64.Vec(c.free())
	c.in[lo] = s.v // keeps the second register apart from the first
	hi := amd64.Vec(c.free())
	c.in[lo] = noValue
	c.a.Op3(amd64.VPACKSSDW, amd64.Y, lo, x, x)
	c.a.Op3(amd64.VPACKSSWB, amd64.Y, lo, lo, lo)
	c.a.StoreImm(amd64.VEXTRACTF128, amd64.Y, hi, lo, 1)
	c.a.Op3(amd64.VPUNPCKLDQ, amd64.X, lo, lo, hi)
	c.a.Op2(amd64.VPABSB, amd64.X, lo, lo)
	c.a.Store(amd64.VMOVQStore, amd64.X, c.stream(s.stream), lo)
}

package amd64

// General-purpose instructions, of 64 bits unless their name says otherwise.

// Cond is the condition of a jump.
type Cond byte

// The conditions: unsigned below, above or equal; equal, not equal; signed
// less, greater or equal.
const (
	Below        Cond = 0x2
	AboveEqual   Cond = 0x3
	Equal        Cond = 0x4
	NotEqual     Cond = 0x5
	Less         Cond = 0xC
	GreaterEqual Cond = 0xD
	LessEqual    Cond = 0xE
	Greater      Cond = 0xF
)

// rex appends opcode and operands with REX.W.
func (a *Assembler) rex(reg Reg, rm Operand, immLen int, opcode ...byte) {
	x, b, _ := extension(rm)
	a.emit(0x48 | bit(int(reg), 3)<<2 | x<<1 | b)
	a.emit(opcode...)
	a.modRM(int(reg), rm, 1, immLen)
}

// twoWay appends an operation that has an opcode for a destination in ModRM.reg
// and, 2 below, one for a source there; registers take the latter.
func (a *Assembler) twoWay(dst Reg, src Operand, opcode byte) {
	if r, ok := src.(Reg); ok {
		a.rex(r, dst, 0, opcode-2)
		return
	}
	a.rex(dst, src, 0, opcode)
}

// Mov appends dst = src.
func (a *Assembler) Mov(dst Reg, src Operand) { a.twoWay(dst, src, 0x8B) }

// MovStore appends mem = src.
func (a *Assembler) MovStore(dst Mem, src Reg) { a.rex(src, dst, 0, 0x89) }

// MovImm appends dst = v, sign-extended.
func (a *Assembler) MovImm(dst Reg, v int32) {
	a.rex(0, dst, 4, 0xC7)
	a.emit32(v)
}

// Lea appends dst = the address of mem.
func (a *Assembler) Lea(dst Reg, m Mem) { a.rex(dst, m, 0, 0x8D) }

// Add appends dst += src.
func (a *Assembler) Add(dst Reg, src Operand) { a.twoWay(dst, src, 0x03) }

// Sub appends dst -= src.
func (a *Assembler) Sub(dst Reg, src Operand) { a.twoWay(dst, src, 0x2B) }

// Cmp appends a comparison of x with y, for a jump.
func (a *Assembler) Cmp(x Reg, y Operand) { a.twoWay(x, y, 0x3B) }

// Imul appends dst *= src.
func (a *Assembler) Imul(dst Reg, src Operand) { a.rex(dst, src, 0, 0x0F, 0xAF) }

// Xor appends dst ^= src; Xor(r, r) makes zero.
func (a *Assembler) Xor(dst Reg, src Operand) { a.twoWay(dst, src, 0x33) }

// Test appends a test of x & y, for a jump.
func (a *Assembler) Test(x, y Reg) { a.rex(y, x, 0, 0x85) }

// immediate appends an operation of group 1 with an immediate.
func (a *Assembler) immediate(ext Reg, dst Reg, v int32) {
	if v >= -128 && v < 128 {
		a.rex(ext, dst, 1, 0x83)
		a.emit(byte(v))
		return
	}
	a.rex(ext, dst, 4, 0x81)
	a.emit32(v)
}

// AddImm appends dst += v.
func (a *Assembler) AddImm(dst Reg, v int32) { a.immediate(0, dst, v) }

// SubImm appends dst -= v.
func (a *Assembler) SubImm(dst Reg, v int32) { a.immediate(5, dst, v) }

// CmpImm appends a comparison of x with v, for a jump.
func (a *Assembler) CmpImm(x Reg, v int32) { a.immediate(7, x, v) }

// ShlImm appends dst <<= n.
func (a *Assembler) ShlImm(dst Reg, n uint8) {
	a.rex(4, dst, 1, 0xC1)
	a.emit(n)
}

// Jmp appends a jump.
func (a *Assembler) Jmp(to Label) {
	a.emit(0xE9)
	a.jump(to)
}

// Jcc appends a jump that is taken if the condition holds.
func (a *Assembler) Jcc(c Cond, to Label) {
	a.emit(0x0F, 0x80|byte(c))
	a.jump(to)
}

func (a *Assembler) jump(to Label) {
	a.jumps = append(a.jumps, jump{len(a.buf), to})
	a.emit32(0)
}

// Prefetch asks for the cache line at mem in all levels.
func (a *Assembler) Prefetch(m Mem) {
	x, b, _ := extension(m)
	if x|b != 0 {
		a.emit(0x40 | x<<1 | b)
	}
	a.emit(0x0F, 0x18)
	a.modRM(1, m, 1, 0)
}

// Ret returns to the caller.
func (a *Assembler) Ret() { a.emit(0xC3) }

// VZeroUpper clears the upper halves of vector registers 0 to 15, without
// which SSE code of the caller runs slowly.
func (a *Assembler) VZeroUpper() { a.emit(0xC5, 0xF8, 0x77) }

// KMovW appends dst = the lower 16 bits of src.
func (a *Assembler) KMovW(dst Mask, src Reg) {
	_, b, _ := extension(src)
	a.emit(0xC5, 0xF8, 0x92)
	if b != 0 {
		a.buf = a.buf[:len(a.buf)-3]
		a.emit(0xC4, 0xC1, 0x78, 0x92)
	}
	a.modRM(int(dst), src, 1, 0)
}

// KMovWLoad appends dst = 16 bits of memory.
func (a *Assembler) KMovWLoad(dst Mask, m Mem) {
	x, b, _ := extension(m)
	if x|b != 0 {
		a.emit(0xC4, 0x80|(1-x)<<6|(1-b)<<5|m0F, 0x78, 0x90)
	} else {
		a.emit(0xC5, 0xF8, 0x90)
	}
	a.modRM(int(dst), m, 1, 0)
}

// SFence orders stores that bypass the caches before later ones.
func (a *Assembler) SFence() { a.emit(0x0F, 0xAE, 0xF8) }

// LoadByte appends dst = a byte of memory, extended with zeros.
func (a *Assembler) LoadByte(dst Reg, m Mem) { a.rex(dst, m, 0, 0x0F, 0xB6) }

// LoadWord appends dst = 2 bytes of memory, extended with zeros.
func (a *Assembler) LoadWord(dst Reg, m Mem) { a.rex(dst, m, 0, 0x0F, 0xB7) }

// StoreByte appends mem = the lowest byte of src.
func (a *Assembler) StoreByte(dst Mem, src Reg) { a.rex(src, dst, 0, 0x88) }

// RepMovsB copies RCX bytes from RSI to RDI and counts all three on.
func (a *Assembler) RepMovsB() { a.emit(0xF3, 0xA4) }

// RepMovsW copies RCX pairs of bytes from RSI to RDI and counts all three on.
func (a *Assembler) RepMovsW() { a.emit(0xF3, 0x66, 0xA5) }

package amd64

import "fmt"

// Reg is a 64-bit general-purpose register.
type Reg uint8

// The general-purpose registers. NoReg is no register in a [Mem].
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	NoReg
)

var regNames = [...]string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"}

// String returns the register's name in Intel syntax.
func (r Reg) String() string {
	if int(r) < len(regNames) {
		return regNames[r]
	}
	return fmt.Sprintf("r%d", int(r))
}

// Vec is the number of a vector register, 0 to 31; 16 and above need EVEX.
type Vec uint8

// Mask is a mask register of AVX-512, 1 to 7; 0 is no mask.
type Mask uint8

// Width is the width of a vector instruction.
type Width uint8

// The widths: 128, 256 and 512 bits.
const (
	X Width = iota
	Y
	Z
)

// Bytes returns the bytes of a register of that width.
func (w Width) Bytes() int { return 16 << w }

// A Mem is a memory operand: Base + Index*Scale + Disp. With Vector set the
// index is a vector register (gathers). Without a base it is a slot of the
// constant pool; see [Assembler.Pool].
type Mem struct {
	Base, Index Reg
	Scale       uint8 // 1, 2, 4 or 8
	Vector      bool
	VecIndex    Vec
	Disp        int32
	pool        int // 1 + slot; 0: none
}

// At is the operand base + disp.
func At(base Reg, disp int) Mem { return Mem{Base: base, Index: NoReg, Scale: 1, Disp: int32(disp)} }

// AtIndex is the operand base + index*scale + disp.
func AtIndex(base, index Reg, scale, disp int) Mem {
	return Mem{Base: base, Index: index, Scale: uint8(scale), Disp: int32(disp)}
}

// AtVec is the operand base + index*scale + disp of a gather, one index per
// lane.
func AtVec(base Reg, index Vec, scale, disp int) Mem {
	return Mem{Base: base, Index: NoReg, Scale: uint8(scale), Vector: true, VecIndex: index, Disp: int32(disp)}
}

// An Operand is the operand of an instruction that may be a register or in
// memory: a [Vec], a [Reg] or a [Mem].
type Operand interface{ operand() }

func (Vec) operand() {}
func (Reg) operand() {}
func (Mem) operand() {}

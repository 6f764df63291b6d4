package simd

import (
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/amd64"
)

// Unary returns op of x, of type t, and whether the package has it.
func (b *Builder) Unary(op kernel.Op, t Type, x Value) (Value, bool) {
	switch t {
	case F32:
		return b.unaryF32(op, x)
	case Bool:
		if op == kernel.Not {
			return b.xor(x, b.Const(^uint32(0))), true
		}
	case I32, U32:
		switch op {
		case kernel.Neg:
			return b.bin(amd64.VPSUBD, b.Const(0), x), true
		case kernel.Not:
			return b.xor(x, b.Const(^uint32(0))), true
		}
	}
	return 0, false
}

// The rounding modes of VROUNDPS, without the inexact exception.
const (
	roundEven = 8
	roundDown = 9
	roundUp   = 10
)

func (b *Builder) unaryF32(op kernel.Op, x Value) (Value, bool) {
	switch op {
	case kernel.Neg:
		return b.xor(x, b.Const(signBit)), true
	case kernel.Abs:
		return b.and(x, b.Const(^uint32(signBit))), true
	case kernel.Sign: // x itself for zeros and NaN
		one := b.or(b.f(1), b.and(x, b.Const(signBit)))
		return b.sel(b.or(b.cmp(cmpLT, x, b.f(0)), b.cmp(cmpLT, b.f(0), x)), one, x), true
	case kernel.Floor:
		return b.unImm(amd64.VROUNDPS, x, roundDown), true
	case kernel.Ceil:
		return b.unImm(amd64.VROUNDPS, x, roundUp), true
	case kernel.Round:
		return b.unImm(amd64.VROUNDPS, x, roundEven), true
	case kernel.Sqrt:
		return b.un(amd64.VSQRTPS, x), true
	case kernel.Rsqrt:
		return b.div(b.f(1), b.un(amd64.VSQRTPS, x)), true
	case kernel.Exp:
		return b.exp(x), true
	case kernel.Log:
		return b.log(x), true
	case kernel.Tanh:
		return b.tanh(x), true
	case kernel.Sigmoid:
		return b.sigmoid(x), true
	case kernel.Erf:
		return b.erf(x), true
	case kernel.Expm1:
		return b.expm1(x), true
	case kernel.Log1p:
		return b.log1p(x), true
	case kernel.Sin:
		return b.sine(x, false), true
	case kernel.Cos:
		return b.sine(x, true), true
	}
	return 0, false
}

// Binary returns op of x and y, both of type t, and whether the package has it.
func (b *Builder) Binary(op kernel.Op, t Type, x, y Value) (Value, bool) {
	switch t {
	case F32:
		return b.binaryF32(op, x, y)
	case I32, U32:
		return b.binaryInt(op, t, x, y)
	case F16, BF16:
		return 0, false
	}
	switch op {
	case kernel.And, kernel.Mul, kernel.Min:
		return b.and(x, y), true
	case kernel.Or, kernel.Add, kernel.Max:
		return b.or(x, y), true
	case kernel.Xor, kernel.Ne:
		return b.xor(x, y), true
	case kernel.Eq:
		return b.xor(b.xor(x, y), b.Const(^uint32(0))), true
	}
	return 0, false
}

func (b *Builder) binaryF32(op kernel.Op, x, y Value) (Value, bool) {
	switch op {
	case kernel.Add:
		return b.add2(x, y), true
	case kernel.Sub:
		return b.sub(x, y), true
	case kernel.Mul:
		return b.mul(x, y), true
	case kernel.Div:
		return b.div(x, y), true
	case kernel.Pow:
		return b.pow(x, y), true
	case kernel.Max, kernel.Min:
		return b.extreme(op, x, y), true
	case kernel.Lt:
		return b.cmp(cmpLT, x, y), true
	case kernel.Le:
		return b.cmp(cmpLE, x, y), true
	case kernel.Eq:
		return b.cmp(cmpEQ, x, y), true
	case kernel.Ne:
		return b.cmp(cmpNEQ, x, y), true
	}
	return 0, false
}

// extreme is max or min: a NaN wins, and +0 is above -0. The instructions give
// their second operand for NaN and for two zeros.
func (b *Builder) extreme(op kernel.Op, x, y Value) Value {
	ins, zeros := amd64.VMAXPS, b.and
	if op == kernel.Min {
		ins, zeros = amd64.VMINPS, b.or
	}
	if b.nodes[x].kind == kConst {
		x, y = y, x
	}
	if c := b.nodes[y]; c.kind == kConst && c.bits<<1 < 0xFF000001 { // a number
		m := b.bin(ins, y, x)
		switch {
		case c.bits<<1 != 0:
			return m
		case c.bits == 0 && op == kernel.Max:
			return b.add2(m, y) // -0 + 0 is 0
		}
	}
	m := b.bin(ins, y, x)
	m = b.sel(b.cmp(cmpEQ, x, y), zeros(x, y), m)
	return b.sel(b.cmp(cmpUnord, y, y), y, m)
}

// binaryInt has operations on integers; unsigned ones are compared with their
// sign bits flipped.
func (b *Builder) binaryInt(op kernel.Op, t Type, x, y Value) (Value, bool) {
	ones := b.Const(^uint32(0))
	order := func(v Value) Value {
		if t == U32 {
			return b.xor(v, b.Const(signBit))
		}
		return v
	}
	switch op {
	case kernel.Add:
		return b.bin(amd64.VPADDD, x, y), true
	case kernel.Sub:
		return b.bin(amd64.VPSUBD, x, y), true
	case kernel.Mul:
		return b.bin(amd64.VPMULLD, x, y), true
	case kernel.Max, kernel.Min:
		return b.bin(foldOp(op, t), x, y), true
	case kernel.And:
		return b.and(x, y), true
	case kernel.Or:
		return b.or(x, y), true
	case kernel.Xor:
		return b.xor(x, y), true
	case kernel.Lt:
		return b.bin(amd64.VPCMPGTD, order(y), order(x)), true
	case kernel.Le:
		return b.xor(b.bin(amd64.VPCMPGTD, order(x), order(y)), ones), true
	case kernel.Eq:
		return b.bin(amd64.VPCMPEQD, x, y), true
	case kernel.Ne:
		return b.xor(b.bin(amd64.VPCMPEQD, x, y), ones), true
	case kernel.Shl, kernel.Shr:
		return b.shiftBy(op, t, x, y), true
	}
	return 0, false
}

// shiftBy shifts by the lanes of y; the result is 0 where the count is not in
// [0, 32), which is what the instructions do but for arithmetic shifts.
func (b *Builder) shiftBy(op kernel.Op, t Type, x, y Value) Value {
	if op == kernel.Shr && t == I32 {
		in := b.bin(amd64.VPCMPEQD, b.and(y, b.Const(^uint32(31))), b.Const(0))
		return b.and(in, b.bin(amd64.VPSRAVD, x, y))
	}
	ins, imm := amd64.VPSLLVD, amd64.VPSLLD
	if op == kernel.Shr {
		ins, imm = amd64.VPSRLVD, amd64.VPSRLD
	}
	if n := b.nodes[y]; n.kind == kConst {
		if n.bits > 31 {
			return b.Const(0)
		}
		return b.shift(imm, x, uint8(n.bits))
	}
	return b.bin(ins, x, y)
}

// Select returns mask ? x : y.
func (b *Builder) Select(mask, x, y Value) Value { return b.sel(mask, x, y) }

// Convert returns x, of type from, as type to, and whether the package has it.
func (b *Builder) Convert(from, to Type, x Value) (Value, bool) {
	ints := func(t Type) bool { return t == I32 || t == U32 }
	switch {
	case from == to || ints(from) && ints(to):
		return x, true
	case to == F32 && (from == F16 || from == BF16):
		return x, true
	case from == F32 && to == F16:
		return b.add(node{kind: kHalf, a: x}), true
	case from == F32 && to == BF16:
		return b.roundBF16(x), true
	case from == I32 && to == F32:
		return b.un(amd64.VCVTDQ2PS, x), true
	case from == U32 && to == F32:
		return b.unsignedToFloat(x), true
	case from == F32 && to == I32:
		return b.truncate(x), true
	case from == Bool && to == F32:
		return b.and(x, b.f(1)), true
	case from == Bool && ints(to):
		return b.and(x, b.Const(1)), true
	case from == F32 && to == Bool:
		return b.cmp(cmpNEQ, x, b.f(0)), true
	case ints(from) && to == Bool:
		return b.xor(b.bin(amd64.VPCMPEQD, x, b.Const(0)), b.Const(^uint32(0))), true
	}
	return 0, false
}

// roundBF16 rounds to the nearest bfloat16, ties to even; a NaN is made quiet.
func (b *Builder) roundBF16(x Value) Value {
	upper := b.Const(0xFFFF0000)
	even := b.and(b.shift(amd64.VPSRLD, x, 16), b.Const(1))
	up := b.bin(amd64.VPADDD, b.bin(amd64.VPADDD, x, b.Const(0x7FFF)), even)
	return b.sel(b.cmp(cmpUnord, x, x), b.or(b.and(x, upper), b.Const(0x00400000)), b.and(up, upper))
}

// unsignedToFloat rounds once: the upper half is exact as 2^39 + h*2^16, the
// lower as 2^23 + l.
func (b *Builder) unsignedToFloat(x Value) Value {
	hi := b.or(b.shift(amd64.VPSRLD, x, 16), b.Const(0x53000000))
	lo := b.or(b.and(x, b.Const(0xFFFF)), b.Const(0x4B000000))
	return b.add2(b.sub(hi, b.Const(0x53000080)), lo)
}

// truncate rounds towards zero and saturates; NaN gives 0. The instruction gives
// the least integer for all that it cannot represent.
func (b *Builder) truncate(x Value) Value {
	v := b.and(b.un(amd64.VCVTTPS2DQ, x), b.cmp(cmpOrd, x, x))
	return b.sel(b.cmp(cmpLE, b.f(1<<31), x), b.Const(math.MaxInt32), v)
}

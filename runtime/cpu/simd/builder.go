package simd

import (
	"math"

	"dumbtorch/runtime/cpu/amd64"
)

// Type is the type of a value.
type Type uint8

// The types: 32-bit floating-point numbers and integers, and truth values.
const (
	F32 Type = iota
	I32
	Bool
)

// bytes is the size of an element in memory.
func (t Type) bytes() int {
	if t == Bool {
		return 1
	}
	return 4
}

// Value is the number of a value of a program.
type Value int32

// kind says how a value comes about.
type kind uint8

const (
	kLoad    kind = iota // lanes of stream n
	kScalar              // scalar n in all lanes
	kConst               // bits in all lanes
	kRM                  // op(a)
	kRMI                 // op(a, imm)
	kRVM                 // op(a, b)
	kRVMI                // op(a, b, imm)
	kShift               // a shifted by imm
	kBlend               // sign bit of c ? b : a
	kFMA                 // a*b + c, rounded once; neg: -a*b + c
	kLoadBit             // lanes of stream n, bytes 0 and 1, as a mask
	kCarry               // carry n, as the iteration before left it
)

// node defines a value.
type node struct {
	kind    kind
	op      amd64.Op
	a, b, c Value
	imm     uint8
	neg     bool
	n       int // stream or scalar
	bits    uint32
}

// store is one output.
type store struct {
	v      Value
	typ    Type
	stream int
}

// Builder collects a program.
type Builder struct {
	nodes  []node
	index  map[node]Value
	types  []Type // of streams
	out    []bool // streams that are stored
	stores []store
	slots  int     // scalars
	carry  []Value // what each carry becomes
}

// NewBuilder returns an empty program.
func NewBuilder() *Builder { return &Builder{index: map[node]Value{}} }

// Len returns the number of values so far, a measure of the program's cost.
func (b *Builder) Len() int { return len(b.nodes) }

func (b *Builder) add(n node) Value {
	if v, ok := b.index[n]; ok {
		return v
	}
	b.nodes = append(b.nodes, n)
	v := Value(len(b.nodes) - 1)
	b.index[n] = v
	return v
}

// Load returns the lanes of a new input stream, and its number.
func (b *Builder) Load(t Type) (Value, int) {
	s := len(b.types)
	b.types = append(b.types, t)
	b.out = append(b.out, false)
	k := kLoad
	if t == Bool {
		k = kLoadBit
	}
	return b.add(node{kind: k, n: s}), s
}

// Scalar returns a number that is given when the loop runs, and its slot in
// [Args.Scalars].
func (b *Builder) Scalar() (Value, int) {
	b.slots++
	return b.add(node{kind: kScalar, n: b.slots - 1}), b.slots - 1
}

// Const returns a constant of the given bits; the bits of a true mask are all
// ones.
func (b *Builder) Const(bits uint32) Value { return b.add(node{kind: kConst, bits: bits}) }

// Store stores v to a new output stream and returns its number.
func (b *Builder) Store(t Type, v Value) int {
	s := len(b.types)
	b.types = append(b.types, t)
	b.out = append(b.out, true)
	b.stores = append(b.stores, store{v, t, s})
	return s
}

// Carry returns a value that goes from iteration to iteration, and its number in
// [Args.Carry], where it starts and ends: the running folds of lanes i, i+8,
// i+16, ... for each i below 8. [Builder.SetCarry] says what it becomes.
func (b *Builder) Carry() (Value, int) {
	n := len(b.carry)
	v := b.add(node{kind: kCarry, n: n})
	b.carry = append(b.carry, v)
	return v, n
}

// SetCarry makes v the next value of a carry. Lanes beyond the last element
// leave it as it is.
func (b *Builder) SetCarry(n int, v Value) { b.carry[n] = v }

// The shorthand in which operations are written.

func (b *Builder) f(v float32) Value { return b.Const(math.Float32bits(v)) }

func (b *Builder) un(op amd64.Op, x Value) Value { return b.add(node{kind: kRM, op: op, a: x}) }

func (b *Builder) unImm(op amd64.Op, x Value, imm uint8) Value {
	return b.add(node{kind: kRMI, op: op, a: x, imm: imm})
}

func (b *Builder) bin(op amd64.Op, x, y Value) Value {
	return b.add(node{kind: kRVM, op: op, a: x, b: y})
}

func (b *Builder) shift(op amd64.Op, x Value, n uint8) Value {
	return b.add(node{kind: kShift, op: op, a: x, imm: n})
}

// fma is x*y + z, fnma is -x*y + z.
func (b *Builder) fma(x, y, z Value) Value { return b.add(node{kind: kFMA, a: x, b: y, c: z}) }
func (b *Builder) fnma(x, y, z Value) Value {
	return b.add(node{kind: kFMA, a: x, b: y, c: z, neg: true})
}

func (b *Builder) add2(x, y Value) Value { return b.bin(amd64.VADDPS, x, y) }
func (b *Builder) sub(x, y Value) Value  { return b.bin(amd64.VSUBPS, x, y) }
func (b *Builder) mul(x, y Value) Value  { return b.bin(amd64.VMULPS, x, y) }
func (b *Builder) div(x, y Value) Value  { return b.bin(amd64.VDIVPS, x, y) }
func (b *Builder) and(x, y Value) Value  { return b.bin(amd64.VANDPS, x, y) }
func (b *Builder) or(x, y Value) Value   { return b.bin(amd64.VORPS, x, y) }
func (b *Builder) xor(x, y Value) Value  { return b.bin(amd64.VXORPS, x, y) }

// The predicates of VCMPPS: ordered and quiet, but for neq, which holds for NaN.
const (
	cmpEQ    = 0x00
	cmpLT    = 0x11
	cmpLE    = 0x12
	cmpUnord = 0x03
	cmpNEQ   = 0x04
)

func (b *Builder) cmp(p uint8, x, y Value) Value {
	return b.add(node{kind: kRVMI, op: amd64.VCMPPS, a: x, b: y, imm: p})
}

// sel returns mask ? x : y.
func (b *Builder) sel(mask, x, y Value) Value {
	if n := b.nodes[y]; n.kind == kConst && n.bits == 0 {
		return b.and(mask, x)
	}
	return b.add(node{kind: kBlend, a: y, b: x, c: mask})
}

// horner evaluates the polynomial with the given coefficients, lowest first.
func (b *Builder) horner(x Value, coef ...float32) Value {
	p := b.f(coef[len(coef)-1])
	for i := len(coef) - 2; i >= 0; i-- {
		p = b.fma(p, x, b.f(coef[i]))
	}
	return p
}

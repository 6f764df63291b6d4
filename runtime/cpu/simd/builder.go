package simd

import (
	"math"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/amd64"
)

// Type is the type of a value.
type Type uint8

// The types: 32-bit floating-point numbers, signed and unsigned integers, truth
// values, and the 16-bit floating-point numbers, which stand in memory only: as
// values they are the F32 that they equal.
const (
	F32 Type = iota
	I32
	U32
	Bool
	F16
	BF16
)

// bytes is the size of an element in memory.
func (t Type) bytes() int {
	switch t {
	case Bool:
		return 1
	case F16, BF16:
		return 2
	}
	return 4
}

// Bits returns the size of an element in memory, in bits.
func (t Type) Bits() int { return 8 * t.bytes() }

// Value is the number of a value of a program.
type Value int32

// kind says how a value comes about.
type kind uint8

const (
	kLoad   kind = iota // lanes of stream n, or its element of the row
	kLoadIf             // lanes of stream n where a; else 0
	kScalar             // scalar n in all lanes
	kConst              // bits in all lanes
	kTable              // table n, a word for each lane, repeated
	kLane               // the number of the lane in its row
	kRM                 // op(a)
	kRMI                // op(a, imm)
	kRVM                // op(a, b)
	kRVMI               // op(a, b, imm)
	kShift              // a shifted by imm
	kHalf               // a rounded to F16
	kBlend              // mask c ? b : a
	kFMA                // a*b + c, rounded once; neg: -a*b + c
	kFold               // the fold of the lanes of a, of type typ, with fold
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
	fold    kernel.Op
	typ     Type
}

// operands returns the values that n reads.
func (n *node) operands() []Value {
	switch n.kind {
	case kRM, kRMI, kShift, kHalf, kFold, kLoadIf:
		return []Value{n.a}
	case kRVM, kRVMI:
		return []Value{n.a, n.b}
	case kBlend, kFMA:
		return []Value{n.a, n.b, n.c}
	}
	return nil
}

// A Stream is elements in memory: those of the lanes of a row, or one for each
// row.
type Stream struct {
	Type Type
	Row  bool // one element for each row
	Step int  // bytes from row to row
	// Ahead asks for an input's next row before it is needed.
	Ahead bool
	// Around lets an output bypass the caches when [Args.Around] is set.
	Around bool
	out    bool
}

// store is one output.
type store struct {
	v      Value
	stream int
}

// Builder collects a program. A value is one of the lanes of a row, of a row as
// a whole (a fold, an element per row and what is computed of these), or of the
// program (scalars and constants).
type Builder struct {
	nodes   []node
	facts   []facts
	index   map[node]Value
	streams []Stream
	stores  []store
	scalars int
	tables  [][8]uint32
	wide    bool // code for AVX-512
}

// facts are what is known of a value.
type facts struct {
	lanes bool // differs from lane to lane
	depth int  // how many folds over the row stand below it, one on the other
}

// NewBuilder returns an empty program for this machine.
func NewBuilder() *Builder { return newBuilder(wide()) }

func newBuilder(wide bool) *Builder { return &Builder{index: map[node]Value{}, wide: wide} }

// Len returns the number of values so far, a measure of the program's cost.
func (b *Builder) Len() int { return len(b.nodes) }

func (b *Builder) add(n node) Value {
	if v, ok := b.index[n]; ok {
		return v
	}
	var f facts
	switch n.kind {
	case kLoad:
		f.lanes = !b.streams[n.n].Row
	case kLane, kLoadIf:
		f.lanes = true
	}
	for _, x := range n.operands() {
		f.lanes = f.lanes || b.facts[x].lanes
		f.depth = max(f.depth, b.facts[x].depth)
	}
	if n.kind == kFold {
		f.lanes, f.depth = false, f.depth+1
	}
	b.nodes, b.facts = append(b.nodes, n), append(b.facts, f)
	v := Value(len(b.nodes) - 1)
	b.index[n] = v
	return v
}

// Load returns the elements of a new input stream, and its number.
func (b *Builder) Load(s Stream) (Value, int) {
	n := len(b.streams)
	b.streams = append(b.streams, s)
	return b.add(node{kind: kLoad, n: n, typ: s.Type}), n
}

// LoadIf is Load of lanes of 32 bits; those whose lane of the mask is not set are
// 0 and their memory is not touched.
func (b *Builder) LoadIf(s Stream, mask Value) (Value, int) {
	n := len(b.streams)
	b.streams = append(b.streams, s)
	return b.add(node{kind: kLoadIf, n: n, a: mask, typ: s.Type}), n
}

// isLoad reports whether a stream is read.
func (n *node) isLoad() bool { return n.kind == kLoad || n.kind == kLoadIf }

// Scalar returns a number that is given when the loop runs, and its slot in
// [Args.Scalars].
func (b *Builder) Scalar() (Value, int) {
	b.scalars++
	return b.add(node{kind: kScalar, n: b.scalars - 1}), b.scalars - 1
}

// Const returns a constant of the given bits; the bits of a true mask are all
// ones.
func (b *Builder) Const(bits uint32) Value { return b.add(node{kind: kConst, bits: bits}) }

// table returns eight words, one for each lane and repeated.
func (b *Builder) table(words [8]uint32) Value {
	n := slices.Index(b.tables, words)
	if n < 0 {
		n = len(b.tables)
		b.tables = append(b.tables, words)
	}
	return b.add(node{kind: kTable, n: n})
}

// Lane returns the number of the lane in its row, an integer.
func (b *Builder) Lane() Value { return b.add(node{kind: kLane}) }

// Store stores v to a new output stream and returns its number. A value that
// differs from lane to lane has no place in a stream of one element per row.
func (b *Builder) Store(s Stream, v Value) int {
	n := len(b.streams)
	s.out = true
	b.streams = append(b.streams, s)
	b.stores = append(b.stores, store{v, n})
	return n
}

// Fold returns the fold with op over the lanes of each row of v, of type t, and
// whether the package has it. Lane i goes to running fold i%32, and these are
// combined in pairs: the order depends on the number of lanes alone.
func (b *Builder) Fold(op kernel.Op, t Type, v Value) (Value, bool) {
	switch op {
	case kernel.Add, kernel.Mul, kernel.Max, kernel.Min:
	default:
		return 0, false
	}
	if t == F16 || t == BF16 {
		return 0, false
	}
	return b.add(node{kind: kFold, a: v, fold: op, typ: t}), true
}

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
	cmpOrd   = 0x07
	cmpNEQ   = 0x04
)

func (b *Builder) cmp(p uint8, x, y Value) Value {
	return b.add(node{kind: kRVMI, op: amd64.VCMPPS, a: x, b: y, imm: p})
}

// sel returns mask ? x : y; the lanes of a mask are zeros or ones.
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

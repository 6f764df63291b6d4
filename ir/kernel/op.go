package kernel

import "dumbtorch/ir/types"

// Op is a scalar operation of a kernel expression.
type Op uint8

// The scalar operations. Those marked NaN follow PyTorch: a NaN operand gives
// NaN. Comparisons give bool. Rounding is to nearest, ties to even; every
// operation on f32 rounds to f32. None takes f16 or bf16: [Builder.Un] and its
// like convert to f32, compute, and round the result.
const (
	NoOp Op = iota
	// Unary.
	Neg
	Abs
	Sign
	Floor
	Ceil
	Round // ties to even
	Exp
	Expm1
	Log
	Log1p
	Sqrt
	Rsqrt
	Sin
	Cos
	Tanh
	Sigmoid
	Erf
	Not // bool: logical; integers: bitwise
	// Binary.
	Add
	Sub
	Mul
	Div // floats: IEEE; integers: floor division (0 when the divisor is 0)
	Rem // sign of the divisor, as Python's %; integers: 0 when the divisor is 0
	Pow // integers: wraps; a negative exponent truncates towards 0
	Max // NaN
	Min // NaN
	Lt
	Le
	Eq
	Ne
	And // bool: logical; integers: bitwise
	Or
	Xor
	Shl // integers: 0 when the count is not in [0, bits)
	Shr // as Shl; arithmetic for signed types
	// Bit pattern of a value in another type of the same size.
	Bitcast
	opEnd
)

// OpInfo describes a scalar operation.
type OpInfo struct {
	Name        string
	Arity       int
	Commutative bool
	Compare     bool // the result is bool whatever the operands
	Float       bool // defined on floating-point types only
	Cost        int  // relative cost of one evaluation; an addition is 1
}

var opInfo = [opEnd]OpInfo{
	NoOp:    {},
	Neg:     {Name: "neg", Arity: 1, Cost: 1},
	Abs:     {Name: "abs", Arity: 1, Cost: 1},
	Sign:    {Name: "sign", Arity: 1, Cost: 2},
	Floor:   {Name: "floor", Arity: 1, Float: true, Cost: 1},
	Ceil:    {Name: "ceil", Arity: 1, Float: true, Cost: 1},
	Round:   {Name: "round", Arity: 1, Float: true, Cost: 1},
	Exp:     {Name: "exp", Arity: 1, Float: true, Cost: 8},
	Expm1:   {Name: "expm1", Arity: 1, Float: true, Cost: 12},
	Log:     {Name: "log", Arity: 1, Float: true, Cost: 10},
	Log1p:   {Name: "log1p", Arity: 1, Float: true, Cost: 12},
	Sqrt:    {Name: "sqrt", Arity: 1, Float: true, Cost: 3},
	Rsqrt:   {Name: "rsqrt", Arity: 1, Float: true, Cost: 4},
	Sin:     {Name: "sin", Arity: 1, Float: true, Cost: 14},
	Cos:     {Name: "cos", Arity: 1, Float: true, Cost: 14},
	Tanh:    {Name: "tanh", Arity: 1, Float: true, Cost: 14},
	Sigmoid: {Name: "sigmoid", Arity: 1, Float: true, Cost: 12},
	Erf:     {Name: "erf", Arity: 1, Float: true, Cost: 16},
	Not:     {Name: "not", Arity: 1, Cost: 1},
	Add:     {Name: "add", Arity: 2, Commutative: true, Cost: 1},
	Sub:     {Name: "sub", Arity: 2, Cost: 1},
	Mul:     {Name: "mul", Arity: 2, Commutative: true, Cost: 1},
	Div:     {Name: "div", Arity: 2, Cost: 3},
	Rem:     {Name: "rem", Arity: 2, Cost: 6},
	Pow:     {Name: "pow", Arity: 2, Cost: 20},
	Max:     {Name: "max", Arity: 2, Commutative: true, Cost: 1},
	Min:     {Name: "min", Arity: 2, Commutative: true, Cost: 1},
	Lt:      {Name: "lt", Arity: 2, Compare: true, Cost: 1},
	Le:      {Name: "le", Arity: 2, Compare: true, Cost: 1},
	Eq:      {Name: "eq", Arity: 2, Commutative: true, Compare: true, Cost: 1},
	Ne:      {Name: "ne", Arity: 2, Commutative: true, Compare: true, Cost: 1},
	And:     {Name: "and", Arity: 2, Commutative: true, Cost: 1},
	Or:      {Name: "or", Arity: 2, Commutative: true, Cost: 1},
	Xor:     {Name: "xor", Arity: 2, Commutative: true, Cost: 1},
	Shl:     {Name: "shl", Arity: 2, Cost: 1},
	Shr:     {Name: "shr", Arity: 2, Cost: 1},
	Bitcast: {Name: "bitcast", Arity: 1, Cost: 1},
}

// Info returns the description of the operation.
func (o Op) Info() *OpInfo { return &opInfo[o] }

// String returns the operation's name in text form.
func (o Op) String() string { return opInfo[o].Name }

// ParseOp returns the operation of the given name.
func ParseOp(name string) (Op, bool) {
	for o := Neg; o < opEnd; o++ {
		if opInfo[o].Name == name {
			return o, true
		}
	}
	return NoOp, false
}

// Ops returns all operations in order.
func Ops() []Op {
	var os []Op
	for o := Neg; o < opEnd; o++ {
		os = append(os, o)
	}
	return os
}

// Result returns the element type of the operation on operands of type d.
func (o Op) Result(d types.DType) types.DType {
	if opInfo[o].Compare {
		return types.Bool
	}
	return d
}

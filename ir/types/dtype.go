// Package types holds what every room agrees on: element types, shapes, and
// the rules that combine them (broadcasting and promotion). It is a leaf: it
// imports nothing of ours.
package types

import (
	"fmt"
	"strings"
)

// DType is the type of one element.
type DType uint8

// The element types. U32 exists in kernel expressions only (random numbers);
// [DType.Public] tells.
const (
	Invalid DType = iota
	Bool
	U8
	U32
	I32
	I64
	F16  // IEEE 754 binary16: [Float16]
	BF16 // bfloat16: [BFloat16]
	F32
	F64
)

// Kind groups the element types by the arithmetic that they follow.
type Kind uint8

// The kinds, in promotion order: mixing two kinds gives the later one.
const (
	KindInvalid Kind = iota
	KindBool
	KindUint
	KindInt
	KindFloat
)

// dtypes is the one table of element types; a new type is a new row.
var dtypes = [...]struct {
	name   string
	size   int
	kind   Kind
	public bool
}{
	Invalid: {"invalid", 0, KindInvalid, false},
	Bool:    {"bool", 1, KindBool, true},
	U8:      {"u8", 1, KindUint, true},
	U32:     {"u32", 4, KindUint, false},
	I32:     {"i32", 4, KindInt, true},
	I64:     {"i64", 8, KindInt, true},
	F16:     {"f16", 2, KindFloat, true},
	BF16:    {"bf16", 2, KindFloat, true},
	F32:     {"f32", 4, KindFloat, true},
	F64:     {"f64", 8, KindFloat, true},
}

// DTypes returns the element types that a graph may use.
func DTypes() []DType {
	var ds []DType
	for d := range dtypes {
		if dtypes[d].public {
			ds = append(ds, DType(d))
		}
	}
	return ds
}

func (d DType) row() int {
	if int(d) < len(dtypes) {
		return int(d)
	}
	return int(Invalid)
}

// String returns the name of the type in text form: "f32".
func (d DType) String() string { return dtypes[d.row()].name }

// Size returns the bytes of one element.
func (d DType) Size() int { return dtypes[d.row()].size }

// Kind returns the arithmetic the type follows.
func (d DType) Kind() Kind { return dtypes[d.row()].kind }

// Public reports whether a graph may use the type.
func (d DType) Public() bool { return dtypes[d.row()].public }

// IsFloat reports whether the type is a floating-point type.
func (d DType) IsFloat() bool { return d.Kind() == KindFloat }

// IsHalf reports whether the type is one of the two floating-point types of 16
// bits. They are storage: arithmetic on them is done in [F32] and rounded.
func (d DType) IsHalf() bool { return d == F16 || d == BF16 }

// Arith returns the type in which arithmetic on values of type d is done: F32
// for the halves, else d itself.
func (d DType) Arith() DType {
	if d.IsHalf() {
		return F32
	}
	return d
}

// IsInt reports whether the type is a signed or unsigned integer type.
func (d DType) IsInt() bool { return d.Kind() == KindInt || d.Kind() == KindUint }

// ParseDType returns the type of the given name.
func ParseDType(name string) (DType, error) {
	for d := range dtypes {
		if DType(d) != Invalid && dtypes[d].name == name {
			return DType(d), nil
		}
	}
	var known []string
	for _, d := range DTypes() {
		known = append(known, d.String())
	}
	return Invalid, fmt.Errorf("unknown element type %q (one of %s)", name, strings.Join(known, ", "))
}

// Promote returns the type in which an operation on a and b is done: the one
// of the later kind (bool < integer < float), within a kind the wider one, f32
// for f16 with bf16, of which neither holds the other, and i32 for u8 mixed with
// a signed type no wider. It is PyTorch's rule for tensors of at least one
// dimension.
func Promote(a, b DType) DType {
	switch {
	case a == b:
		return a
	case kindRank(a) != kindRank(b):
		if kindRank(a) > kindRank(b) {
			return a
		}
		return b
	case a.Size() != b.Size():
		if a.Size() > b.Size() {
			return a
		}
		return b
	case a.IsFloat():
		return F32
	}
	return max(a, b)
}

// kindRank is the kind with signed and unsigned integers as one.
func kindRank(d DType) int {
	switch d.Kind() {
	case KindFloat:
		return 3
	case KindInt, KindUint:
		return 2
	case KindBool:
		return 1
	}
	return 0
}

package safetensors

import (
	"fmt"
	"strings"

	"dumbtorch/ir/types"
)

// DType is an element type of the format.
type DType uint8

// The element types, in the order of the format's own implementation, by which files are laid out.
const (
	Invalid DType = iota
	Bool
	F4     // E2M1, two in a byte, the first in its lower half
	F6E2M3 // six bits
	F6E3M2 // six bits
	U8
	I8
	F8E5M2
	F8E4M3 // finite: no infinities
	F8E8M0 // powers of two
	F8E4M3FNUZ
	F8E5M2FNUZ
	I16
	U16
	F16
	BF16
	I32
	U32
	F32
	C64 // real and imaginary part, f32 each
	F64
	I64
	U64
)

// dtypes is the one table of element types. An array is read as type as: directly where decode is nil, else through it.
var dtypes = [...]struct {
	name   string
	bits   int
	as     types.DType
	decode decoder
}{
	Invalid:    {"invalid", 0, types.Invalid, nil},
	Bool:       {"BOOL", 8, types.Bool, nil},
	F4:         {"F4", 4, types.F32, decodeF4},
	F6E2M3:     {"F6_E2M3", 6, types.Invalid, nil},
	F6E3M2:     {"F6_E3M2", 6, types.Invalid, nil},
	U8:         {"U8", 8, types.U8, nil},
	I8:         {"I8", 8, types.I32, decodeI8},
	F8E5M2:     {"F8_E5M2", 8, types.F32, decodeF8(e5m2)},
	F8E4M3:     {"F8_E4M3", 8, types.F32, decodeF8(e4m3)},
	F8E8M0:     {"F8_E8M0", 8, types.F32, decodeF8(e8m0)},
	F8E4M3FNUZ: {"F8_E4M3FNUZ", 8, types.F32, decodeF8(e4m3fnuz)},
	F8E5M2FNUZ: {"F8_E5M2FNUZ", 8, types.F32, decodeF8(e5m2fnuz)},
	I16:        {"I16", 16, types.I32, decodeI16},
	U16:        {"U16", 16, types.I32, decodeU16},
	F16:        {"F16", 16, types.F16, nil},
	BF16:       {"BF16", 16, types.BF16, nil},
	I32:        {"I32", 32, types.I32, nil},
	U32:        {"U32", 32, types.I64, decodeU32},
	F32:        {"F32", 32, types.F32, nil},
	C64:        {"C64", 64, types.F32, decodeC64},
	F64:        {"F64", 64, types.F64, nil},
	I64:        {"I64", 64, types.I64, nil},
	U64:        {"U64", 64, types.I64, decodeU64},
}

// String returns the name of the type in a header: "F32".
func (d DType) String() string {
	if int(d) >= len(dtypes) {
		d = Invalid
	}
	return dtypes[d].name
}

// Bits returns the size of an element.
func (d DType) Bits() int {
	if int(d) >= len(dtypes) {
		d = Invalid
	}
	return dtypes[d].bits
}

// parseDType returns the type that a header names.
func parseDType(name string) (DType, error) {
	var known []string
	for d := Bool; int(d) < len(dtypes); d++ {
		if dtypes[d].name == name {
			return d, nil
		}
		known = append(known, dtypes[d].name)
	}
	return Invalid, fmt.Errorf("unknown element type %q (known: %s)", name, strings.Join(known, " "))
}

// dtypeOf returns the type in which tensors of an element type are written.
func dtypeOf(t types.DType) DType {
	for d := Bool; int(d) < len(dtypes); d++ {
		if dtypes[d].as == t && dtypes[d].decode == nil {
			return d
		}
	}
	return Invalid
}

// Array describes an array of a file.
type Array struct {
	Name  string
	DType DType
	Shape types.Shape

	start, size int64 // bytes in the data of the file
}

// Type returns the type of the tensor that reading the array gives. It is the array's own where the framework has it. Others
// are widened, each value exactly: I8, I16 and U16 to i32, U32 to i64, F4 and all kinds of F8 to f32, C64 to f32 with a last
// dimension of 2 (as torch.view_as_real does). U64 becomes i64, and a value that does not fit is an error of reading. It
// returns false for F6_E2M3 and F6_E3M2, whose packing the format leaves open: [File.ReadRaw] gives their bytes.
func (a Array) Type() (types.Type, bool) {
	as := dtypes[a.DType].as
	if as == types.Invalid {
		return types.Type{}, false
	}
	if a.DType == C64 {
		return types.Of(as, append(a.Shape.Clone(), 2)...), true
	}
	return types.Of(as, a.Shape...), true
}

// Bytes returns the size of the array in the file.
func (a Array) Bytes() int64 { return a.size }

// String returns element type and shape: "F32[64,784]".
func (a Array) String() string { return a.DType.String() + a.Shape.String() }

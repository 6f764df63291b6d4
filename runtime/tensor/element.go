package tensor

import (
	"fmt"
	"math"

	"dumbtorch/ir/types"
)

// Element is a Go type that an array may hold. Each is the host form of one public [types.DType]; those of f16 and bf16 hold
// the bits and convert to and from float32.
type Element interface {
	bool | uint8 | int32 | int64 | types.Float16 | types.BFloat16 | float32 | float64
}

// DTypeOf returns the element type whose host form is T.
func DTypeOf[T Element]() types.DType {
	var v T
	switch any(v).(type) {
	case bool:
		return types.Bool
	case uint8:
		return types.U8
	case int32:
		return types.I32
	case int64:
		return types.I64
	case types.Float16:
		return types.F16
	case types.BFloat16:
		return types.BF16
	case float32:
		return types.F32
	case float64:
		return types.F64
	}
	return types.Invalid
}

// At returns the element at the given index, one number per dimension, as a float64: false and true are 0 and 1, and an i64
// beyond 2^53 is rounded. It is for debugging and for tests; loops want [Data]. It returns an error if the index has the wrong
// length or lies outside the shape.
func (t *Tensor) At(index ...int) (float64, error) {
	i, err := t.offset(index)
	if err != nil {
		return 0, err
	}
	return t.load(i), nil
}

// Set changes the element at the given index. A float is rounded to the element type; for the other types v must be one of
// their values exactly. It returns an error if it is not, or if the index is not inside the shape.
func (t *Tensor) Set(v float64, index ...int) error {
	i, err := t.offset(index)
	if err != nil {
		return err
	}
	lo, hi := bounds(t.typ.DType)
	if !t.typ.DType.IsFloat() && (v != math.Trunc(v) || v < lo || v >= hi) {
		return fmt.Errorf("tensor: %v is not a value of type %s", v, t.typ.DType)
	}
	switch t.typ.DType {
	case types.Bool:
		view[bool](t)[i] = v != 0
	case types.U8:
		view[uint8](t)[i] = uint8(v)
	case types.I32:
		view[int32](t)[i] = int32(v)
	case types.I64:
		view[int64](t)[i] = int64(v)
	case types.F16:
		view[types.Float16](t)[i] = types.ToFloat16(float32(v))
	case types.BF16:
		view[types.BFloat16](t)[i] = types.ToBFloat16(float32(v))
	case types.F32:
		view[float32](t)[i] = float32(v)
	case types.F64:
		view[float64](t)[i] = v
	}
	return nil
}

// offset returns the flat position of an index.
func (t *Tensor) offset(index []int) (int, error) {
	sh := t.typ.Shape
	if len(index) != len(sh) {
		return 0, fmt.Errorf("tensor: index %v has %d numbers, type %s has %d dimensions", index, len(index), t.typ, len(sh))
	}
	flat := 0
	for i, x := range index {
		if x < 0 || x >= sh[i] {
			return 0, fmt.Errorf("tensor: index %v is outside %s", index, t.typ)
		}
		flat = flat*sh[i] + x
	}
	if flat >= t.n {
		return 0, fmt.Errorf("tensor: index %v is outside %s", index, t.typ)
	}
	return flat, nil
}

// unravel returns the index of a flat position in a non-empty tensor: the inverse of offset.
func (t *Tensor) unravel(flat int) []int {
	index := make([]int, len(t.typ.Shape))
	for i := len(index) - 1; i >= 0; i-- {
		d := t.typ.Shape[i]
		index[i] = flat % d
		flat /= d
	}
	return index
}

func (t *Tensor) load(i int) float64 {
	switch t.typ.DType {
	case types.Bool:
		if view[bool](t)[i] {
			return 1
		}
		return 0
	case types.U8:
		return float64(view[uint8](t)[i])
	case types.I32:
		return float64(view[int32](t)[i])
	case types.I64:
		return float64(view[int64](t)[i])
	case types.F16:
		return float64(view[types.Float16](t)[i].Float32())
	case types.BF16:
		return float64(view[types.BFloat16](t)[i].Float32())
	case types.F32:
		return float64(view[float32](t)[i])
	case types.F64:
		return view[float64](t)[i]
	}
	return math.NaN()
}

// bounds returns the range lo <= x < hi of a type's integer values.
func bounds(d types.DType) (lo, hi float64) {
	switch d {
	case types.Bool:
		return 0, 2
	case types.U8:
		return 0, 1 << 8
	case types.I32:
		return -1 << 31, 1 << 31
	case types.I64:
		return -1 << 63, 1 << 63
	}
	return math.Inf(-1), math.Inf(1)
}

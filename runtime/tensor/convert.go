package tensor

import (
	"fmt"
	"math"

	"dumbtorch/ir/types"
)

type number interface {
	uint8 | int32 | int64 | float32 | float64
}

// Convert returns a copy of t with another element type (a plain copy if it is the same).
//
// To bool, zero is false and everything else, NaN included, is true; from bool, false is 0 and true is 1. To a float, values
// are rounded to nearest even, beyond its range to infinity; to f16 and bf16 they pass through f32, as in PyTorch. To an integer, floats are cut towards zero, as NumPy and PyTorch
// do; a value that then does not fit, or is NaN, is an error that names the element, never a wrapped number.
func (t *Tensor) Convert(d types.DType) (*Tensor, error) {
	if t.typ.DType == d && d.Public() {
		return t.Clone(), nil
	}
	out, err := New(types.Of(d, t.typ.Shape...))
	if err != nil {
		return nil, err
	}
	bad := -1
	switch t.typ.DType {
	case types.Bool:
		// A bool tensor holds the bytes 0 and 1, which are its values as u8.
		bad = convertFrom(view[uint8](t), out)
	case types.U8:
		bad = convertFrom(view[uint8](t), out)
	case types.I32:
		bad = convertFrom(view[int32](t), out)
	case types.I64:
		bad = convertFrom(view[int64](t), out)
	case types.F16:
		bad = convertFrom(widen(view[types.Float16](t)), out)
	case types.BF16:
		bad = convertFrom(widen(view[types.BFloat16](t)), out)
	case types.F32:
		bad = convertFrom(view[float32](t), out)
	case types.F64:
		bad = convertFrom(view[float64](t), out)
	default:
		return nil, fmt.Errorf("tensor: a tensor of type %s cannot be converted", t.typ)
	}
	if bad >= 0 {
		return nil, fmt.Errorf("tensor: convert %s to %s: the element at %v is %s, which does not fit", t.typ, d, types.Shape(t.unravel(bad)), t.exact(bad))
	}
	return out, nil
}

// convertFrom fills out and returns -1, or the position of a value that does not fit.
func convertFrom[S number](src []S, out *Tensor) int {
	switch out.typ.DType {
	case types.Bool:
		dst := view[bool](out)
		for i, v := range src {
			dst[i] = v != 0
		}
	case types.U8:
		return toInt(src, view[uint8](out), math.MaxUint8)
	case types.I32:
		return toInt(src, view[int32](out), math.MaxInt32)
	case types.I64:
		return toInt(src, view[int64](out), math.MaxInt64)
	case types.F16:
		toHalf(src, view[types.Float16](out), types.ToFloat16)
	case types.BF16:
		toHalf(src, view[types.BFloat16](out), types.ToBFloat16)
	case types.F32:
		toFloat(src, view[float32](out))
	case types.F64:
		toFloat(src, view[float64](out))
	}
	return -1
}

func toFloat[S number, D float32 | float64](src []S, dst []D) {
	for i, v := range src {
		dst[i] = D(v)
	}
}

func toHalf[S number, D types.Float16 | types.BFloat16](src []S, dst []D, round func(float32) D) {
	for i, v := range src {
		dst[i] = round(float32(v))
	}
}

func widen[S interface{ Float32() float32 }](src []S) []float32 {
	out := make([]float32, len(src))
	for i, v := range src {
		out[i] = v.Float32()
	}
	return out
}

// toInt converts to an integer type whose largest value is limit.
func toInt[S number, D uint8 | int32 | int64](src []S, dst []D, limit int64) int {
	if DTypeOf[S]().IsFloat() {
		lo, hi := bounds(DTypeOf[D]())
		for i, v := range src {
			x := math.Trunc(float64(v))
			if !(x >= lo && x < hi) {
				return i
			}
			dst[i] = D(x)
		}
		return -1
	}
	least := -limit - 1
	if DTypeOf[D]() == types.U8 {
		least = 0
	}
	for i, v := range src {
		x := int64(v)
		if x < least || x > limit {
			return i
		}
		dst[i] = D(x)
	}
	return -1
}

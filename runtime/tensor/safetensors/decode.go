package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"dumbtorch/runtime/tensor"
)

// A decoder widens the elements of raw into dst, a tensor with room for all of them. The error is that of a value that does
// not fit.
type decoder func(dst *tensor.Tensor, raw []byte) error

// each fills dst with the elements of raw, n bytes each.
func each[T tensor.Element](n int, one func([]byte) T) decoder {
	return func(dst *tensor.Tensor, raw []byte) error {
		data, err := tensor.Data[T](dst)
		if err != nil {
			return err
		}
		for i := range data {
			data[i] = one(raw[i*n:])
		}
		return nil
	}
}

var (
	decodeI8  = each(1, func(b []byte) int32 { return int32(int8(b[0])) })
	decodeI16 = each(2, func(b []byte) int32 { return int32(int16(binary.LittleEndian.Uint16(b))) })
	decodeU16 = each(2, func(b []byte) int32 { return int32(binary.LittleEndian.Uint16(b)) })
	decodeU32 = each(4, func(b []byte) int64 { return int64(binary.LittleEndian.Uint32(b)) })
	decodeC64 = each(4, func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) })
)

func decodeU64(dst *tensor.Tensor, raw []byte) error {
	data, err := tensor.Data[int64](dst)
	if err != nil {
		return err
	}
	for i := range data {
		v := binary.LittleEndian.Uint64(raw[8*i:])
		if v > math.MaxInt64 {
			return fmt.Errorf("element %d is %d, which does not fit i64", i, v)
		}
		data[i] = int64(v)
	}
	return nil
}

func decodeF4(dst *tensor.Tensor, raw []byte) error {
	data, err := tensor.Data[float32](dst)
	if err != nil {
		return err
	}
	for i := range data {
		data[i] = e2m1.value(raw[i/2] >> (4 * (i % 2)) & 0xf)
	}
	return nil
}

func decodeF8(f minifloat) decoder {
	var table [256]float32
	for b := range table {
		table[b] = f.value(uint8(b))
	}
	return each(1, func(b []byte) float32 { return table[b[0]] })
}

// minifloat is a format of at most 8 bits: sign, exponent and fraction. The names are those of ONNX and PyTorch; the
// formats are those of Micikevicius et al., "FP8 formats for deep learning", 2022 (E4M3, E5M2), Noune et al., "8-bit
// numerical formats for deep neural networks", 2022 (FNUZ), and the OCP Microscaling specification, 2023 (E8M0, E2M1).
type minifloat struct {
	unsigned       bool
	exponent, frac int // bits
	bias           int
	special        special
}

// special says which codes are not finite.
type special uint8

const (
	ieee    special = iota // the largest exponent: infinities and NaN
	onlyNaN                // all ones but the sign is NaN
	fnuz                   // the code of negative zero is NaN
	finite
)

var (
	e5m2     = minifloat{exponent: 5, frac: 2, bias: 15, special: ieee}
	e4m3     = minifloat{exponent: 4, frac: 3, bias: 7, special: onlyNaN}
	e4m3fnuz = minifloat{exponent: 4, frac: 3, bias: 8, special: fnuz}
	e5m2fnuz = minifloat{exponent: 5, frac: 2, bias: 16, special: fnuz}
	e8m0     = minifloat{unsigned: true, exponent: 8, bias: 127, special: onlyNaN}
	e2m1     = minifloat{exponent: 2, frac: 1, bias: 1, special: finite}
)

// value returns the number of a code exactly.
func (f minifloat) value(code uint8) float32 {
	body := int(code)
	sign := 1.0
	if top := 1 << (f.exponent + f.frac); !f.unsigned {
		if body&top != 0 {
			sign = -1
		}
		body &= top - 1
	}
	e, m := body>>f.frac, float64(body&(1<<f.frac-1))
	last := e == 1<<f.exponent-1
	switch {
	case f.special == ieee && last && m == 0:
		return float32(math.Inf(int(sign)))
	case f.special == ieee && last,
		f.special == onlyNaN && body == 1<<(f.exponent+f.frac)-1,
		f.special == fnuz && body == 0 && sign < 0:
		return float32(math.NaN())
	case e == 0 && !f.unsigned: // zero and subnormal numbers
		return float32(math.Copysign(math.Ldexp(m, 1-f.bias-f.frac), sign))
	}
	return float32(sign * math.Ldexp(m+float64(int(1)<<f.frac), e-f.bias-f.frac))
}

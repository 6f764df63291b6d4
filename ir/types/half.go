package types

import (
	"math"
	"strconv"
)

// Float16 holds the bits of an IEEE 754 binary16 number: 1 sign bit, 5 bits of
// exponent, 10 of fraction. Magnitudes reach 65504; the smallest are 2^-24.
type Float16 uint16

// BFloat16 holds the bits of a bfloat16 number, the upper half of a float32: 1
// sign bit, 8 bits of exponent, 7 of fraction.
type BFloat16 uint16

// Layout of the formats.
const (
	f16Inf    = 0x7c00
	f16Quiet  = 0x0200
	bf16Quiet = 0x0040
	f32Inf    = 0x7f800000
)

// ToBFloat16 rounds f to the nearest bfloat16, ties to even; what is too large
// becomes an infinity. A NaN keeps its sign and the upper bits of its payload and
// is made quiet, as the instruction VCVTNEPS2BF16 does.
func ToBFloat16(f float32) BFloat16 {
	u := math.Float32bits(f)
	if f != f {
		return BFloat16(u>>16 | bf16Quiet)
	}
	return BFloat16((u + 0x7fff + u>>16&1) >> 16)
}

// Float32 returns the number exactly.
func (h BFloat16) Float32() float32 { return math.Float32frombits(uint32(h) << 16) }

// String returns the shortest text that reads back as the number.
func (h BFloat16) String() string { return shortest(BF16, h.Float32()) }

// ToFloat16 rounds f to the nearest binary16, ties to even; what is too large
// becomes an infinity and small numbers become subnormal. A NaN keeps its sign
// and the upper bits of its payload and is made quiet, as the instruction
// VCVTPS2PH does.
func ToFloat16(f float32) Float16 {
	u := math.Float32bits(f)
	sign := Float16(u >> 16 & 0x8000)
	u &^= 1 << 31
	switch {
	case u > f32Inf:
		return sign | f16Inf | f16Quiet | Float16(u>>13&0x3ff)
	case u < 0x38800000: // below 2^-14: adding 2^-1 leaves multiples of 2^-24
		return sign | Float16(math.Float32bits(math.Float32frombits(u)+0.5)-math.Float32bits(0.5))
	case u >= 0x477ff000: // halfway from 65504 to 2^16
		return sign | f16Inf
	}
	u += 0xfff + u>>13&1
	return sign | Float16((u-(127-15)<<23)>>13)
}

// Float32 returns the number exactly; a NaN is made quiet.
func (h Float16) Float32() float32 {
	sign, u := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case u > f16Inf:
		return math.Float32frombits(sign | f32Inf | (u&0x3ff|f16Quiet)<<13)
	case u == f16Inf:
		return math.Float32frombits(sign | f32Inf)
	case u < 0x0400: // subnormal
		return math.Float32frombits(sign | math.Float32bits(float32(u)*0x1p-24))
	}
	return math.Float32frombits(sign | u<<13 + (127-15)<<23)
}

// String returns the shortest text that reads back as the number.
func (h Float16) String() string { return shortest(F16, h.Float32()) }

// Round returns f rounded to the floating-point type d. Numbers reach a half
// through float32, as they do in PyTorch.
func (d DType) Round(f float64) float64 {
	switch d {
	case F16:
		return float64(ToFloat16(float32(f)).Float32())
	case BF16:
		return float64(ToBFloat16(float32(f)).Float32())
	case F32:
		return float64(float32(f))
	}
	return f
}

// shortest returns the shortest decimal text that, read as a float32 and
// rounded to the half type d, gives f.
func shortest(d DType, f float32) string {
	for digits := 1; digits < 9; digits++ {
		v, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', digits, 32), 32)
		if err == nil && d.Round(v) == float64(f) {
			return strconv.FormatFloat(v, 'g', -1, 32)
		}
	}
	return strconv.FormatFloat(float64(f), 'g', -1, 32)
}

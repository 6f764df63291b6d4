package kernel

import (
	"encoding/binary"
	"math"

	"dumbtorch/ir/types"
)

// Bits returns the element as it stands in memory, in the low bytes.
func (s Scalar) Bits() uint64 {
	switch s.DType {
	case types.F16:
		return uint64(types.ToFloat16(float32(s.Float())))
	case types.BF16:
		return uint64(types.ToBFloat16(float32(s.Float())))
	case types.F32:
		return uint64(math.Float32bits(float32(s.Float())))
	}
	return s.bits
}

// FromBits returns the element of type d that has the given bits in memory.
func FromBits(d types.DType, bits uint64) Scalar {
	switch d {
	case types.F16:
		return FloatScalar(d, float64(types.Float16(bits).Float32()))
	case types.BF16:
		return FloatScalar(d, float64(types.BFloat16(bits).Float32()))
	case types.F32:
		return FloatScalar(d, float64(math.Float32frombits(uint32(bits))))
	case types.F64:
		return Scalar{d, bits}
	}
	return IntScalar(d, int64(bits))
}

// ReadScalar returns the little-endian element of type d at the start of mem.
func ReadScalar(d types.DType, mem []byte) Scalar {
	var word [8]byte
	copy(word[:], mem[:d.Size()])
	return FromBits(d, binary.LittleEndian.Uint64(word[:]))
}

// Write puts the little-endian element at the start of mem.
func (s Scalar) Write(mem []byte) {
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], s.Bits())
	copy(mem[:s.DType.Size()], word[:])
}

package cpu

import (
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Unary operations and conversions.

func negate[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = -a[i]
	}
}

func absInt[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		v := a[i]
		if v < 0 {
			v = -v
		}
		d[i] = v
	}
}

func absF32(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[uint32](st, in.dst, n), lanes[uint32](st, in.a, n)
	for i := range d {
		d[i] = a[i] &^ (1 << 31)
	}
}

func absF64(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[uint64](st, in.dst, n), lanes[uint64](st, in.a, n)
	for i := range d {
		d[i] = a[i] &^ (1 << 63)
	}
}

// sign keeps zeros and NaN.
func sign[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	var one T = 1
	for i := range d {
		v := a[i]
		if v > 0 {
			v = one
		} else if v < 0 {
			v = -one
		}
		d[i] = v
	}
}

func not[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = ^a[i]
	}
}

func notBool(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[uint8](st, in.dst, n), lanes[uint8](st, in.a, n)
	for i := range d {
		d[i] = 1 ^ a[i]
	}
}

// copyLanes makes dst a copy of a.
func copyLanes[T bits](st *state, in *instr) {
	n := st.n[in.cl]
	copy(lanes[T](st, in.dst, n), lanes[T](st, in.a, n))
}

func integerUnary[T integer](op kernel.Op) func(*state, *instr) {
	switch op {
	case kernel.Neg:
		return negate[T]
	case kernel.Abs:
		return absInt[T]
	case kernel.Sign:
		return sign[T]
	case kernel.Not:
		return not[T]
	}
	return nil
}

// unary returns the loop of op on operands of type d, or nil.
func unary(op kernel.Op, d types.DType) func(*state, *instr) {
	switch d {
	case types.F32:
		return unaryF32(op)
	case types.F64:
		return unaryF64(op)
	case types.I32:
		return integerUnary[int32](op)
	case types.I64:
		return integerUnary[int64](op)
	case types.U32:
		return integerUnary[uint32](op)
	case types.U8:
		return integerUnary[uint8](op)
	case types.Bool:
		switch op {
		case kernel.Not:
			return notBool
		case kernel.Neg, kernel.Abs, kernel.Sign:
			return copyLanes[uint8]
		}
	}
	return nil
}

func convert[A, B number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[B](st, in.dst, n), lanes[A](st, in.a, n)
	for i := range d {
		d[i] = B(a[i])
	}
}

// truncate converts to integers towards zero, saturating; NaN gives 0.
func truncate[A float, B integer](lo, hi int64) func(*state, *instr) {
	return func(st *state, in *instr) {
		n := st.n[in.cl]
		d, a := lanes[B](st, in.dst, n), lanes[A](st, in.a, n)
		for i := range d {
			f := float64(a[i])
			v := int64(0)
			switch {
			case f != f:
			case f >= 1<<63:
				v = math.MaxInt64
			case f < -1<<63:
				v = math.MinInt64
			default:
				v = int64(f)
			}
			d[i] = B(min(max(v, lo), hi))
		}
	}
}

func toBool[A number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[uint8](st, in.dst, n), lanes[A](st, in.a, n)
	for i := range d {
		d[i] = b2u(a[i] != 0)
	}
}

func castInteger[A integer](d types.DType) func(*state, *instr) {
	switch d {
	case types.F32:
		return convert[A, float32]
	case types.F64:
		return convert[A, float64]
	case types.I32:
		return convert[A, int32]
	case types.I64:
		return convert[A, int64]
	case types.U32:
		return convert[A, uint32]
	case types.U8:
		return convert[A, uint8]
	}
	return toBool[A]
}

func castFloat[A float](d types.DType) func(*state, *instr) {
	switch d {
	case types.F32:
		return convert[A, float32]
	case types.F64:
		return convert[A, float64]
	case types.I32:
		return truncate[A, int32](math.MinInt32, math.MaxInt32)
	case types.I64:
		return truncate[A, int64](math.MinInt64, math.MaxInt64)
	case types.U32:
		return truncate[A, uint32](0, math.MaxUint32)
	case types.U8:
		return truncate[A, uint8](0, math.MaxUint8)
	}
	return toBool[A]
}

// castLoop returns the loop that converts from a to d.
func castLoop(a, d types.DType) func(*state, *instr) {
	if a.IsHalf() || d.IsHalf() {
		return castHalf(a, d)
	}
	switch a {
	case types.F32:
		return castFloat[float32](d)
	case types.F64:
		return castFloat[float64](d)
	case types.I32:
		return castInteger[int32](d)
	case types.I64:
		return castInteger[int64](d)
	case types.U32:
		return castInteger[uint32](d)
	}
	return castInteger[uint8](d) // u8 and bool
}

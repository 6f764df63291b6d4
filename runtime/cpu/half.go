package cpu

import "dumbtorch/ir/types"

// Halves are moved as they are and computed with as f32: these conversions are
// all that a tile program does with them.

func widenHalf[H interface{ Float32() float32 }](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[float32](st, in.dst, n), lanes[H](st, in.a, n)
	for i := range d {
		d[i] = a[i].Float32()
	}
}

func roundToF16(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[types.Float16](st, in.dst, n), lanes[float32](st, in.a, n)
	for i := range d {
		d[i] = types.ToFloat16(a[i])
	}
}

func roundToBF16(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[types.BFloat16](st, in.dst, n), lanes[float32](st, in.a, n)
	for i := range d {
		d[i] = types.ToBFloat16(a[i])
	}
}

// castHalf returns the loop that converts between a half and f32.
func castHalf(a, d types.DType) func(*state, *instr) {
	switch {
	case a == types.F16:
		return widenHalf[types.Float16]
	case a == types.BF16:
		return widenHalf[types.BFloat16]
	case d == types.F16:
		return roundToF16
	}
	return roundToBF16
}

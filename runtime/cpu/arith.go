package cpu

import (
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Binary operations. Each has a loop for two vectors and, where it matters, one
// for a vector and a scalar (vs: b is the scalar; sv: a is). On arm64 Go fuses
// x*y + z into one rounding; conversions of products forbid it.

type forms struct {
	vv, vs, sv func(*state, *instr)
}

func addVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func addVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = a[i] + s
	}
}

func subVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func subVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = a[i] - s
	}
}

func subSV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, s, b := lanes[T](st, in.dst, n), first[T](st, in.a), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = s - b[i]
	}
}

func mulVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func mulVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = a[i] * s
	}
}

func divVV[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] / b[i]
	}
}

func divVS[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = a[i] / s
	}
}

func divSV[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, s, b := lanes[T](st, in.dst, n), first[T](st, in.a), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = s / b[i]
	}
}

func maxVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = max(a[i], b[i])
	}
}

func maxVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = max(a[i], s)
	}
}

func minVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = min(a[i], b[i])
	}
}

func minVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = min(a[i], s)
	}
}

func ltVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = b2u(a[i] < b[i])
	}
}

func ltVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = b2u(a[i] < s)
	}
}

func ltSV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, s, b := lanes[uint8](st, in.dst, n), first[T](st, in.a), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = b2u(s < b[i])
	}
}

func leVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = b2u(a[i] <= b[i])
	}
}

func leVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = b2u(a[i] <= s)
	}
}

func leSV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, s, b := lanes[uint8](st, in.dst, n), first[T](st, in.a), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = b2u(s <= b[i])
	}
}

func eqVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = b2u(a[i] == b[i])
	}
}

func eqVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = b2u(a[i] == s)
	}
}

func neVV[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = b2u(a[i] != b[i])
	}
}

func neVS[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[uint8](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = b2u(a[i] != s)
	}
}

func andVV[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func orVV[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func orVS[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	for i := range d {
		d[i] = a[i] | s
	}
}

func xorVV[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func shlVV[T integer](st *state, in *instr) {
	n, bits := st.n[in.cl], T(in.imm)
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		v := T(0)
		if s := b[i]; s >= 0 && s < bits {
			v = a[i] << uint(s)
		}
		d[i] = v
	}
}

func shlVS[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	if s < 0 || s >= T(in.imm) {
		clear(d)
		return
	}
	for i := range d {
		d[i] = a[i] << (uint(s) & 63)
	}
}

func shrVV[T integer](st *state, in *instr) {
	n, bits := st.n[in.cl], T(in.imm)
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		v := T(0)
		if s := b[i]; s >= 0 && s < bits {
			v = a[i] >> uint(s)
		}
		d[i] = v
	}
}

func shrVS[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, s := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), first[T](st, in.b)
	if s < 0 || s >= T(in.imm) {
		clear(d)
		return
	}
	for i := range d {
		d[i] = a[i] >> (uint(s) & 63)
	}
}

func divInt[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		switch x, y := int64(a[i]), int64(b[i]); y {
		case 0:
			d[i] = 0
		case -1:
			d[i] = T(-x)
		default:
			d[i] = T(floorDiv(x, y))
		}
	}
}

func remInt[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		switch x, y := int64(a[i]), int64(b[i]); y {
		case 0, -1:
			d[i] = 0
		default:
			d[i] = T(x - y*floorDiv(x, y))
		}
	}
}

// powInt is a to the power b, wrapping; a negative b truncates 1/a^|b|.
func powInt[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		x, y, r := int64(a[i]), int64(b[i]), int64(1)
		switch {
		case y >= 0:
			for ; y > 0; y >>= 1 {
				if y&1 != 0 {
					r *= x
				}
				x *= x
			}
		case x == -1:
			r = 1 - 2*(y&1)
		case x != 1:
			r = 0
		}
		d[i] = T(r)
	}
}

func arithForms[T number](op kernel.Op) forms {
	switch op {
	case kernel.Add:
		return forms{vv: addVV[T], vs: addVS[T]}
	case kernel.Sub:
		return forms{vv: subVV[T], vs: subVS[T], sv: subSV[T]}
	case kernel.Mul:
		return forms{vv: mulVV[T], vs: mulVS[T]}
	case kernel.Max:
		return forms{vv: maxVV[T], vs: maxVS[T]}
	case kernel.Min:
		return forms{vv: minVV[T], vs: minVS[T]}
	case kernel.Lt:
		return forms{vv: ltVV[T], vs: ltVS[T], sv: ltSV[T]}
	case kernel.Le:
		return forms{vv: leVV[T], vs: leVS[T], sv: leSV[T]}
	case kernel.Eq:
		return forms{vv: eqVV[T], vs: eqVS[T]}
	case kernel.Ne:
		return forms{vv: neVV[T], vs: neVS[T]}
	}
	return forms{}
}

func integerForms[T integer](op kernel.Op) forms {
	switch op {
	case kernel.Div:
		return forms{vv: divInt[T]}
	case kernel.Rem:
		return forms{vv: remInt[T]}
	case kernel.Pow:
		return forms{vv: powInt[T]}
	case kernel.And:
		return forms{vv: andVV[T]}
	case kernel.Or:
		return forms{vv: orVV[T], vs: orVS[T]}
	case kernel.Xor:
		return forms{vv: xorVV[T]}
	case kernel.Shl:
		return forms{vv: shlVV[T], vs: shlVS[T]}
	case kernel.Shr:
		return forms{vv: shrVV[T], vs: shrVS[T]}
	}
	return arithForms[T](op)
}

func floatForms[T float](op kernel.Op) forms {
	switch op {
	case kernel.Div:
		return forms{vv: divVV[T], vs: divVS[T], sv: divSV[T]}
	case kernel.Rem:
		return forms{vv: remFloat[T]}
	case kernel.Pow:
		return forms{vv: powFloat[T]}
	}
	return arithForms[T](op)
}

// binary returns the loops of op on operands of type d; without a vv loop there
// is no such operation.
func binary(op kernel.Op, d types.DType) forms {
	switch d {
	case types.F32:
		return floatForms[float32](op)
	case types.F64:
		return floatForms[float64](op)
	case types.I32:
		return integerForms[int32](op)
	case types.I64:
		return integerForms[int64](op)
	case types.U32:
		return integerForms[uint32](op)
	case types.U8:
		return integerForms[uint8](op)
	case types.Bool:
		switch op {
		case kernel.Add, kernel.Or, kernel.Max:
			return forms{vv: orVV[uint8], vs: orVS[uint8]}
		case kernel.Mul, kernel.And, kernel.Min:
			return forms{vv: andVV[uint8]}
		case kernel.Sub:
			return forms{vv: xorVV[uint8]}
		}
		return integerForms[uint8](op)
	}
	return forms{}
}

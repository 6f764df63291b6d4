package cpu

import (
	"math"

	"dumbtorch/ir/kernel"
)

// Functions of floating-point numbers by package math, for float64 and for
// those of float32 that have no loop of their own.

func remFloat[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		x, y := float64(a[i]), float64(b[i])
		r := math.Mod(x, y)
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		d[i] = T(r)
	}
}

func powFloat[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, b := lanes[T](st, in.dst, n), lanes[T](st, in.a, n), lanes[T](st, in.b, n)
	for i := range d {
		d[i] = T(math.Pow(float64(a[i]), float64(b[i])))
	}
}

func floor[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Floor(float64(a[i])))
	}
}

func ceil[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Ceil(float64(a[i])))
	}
}

func roundEven[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.RoundToEven(float64(a[i])))
	}
}

func sqrt[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Sqrt(float64(a[i])))
	}
}

func rsqrt[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(1 / math.Sqrt(float64(a[i])))
	}
}

func exp[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Exp(float64(a[i])))
	}
}

func expm1[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Expm1(float64(a[i])))
	}
}

func logLoop[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Log(float64(a[i])))
	}
}

func log1p[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Log1p(float64(a[i])))
	}
}

func sin[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Sin(float64(a[i])))
	}
}

func cos[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Cos(float64(a[i])))
	}
}

func tanh[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Tanh(float64(a[i])))
	}
}

func sigmoid[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		x := float64(a[i])
		e := math.Exp(-math.Abs(x))
		if x < 0 {
			d[i] = T(e / (1 + e))
		} else {
			d[i] = T(1 / (1 + e))
		}
	}
}

func erf[T float](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[T](st, in.a, n)
	for i := range d {
		d[i] = T(math.Erf(float64(a[i])))
	}
}

func floatUnary[T float](op kernel.Op) func(*state, *instr) {
	switch op {
	case kernel.Neg:
		return negate[T]
	case kernel.Sign:
		return sign[T]
	case kernel.Floor:
		return floor[T]
	case kernel.Ceil:
		return ceil[T]
	case kernel.Round:
		return roundEven[T]
	case kernel.Sqrt:
		return sqrt[T]
	case kernel.Rsqrt:
		return rsqrt[T]
	case kernel.Exp:
		return exp[T]
	case kernel.Expm1:
		return expm1[T]
	case kernel.Log:
		return logLoop[T]
	case kernel.Log1p:
		return log1p[T]
	case kernel.Sin:
		return sin[T]
	case kernel.Cos:
		return cos[T]
	case kernel.Tanh:
		return tanh[T]
	case kernel.Sigmoid:
		return sigmoid[T]
	case kernel.Erf:
		return erf[T]
	}
	return nil
}

func unaryF64(op kernel.Op) func(*state, *instr) {
	if op == kernel.Abs {
		return absF64
	}
	return floatUnary[float64](op)
}

func unaryF32(op kernel.Op) func(*state, *instr) {
	if op == kernel.Abs {
		return absF32
	}
	return floatUnary[float32](op)
}

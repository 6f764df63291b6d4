package cpu

import (
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Folds over lanes. A sum has eight running sums, lane i in sum i%8, which are
// then added in pairs: the order depends on the number of lanes alone.

func sumOf[T number](a []T) T {
	var s0, s1, s2, s3, s4, s5, s6, s7 T
	for len(a) >= 8 {
		v := (*[8]T)(a)
		s0 += v[0]
		s1 += v[1]
		s2 += v[2]
		s3 += v[3]
		s4 += v[4]
		s5 += v[5]
		s6 += v[6]
		s7 += v[7]
		a = a[8:]
	}
	s := ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
	for _, v := range a {
		s += v
	}
	return s
}

func productOf[T number](a []T) T {
	var p0, p1, p2, p3 T = 1, 1, 1, 1
	for len(a) >= 4 {
		v := (*[4]T)(a)
		p0 *= v[0]
		p1 *= v[1]
		p2 *= v[2]
		p3 *= v[3]
		a = a[4:]
	}
	p := (p0 * p1) * (p2 * p3)
	for _, v := range a {
		p *= v
	}
	return p
}

func maxOf[T number](a []T) T {
	m0 := a[0]
	if len(a) >= 8 {
		m1, m2, m3 := m0, m0, m0
		for len(a) >= 4 {
			v := (*[4]T)(a)
			m0 = max(m0, v[0])
			m1 = max(m1, v[1])
			m2 = max(m2, v[2])
			m3 = max(m3, v[3])
			a = a[4:]
		}
		m0 = max(max(m0, m1), max(m2, m3))
	}
	for _, v := range a {
		m0 = max(m0, v)
	}
	return m0
}

func minOf[T number](a []T) T {
	m0 := a[0]
	if len(a) >= 8 {
		m1, m2, m3 := m0, m0, m0
		for len(a) >= 4 {
			v := (*[4]T)(a)
			m0 = min(m0, v[0])
			m1 = min(m1, v[1])
			m2 = min(m2, v[2])
			m3 = min(m3, v[3])
			a = a[4:]
		}
		m0 = min(min(m0, m1), min(m2, m3))
	}
	for _, v := range a {
		m0 = min(m0, v)
	}
	return m0
}

// fold makes the instruction functions of one fold of lanes:
//
//	into: the scalar dst = op(dst, fold of a)
//	rows: dst lane r = fold of the width lanes of row r of a
//	accum: the buffer's elements = op(element, lane of a)
type fold struct{ into, rows, accum func(*state, *instr) }

func sumFold[T number]() fold {
	return fold{
		into: func(st *state, in *instr) {
			*(*T)(st.ptr[in.dst]) += sumOf(lanes[T](st, in.a, st.n[full]))
		},
		rows: func(st *state, in *instr) {
			d, a := lanes[T](st, in.dst, st.n[row]), lanes[T](st, in.a, st.n[full])
			for i := range d {
				d[i] = sumOf(a[i*in.width : (i+1)*in.width])
			}
		},
		accum: func(st *state, in *instr) {
			n, buf := st.n[in.cl], buffer[T](st, in.buf)
			src := lanes[T](st, in.a, n)
			var w walk
			w.start(in.aff, in.aff.base(st), st.pos[in.cl], n)
			for w.next() {
				r := src[w.off : w.off+w.n]
				switch w.stride {
				case 0:
					buf[w.at] += sumOf(r)
				case 1:
					d := buf[w.at : w.at+int64(len(r))]
					for i, v := range r {
						d[i] += v
					}
				default:
					at := w.at
					for _, v := range r {
						buf[at] += v
						at += w.stride
					}
				}
			}
		},
	}
}

// otherFold is any fold but a sum: of reduces lanes, op combines two values.
func otherFold[T number](of func([]T) T, op func(a, b T) T) fold {
	return fold{
		into: func(st *state, in *instr) {
			p := (*T)(st.ptr[in.dst])
			*p = op(*p, of(lanes[T](st, in.a, st.n[full])))
		},
		rows: func(st *state, in *instr) {
			d, a := lanes[T](st, in.dst, st.n[row]), lanes[T](st, in.a, st.n[full])
			for i := range d {
				d[i] = of(a[i*in.width : (i+1)*in.width])
			}
		},
	}
}

func foldOf[T number](op kernel.Op) fold {
	switch op {
	case kernel.Add:
		return sumFold[T]()
	case kernel.Mul:
		return otherFold(productOf[T], func(a, b T) T { return a * b })
	case kernel.Max:
		return otherFold(maxOf[T], func(a, b T) T { return max(a, b) })
	case kernel.Min:
		return otherFold(minOf[T], func(a, b T) T { return min(a, b) })
	}
	return fold{}
}

// foldLoops returns the loops of the fold with op over lanes of type d. Of
// bools a sum is a disjunction and a product a conjunction.
func foldLoops(op kernel.Op, d types.DType) fold {
	switch d {
	case types.F32:
		return foldOf[float32](op)
	case types.F64:
		return foldOf[float64](op)
	case types.I32:
		return foldOf[int32](op)
	case types.I64:
		return foldOf[int64](op)
	case types.U32:
		return foldOf[uint32](op)
	case types.U8:
		return foldOf[uint8](op)
	case types.Bool:
		switch op {
		case kernel.Add:
			op = kernel.Max
		case kernel.Mul:
			op = kernel.Min
		}
		return foldOf[uint8](op)
	}
	return fold{}
}

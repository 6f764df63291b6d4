package cpu

import "dumbtorch/ir/types"

// Index arithmetic, predicates and run-time checks.

// opIota fills dst with an affine index as numbers.
func opIota[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d := lanes[T](st, in.dst, n)
	var w walk
	w.start(in.aff, in.aff.base(st), st.pos[in.cl], n)
	for w.next() {
		at := w.at
		r := d[w.off : w.off+w.n]
		for i := range r {
			r[i] = T(at)
			at += w.stride
		}
	}
}

func iotaFn(d types.DType) func(*state, *instr) {
	switch d {
	case types.U8:
		return opIota[uint8]
	case types.U32:
		return opIota[uint32]
	case types.I32:
		return opIota[int32]
	case types.I64:
		return opIota[int64]
	case types.F32:
		return opIota[float32]
	case types.F64:
		return opIota[float64]
	}
	return nil
}

// opIndexAdd adds imm times the index a to dst.
func opIndexAdd(st *state, in *instr) {
	n := st.n[in.cl]
	d, a, c := lanes[int64](st, in.dst, n), lanes[int64](st, in.a, n), in.imm
	for i, v := range a {
		d[i] += c * v
	}
}

// opToIndex casts whole numbers a of any type to an index.
func opNarrow[T number](st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[T](st, in.dst, n), lanes[int64](st, in.a, n)
	for i, v := range a {
		d[i] = T(v)
	}
}

func narrowFn(d types.DType) func(*state, *instr) {
	switch d {
	case types.U8:
		return opNarrow[uint8]
	case types.U32:
		return opNarrow[uint32]
	case types.I32:
		return opNarrow[int32]
	}
	return opNarrow[int64]
}

func opFloorDiv(st *state, in *instr) {
	n := st.n[in.cl]
	d, a, c := lanes[int64](st, in.dst, n), lanes[int64](st, in.a, n), in.imm
	if c <= 1<<31 {
		for i, v := range a {
			if uint64(v) < 1<<32 {
				d[i] = int64(uint32(v) / uint32(c))
			} else {
				d[i] = floorDiv(v, c)
			}
		}
		return
	}
	for i, v := range a {
		d[i] = floorDiv(v, c)
	}
}

func opFloorMod(st *state, in *instr) {
	n := st.n[in.cl]
	d, a, c := lanes[int64](st, in.dst, n), lanes[int64](st, in.a, n), in.imm
	if c <= 1<<31 {
		for i, v := range a {
			if uint64(v) < 1<<32 {
				d[i] = int64(uint32(v) % uint32(c))
			} else {
				d[i] = v - c*floorDiv(v, c)
			}
		}
		return
	}
	for i, v := range a {
		d[i] = v - c*floorDiv(v, c)
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// opCheck makes the integers a an index in [0, imm). A lane outside, unless its
// mask b says that it is not wanted, is a failure and gets 0.
func opCheck[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, limit := lanes[int64](st, in.dst, n), lanes[T](st, in.a, n), in.imm
	bad := -1
	for i, t := range a {
		v := int64(t)
		if uint64(v) >= uint64(limit) {
			if bad < 0 && (in.b == none || st.mask(in, i)) {
				bad = i
			}
			v = 0
		}
		d[i] = v
	}
	if bad >= 0 && !st.failed {
		st.failed = true
		st.failure = failure{site: in.buf, value: int64(a[bad]), limit: limit}
	}
}

// mask returns lane i of the mask b, which is a scalar where width is 1.
func (st *state) mask(in *instr, i int) bool {
	if in.width == 1 {
		i = 0
	}
	return lanes[uint8](st, in.b, i+1)[i] != 0
}

func checkFn(d types.DType) func(*state, *instr) {
	switch d {
	case types.U8, types.Bool:
		return opCheck[uint8]
	case types.U32:
		return opCheck[uint32]
	case types.I32:
		return opCheck[int32]
	}
	return opCheck[int64]
}

// opAffineGe0 is the mask of an affine index >= 0.
func opAffineGe0(st *state, in *instr) {
	n := st.n[in.cl]
	d := lanes[uint8](st, in.dst, n)
	var w walk
	w.start(in.aff, in.aff.base(st), st.pos[in.cl], n)
	for w.next() {
		r, m := d[w.off:w.off+w.n], int64(w.n)
		switch {
		case w.stride > 0:
			k := min(max(floorDiv(w.stride-1-w.at, w.stride), 0), m)
			clear(r[:k])
			fill(r[k:], 1)
		case w.stride < 0:
			k := min(max(floorDiv(w.at, -w.stride)+1, 0), m)
			fill(r[:k], 1)
			clear(r[k:])
		case w.at >= 0:
			fill(r, 1)
		default:
			clear(r)
		}
	}
}

// opAffineEq0 is the mask of an affine index == 0.
func opAffineEq0(st *state, in *instr) {
	n := st.n[in.cl]
	d := lanes[uint8](st, in.dst, n)
	var w walk
	w.start(in.aff, in.aff.base(st), st.pos[in.cl], n)
	for w.next() {
		r := d[w.off : w.off+w.n]
		if w.stride == 0 {
			v := uint8(0)
			if w.at == 0 {
				v = 1
			}
			fill(r, v)
			continue
		}
		clear(r)
		if k := -w.at / w.stride; k*w.stride == -w.at && k >= 0 && k < int64(w.n) {
			r[k] = 1
		}
	}
}

func opGe0(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[uint8](st, in.dst, n), lanes[int64](st, in.a, n)
	for i, v := range a {
		d[i] = uint8(^uint64(v) >> 63)
	}
}

func opEq0(st *state, in *instr) {
	n := st.n[in.cl]
	d, a := lanes[uint8](st, in.dst, n), lanes[int64](st, in.a, n)
	for i, v := range a {
		d[i] = b2u(v == 0)
	}
}

func b2u(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

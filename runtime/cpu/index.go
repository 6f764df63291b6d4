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

// iotaLoop returns the loop that makes an affine index numbers of type d.
func iotaLoop(d types.DType) func(*state, *instr) {
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

// A failure is a run-time check that found an index out of range. Of several
// the first counts: in the lowest store, at the lowest place, of the first task.
type failure struct {
	found        bool
	store        int
	at           int64
	task         int
	site         int
	value, limit int64
}

func (f *failure) before(g *failure) bool {
	switch {
	case !f.found || !g.found:
		return f.found
	case f.store != g.store:
		return f.store < g.store
	case f.at != g.at:
		return f.at < g.at
	}
	return f.task < g.task
}

// checkIndex makes the integers a an index below the limit. A lane outside,
// unless its mask b says that it is not wanted, is a failure and gets 0.
func checkIndex[T integer](st *state, in *instr) {
	n := st.n[in.cl]
	d, a, limit := lanes[int64](st, in.dst, n), lanes[T](st, in.a, n), in.check.limit
	bad := false
	for i, t := range a {
		v := int64(t)
		if uint64(v) >= uint64(limit) {
			bad, v = true, 0
		}
		d[i] = v
	}
	if bad {
		fail(st, in, a)
	}
}

// fail records the first of the failed lanes.
func fail[T integer](st *state, in *instr, a []T) {
	var mask []uint8
	if in.b != none {
		mask = lanes[uint8](st, in.b, len(a))
	}
	var w walk
	w.start(in.check.at, in.check.at.base(st), st.pos[in.cl], len(a))
	for w.next() {
		at := w.at
		for i := range w.n {
			v := int64(a[w.off+i])
			if uint64(v) >= uint64(in.check.limit) && (mask == nil || mask[w.off+i] != 0) {
				f := failure{true, in.check.store, at, st.task, in.check.site, v, in.check.limit}
				if f.before(&st.failed) {
					st.failed = f
				}
			}
			at += w.stride
		}
	}
}

// checkLoop returns the loop that checks integers of type d.
func checkLoop(d types.DType) func(*state, *instr) {
	switch d {
	case types.U8, types.Bool:
		return checkIndex[uint8]
	case types.U32:
		return checkIndex[uint32]
	case types.I32:
		return checkIndex[int32]
	case types.I64:
		return checkIndex[int64]
	}
	return nil
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

package cpu

// Indices of the lanes of a tile of rows that add values of the rows to what is
// affine: the element of a label, a row of an embedding.

// tileRows calls f for each row of the tile with the runs of its lanes.
func tileRows(st *state, in *instr, f func(w *walk, first int)) {
	base := in.aff.base(st)
	for r := range st.n[row] {
		at := base
		for _, t := range in.terms {
			at += t.coef * lanes[int64](st, reg(t.at), st.n[row])[r]
		}
		w := &st.walk
		w.start(in.aff, at, st.pos[full]+r*in.width, in.width)
		for w.next() {
			f(w, r*in.width+w.off)
		}
	}
}

// opLoadRows loads lanes.
func opLoadRows[T bits](st *state, in *instr) {
	d, buf := lanes[T](st, in.dst, st.n[full]), buffer[T](st, in.buf)
	tileRows(st, in, func(w *walk, first int) {
		r := d[first : first+w.n]
		if w.stride == 1 {
			copy(r, buf[w.at:w.at+int64(w.n)])
		} else {
			stridedLoad(r, buf, w.at, w.stride)
		}
	})
}

// A test is a predicate over an index.
type test interface{ of(v int64) bool }

type (
	ge0 struct{}
	eq0 struct{}
)

func (ge0) of(v int64) bool { return v >= 0 }
func (eq0) of(v int64) bool { return v == 0 }

// predRows is the mask of a test of an index.
func predRows[P test](st *state, in *instr) {
	var p P
	d := lanes[uint8](st, in.dst, st.n[full])
	tileRows(st, in, func(w *walk, first int) {
		at := w.at
		for i := range w.n {
			d[first+i] = b2u(p.of(at))
			at += w.stride
		}
	})
}

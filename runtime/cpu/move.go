package cpu

import "unsafe"

// Moves: loads, stores, gathers, fills. They are made for element sizes.

func fill[T any](d []T, v T) {
	for i := range d {
		d[i] = v
	}
}

// opLoad loads lanes at an affine index.
func opLoad[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	base := in.aff.base(st)
	switch len(in.aff.dims) {
	case 0:
		v := buf[base]
		if n == 1 {
			*(*T)(st.ptr[in.dst]) = v
			return
		}
		fill(lanes[T](st, in.dst, n), v)
		return
	case 1:
		s := in.aff.dims[0].coef
		base += int64(st.pos[in.cl]) * s
		if s == 1 {
			src := buf[base : base+int64(n)]
			if in.places {
				st.ptr[in.dst] = unsafe.Pointer(unsafe.SliceData(src))
			} else {
				copy(lanes[T](st, in.dst, n), src)
			}
			return
		}
		stridedLoad(lanes[T](st, in.dst, n), buf, base, s)
		return
	}
	d := lanes[T](st, in.dst, n)
	if dims := in.aff.dims; len(dims) == 2 && dims[1].coef > 1 {
		eachRow(dims, base, st.pos[in.cl], n, func(off, m int, at int64) { stridedLoad(d[off:off+m], buf, at, dims[1].coef) })
		return
	}
	var w walk
	w.start(in.aff, base, st.pos[in.cl], n)
	for w.next() {
		r := d[w.off : w.off+w.n]
		switch w.stride {
		case 0:
			fill(r, buf[w.at])
		case 1:
			copy(r, buf[w.at:w.at+int64(w.n)])
		default:
			stridedLoad(r, buf, w.at, w.stride)
		}
	}
}

// eachRow calls f for the runs of an index of two dimensions: m lanes from lane off on, the first of them at the place at.
func eachRow(dims []dim, base int64, pos, n int, f func(off, m int, at int64)) {
	width := dims[1].extent
	row, col := pos/width, pos%width
	start := base + int64(row)*dims[0].coef
	for off := 0; off < n; {
		m := min(n-off, width-col)
		f(off, m, start+int64(col)*dims[1].coef)
		off, col, start = off+m, 0, start+dims[0].coef
	}
}

// stridedLoad loads len(d) elements that are s apart from each other.
func stridedLoad[T bits](d, buf []T, at, s int64) {
	if len(d) == 0 {
		return
	}
	_ = buf[at+int64(len(d)-1)*s]
	p, step := unsafe.Pointer(&buf[at]), int(s)*int(unsafe.Sizeof(d[0]))
	off := 0
	for len(d) >= 4 {
		e := (*[4]T)(d)
		e[0] = *(*T)(unsafe.Add(p, off))
		e[1] = *(*T)(unsafe.Add(p, off+step))
		e[2] = *(*T)(unsafe.Add(p, off+2*step))
		e[3] = *(*T)(unsafe.Add(p, off+3*step))
		off, d = off+4*step, d[4:]
	}
	for i := range d {
		d[i] = *(*T)(unsafe.Add(p, off+i*step))
	}
}

// stridedStore stores the elements of d s apart from each other.
func stridedStore[T bits](d, buf []T, at, s int64) {
	if len(d) == 0 {
		return
	}
	_ = buf[at+int64(len(d)-1)*s]
	p, step := unsafe.Pointer(&buf[at]), int(s)*int(unsafe.Sizeof(d[0]))
	off := 0
	for len(d) >= 4 {
		e := (*[4]T)(d)
		*(*T)(unsafe.Add(p, off)) = e[0]
		*(*T)(unsafe.Add(p, off+step)) = e[1]
		*(*T)(unsafe.Add(p, off+2*step)) = e[2]
		*(*T)(unsafe.Add(p, off+3*step)) = e[3]
		off, d = off+4*step, d[4:]
	}
	for i, v := range d {
		*(*T)(unsafe.Add(p, off+i*step)) = v
	}
}

// opLoadMasked is opLoad where lanes whose mask b is 0 load nothing and get 0.
func opLoadMasked[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	d := lanes[T](st, in.dst, n)
	m := lanes[uint8](st, in.b, n)
	base := in.aff.base(st)
	var w walk
	w.start(in.aff, base, st.pos[in.cl], n)
	for w.next() {
		at := w.at
		m := m[w.off : w.off+w.n]
		for i, ok := range m {
			if ok != 0 {
				d[w.off+i] = buf[at]
			} else {
				d[w.off+i] = 0
			}
			at += w.stride
		}
	}
}

// opLoadIf is opLoad where the scalar mask b is set; else all lanes get 0.
func opLoadIf[T bits](st *state, in *instr) {
	if first[uint8](st, in.b) != 0 {
		opLoad[T](st, in)
		return
	}
	clear(lanes[T](st, in.dst, st.n[in.cl]))
}

// opGather loads lanes at the indices in a.
func opGather[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	d, ix := lanes[T](st, in.dst, n), lanes[int64](st, in.a, n)
	for i, x := range ix {
		d[i] = buf[x]
	}
}

// opGatherMasked is opGather under the mask b.
func opGatherMasked[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	d, ix, m := lanes[T](st, in.dst, n), lanes[int64](st, in.a, n), lanes[uint8](st, in.b, n)
	for i, x := range ix {
		if m[i] != 0 {
			d[i] = buf[x]
		} else {
			d[i] = 0
		}
	}
}

// opStore stores lanes of a at an affine index; a store of one lane where a is
// a scalar and cl is not fills.
func opStore[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	src := lanes[T](st, in.a, n)
	if dims := in.aff.dims; len(dims) == 2 && dims[1].coef > 1 {
		eachRow(dims, in.aff.base(st), st.pos[in.cl], n, func(off, m int, at int64) { stridedStore(src[off:off+m], buf, at, dims[1].coef) })
		return
	}
	var w walk
	w.start(in.aff, in.aff.base(st), st.pos[in.cl], n)
	for w.next() {
		r, at := src[w.off:w.off+w.n], w.at
		if w.stride == 1 {
			copy(buf[at:at+int64(w.n)], r)
			continue
		}
		stridedStore(r, buf, at, w.stride)
	}
}

// opStoreScalar stores the scalar a in all lanes.
func opStoreScalar[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	v := first[T](st, in.a)
	var w walk
	w.start(in.aff, in.aff.base(st), st.pos[in.cl], n)
	for w.next() {
		at := w.at
		if w.stride == 1 {
			fill(buf[at:at+int64(w.n)], v)
			continue
		}
		for range w.n {
			buf[at] = v
			at += w.stride
		}
	}
}

// opScatter stores lanes of a at the indices in b.
func opScatter[T bits](st *state, in *instr) {
	n, buf := st.n[in.cl], buffer[T](st, in.buf)
	src, ix := lanes[T](st, in.a, n), lanes[int64](st, in.b, n)
	for i, x := range ix {
		buf[x] = src[i]
	}
}

// opSplat copies the scalar a to all lanes.
func opSplat[T bits](st *state, in *instr) {
	fill(lanes[T](st, in.dst, st.n[in.cl]), first[T](st, in.a))
}

// opExpand copies each row lane of a to the lanes of its row.
func opExpand[T bits](st *state, in *instr) {
	d, a := lanes[T](st, in.dst, st.n[full]), lanes[T](st, in.a, st.n[row])
	for i, v := range a {
		fill(d[i*in.width:(i+1)*in.width], v)
	}
}

// opConst sets the scalar dst to the bits imm.
func opConst[T bits](st *state, in *instr) { *(*T)(st.ptr[in.dst]) = T(in.imm) }

// opSelect is dst = a ? b : c, all with lanes.
func opSelect[T bits](st *state, in *instr) {
	n := st.n[in.cl]
	d, m := lanes[T](st, in.dst, n), lanes[uint8](st, in.a, n)
	x, y := lanes[T](st, in.b, n), lanes[T](st, in.c, n)
	for i, ok := range m {
		v := y[i]
		if ok != 0 {
			v = x[i]
		}
		d[i] = v
	}
}

// opSelectScalar is opSelect with scalar b, c or both.
func opSelectScalar[T bits](st *state, in *instr) {
	n := st.n[in.cl]
	d, m := lanes[T](st, in.dst, n), lanes[uint8](st, in.a, n)
	switch in.imm {
	case 1: // b is a scalar
		x, y := first[T](st, in.b), lanes[T](st, in.c, n)
		for i, ok := range m {
			v := y[i]
			if ok != 0 {
				v = x
			}
			d[i] = v
		}
	case 2: // c is a scalar
		x, y := lanes[T](st, in.b, n), first[T](st, in.c)
		for i, ok := range m {
			v := y
			if ok != 0 {
				v = x[i]
			}
			d[i] = v
		}
	default:
		x, y := first[T](st, in.b), first[T](st, in.c)
		for i, ok := range m {
			v := y
			if ok != 0 {
				v = x
			}
			d[i] = v
		}
	}
}

// opChoose is opSelect for a scalar a: dst becomes another name of b or c.
// imm tells which of them are scalars that have to be spread.
func opChoose[T bits](st *state, in *instr) {
	from, spread := in.b, in.imm&1 != 0
	if first[uint8](st, in.a) == 0 {
		from, spread = in.c, in.imm&2 != 0
	}
	d := lanes[T](st, in.dst, st.n[in.cl])
	if spread {
		fill(d, first[T](st, from))
	} else {
		copy(d, lanes[T](st, from, len(d)))
	}
}

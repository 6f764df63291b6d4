package simd

import "dumbtorch/runtime/cpu/amd64"

// Predicates of integer comparisons to a mask register.
const (
	cmpEqual   = 0
	cmpLess    = 1
	cmpGreater = 6
)

// evexOf are the AVX-512 forms of instructions that have another name there.
var evexOf = map[amd64.Op]amd64.Op{
	amd64.VANDPS: amd64.VPANDD, amd64.VORPS: amd64.VPORD, amd64.VXORPS: amd64.VPXORD, amd64.VROUNDPS: amd64.VRNDSCALEPS,
	amd64.VCMPPS: amd64.VKCMPPS, amd64.VPCMPGTD: amd64.VPCMPD, amd64.VPCMPEQD: amd64.VPCMPD,
}

// form returns the instruction at the width of the code.
func (c *compiler) form(op amd64.Op) amd64.Op {
	if e, ok := evexOf[op]; ok && c.wide {
		return e
	}
	return op
}

// op3 appends dst = op(x, y).
func (c *compiler) op3(op amd64.Op, dst, x amd64.Vec, y amd64.Operand) {
	switch f := c.form(op); {
	case f != amd64.VPCMPD:
		c.a.Op3(f, c.w, dst, x, y)
	case op == amd64.VPCMPGTD:
		c.compare(f, dst, x, y, cmpGreater)
	default:
		c.compare(f, dst, x, y, cmpEqual)
	}
}

// compare appends dst = the mask of a comparison; AVX-512.
func (c *compiler) compare(op amd64.Op, dst, x amd64.Vec, y amd64.Operand, predicate uint8) {
	c.a.Compare(op, c.w, kCompare, x, y, predicate)
	c.a.Op2(amd64.VPMOVM2D, c.w, dst, amd64.Vec(kCompare))
}

// compareFloats appends dst = the mask of a comparison.
func (c *compiler) compareFloats(dst, x amd64.Vec, y amd64.Operand, predicate uint8) {
	if c.wide {
		c.compare(amd64.VKCMPPS, dst, x, y, predicate)
	} else {
		c.a.Op3Imm(amd64.VCMPPS, c.w, dst, x, y, predicate)
	}
}

// compute appends the instructions that compute v.
func (c *compiler) compute(v Value, k int, r rest) {
	n := &c.nodes[v]
	a := c.a
	switch n.kind {
	case kConst, kTable, kScalar:
	case kLoad:
		if c.streams[n.n].Row {
			c.loadRow(v, n)
		} else {
			c.loadLanes(v, n, k, r)
		}
	case kLoadIf:
		c.loadIf(v, n, k, r)
	case kLane:
		d := c.define(v)
		a.MovStore(amd64.At(rArgs, offStage), rIndex)
		a.Op2(amd64.VPBROADCASTD, c.w, d, amd64.At(rArgs, offStage))
		c.op3(amd64.VPADDD, d, d, c.vector(func(i int) uint32 { return uint32(k*c.lanes + i) }))
	case kRM, kRMI:
		x := c.operand(n.a)
		c.done(n.a)
		if d := c.define(v); n.kind == kRM {
			a.Op2(c.form(n.op), c.w, d, x)
		} else {
			a.Op2Imm(c.form(n.op), c.w, d, x, n.imm)
		}
	case kShift:
		x := c.use(n.a)
		c.done(n.a)
		a.Shift(n.op, c.w, c.define(v), x, n.imm)
	case kHalf:
		x := c.use(n.a)
		c.done(n.a)
		d := c.define(v)
		a.StoreImm(amd64.VCVTPS2PH, c.w, d, x, nearestEven)
		a.Op2(amd64.VCVTPH2PS, c.w, d, d)
	case kRVM:
		x := c.use(n.a)
		y := c.operand(n.b)
		c.done(n.a, n.b)
		c.op3(n.op, c.define(v), x, y)
	case kRVMI:
		x := c.use(n.a)
		y := c.operand(n.b)
		c.done(n.a, n.b)
		if d := c.define(v); n.op == amd64.VCMPPS {
			c.compareFloats(d, x, y, n.imm)
		} else {
			a.Op3Imm(c.form(n.op), c.w, d, x, y, n.imm)
		}
	case kBlend:
		c.blend(v, n)
	case kFMA:
		c.fma(v, n)
	case kFold:
		c.fold(v, n, k, r)
	}
}

// blend appends v = mask c ? b : a.
func (c *compiler) blend(v Value, n *node) {
	if !c.wide {
		x, m := c.use(n.a), c.use(n.c)
		y := c.operand(n.b)
		c.done(n.a, n.b, n.c)
		c.a.Blend(amd64.VBLENDVPS, c.w, c.define(v), x, y, m)
		return
	}
	// The mask's register becomes mask ? b : a.
	m, x := c.use(n.c), c.use(n.b)
	y := c.operand(n.a)
	var d amd64.Vec
	if n.c != n.a && n.c != n.b && c.dies(n.c) {
		d = c.become(v, n.c)
	} else {
		d = c.define(v)
		c.a.Op2(amd64.VMOVUPS, c.w, d, m)
	}
	c.a.Op3Imm(amd64.VPTERNLOGD, c.w, d, x, y, 0xCA)
	c.done(n.a, n.b, n.c)
}

// fma chooses the form by what may be overwritten and what is in memory.
func (c *compiler) fma(v Value, n *node) {
	forms := [3]amd64.Op{amd64.VFMADD132PS, amd64.VFMADD213PS, amd64.VFMADD231PS}
	if n.neg {
		forms = [3]amd64.Op{amd64.VFNMADD132PS, amd64.VFNMADD213PS, amd64.VFNMADD231PS}
	}
	a := c.a
	c.pins = append(c.pins, n.a, n.b, n.c)
	overwrite := func(x Value) bool { return c.reg[x] >= 0 && c.dies(x) }
	switch {
	case overwrite(n.a) && n.a != n.b && n.a != n.c:
		y := c.use(n.b)
		z := c.operand(n.c)
		a.Op3(forms[1], c.w, c.become(v, n.a), y, z) // a = b*a + c
	case overwrite(n.b) && n.b != n.a && n.b != n.c:
		x := c.use(n.a)
		z := c.operand(n.c)
		a.Op3(forms[1], c.w, c.become(v, n.b), x, z)
	case overwrite(n.c) && n.c != n.a && n.c != n.b:
		x := c.use(n.a)
		y := c.operand(n.b)
		a.Op3(forms[2], c.w, c.become(v, n.c), x, y) // c = a*b + c
	default:
		x, y := c.use(n.a), c.operand(n.b)
		d := c.define(v)
		a.Op2(amd64.VMOVUPS, c.w, d, c.operand(n.c))
		a.Op3(forms[2], c.w, d, x, y)
	}
	c.done(n.a, n.b, n.c)
}

// restBytes makes the number of lanes of a partial vector a count of bytes.
func (c *compiler) restBytes(r rest) {
	if r == runRest {
		c.a.Mov(amd64.RCX, amd64.At(rArgs, offRest))
	} else {
		c.a.MovImm(amd64.RCX, int32(r))
	}
}

// masked applies the mask of a partial vector to the next instruction; AVX-512.
func (c *compiler) masked(r rest, zero bool) *amd64.Assembler {
	switch {
	case r == wholeVector || !c.wide:
	case zero:
		c.a.WithZero(kRest)
	default:
		c.a.With(kRest)
	}
	return c.a
}

// loadLanes appends a load of a vector; lanes that do not count are not touched.
func (c *compiler) loadLanes(v Value, n *node, k int, r rest) {
	a := c.a
	d := c.define(v)
	partial := r != wholeVector && !c.wide
	t := c.streams[n.n].Type
	if t.bytes() == 4 {
		if !partial {
			m := c.lanesAt(n.n, k)
			c.masked(r, true).Op2(amd64.VMOVUPS, c.w, d, m)
			return
		}
		mask := c.free()
		a.Op2(amd64.VMOVUPS, c.w, mask, c.restMask(r))
		a.Op3(amd64.VMASKMOVPS, c.w, d, mask, c.lanesAt(n.n, k))
		return
	}
	m := c.lanesAt(n.n, k)
	if partial {
		stage := amd64.At(rArgs, offStage)
		a.Lea(amd64.RSI, m)
		a.Lea(rDest, stage)
		c.copyRest(t, r)
		m = stage
	}
	switch t {
	case F16:
		c.masked(r, true).Op2(amd64.VCVTPH2PS, c.w, d, m)
	case BF16:
		c.masked(r, true).Op2(amd64.VPMOVZXWD, c.w, d, m)
		a.Shift(amd64.VPSLLD, c.w, d, d, 16)
	default:
		c.masked(r, true).Op2(amd64.VPMOVZXBD, c.w, d, m)
		c.ones(d)
	}
}

// loadIf appends a load of the lanes that a mask has.
func (c *compiler) loadIf(v Value, n *node, k int, r rest) {
	a := c.a
	mask := c.use(n.a)
	d := c.define(v)
	if c.wide {
		zero := c.vector(func(int) uint32 { return 0 })
		c.masked(r, false).Compare(amd64.VPCMPD, c.w, kLoaded, mask, zero, cmpLess)
		m := c.lanesAt(n.n, k)
		a.WithZero(kLoaded).Op2(amd64.VMOVUPS, c.w, d, m)
	} else {
		if r != wholeVector {
			t := c.free()
			a.Op3(amd64.VANDPS, c.w, t, mask, c.restMask(r))
			mask = t
		}
		a.Op3(amd64.VMASKMOVPS, c.w, d, mask, c.lanesAt(n.n, k))
	}
	c.done(n.a)
}

// copyRest appends a copy of as many elements as a partial vector has from RSI
// to RDI.
func (c *compiler) copyRest(t Type, r rest) {
	c.restBytes(r)
	if t.bytes() == 2 {
		c.a.RepMovsW()
	} else {
		c.a.RepMovsB()
	}
}

// nearestEven is the rounding mode of VCVTPS2PH.
const nearestEven = 0

// storeHalves appends a store of a vector of 16-bit elements; the values need no
// rounding any more.
func (c *compiler) storeHalves(s store, t Type, k int, r rest) {
	a := c.a
	x := c.use(s.v)
	partial := r != wholeVector && !c.wide
	m := amd64.At(rArgs, offStage)
	var lo amd64.Vec
	if t == BF16 {
		lo = c.free()
		if c.wide {
			a.Shift(amd64.VPSRLD, c.w, lo, x, 16)
		} else { // signed words, so that packing does not change them
			hi := c.free()
			a.Shift(amd64.VPSRAD, c.w, lo, x, 16)
			a.Op3(amd64.VPACKSSDW, c.w, lo, lo, lo)
			a.StoreImm(amd64.VEXTRACTF128, c.w, hi, lo, 1)
			a.Op3Imm(amd64.VSHUFPS, amd64.X, lo, lo, hi, 0x44)
		}
	}
	if !partial {
		m = c.lanesAt(s.stream, k)
	}
	switch {
	case t == F16:
		c.masked(r, false).StoreImm(amd64.VCVTPS2PH, c.w, m, x, nearestEven)
	case c.wide:
		c.masked(r, false).Store(amd64.VPMOVDWStore, c.w, m, lo)
	default:
		a.Store(amd64.VMOVUPSStore, amd64.X, m, lo)
	}
	if partial {
		a.Lea(rDest, c.lanesAt(s.stream, k))
		a.Lea(amd64.RSI, m)
		c.copyRest(t, r)
	}
}

// ones makes lanes of 1 lanes of ones.
func (c *compiler) ones(d amd64.Vec) {
	zero := c.free()
	c.op3(amd64.VXORPS, zero, zero, zero)
	c.op3(amd64.VPSUBD, d, zero, d)
}

// storeLanes appends a store of a vector.
func (c *compiler) storeLanes(s store, k int, r rest) {
	a := c.a
	if t := c.streams[s.stream].Type; t.bytes() == 2 {
		c.storeHalves(s, t, k, r)
		return
	}
	x := c.use(s.v)
	if st := &c.streams[s.stream]; st.Type != Bool {
		switch {
		case r != wholeVector && !c.wide:
			t := c.free()
			a.Op2(amd64.VMOVUPS, c.w, t, c.restMask(r))
			a.StoreMasked(amd64.VMASKMOVPSStore, c.w, c.lanesAt(s.stream, k), t, x)
		case r == wholeVector && st.Around && c.around:
			a.Store(amd64.VMOVNTPS, c.w, c.lanesAt(s.stream, k), x)
		default:
			m := c.lanesAt(s.stream, k)
			c.masked(r, false).Store(amd64.VMOVUPSStore, c.w, m, x)
		}
		return
	}
	lo := c.free()
	if c.wide {
		a.Shift(amd64.VPSRLD, c.w, lo, x, 31)
		m := c.lanesAt(s.stream, k)
		c.masked(r, false).Store(amd64.VPMOVDBStore, c.w, m, lo)
		return
	}
	// Ones shrink to bytes of 0xFF, of which the absolute value is 1.
	hi := c.free()
	a.Op3(amd64.VPACKSSDW, c.w, lo, x, x)
	a.Op3(amd64.VPACKSSWB, c.w, lo, lo, lo)
	a.StoreImm(amd64.VEXTRACTF128, c.w, hi, lo, 1)
	a.Op3(amd64.VPUNPCKLDQ, amd64.X, lo, lo, hi)
	a.Op2(amd64.VPABSB, amd64.X, lo, lo)
	if r == wholeVector {
		a.Store(amd64.VMOVQStore, amd64.X, c.lanesAt(s.stream, k), lo)
		return
	}
	stage := amd64.At(rArgs, offStage)
	a.Store(amd64.VMOVQStore, amd64.X, stage, lo)
	a.Lea(rDest, c.lanesAt(s.stream, k))
	a.Lea(amd64.RSI, stage)
	c.restBytes(r)
	a.RepMovsB()
}

// loadRow appends a load of the row's element of a stream into all lanes.
func (c *compiler) loadRow(v Value, n *node) {
	a := c.a
	d := c.define(v)
	a.Mov(rTemp, pointerAt(n.n))
	m, stage := amd64.At(rTemp, 0), amd64.At(rArgs, offStage)
	t := c.streams[n.n].Type
	switch t.bytes() {
	case 4:
		a.Op2(amd64.VBROADCASTSS, c.w, d, m)
		return
	case 2:
		a.LoadWord(rTemp, m)
	default:
		a.LoadByte(rTemp, m)
	}
	a.MovStore(stage, rTemp)
	if t == F16 {
		a.Op2(amd64.VCVTPH2PS, amd64.X, d, stage)
		a.Store(amd64.VMOVDStore, amd64.X, stage, d)
	}
	a.Op2(amd64.VPBROADCASTD, c.w, d, stage)
	switch t {
	case Bool:
		c.ones(d)
	case BF16:
		a.Shift(amd64.VPSLLD, c.w, d, d, 16)
	}
}

// storeRow appends a store of the row's element of a stream.
func (c *compiler) storeRow(s store) {
	a := c.a
	c.clear()
	x := c.use(s.v)
	a.Mov(rDest, pointerAt(s.stream))
	typ := c.streams[s.stream].Type
	if typ.bytes() == 4 {
		a.Store(amd64.VMOVDStore, amd64.X, amd64.At(rDest, 0), x)
		return
	}
	t := c.free()
	switch typ {
	case F16:
		a.StoreImm(amd64.VCVTPS2PH, amd64.X, t, x, nearestEven)
	case BF16:
		a.Shift(amd64.VPSRLD, amd64.X, t, x, 16)
	default:
		a.Shift(amd64.VPSRLD, amd64.X, t, x, 31)
	}
	a.Store(amd64.VMOVDStore, amd64.X, amd64.At(rArgs, offStage), t)
	for i := range typ.bytes() {
		a.LoadByte(rTemp, amd64.At(rArgs, offStage+i))
		a.StoreByte(amd64.At(rDest, i), rTemp)
	}
}

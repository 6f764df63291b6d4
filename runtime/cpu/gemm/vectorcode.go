package gemm

import (
	"unsafe"

	"dumbtorch/runtime/cpu/amd64"
	"dumbtorch/runtime/cpu/native"
)

// The generated micro-kernel multiplies rows of A, read in place through two
// strides, with one packed panel of B, and keeps a tile of C of up to MR rows
// by two vectors in registers.

// kernelArgs is the argument block of a micro-kernel. Strides are in bytes.
type kernelArgs struct {
	a, b, c         unsafe.Pointer
	rowStride, step int64 // of A: from row to row, from k to k+1
	ldc             int64
	k               int64 // at least 1
	fresh           int64 // 1: the sums start from zero, 0: from the old C
	panelStep       int64 // of B, where it is read in place: from k to k+1
}

const (
	offA, offB, offC       = 0, 8, 16
	offRow, offStep        = 24, 32
	offLDC, offK, offFresh = 40, 48, 56
	offPanel               = 64
)

// packArgs is the argument block of a transposing packer: rows of the source
// become columns of a panel.
type packArgs struct {
	src, dst       unsafe.Pointer
	stride, dpitch int64 // bytes from row to row of the source, from step to step of the panel
	blocks         int64 // of as many steps as there are rows
}

// coder generates the code of one element type and level.
type coder struct {
	level native.Level
	elem  int // bytes
}

func (c coder) width() amd64.Width {
	if c.level == native.AVX512 {
		return amd64.Z
	}
	return amd64.Y
}

func (c coder) op(single, double amd64.Op) amd64.Op {
	if c.elem == 8 {
		return double
	}
	return single
}

// lanes returns the elements of a vector.
func (c coder) lanes() int { return c.level.VectorBytes() / c.elem }

// maxRows is the number of rows whose tile, with two vectors a row, fills the
// registers: 12 x 2 of 32, or 6 x 2 of 16, beside two vectors of B and two
// broadcasts of A.
func (c coder) maxRows() int {
	if c.level == native.AVX512 {
		return 12
	}
	return 6
}

// kernel generates the micro-kernel for a tile of rows by vectors. In place
// means that B is no packed panel but memory whose columns are contiguous.
func (c coder) kernel(rows, vectors int, inPlace bool) ([]byte, error) {
	const (
		args = amd64.RDI
		pa   = amd64.RSI // row 0 of A; rows 4 and 8 in RBX and R12
		pb   = amd64.RDX
		pc   = amd64.RCX
		rs   = amd64.R8
		rs3  = amd64.R9
		step = amd64.R10
		ldc  = amd64.R11
		k    = amd64.RAX
		t    = amd64.R13
		ps   = amd64.R15
	)
	a, w := amd64.New(), c.width()
	vb := w.Bytes()
	acc := func(i, j int) amd64.Vec { return amd64.Vec(i*vectors + j) }
	first := amd64.Vec(c.maxRows() * 2) // two of B, then two of A
	bases := []amd64.Reg{pa, amd64.RBX, amd64.R12}[:(rows+3)/4]
	row := func(i int) amd64.Mem {
		base := bases[i/4]
		switch i % 4 {
		case 1:
			return amd64.AtIndex(base, rs, 1, 0)
		case 2:
			return amd64.AtIndex(base, rs, 2, 0)
		case 3:
			return amd64.AtIndex(base, rs3, 1, 0)
		}
		return amd64.At(base, 0)
	}
	load, store := c.op(amd64.VMOVUPS, amd64.VMOVUPD), c.op(amd64.VMOVUPSStore, amd64.VMOVUPDStore)
	fma, broadcast := c.op(amd64.VFMADD231PS, amd64.VFMADD231PD), c.op(amd64.VBROADCASTSS, amd64.VBROADCASTSD)

	a.Mov(pa, amd64.At(args, offA))
	a.Mov(pb, amd64.At(args, offB))
	a.Mov(pc, amd64.At(args, offC))
	a.Mov(rs, amd64.At(args, offRow))
	a.Mov(step, amd64.At(args, offStep))
	a.Mov(ldc, amd64.At(args, offLDC))
	a.Mov(k, amd64.At(args, offK))
	if inPlace {
		a.Mov(ps, amd64.At(args, offPanel))
	}
	a.Lea(rs3, amd64.AtIndex(rs, rs, 2, 0))
	for i := 1; i < len(bases); i++ {
		a.Lea(bases[i], amd64.AtIndex(bases[i-1], rs, 4, 0))
	}
	// The tile starts from zero or from C.
	begin, zero := a.Label(), a.Label()
	a.Mov(t, amd64.At(args, offFresh))
	a.CmpImm(t, 0)
	a.Jcc(amd64.NotEqual, zero)
	a.Mov(t, pc)
	for i := range rows {
		for j := range vectors {
			a.Op2(load, w, acc(i, j), amd64.At(t, j*vb))
		}
		a.Add(t, ldc)
	}
	a.Jmp(begin)
	a.Bind(zero)
	for i := range rows {
		for j := range vectors {
			c.zero(a, acc(i, j))
		}
	}
	a.Bind(begin)

	one := func(at int) {
		if inPlace {
			at = 0
		}
		for j := range vectors {
			a.Op2(load, w, first+amd64.Vec(j), amd64.At(pb, at*vectors*vb+j*vb))
		}
		for i := range rows {
			x := first + 2 + amd64.Vec(i%2)
			a.Op2(broadcast, w, x, row(i))
			for j := range vectors {
				a.Op3(fma, w, acc(i, j), x, first+amd64.Vec(j))
			}
		}
		for _, b := range bases {
			a.Add(b, step)
		}
		if inPlace {
			a.Add(pb, ps)
		}
	}
	advance := func(steps int) {
		if !inPlace {
			a.AddImm(pb, int32(steps*vectors*vb))
		}
	}
	const unroll = 4
	rest, done := a.Label(), a.Label()
	a.SubImm(k, unroll)
	a.Jcc(amd64.Less, rest)
	a.Align(32)
	top := a.Here()
	for u := range unroll {
		one(u)
	}
	advance(unroll)
	a.SubImm(k, unroll)
	a.Jcc(amd64.GreaterEqual, top)
	a.Bind(rest)
	a.AddImm(k, unroll)
	a.Jcc(amd64.Equal, done)
	last := a.Here()
	one(0)
	advance(1)
	a.SubImm(k, 1)
	a.Jcc(amd64.NotEqual, last)
	a.Bind(done)
	for i := range rows {
		for j := range vectors {
			a.Store(store, w, amd64.At(pc, j*vb), acc(i, j))
		}
		a.Add(pc, ldc)
	}
	a.VZeroUpper()
	a.Ret()
	return a.Finish()
}

// dotRows is the number of rows whose products with one vector are summed side
// by side.
const dotRows = 4

// dots generates the kernel of a vector times rows that are contiguous over the
// steps: for each row a vector of running sums, lane l of the steps l,
// l+lanes, .... a is the rows, b the vector, c dotRows vectors of sums; k counts
// vectors.
func (c coder) dots() ([]byte, error) {
	const (
		args = amd64.RDI
		pa   = amd64.RSI
		pb   = amd64.RDX
		pc   = amd64.RCX
		rs   = amd64.R8
		rs3  = amd64.R9
		k    = amd64.RAX
	)
	a, w := amd64.New(), c.width()
	vb := w.Bytes()
	load, store := c.op(amd64.VMOVUPS, amd64.VMOVUPD), c.op(amd64.VMOVUPSStore, amd64.VMOVUPDStore)
	fma := c.op(amd64.VFMADD231PS, amd64.VFMADD231PD)
	a.Mov(pa, amd64.At(args, offA))
	a.Mov(pb, amd64.At(args, offB))
	a.Mov(pc, amd64.At(args, offC))
	a.Mov(rs, amd64.At(args, offRow))
	a.Mov(k, amd64.At(args, offK))
	a.Lea(rs3, amd64.AtIndex(rs, rs, 2, 0))
	for r := range dotRows {
		a.Op2(load, w, amd64.Vec(r), amd64.At(pc, r*vb))
	}
	a.Align(32)
	top := a.Here()
	x := amd64.Vec(dotRows)
	a.Op2(load, w, x, amd64.At(pb, 0))
	for r, m := range []amd64.Mem{amd64.At(pa, 0), amd64.AtIndex(pa, rs, 1, 0), amd64.AtIndex(pa, rs, 2, 0), amd64.AtIndex(pa, rs3, 1, 0)} {
		a.Op3(fma, w, amd64.Vec(r), x, m)
	}
	a.AddImm(pa, int32(vb))
	a.AddImm(pb, int32(vb))
	a.SubImm(k, 1)
	a.Jcc(amd64.NotEqual, top)
	for r := range dotRows {
		a.Store(store, w, amd64.At(pc, r*vb), amd64.Vec(r))
	}
	a.VZeroUpper()
	a.Ret()
	return a.Finish()
}

// zero clears a register.
func (c coder) zero(a *amd64.Assembler, v amd64.Vec) {
	if c.level == native.AVX512 {
		a.Op3(amd64.VPXORD, amd64.Z, v, v, v)
		return
	}
	a.Op3(amd64.VXORPS, amd64.Y, v, v, v)
}

// transposer generates the packer of as many rows as a 256-bit vector has
// elements: 8 rows of 4 bytes, 4 rows of 8.
func (c coder) transposer() ([]byte, error) {
	const (
		args   = amd64.RDI
		src    = amd64.RSI
		high   = amd64.RBX // row 4
		dst    = amd64.RDX
		stride = amd64.R8
		three  = amd64.R9
		pitch  = amd64.R10
		blocks = amd64.RAX
		t      = amd64.R13
	)
	a := amd64.New()
	a.Mov(src, amd64.At(args, 0))
	a.Mov(dst, amd64.At(args, 8))
	a.Mov(stride, amd64.At(args, 16))
	a.Mov(pitch, amd64.At(args, 24))
	a.Mov(blocks, amd64.At(args, 32))
	a.Lea(three, amd64.AtIndex(stride, stride, 2, 0))
	a.Lea(high, amd64.AtIndex(src, stride, 4, 0))
	n := 32 / c.elem
	row := func(i int) amd64.Mem {
		base := src
		if i >= 4 {
			base = high
		}
		switch i % 4 {
		case 1:
			return amd64.AtIndex(base, stride, 1, 0)
		case 2:
			return amd64.AtIndex(base, stride, 2, 0)
		case 3:
			return amd64.AtIndex(base, three, 1, 0)
		}
		return amd64.At(base, 0)
	}
	top := a.Here()
	for i := range n {
		a.Op2(amd64.VMOVUPS, amd64.Y, amd64.Vec(i), row(i))
	}
	a.Mov(t, dst)
	for _, v := range c.transpose(a) {
		a.Store(amd64.VMOVUPSStore, amd64.Y, amd64.At(t, 0), v)
		a.Add(t, pitch)
	}
	a.Mov(dst, t)
	a.AddImm(src, 32)
	a.AddImm(high, 32)
	a.SubImm(blocks, 1)
	a.Jcc(amd64.NotEqual, top)
	a.VZeroUpper()
	a.Ret()
	return a.Finish()
}

// transpose transposes the square in the first registers, a row each, and
// returns the registers that hold its columns: pairs are interleaved within
// lanes of 128 bits, then lanes are exchanged.
func (c coder) transpose(a *amd64.Assembler) []amd64.Vec {
	var out []amd64.Vec
	if c.elem == 8 {
		for j := range 2 { // columns j and j+2
			op := []amd64.Op{amd64.VUNPCKLPD, amd64.VUNPCKHPD}[j]
			a.Op3(op, amd64.Y, amd64.Vec(4+2*j), 0, amd64.Vec(1))
			a.Op3(op, amd64.Y, amd64.Vec(5+2*j), 2, amd64.Vec(3))
		}
		for j := range 4 {
			v := amd64.Vec(8 + j)
			a.Op3Imm(amd64.VPERM2F128, amd64.Y, v, amd64.Vec(4+2*(j%2)), amd64.Vec(5+2*(j%2)), lane[j/2])
			out = append(out, v)
		}
		return out
	}
	for i := range 4 { // rows 2i and 2i+1, elements 0 1 and 2 3 of each lane
		a.Op3(amd64.VUNPCKLPS, amd64.Y, amd64.Vec(8+2*i), amd64.Vec(2*i), amd64.Vec(2*i+1))
		a.Op3(amd64.VUNPCKHPS, amd64.Y, amd64.Vec(9+2*i), amd64.Vec(2*i), amd64.Vec(2*i+1))
	}
	for i := range 2 { // rows 4i to 4i+3: column j of both lanes to register 4i+j
		for j := range 4 {
			x := amd64.Vec(8 + 4*i + j/2)
			a.Op3Imm(amd64.VSHUFPS, amd64.Y, amd64.Vec(4*i+j), x, x+2, []uint8{0x44, 0xEE}[j%2])
		}
	}
	for j := range 8 {
		v := amd64.Vec(8 + j)
		a.Op3Imm(amd64.VPERM2F128, amd64.Y, v, amd64.Vec(j%4), amd64.Vec(4+j%4), lane[j/4])
		out = append(out, v)
	}
	return out
}

// lane selects the lower or the upper lanes of two registers.
var lane = [2]uint8{0x20, 0x31}

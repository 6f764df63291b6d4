package amd64

// The encodings of vector instructions: Intel SDM volume 2, sections 2.3 (VEX)
// and 2.7 (EVEX).

// With masks the next instruction, which must be of AVX-512: lanes whose bit
// in m is 0 keep the destination's old value.
func (a *Assembler) With(m Mask) *Assembler {
	a.mod.mask = m
	return a
}

// WithZero masks the next instruction: lanes whose bit in m is 0 become 0.
func (a *Assembler) WithZero(m Mask) *Assembler {
	a.mod.mask, a.mod.zero = m, true
	return a
}

// Broadcast makes the memory operand of the next instruction one element that
// is repeated in all lanes; AVX-512.
func (a *Assembler) Broadcast() *Assembler {
	a.mod.bcast = true
	return a
}

// Op3 appends dst = op(src1, src2).
func (a *Assembler) Op3(op Op, w Width, dst, src1 Vec, src2 Operand) {
	a.vector(op, formRVM, w, int(dst), int(src1), src2)
}

// Op3Imm is Op3 with an immediate.
func (a *Assembler) Op3Imm(op Op, w Width, dst, src1 Vec, src2 Operand, imm uint8) {
	a.vector(op, formRVMI, w, int(dst), int(src1), src2, imm)
}

// Op2 appends dst = op(src); a load where src is memory.
func (a *Assembler) Op2(op Op, w Width, dst Vec, src Operand) {
	a.vector(op, formRM, w, int(dst), 0, src)
}

// Op2Imm is Op2 with an immediate.
func (a *Assembler) Op2Imm(op Op, w Width, dst Vec, src Operand, imm uint8) {
	a.vector(op, formRMI, w, int(dst), 0, src, imm)
}

// Store appends mem = src with a store instruction.
func (a *Assembler) Store(op Op, w Width, dst Mem, src Vec) {
	a.vector(op, formMR, w, int(src), 0, dst)
}

// StoreImm is Store with an immediate, or an extraction to a register.
func (a *Assembler) StoreImm(op Op, w Width, dst Operand, src Vec, imm uint8) {
	a.vector(op, formMRI, w, int(src), 0, dst, imm)
}

// StoreMasked appends a VEX masked store of the lanes of src whose sign bit in
// mask is set.
func (a *Assembler) StoreMasked(op Op, w Width, dst Mem, mask, src Vec) {
	a.vector(op, formMVR, w, int(src), int(mask), dst)
}

// Blend appends dst = sign bit of the lane in mask ? src2 : src1.
func (a *Assembler) Blend(op Op, w Width, dst, src1 Vec, src2 Operand, mask Vec) {
	a.vector(op, formRVMR, w, int(dst), int(src1), src2, uint8(mask)<<4)
}

// Shift appends dst = src shifted by an immediate count.
func (a *Assembler) Shift(op Op, w Width, dst, src Vec, count uint8) {
	a.vector(op, formVMI, w, int(rows[op].ext), int(dst), src, count)
}

// Compare appends dst = predicate imm of (src1, src2), a mask register; AVX-512.
func (a *Assembler) Compare(op Op, w Width, dst Mask, src1 Vec, src2 Operand, imm uint8) {
	a.vector(op, formKVMI, w, int(dst), int(src1), src2, imm)
}

// Gather appends a VEX gather of the lanes whose sign bit in mask is set, which
// clears mask; dst, mask and the index are three registers.
func (a *Assembler) Gather(op Op, w Width, dst Vec, src Mem, mask Vec) {
	if !src.Vector || dst == mask || dst == src.VecIndex || mask == src.VecIndex {
		a.fail("%s: destination, mask and index must be three vector registers", op)
	}
	a.vector(op, formRMV, w, int(dst), int(mask), src)
}

func bit(v, i int) byte { return byte(v>>i) & 1 }

// vector encodes one instruction: reg goes to ModRM.reg, vvvv to the prefix, rm
// to ModRM.rm.
func (a *Assembler) vector(op Op, f form, w Width, reg, vvvv int, rm Operand, imm ...byte) {
	mod := a.mod
	a.mod = modifier{}
	row := &rows[op]
	if row.form != f {
		a.fail("%s takes operands %s, not %s", op, formNames[row.form], formNames[f])
		return
	}
	mem, isMem := rm.(Mem)
	rmReg := 0
	switch r := rm.(type) {
	case Vec:
		rmReg = int(r)
	case Reg:
		rmReg = int(r)
	}
	if isMem && row.flags&regOnly != 0 || !isMem && row.flags&memOnly != 0 {
		a.fail("%s: the operand cannot be %T", op, rm)
		return
	}
	if w == X && row.flags&noX != 0 || w == Y && row.flags&noY != 0 {
		a.fail("%s has no form of %d bits", op, 8*w.Bytes())
		return
	}
	high := reg > 15 || vvvv > 15 || rmReg > 15 || isMem && mem.Vector && mem.VecIndex > 15
	if w != Z && !high && mod == (modifier{}) && row.flags&hasVEX != 0 {
		a.vex(row, w, reg, vvvv, rm, len(imm))
		a.emit(imm...)
		return
	}
	switch {
	case a.noEVEX:
		a.fail("%s needs AVX-512 here", op)
	case row.flags&hasEVEX == 0:
		a.fail("%s has no AVX-512 form: no mask, no broadcast, no register above 15, no width of 512 bits", op)
	case mod.bcast && (!isMem || row.tuple != full):
		a.fail("%s: a broadcast needs a memory operand of whole vectors", op)
	case mod.zero && f == formMR:
		a.fail("%s: a store cannot zero", op)
	default:
		a.evex(row, w, reg, vvvv, rm, mod, len(imm))
		a.emit(imm...)
	}
}

// extension returns the high bits of ModRM.rm or of base and index.
func extension(rm Operand) (x, b, v2 byte) {
	switch r := rm.(type) {
	case Vec:
		return bit(int(r), 4), bit(int(r), 3), 0
	case Reg:
		return 0, bit(int(r), 3), 0
	case Mem:
		if r.pool > 0 {
			return 0, 0, 0
		}
		switch {
		case r.Vector:
			x, v2 = bit(int(r.VecIndex), 3), bit(int(r.VecIndex), 4)
		case r.Index != NoReg:
			x = bit(int(r.Index), 3)
		}
		return x, bit(int(r.Base), 3), v2
	}
	return 0, 0, 0
}

func (a *Assembler) vex(row *row, w Width, reg, vvvv int, rm Operand, immLen int) {
	x, b, _ := extension(rm)
	r := bit(reg, 3)
	second := byte(^vvvv&15)<<3 | byte(w)<<2 | row.pp
	if x == 0 && b == 0 && row.mm == 1 && row.w == 0 {
		a.emit(0xC5, (1-r)<<7|second)
	} else {
		a.emit(0xC4, (1-r)<<7|(1-x)<<6|(1-b)<<5|row.mm, row.w<<7|second)
	}
	a.emit(row.opcode)
	a.modRM(reg, rm, 1, immLen)
}

func (a *Assembler) evex(row *row, w Width, reg, vvvv int, rm Operand, m modifier, immLen int) {
	x, b, v2 := extension(rm)
	if _, isMem := rm.(Mem); !isMem || v2 == 0 {
		v2 = bit(vvvv, 4)
	}
	flag := func(v bool) byte {
		if v {
			return 1
		}
		return 0
	}
	a.emit(0x62,
		(1-bit(reg, 3))<<7|(1-x)<<6|(1-b)<<5|(1-bit(reg, 4))<<4|row.mm,
		row.evexW<<7|byte(^vvvv&15)<<3|4|row.pp,
		flag(m.zero)<<7|byte(w)<<5|flag(m.bcast)<<4|(1-v2)<<3|byte(m.mask&7),
		row.opcode)
	elem := 4 << row.evexW
	n := w.Bytes()
	switch {
	case m.bcast:
		n = elem
	case row.tuple == scalar:
		n = elem
	case row.tuple == half:
		n /= 2
	case row.tuple == quarter:
		n /= 4
	case row.tuple == quad:
		n = 16
	case row.tuple == oct:
		n = 32
	}
	a.modRM(reg, rm, n, immLen)
}

// modRM encodes the operands; an 8-bit displacement counts units of n bytes.
func (a *Assembler) modRM(reg int, rm Operand, n, immLen int) {
	field := byte(reg&7) << 3
	m, ok := rm.(Mem)
	if !ok {
		r := 0
		switch v := rm.(type) {
		case Vec:
			r = int(v)
		case Reg:
			r = int(v)
		}
		a.emit(0xC0 | field | byte(r&7))
		return
	}
	if m.pool > 0 {
		a.emit(field | 5) // RIP-relative
		a.refs = append(a.refs, poolRef{at: len(a.buf), end: len(a.buf) + 4 + immLen, slot: m.pool - 1})
		a.emit32(0)
		return
	}
	if m.Base >= NoReg || m.Index == RSP {
		a.fail("memory operand without a base, or with rsp as index")
		return
	}
	mode := byte(0x80)
	short := int(m.Disp) % n
	scaled := int(m.Disp) / n
	switch {
	case m.Disp == 0 && m.Base&7 != RBP:
		mode = 0
	case short == 0 && scaled >= -128 && scaled < 128:
		mode = 0x40
	}
	if m.Vector || m.Index != NoReg || m.Base&7 == RSP {
		index, scale := byte(4), byte(0)
		switch {
		case m.Vector:
			index = byte(m.VecIndex & 7)
		case m.Index != NoReg:
			index = byte(m.Index & 7)
		}
		switch m.Scale {
		case 2:
			scale = 1
		case 4:
			scale = 2
		case 8:
			scale = 3
		}
		a.emit(mode|field|4, scale<<6|index<<3|byte(m.Base&7))
	} else {
		a.emit(mode | field | byte(m.Base&7))
	}
	switch mode {
	case 0x40:
		a.emit(byte(scaled))
	case 0x80:
		a.emit32(m.Disp)
	}
}

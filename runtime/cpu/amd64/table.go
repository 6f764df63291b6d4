package amd64

// Op is a vector instruction: a row of the table.
type Op uint8

// form is the operands of an instruction in the order of its Assembler method.
type form uint8

const (
	formRVM  form = iota // reg, vvvv, rm
	formRVMI             // reg, vvvv, rm, imm
	formRM               // reg, rm
	formRMI              // reg, rm, imm
	formMR               // rm = reg
	formMRI              // rm = reg, imm
	formMVR              // rm = reg where vvvv
	formRVMR             // reg, vvvv, rm, imm[7:4]
	formVMI              // vvvv, rm, imm; reg extends the opcode
	formKVMI             // mask reg, vvvv, rm, imm
	formRMV              // reg, rm, vvvv
)

var formNames = [...]string{
	"dst, src1, src2", "dst, src1, src2, imm", "dst, src", "dst, src, imm", "mem, src", "mem, src, imm", "mem, mask, src",
	"dst, src1, src2, mask", "dst, src, count", "mask, src1, src2, imm", "dst, mem, mask",
}

// tuple is the unit of an 8-bit displacement under EVEX.
type tuple uint8

const (
	full    tuple = iota // a whole vector, or one element with broadcast
	vector               // a whole vector, no broadcast
	scalar               // one element
	half                 // half, a quarter of a vector
	quarter              //
	quad                 // 16 bytes
	oct                  // 32 bytes
)

type flags uint8

const (
	hasVEX flags = 1 << iota
	hasEVEX
	regOnly
	memOnly
	noX // no form of 128 bits
	noY // no form of 256 bits
)

// row is one instruction's encoding.
type row struct {
	name   string
	form   form
	pp, mm byte // mandatory prefix (none, 66, F3, F2); opcode map (0F, 0F38, 0F3A)
	w      byte // VEX.W
	opcode byte
	evexW  byte
	tuple  tuple
	ext    byte // formVMI: opcode extension
	flags  flags
}

const (
	pNone = 0
	p66   = 1
	pF3   = 2
	pF2   = 3

	m0F   = 1
	m0F38 = 2
	m0F3A = 3

	both = hasVEX | hasEVEX
)

// The instructions. Names are Intel's.
const (
	VADDPS Op = iota
	VADDPD
	VSUBPS
	VSUBPD
	VMULPS
	VMULPD
	VDIVPS
	VDIVPD
	VMINPS
	VMINPD
	VMAXPS
	VMAXPD
	VSQRTPS
	VSQRTPD
	VFMADD132PS
	VFMADD132PD
	VFMADD213PS
	VFMADD213PD
	VFMADD231PS
	VFMADD231PD
	VFNMADD132PS
	VFNMADD132PD
	VFNMADD213PS
	VFNMADD213PD
	VFNMADD231PS
	VFNMADD231PD
	VANDPS
	VANDNPS
	VORPS
	VXORPS
	VCMPPS
	VCMPPD
	VKCMPPS // VCMPPS with a mask register as result
	VKCMPPD
	VPADDD
	VPADDQ
	VPSUBD
	VPSUBQ
	VPMULLD
	VPMULLQ
	VPMINSD
	VPMAXSD
	VPMINUD
	VPMAXUD
	VPAND
	VPANDN
	VPOR
	VPXOR
	VPANDD
	VPORD
	VPXORD
	VPTERNLOGD
	VPCMPEQD
	VPCMPGTD
	VPCMPEQQ
	VPCMPGTQ
	VPCMPD // with a mask register as result
	VPCMPQ
	VPSLLD
	VPSRLD
	VPSRAD
	VPSLLQ
	VPSRLQ
	VPSLLVD
	VPSRLVD
	VPSRAVD
	VROUNDPS
	VROUNDPD
	VRNDSCALEPS
	VRNDSCALEPD
	VSCALEFPS
	VSCALEFPD
	VGETMANTPS
	VGETEXPPS
	VCVTDQ2PS
	VCVTPS2DQ
	VCVTTPS2DQ
	VCVTPS2PD
	VCVTDQ2PD
	VCVTPH2PS
	VCVTPS2PH // to a register or memory
	VPMOVZXBD
	VPMOVSXBD
	VPMOVZXWD
	VPMOVSXDQ
	VPACKSSDW
	VPACKSSWB
	VPUNPCKLDQ
	VPABSB
	VMOVQStore   // the lower 8 bytes
	VMOVDStore   // the lower 4 bytes
	VPMOVDBStore // the lower byte of each lane
	VPMOVDWStore // the lower 2 bytes of each lane
	VPMOVM2D     // a mask register's bits as lanes of ones
	VPMULUDQ
	VPSHUFD
	VPBLENDD
	VMOVUPS
	VMOVUPD
	VMOVUPSStore
	VMOVUPDStore
	VMOVAPS
	VMOVDQU32
	VMOVDQU32Store
	VMOVNTPS
	VBROADCASTSS
	VBROADCASTSD
	VPBROADCASTD
	VMASKMOVPS
	VMASKMOVPD
	VMASKMOVPSStore
	VMASKMOVPDStore
	VBLENDVPS
	VBLENDVPD
	VPBLENDVB
	VBLENDPS
	VBLENDMPS
	VBLENDMPD
	VUNPCKLPS
	VUNPCKHPS
	VUNPCKLPD
	VUNPCKHPD
	VSHUFPS
	VPERMILPS
	VPERM2F128
	VINSERTF128
	VEXTRACTF128
	VPERMPS
	VPERMD
	VPERMPD
	VSHUFF32X4
	VINSERTF32X4
	VEXTRACTF32X4
	VEXTRACTF64X4
	VGATHERDPS
	VPGATHERDD
	VDPBF16PS
	opEnd
)

// String returns the instruction's name.
func (o Op) String() string { return rows[o].name }

// ps and pd are packed single and double of one opcode in map 0F.
func ps(name string, f form, opcode byte) row {
	return row{name: name, form: f, pp: pNone, mm: m0F, opcode: opcode, flags: both}
}

func pd(name string, f form, opcode byte) row {
	return row{name: name, form: f, pp: p66, mm: m0F, opcode: opcode, evexW: 1, flags: both}
}

// fma is a fused multiply-add; w is 1 for double.
func fma(name string, opcode, w byte) row {
	return row{name: name, form: formRVM, pp: p66, mm: m0F38, w: w, opcode: opcode, evexW: w, flags: both}
}

// in is an integer instruction.
func in(name string, f form, mm, opcode, evexW byte, fl flags) row {
	return row{name: name, form: f, pp: p66, mm: mm, opcode: opcode, evexW: evexW, flags: fl}
}

func (r row) with(fl flags) row    { r.flags |= fl; return r }
func (r row) without(fl flags) row { r.flags &^= fl; return r }
func (r row) unit(t tuple) row     { r.tuple = t; return r }
func (r row) vexW(w byte) row      { r.w = w; return r }
func (r row) prefix(pp byte) row   { r.pp = pp; return r }
func (r row) group(ext byte) row   { r.ext = ext; return r }

var rows = [opEnd]row{
	VADDPS:  ps("VADDPS", formRVM, 0x58),
	VADDPD:  pd("VADDPD", formRVM, 0x58),
	VSUBPS:  ps("VSUBPS", formRVM, 0x5C),
	VSUBPD:  pd("VSUBPD", formRVM, 0x5C),
	VMULPS:  ps("VMULPS", formRVM, 0x59),
	VMULPD:  pd("VMULPD", formRVM, 0x59),
	VDIVPS:  ps("VDIVPS", formRVM, 0x5E),
	VDIVPD:  pd("VDIVPD", formRVM, 0x5E),
	VMINPS:  ps("VMINPS", formRVM, 0x5D),
	VMINPD:  pd("VMINPD", formRVM, 0x5D),
	VMAXPS:  ps("VMAXPS", formRVM, 0x5F),
	VMAXPD:  pd("VMAXPD", formRVM, 0x5F),
	VSQRTPS: ps("VSQRTPS", formRM, 0x51),
	VSQRTPD: pd("VSQRTPD", formRM, 0x51),

	VFMADD132PS:  fma("VFMADD132PS", 0x98, 0),
	VFMADD132PD:  fma("VFMADD132PD", 0x98, 1),
	VFMADD213PS:  fma("VFMADD213PS", 0xA8, 0),
	VFMADD213PD:  fma("VFMADD213PD", 0xA8, 1),
	VFMADD231PS:  fma("VFMADD231PS", 0xB8, 0),
	VFMADD231PD:  fma("VFMADD231PD", 0xB8, 1),
	VFNMADD132PS: fma("VFNMADD132PS", 0x9C, 0),
	VFNMADD132PD: fma("VFNMADD132PD", 0x9C, 1),
	VFNMADD213PS: fma("VFNMADD213PS", 0xAC, 0),
	VFNMADD213PD: fma("VFNMADD213PD", 0xAC, 1),
	VFNMADD231PS: fma("VFNMADD231PS", 0xBC, 0),
	VFNMADD231PD: fma("VFNMADD231PD", 0xBC, 1),

	VANDPS:  ps("VANDPS", formRVM, 0x54).without(hasEVEX),
	VANDNPS: ps("VANDNPS", formRVM, 0x55).without(hasEVEX),
	VORPS:   ps("VORPS", formRVM, 0x56).without(hasEVEX),
	VXORPS:  ps("VXORPS", formRVM, 0x57).without(hasEVEX),
	VCMPPS:  ps("VCMPPS", formRVMI, 0xC2).without(hasEVEX),
	VCMPPD:  pd("VCMPPD", formRVMI, 0xC2).without(hasEVEX),
	VKCMPPS: ps("VCMPPS", formKVMI, 0xC2).without(hasVEX),
	VKCMPPD: pd("VCMPPD", formKVMI, 0xC2).without(hasVEX),

	VPADDD:     in("VPADDD", formRVM, m0F, 0xFE, 0, both),
	VPADDQ:     in("VPADDQ", formRVM, m0F, 0xD4, 1, both),
	VPSUBD:     in("VPSUBD", formRVM, m0F, 0xFA, 0, both),
	VPSUBQ:     in("VPSUBQ", formRVM, m0F, 0xFB, 1, both),
	VPMULLD:    in("VPMULLD", formRVM, m0F38, 0x40, 0, both),
	VPMULLQ:    in("VPMULLQ", formRVM, m0F38, 0x40, 1, hasEVEX),
	VPMINSD:    in("VPMINSD", formRVM, m0F38, 0x39, 0, both),
	VPMAXSD:    in("VPMAXSD", formRVM, m0F38, 0x3D, 0, both),
	VPMINUD:    in("VPMINUD", formRVM, m0F38, 0x3B, 0, both),
	VPMAXUD:    in("VPMAXUD", formRVM, m0F38, 0x3F, 0, both),
	VPAND:      in("VPAND", formRVM, m0F, 0xDB, 0, hasVEX),
	VPANDN:     in("VPANDN", formRVM, m0F, 0xDF, 0, hasVEX),
	VPOR:       in("VPOR", formRVM, m0F, 0xEB, 0, hasVEX),
	VPXOR:      in("VPXOR", formRVM, m0F, 0xEF, 0, hasVEX),
	VPANDD:     in("VPANDD", formRVM, m0F, 0xDB, 0, hasEVEX),
	VPORD:      in("VPORD", formRVM, m0F, 0xEB, 0, hasEVEX),
	VPXORD:     in("VPXORD", formRVM, m0F, 0xEF, 0, hasEVEX),
	VPTERNLOGD: in("VPTERNLOGD", formRVMI, m0F3A, 0x25, 0, hasEVEX),
	VPCMPEQD:   in("VPCMPEQD", formRVM, m0F, 0x76, 0, hasVEX),
	VPCMPGTD:   in("VPCMPGTD", formRVM, m0F, 0x66, 0, hasVEX),
	VPCMPEQQ:   in("VPCMPEQQ", formRVM, m0F38, 0x29, 0, hasVEX),
	VPCMPGTQ:   in("VPCMPGTQ", formRVM, m0F38, 0x37, 0, hasVEX),
	VPCMPD:     in("VPCMPD", formKVMI, m0F3A, 0x1F, 0, hasEVEX),
	VPCMPQ:     in("VPCMPQ", formKVMI, m0F3A, 0x1F, 1, hasEVEX),
	VPSLLD:     in("VPSLLD", formVMI, m0F, 0x72, 0, both).group(6),
	VPSRLD:     in("VPSRLD", formVMI, m0F, 0x72, 0, both).group(2),
	VPSRAD:     in("VPSRAD", formVMI, m0F, 0x72, 0, both).group(4),
	VPSLLQ:     in("VPSLLQ", formVMI, m0F, 0x73, 1, both).group(6),
	VPSRLQ:     in("VPSRLQ", formVMI, m0F, 0x73, 1, both).group(2),
	VPSLLVD:    in("VPSLLVD", formRVM, m0F38, 0x47, 0, both),
	VPSRLVD:    in("VPSRLVD", formRVM, m0F38, 0x45, 0, both),
	VPSRAVD:    in("VPSRAVD", formRVM, m0F38, 0x46, 0, both),

	VROUNDPS:    in("VROUNDPS", formRMI, m0F3A, 0x08, 0, hasVEX),
	VROUNDPD:    in("VROUNDPD", formRMI, m0F3A, 0x09, 0, hasVEX),
	VRNDSCALEPS: in("VRNDSCALEPS", formRMI, m0F3A, 0x08, 0, hasEVEX),
	VRNDSCALEPD: in("VRNDSCALEPD", formRMI, m0F3A, 0x09, 1, hasEVEX),
	VSCALEFPS:   in("VSCALEFPS", formRVM, m0F38, 0x2C, 0, hasEVEX),
	VSCALEFPD:   in("VSCALEFPD", formRVM, m0F38, 0x2C, 1, hasEVEX),
	VGETMANTPS:  in("VGETMANTPS", formRMI, m0F3A, 0x26, 0, hasEVEX),
	VGETEXPPS:   in("VGETEXPPS", formRM, m0F38, 0x42, 0, hasEVEX),

	VCVTDQ2PS:  ps("VCVTDQ2PS", formRM, 0x5B),
	VCVTPS2DQ:  ps("VCVTPS2DQ", formRM, 0x5B).prefix(p66),
	VCVTTPS2DQ: ps("VCVTTPS2DQ", formRM, 0x5B).prefix(pF3),
	VCVTPS2PD:  ps("VCVTPS2PD", formRM, 0x5A).unit(half),
	VCVTDQ2PD:  ps("VCVTDQ2PD", formRM, 0xE6).prefix(pF3).unit(half),
	VCVTPH2PS:  in("VCVTPH2PS", formRM, m0F38, 0x13, 0, both).unit(half),
	VCVTPS2PH:  in("VCVTPS2PH", formMRI, m0F3A, 0x1D, 0, both).unit(half),
	VPMOVZXBD:  in("VPMOVZXBD", formRM, m0F38, 0x31, 0, both).unit(quarter),
	VPMOVSXBD:  in("VPMOVSXBD", formRM, m0F38, 0x21, 0, both).unit(quarter),
	VPMOVZXWD:  in("VPMOVZXWD", formRM, m0F38, 0x33, 0, both).unit(half),
	VPMOVSXDQ:  in("VPMOVSXDQ", formRM, m0F38, 0x25, 0, both).unit(half),

	VPACKSSDW:    in("VPACKSSDW", formRVM, m0F, 0x6B, 0, both),
	VPACKSSWB:    in("VPACKSSWB", formRVM, m0F, 0x63, 0, both).unit(vector),
	VPUNPCKLDQ:   in("VPUNPCKLDQ", formRVM, m0F, 0x62, 0, both),
	VPABSB:       in("VPABSB", formRM, m0F38, 0x1C, 0, both).unit(vector),
	VMOVQStore:   in("VMOVQ", formMR, m0F, 0xD6, 0, hasVEX|memOnly|noY),
	VMOVDStore:   in("VMOVD", formMR, m0F, 0x7E, 0, hasVEX|memOnly|noY),
	VPMOVDWStore: in("VPMOVDW", formMR, m0F38, 0x33, 0, hasEVEX|memOnly).prefix(pF3).unit(half),
	VPMOVDBStore: in("VPMOVDB", formMR, m0F38, 0x31, 0, hasEVEX|memOnly).prefix(pF3).unit(quarter),
	VPMOVM2D:     in("VPMOVM2D", formRM, m0F38, 0x38, 0, hasEVEX|regOnly).prefix(pF3),
	VPMULUDQ:     in("VPMULUDQ", formRVM, m0F, 0xF4, 1, both),
	VPSHUFD:      in("VPSHUFD", formRMI, m0F, 0x70, 0, both),
	VPBLENDD:     in("VPBLENDD", formRVMI, m0F3A, 0x02, 0, hasVEX),

	VMOVUPS:         ps("VMOVUPS", formRM, 0x10).unit(vector),
	VMOVUPD:         pd("VMOVUPD", formRM, 0x10).unit(vector),
	VMOVUPSStore:    ps("VMOVUPS", formMR, 0x11).unit(vector).with(memOnly),
	VMOVUPDStore:    pd("VMOVUPD", formMR, 0x11).unit(vector).with(memOnly),
	VMOVAPS:         ps("VMOVAPS", formRM, 0x28).unit(vector),
	VMOVDQU32:       in("VMOVDQU32", formRM, m0F, 0x6F, 0, hasEVEX).prefix(pF3).unit(vector),
	VMOVDQU32Store:  in("VMOVDQU32", formMR, m0F, 0x7F, 0, hasEVEX).prefix(pF3).unit(vector).with(memOnly),
	VMOVNTPS:        ps("VMOVNTPS", formMR, 0x2B).unit(vector).with(memOnly),
	VBROADCASTSS:    in("VBROADCASTSS", formRM, m0F38, 0x18, 0, both).unit(scalar),
	VBROADCASTSD:    in("VBROADCASTSD", formRM, m0F38, 0x19, 1, both|noX).unit(scalar),
	VPBROADCASTD:    in("VPBROADCASTD", formRM, m0F38, 0x58, 0, both).unit(scalar),
	VMASKMOVPS:      in("VMASKMOVPS", formRVM, m0F38, 0x2C, 0, hasVEX|memOnly),
	VMASKMOVPD:      in("VMASKMOVPD", formRVM, m0F38, 0x2D, 0, hasVEX|memOnly),
	VMASKMOVPSStore: in("VMASKMOVPS", formMVR, m0F38, 0x2E, 0, hasVEX|memOnly),
	VMASKMOVPDStore: in("VMASKMOVPD", formMVR, m0F38, 0x2F, 0, hasVEX|memOnly),

	VBLENDVPS: in("VBLENDVPS", formRVMR, m0F3A, 0x4A, 0, hasVEX),
	VBLENDVPD: in("VBLENDVPD", formRVMR, m0F3A, 0x4B, 0, hasVEX),
	VPBLENDVB: in("VPBLENDVB", formRVMR, m0F3A, 0x4C, 0, hasVEX),
	VBLENDPS:  in("VBLENDPS", formRVMI, m0F3A, 0x0C, 0, hasVEX),
	VBLENDMPS: in("VBLENDMPS", formRVM, m0F38, 0x65, 0, hasEVEX),
	VBLENDMPD: in("VBLENDMPD", formRVM, m0F38, 0x65, 1, hasEVEX),

	VUNPCKLPS:     ps("VUNPCKLPS", formRVM, 0x14),
	VUNPCKHPS:     ps("VUNPCKHPS", formRVM, 0x15),
	VUNPCKLPD:     pd("VUNPCKLPD", formRVM, 0x14),
	VUNPCKHPD:     pd("VUNPCKHPD", formRVM, 0x15),
	VSHUFPS:       ps("VSHUFPS", formRVMI, 0xC6),
	VPERMILPS:     in("VPERMILPS", formRMI, m0F3A, 0x04, 0, both),
	VPERM2F128:    in("VPERM2F128", formRVMI, m0F3A, 0x06, 0, hasVEX|noX),
	VINSERTF128:   in("VINSERTF128", formRVMI, m0F3A, 0x18, 0, hasVEX|noX),
	VEXTRACTF128:  in("VEXTRACTF128", formMRI, m0F3A, 0x19, 0, hasVEX|noX),
	VPERMPS:       in("VPERMPS", formRVM, m0F38, 0x16, 0, both|noX),
	VPERMD:        in("VPERMD", formRVM, m0F38, 0x36, 0, both|noX),
	VPERMPD:       in("VPERMPD", formRMI, m0F3A, 0x01, 1, both|noX).vexW(1),
	VSHUFF32X4:    in("VSHUFF32X4", formRVMI, m0F3A, 0x23, 0, hasEVEX|noX),
	VINSERTF32X4:  in("VINSERTF32X4", formRVMI, m0F3A, 0x18, 0, hasEVEX|noX).unit(quad),
	VEXTRACTF32X4: in("VEXTRACTF32X4", formMRI, m0F3A, 0x19, 0, hasEVEX|noX).unit(quad),
	VEXTRACTF64X4: in("VEXTRACTF64X4", formMRI, m0F3A, 0x1B, 1, hasEVEX|noX|noY).unit(oct),

	VGATHERDPS: in("VGATHERDPS", formRMV, m0F38, 0x92, 0, hasVEX|memOnly),
	VPGATHERDD: in("VPGATHERDD", formRMV, m0F38, 0x90, 0, hasVEX|memOnly),
	VDPBF16PS:  in("VDPBF16PS", formRVM, m0F38, 0x52, 0, hasEVEX).prefix(pF3),
}

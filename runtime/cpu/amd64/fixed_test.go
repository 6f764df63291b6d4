package amd64

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bytes are GNU as 2.40's for the instructions beside them.
func TestFixedEncodings(t *testing.T) {
	cases := []struct {
		text, want string
		emit       func(a *Assembler)
	}{
		{"vgatherdps ymm1, [rdi+ymm2*4], ymm3", "c4e265920c97", func(a *Assembler) { a.Gather(VGATHERDPS, Y, 1, AtVec(RDI, 2, 4, 0), 3) }},
		{"vgatherdps ymm9, [r10+ymm12*8+64], ymm11", "c40225924ce240", func(a *Assembler) { a.Gather(VGATHERDPS, Y, 9, AtVec(R10, 12, 8, 64), 11) }},
		{"vgatherdps xmm1, [rsp+xmm2*1-4], xmm3", "c4e261924c14fc", func(a *Assembler) { a.Gather(VGATHERDPS, X, 1, AtVec(RSP, 2, 1, -4), 3) }},
		{"vpgatherdd ymm1, [rdi+ymm2*4], ymm3", "c4e265900c97", func(a *Assembler) { a.Gather(VPGATHERDD, Y, 1, AtVec(RDI, 2, 4, 0), 3) }},
		{"vpgatherdd xmm8, [r13+xmm14*2+512], xmm15", "c4020190847500020000", func(a *Assembler) { a.Gather(VPGATHERDD, X, 8, AtVec(R13, 14, 2, 512), 15) }},
		{"vdpbf16ps zmm1, zmm2, zmm3", "62f26e4852cb", func(a *Assembler) { a.Op3(VDPBF16PS, Z, 1, 2, Vec(3)) }},
		{"vdpbf16ps ymm17, ymm2, [rdi+64]", "62e26e28524f02", func(a *Assembler) { a.Op3(VDPBF16PS, Y, 17, 2, At(RDI, 64)) }},
		{"vdpbf16ps zmm1{k3}{z}, zmm30, [r9+rax*4+128]", "62d20ec3524c8102", func(a *Assembler) { a.WithZero(3).Op3(VDPBF16PS, Z, 1, 30, AtIndex(R9, RAX, 4, 128)) }},
		{"vpmovm2d zmm9, k2", "62727e4838ca", func(a *Assembler) { a.Op2(VPMOVM2D, Z, 9, Vec(2)) }},
		{"vpmovm2d zmm20, k7", "62e27e4838e7", func(a *Assembler) { a.Op2(VPMOVM2D, Z, 20, Vec(7)) }},
		{"movzx rsi, byte [r9+1]", "490fb67101", func(a *Assembler) { a.LoadByte(RSI, At(R9, 1)) }},
		{"mov byte [rdi], sil", "488837", func(a *Assembler) { a.StoreByte(At(RDI, 0), RSI) }},
		{"rep movsb", "f3a4", func(a *Assembler) { a.RepMovsB() }},
		{"vaddps zmm1, zmm2, dword [rdi+4]{1to16}", "62f16c58584f01", func(a *Assembler) { a.Broadcast().Op3(VADDPS, Z, 1, 2, At(RDI, 4)) }},
		{"vmulpd ymm1, ymm20, qword [rdi+1024]{1to4}", "62f1dd30598f00040000", func(a *Assembler) { a.Broadcast().Op3(VMULPD, Y, 1, 20, At(RDI, 1024)) }},
		{"mov rax, rbx", "4889d8", func(a *Assembler) { a.Mov(RAX, RBX) }},
		{"mov r9, [rdi+8]", "4c8b4f08", func(a *Assembler) { a.Mov(R9, At(RDI, 8)) }},
		{"mov [rsp+16], r12", "4c89642410", func(a *Assembler) { a.MovStore(At(RSP, 16), R12) }},
		{"mov rcx, 7", "48c7c107000000", func(a *Assembler) { a.MovImm(RCX, 7) }},
		{"mov r15, -1", "49c7c7ffffffff", func(a *Assembler) { a.MovImm(R15, -1) }},
		{"lea rdx, [rsi+r8*4+128]", "4a8d948680000000", func(a *Assembler) { a.Lea(RDX, AtIndex(RSI, R8, 4, 128)) }},
		{"add rax, r9", "4c01c8", func(a *Assembler) { a.Add(RAX, R9) }},
		{"add rax, [rbp]", "48034500", func(a *Assembler) { a.Add(RAX, At(RBP, 0)) }},
		{"sub r10, rcx", "4929ca", func(a *Assembler) { a.Sub(R10, RCX) }},
		{"cmp rax, [r13+8]", "493b4508", func(a *Assembler) { a.Cmp(RAX, At(R13, 8)) }},
		{"cmp r8, rdi", "4939f8", func(a *Assembler) { a.Cmp(R8, RDI) }},
		{"imul rax, r11", "490fafc3", func(a *Assembler) { a.Imul(RAX, R11) }},
		{"xor r12, r12", "4d31e4", func(a *Assembler) { a.Xor(R12, R12) }},
		{"test rax, r8", "4c85c0", func(a *Assembler) { a.Test(RAX, R8) }},
		{"add rax, 16", "4883c010", func(a *Assembler) { a.AddImm(RAX, 16) }},
		{"add r12, 1024", "4981c400040000", func(a *Assembler) { a.AddImm(R12, 1024) }},
		{"sub rdi, 128", "4881ef80000000", func(a *Assembler) { a.SubImm(RDI, 128) }},
		{"cmp r11, -1", "4983fbff", func(a *Assembler) { a.CmpImm(R11, -1) }},
		{"shl rdx, 3", "48c1e203", func(a *Assembler) { a.ShlImm(RDX, 3) }},
		{"prefetcht0 [rsi+64]", "0f184e40", func(a *Assembler) { a.Prefetch(At(RSI, 64)) }},
		{"prefetcht0 [r9+r10*8]", "430f180cd1", func(a *Assembler) { a.Prefetch(AtIndex(R9, R10, 8, 0)) }},
		{"vzeroupper", "c5f877", func(a *Assembler) { a.VZeroUpper() }},
		{"sfence", "0faef8", func(a *Assembler) { a.SFence() }},
		{"kmovw k1, eax", "c5f892c8", func(a *Assembler) { a.KMovW(1, RAX) }},
		{"kmovw k7, r9d", "c4c17892f9", func(a *Assembler) { a.KMovW(7, R9) }},
		{"kmovw k2, [rdi+2]", "c5f8905702", func(a *Assembler) { a.KMovWLoad(2, At(RDI, 2)) }},
		{"kmovw k3, [r11+rax*2]", "c4c178901c43", func(a *Assembler) { a.KMovWLoad(3, AtIndex(R11, RAX, 2, 0)) }},
		{"ret", "c3", func(a *Assembler) { a.Ret() }},
	}
	for _, c := range cases {
		a := New()
		c.emit(a)
		require.NoError(t, a.err, c.text)
		require.Equal(t, c.want, hex.EncodeToString(a.buf), c.text)
	}
}

func TestJumpsAndConstants(t *testing.T) {
	a := New()
	end := a.Label()
	top := a.Here()
	a.SubImm(RAX, 1)  // 4 bytes
	a.Jcc(Equal, end) // 6
	a.Op2(VBROADCASTSS, Y, 1, a.Pool([]byte{1, 2, 3, 4}))
	a.Op3Imm(VSHUFPS, X, 2, 1, a.Pool(make([]byte, 16)), 9)
	a.Op2(VBROADCASTSS, Y, 3, a.Pool([]byte{1, 2, 3, 4}))
	a.Jmp(top)
	a.Bind(end)
	a.Ret()
	code, err := a.Finish()
	require.NoError(t, err)
	require.Equal(t, 64+32, len(code), "code in 64 bytes, then 4 bytes and, aligned, 16")
	disp := func(at int) int { return int(int32(binary.LittleEndian.Uint32(code[at:]))) }
	jcc := 4 + 2
	ret := jcc + 4 + disp(jcc)
	require.EqualValues(t, 0xC3, code[ret])
	jmp := ret - 4
	require.Zero(t, jmp+4+disp(jmp), "the jump back goes to the first instruction")
	first := 10 + 5 // vbroadcastss ymm1, [rip+d]: c4 e2 7d 18 0d d
	require.Equal(t, 64, first+4+disp(first))
	second := first + 4 + 4 // vshufps xmm2, xmm1, [rip+d], 9: c5 f0 c6 15 d imm
	require.Equal(t, 80, second+5+disp(second), "the place counts from the end of the instruction, after the immediate")
	third := second + 5 + 5
	require.Equal(t, 64, third+4+disp(third), "equal constants share a place")
}

func TestAlign(t *testing.T) {
	for n := range 40 {
		a := New()
		for range n {
			a.Ret()
		}
		a.Align(32)
		require.Zero(t, a.Len()%32)
	}
}

func TestMistakes(t *testing.T) {
	cases := map[string]func(a *Assembler){
		"no AVX-512 form":                 func(a *Assembler) { a.Op3(VANDPS, Z, 1, 2, Vec(3)) },
		"VMASKMOVPS has no AVX-512 form":  func(a *Assembler) { a.Op3(VMASKMOVPS, Y, 17, 2, At(RDI, 0)) },
		"takes operands dst, src, not":    func(a *Assembler) { a.Op3(VSQRTPS, Y, 1, 2, Vec(3)) },
		"the operand cannot be":           func(a *Assembler) { a.Op3(VMASKMOVPS, Y, 1, 2, Vec(3)) },
		"no form of 128 bits":             func(a *Assembler) { a.Op3(VPERMPS, X, 1, 2, Vec(3)) },
		"needs a memory operand of whole": func(a *Assembler) { a.Broadcast().Op3(VADDPS, Y, 1, 2, Vec(3)) },
		"a store cannot zero":             func(a *Assembler) { a.WithZero(1).Store(VMOVUPSStore, Y, At(RDI, 0), 2) },
		"must be three vector registers":  func(a *Assembler) { a.Gather(VGATHERDPS, Y, 1, AtVec(RDI, 1, 4, 0), 3) },
		"is never bound":                  func(a *Assembler) { a.Jmp(a.Label()) },
		"is bound twice":                  func(a *Assembler) { l := a.Here(); a.Bind(l) },
		"a constant of 3 bytes":           func(a *Assembler) { a.Pool([]byte{1, 2, 3}) },
		"without an instruction":          func(a *Assembler) { a.With(1) },
		"without a base":                  func(a *Assembler) { a.Mov(RAX, Mem{Base: NoReg, Index: NoReg}) },
	}
	for want, emit := range cases {
		a := New()
		emit(a)
		_, err := a.Finish()
		require.ErrorContains(t, err, want)
	}
}

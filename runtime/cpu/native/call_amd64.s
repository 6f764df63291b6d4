//go:build linux

#include "textflag.h"

// func call(fn uintptr, args unsafe.Pointer)
//
// The frame keeps RBP, which the code may use; the assembler's ABI wrapper
// restores R14 and X15.
TEXT ·call(SB), NOSPLIT, $8-16
	MOVQ BP, 0(SP)
	MOVQ fn+0(FP), AX
	MOVQ args+8(FP), DI
	CALL AX
	MOVQ 0(SP), BP
	RET

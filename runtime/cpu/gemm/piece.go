package gemm

import (
	"unsafe"

	"dumbtorch/runtime/cpu/amd64"
)

// Generated code copies rows that consist of pieces, each of up to one vector of 256 bits: what is beyond a piece's elements is
// not read, and zero where it is written. So pieces are written in ascending order, and a row ends where the next may begin.

// piece is a part of a row, in bytes from the start of the row.
type piece struct {
	src, dst int64
	mask     int64 // of its elements, in pieceMasks
}

// copyArgs is the argument block of the copying code. Row r comes from src + (origin + offsets[r])*elem, or src + r*step where
// there are no offsets.
type copyArgs struct {
	src, dst, offsets, pieces, masks unsafe.Pointer
	count                            int64 // pieces
	rows                             int64
	step, pitch                      int64 // from row to row
	origin                           int64
}

// pieceMasks holds 8 lanes of ones, then 8 of zeros: the mask of n lanes of 32 bits begins at lane 8-n.
var pieceMasks = func() (m [16]uint32) {
	for i := range 8 {
		m[i] = ^uint32(0)
	}
	return m
}()

// appendPieces appends the pieces of n contiguous elements from place src to place dst of a row.
func appendPieces(list []piece, n int, src int64, dst, elem int) []piece {
	for step := 32 / elem; n > 0; n -= step {
		lanes := min(n, step) * elem / 4
		list = append(list, piece{src * int64(elem), int64(dst * elem), int64(4 * (8 - lanes))})
		src, dst = src+int64(step), dst+step
	}
	return list
}

// copyPieces runs the copying code.
func (e *engine) copyPieces(args *copyArgs) {
	at := e.copier
	if args.offsets == nil {
		at = e.strider
	}
	e.code.Call(at, unsafe.Pointer(args))
}

// copier generates the copying code, with or without offsets.
func (c coder) copier(offsets bool) ([]byte, error) {
	const (
		args   = amd64.RDI
		src    = amd64.RSI
		dst    = amd64.RDX
		offset = amd64.R8
		first  = amd64.R9
		masks  = amd64.R10
		count  = amd64.R11
		rows   = amd64.RCX
		pitch  = amd64.R12
		row    = amd64.RAX
		p      = amd64.RBX
		left   = amd64.R13
		t      = amd64.R15
	)
	a := amd64.New()
	for i, r := range []amd64.Reg{src, dst, offset, first, masks, count, rows} {
		a.Mov(r, amd64.At(args, 8*i))
	}
	a.Mov(pitch, amd64.At(args, 64))
	if offsets {
		a.Mov(t, amd64.At(args, 72))
		a.Lea(src, amd64.AtIndex(src, t, c.elem, 0))
	} else {
		a.Mov(offset, amd64.At(args, 56))
		a.Mov(row, src)
	}
	a.Align(32)
	next := a.Here()
	if offsets {
		a.Mov(t, amd64.At(offset, 0))
		a.Lea(row, amd64.AtIndex(src, t, c.elem, 0))
	}
	a.Mov(p, first)
	a.Mov(left, count)
	top := a.Here()
	a.Mov(t, amd64.At(p, 16))
	a.Op2(amd64.VMOVUPS, amd64.Y, 1, amd64.AtIndex(masks, t, 1, 0))
	a.Mov(t, amd64.At(p, 0))
	a.Op3(amd64.VMASKMOVPS, amd64.Y, 0, 1, amd64.AtIndex(row, t, 1, 0))
	a.Mov(t, amd64.At(p, 8))
	a.Store(amd64.VMOVUPSStore, amd64.Y, amd64.AtIndex(dst, t, 1, 0), 0)
	a.AddImm(p, 24)
	a.SubImm(left, 1)
	a.Jcc(amd64.NotEqual, top)
	a.Add(dst, pitch)
	if offsets {
		a.AddImm(offset, 8)
	} else {
		a.Add(row, offset)
	}
	a.SubImm(rows, 1)
	a.Jcc(amd64.NotEqual, next)
	a.VZeroUpper()
	a.Ret()
	return a.Finish()
}

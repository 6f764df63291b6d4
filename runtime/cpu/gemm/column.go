package gemm

import (
	"unsafe"

	"dumbtorch/runtime/cpu/amd64"
)

// Generated code copies columns of pieces: one piece of each step of a panel, each exactly as long as it is. A run of elements is
// made of pieces of one size, the last of which may begin before the one before it ends.

// columnArgs is the argument block: for each step, a piece from src + origin + offsets[step]*elem to dst + step*pitch.
type columnArgs struct {
	src, dst, offsets unsafe.Pointer
	origin            int64 // bytes
	steps             int64
	pitch             int64
}

// columnBytes are the sizes of pieces that there is code for.
var columnBytes = [4]int{32, 16, 8, 4}

// copyRun copies, for each step, n elements from place src of the step's row to dst of its row in the panel.
func (e *engine) copyRun(args *columnArgs, n int, src int64, dst unsafe.Pointer) {
	bytes, size := n*e.elem, 3
	for size > 0 && columnBytes[size-1] <= bytes {
		size--
	}
	origin := args.origin
	for done := 0; done < bytes; {
		at := min(done, bytes-columnBytes[size])
		args.origin, args.dst = origin+src*int64(e.elem)+int64(at), unsafe.Add(dst, at)
		e.code.Call(e.columns[size], unsafe.Pointer(args))
		done = at + columnBytes[size]
	}
	args.origin = origin
}

// column generates the code for pieces of some bytes.
func (c coder) column(bytes int) ([]byte, error) {
	const (
		args    = amd64.RDI
		src     = amd64.RSI
		dst     = amd64.RDX
		offsets = amd64.R8
		left    = amd64.RCX
		pitch   = amd64.R9
		pitch3  = amd64.R10
		t       = amd64.RAX
	)
	a := amd64.New()
	a.Mov(src, amd64.At(args, 0))
	a.Mov(dst, amd64.At(args, 8))
	a.Mov(offsets, amd64.At(args, 16))
	a.Add(src, amd64.At(args, 24))
	a.Mov(left, amd64.At(args, 32))
	a.Mov(pitch, amd64.At(args, 40))
	a.Lea(pitch3, amd64.AtIndex(pitch, pitch, 2, 0))
	move := func(i int, to amd64.Mem) {
		a.Mov(t, amd64.At(offsets, 8*i))
		from := amd64.AtIndex(src, t, c.elem, 0)
		switch bytes {
		case 32:
			a.Op2(amd64.VMOVUPS, amd64.Y, amd64.Vec(i), from)
			a.Store(amd64.VMOVUPSStore, amd64.Y, to, amd64.Vec(i))
		case 16:
			a.Op2(amd64.VMOVUPS, amd64.X, amd64.Vec(i), from)
			a.Store(amd64.VMOVUPSStore, amd64.X, to, amd64.Vec(i))
		case 8:
			a.Mov(t, from)
			a.MovStore(to, t)
		default:
			a.Op2(amd64.VBROADCASTSS, amd64.X, amd64.Vec(i), from)
			a.Store(amd64.VMOVDStore, amd64.X, to, amd64.Vec(i))
		}
	}
	tail, one, end := a.Label(), a.Label(), a.Label()
	a.SubImm(left, 4)
	a.Jcc(amd64.Less, tail)
	a.Align(32)
	top := a.Here()
	move(0, amd64.At(dst, 0))
	move(1, amd64.AtIndex(dst, pitch, 1, 0))
	move(2, amd64.AtIndex(dst, pitch, 2, 0))
	move(3, amd64.AtIndex(dst, pitch3, 1, 0))
	a.AddImm(offsets, 32)
	a.Lea(dst, amd64.AtIndex(dst, pitch, 4, 0))
	a.SubImm(left, 4)
	a.Jcc(amd64.GreaterEqual, top)
	a.Bind(tail)
	a.AddImm(left, 4)
	a.Jcc(amd64.Equal, end)
	a.Bind(one)
	move(0, amd64.At(dst, 0))
	a.AddImm(offsets, 8)
	a.Add(dst, pitch)
	a.SubImm(left, 1)
	a.Jcc(amd64.NotEqual, one)
	a.Bind(end)
	a.VZeroUpper()
	a.Ret()
	return a.Finish()
}

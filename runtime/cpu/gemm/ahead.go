package gemm

import (
	"unsafe"

	"dumbtorch/runtime/cpu/amd64"
)

// Ahead is memory that the epilogue reads beside the product: element (i,j) is Size bytes at Data + i*Stride + j*Size. Generated
// code asks for the cache lines of a tile while the tile is multiplied, so that the epilogue finds them at hand.
type Ahead struct {
	Data   unsafe.Pointer
	Stride int // bytes
	Size   int
}

// aheadArgs is the argument block of the code that asks for the lines of some rows.
type aheadArgs struct {
	at     unsafe.Pointer
	stride int64 // from row to row
	rows   int64
	lines  int64 // of a row
}

const lineBytes = 64

// ahead asks for what the epilogue will read beside rows [m,m+rows) and columns [n0,n1).
func (g *Product[T]) ahead(m, rows, n0, n1 int) {
	e := g.Plan.engine
	for i := range g.Ahead {
		x := &g.Ahead[i]
		args := aheadArgs{
			at:     unsafe.Add(x.Data, m*x.Stride+n0*x.Size),
			stride: int64(x.Stride), rows: int64(rows), lines: int64(ceilDiv((n1-n0)*x.Size, lineBytes)),
		}
		e.code.Call(e.prefetcher, unsafe.Pointer(&args))
	}
}

// prefetchRows generates the code that asks for lines.
func (c coder) prefetchRows() ([]byte, error) {
	const (
		args   = amd64.RDI
		at     = amd64.RSI
		row    = amd64.RDX
		stride = amd64.R8
		rows   = amd64.RCX
		lines  = amd64.R9
		left   = amd64.RAX
	)
	a := amd64.New()
	a.Mov(row, amd64.At(args, 0))
	a.Mov(stride, amd64.At(args, 8))
	a.Mov(rows, amd64.At(args, 16))
	a.Mov(lines, amd64.At(args, 24))
	next := a.Here()
	a.Mov(at, row)
	a.Mov(left, lines)
	line := a.Here()
	a.Prefetch(amd64.At(at, 0))
	a.AddImm(at, lineBytes)
	a.SubImm(left, 1)
	a.Jcc(amd64.NotEqual, line)
	a.Add(row, stride)
	a.SubImm(rows, 1)
	a.Jcc(amd64.NotEqual, next)
	a.Ret()
	return a.Finish()
}

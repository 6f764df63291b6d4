package gemm

import (
	"errors"
	"fmt"
	"math"
)

// ErrShape reports extents that are negative or too large to address.
var ErrShape = errors.New("gemm: invalid shape")

const (
	tileRows   = 64  // rows of C per tile; a multiple of MR
	tileCols   = 128 // columns of C per tile; a multiple of NR
	depthBlock = 512 // k steps per pass over a tile: both blocks together stay within 384 KiB of float32

	serialWork  = 1 << 17 // products below which a second worker gains less than it costs
	sharedLimit = 1 << 23 // elements of packed operands kept at once

	// Packing one element again costs about as much as packWeight products; beyond 1/packShare of the work
	// the operands are packed once, in a phase of their own.
	packWeight = 3
	packShare  = 32
)

// Plan says how C[M,N] = A[M,K] * B[K,N] is cut into tasks. It depends on the extents only. The zero Plan has no tasks.
type Plan struct {
	M, N, K int
	serial  bool // one task runs every tile
	shared  bool // operands are packed once, before the first tile
}

// NewPlan returns the plan of a product whose tasks are to be shared between workers. The error wraps [ErrShape].
func NewPlan(m, n, k int) (Plan, error) {
	p, err := NewSerialPlan(m, n, k)
	if err != nil || float64(m)*float64(n)*float64(k) <= serialWork {
		return p, err
	}
	p.serial = false
	if m == 1 || n == 1 {
		return p, nil
	}
	tm, tn := float64(ceilDiv(m, tileRows)), float64(ceilDiv(n, tileCols))
	work := float64(m) * float64(n) * float64(k)
	again := (float64(float64(m)*(tn-1)) + float64(float64(n)*(tm-1))) * float64(k)
	total := float64(roundUp(m, MR)+roundUp(n, NR)) * float64(k)
	p.shared = again*packWeight > work/packShare && total <= sharedLimit
	return p, nil
}

// NewSerialPlan returns the plan that runs the whole product as one task without shared memory, which suits a product that
// is itself one of a batch. The error wraps [ErrShape].
func NewSerialPlan(m, n, k int) (Plan, error) {
	if m < 0 || n < 0 || k < 0 {
		return Plan{}, fmt.Errorf("%w: %d x %d x %d", ErrShape, m, n, k)
	}
	for _, e := range [][2]int{{m, n}, {m, k}, {k, n}} {
		if e[1] > 0 && e[0] > math.MaxInt/32/e[1] {
			return Plan{}, fmt.Errorf("%w: %d x %d x %d is too large", ErrShape, m, n, k)
		}
	}
	return Plan{M: m, N: n, K: k, serial: true}, nil
}

// PackTasks returns the number of tasks of the packing phase, 0 if there is none. All of them must have finished
// before the first task of the product starts.
func (p Plan) PackTasks() int {
	if !p.shared {
		return 0
	}
	return ceilDiv(p.M, tileRows) + ceilDiv(p.N, tileCols)
}

// Tasks returns the number of tasks of the product, which may run in any order and at the same time.
func (p Plan) Tasks() int {
	if p.serial {
		return min(1, p.tiles())
	}
	return p.tiles()
}

// SharedLen returns the elements of memory that all tasks of one product share, 0 if there is no packing phase.
func (p Plan) SharedLen() int {
	if !p.shared {
		return 0
	}
	return (roundUp(p.M, MR) + roundUp(p.N, NR)) * p.K
}

// ScratchLen returns the elements of private memory a worker needs while it runs a task.
func (p Plan) ScratchLen() int {
	a, b, c := p.scratch()
	return a + b + c
}

// scratch returns the lengths of a worker's block of A, block of B and tile of C.
func (p Plan) scratch() (a, b, c int) {
	rows, cols, depth := min(roundUp(p.M, MR), tileRows), min(roundUp(p.N, NR), tileCols), min(p.K, depthBlock)
	c = rows * cols
	if !p.shared {
		a, b = rows*depth, cols*depth
	}
	return a, b, c
}

func (p Plan) tiles() int { return ceilDiv(p.M, tileRows) * ceilDiv(p.N, tileCols) }

// tile returns the part of C that tile i covers; tiles of one row of tiles follow each other.
func (p Plan) tile(i int) (m0, m1, n0, n1 int) {
	cols := ceilDiv(p.N, tileCols)
	m0, n0 = i/cols*tileRows, i%cols*tileCols
	return m0, min(m0+tileRows, p.M), n0, min(n0+tileCols, p.N)
}

func ceilDiv(x, y int) int { return x/y + min(1, x%y) }

func roundUp(x, y int) int { return ceilDiv(x, y) * y }

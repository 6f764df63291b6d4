package gemm

import (
	"errors"
	"fmt"
	"math"

	"dumbtorch/runtime/cpu/native"
)

// ErrShape reports extents that are negative or too large to address.
var ErrShape = errors.New("gemm: invalid shape")

const (
	tileRows    = 64  // rows of C per tile; a multiple of MR
	tileCols    = 128 // columns of C per tile; a multiple of NR
	vectorDepth = 512 // k steps per pass of a product with a vector
	depthBlock  = 800 // most k steps per pass over a tile: both blocks together stay within 600 KiB of float32

	engineSerialWork = 1 << 18 // as serialWork, for generated code

	serialWork  = 1 << 17 // products below which a second worker gains less than it costs
	sharedLimit = 1 << 23 // elements of packed operands kept at once

	// Packing one element again costs about as much as packWeight products; beyond 1/packShare of the work
	// the operands are packed once, in a phase of their own.
	packWeight = 3
	packShare  = 32
)

// Plan says how C[M,N] = A[M,K] * B[K,N] is cut into tasks. It depends on the extents, the element type and the machine's vector
// instructions only. The zero Plan has no tasks.
type Plan struct {
	M, N, K int
	serial  bool    // one task runs every tile
	shared  bool    // operands (with an engine: B) are packed once, before the first tile
	engine  *engine // generated code; nil: portable code

	rows, cols, depth int  // of a tile
	vector            bool // a product with a vector runs on the micro-kernels
	whole             bool // the epilogue gets whole tiles
	page              int  // if not 0, passes end where a multiple of page steps does
}

// NewPlan returns the plan of a product of elements of type T whose tasks are to be shared between workers. The error wraps
// [ErrShape].
func NewPlan[T Element](m, n, k int) (Plan, error) { return newPlan[T](level(), m, n, k) }

// NewSerialPlan returns the plan that runs the whole product as one task without shared memory, which suits a product that
// is itself one of a batch. The error wraps [ErrShape].
func NewSerialPlan[T Element](m, n, k int) (Plan, error) { return newSerialPlan[T](level(), m, n, k) }

// level returns the vector instructions to use; a wrong value of the environment variable is the device's to report.
func level() native.Level {
	c, _ := native.Detect()
	return c.Level
}

func newPlan[T Element](l native.Level, m, n, k int) (Plan, error) {
	p, err := newSerialPlan[T](l, m, n, k)
	if err != nil || m == 0 || n == 0 {
		return p, err
	}
	work := float64(m) * float64(n) * float64(k)
	if p.tiled() {
		if p.serial = work <= engineSerialWork; !p.serial {
			p.cols = p.engineCols(ceilDiv(m, p.rows))
			p.spread(work)
		}
		// Packing the columns of B again for every row of tiles costs as much as some rows of the product.
		p.shared = !p.serial && ceilDiv(m, p.rows) > 2 && float64(n)*float64(k) <= sharedLimit
		return p, nil
	}
	if work <= serialWork {
		return p, nil
	}
	p.serial = false
	if m == 1 || n == 1 {
		return p, nil
	}
	tm, tn := float64(ceilDiv(m, tileRows)), float64(ceilDiv(n, tileCols))
	again := (float64(float64(m)*(tn-1)) + float64(float64(n)*(tm-1))) * float64(k)
	total := float64(roundUp(m, MR)+roundUp(n, NR)) * float64(k)
	p.shared = again*packWeight > work/packShare && total <= sharedLimit
	return p, nil
}

// spread makes tiles smaller where few of them have many steps, so that more than one worker has work.
func (p *Plan) spread(work float64) {
	const (
		tiles = 8
		least = 1 << 20 // work of a tile
	)
	want := min(tiles, int(min(work/least, tiles)))
	if p.tiles() >= want {
		return
	}
	rows := ceilDiv(want, ceilDiv(p.N, p.cols))
	p.rows = max(2*p.engine.maxRows(), roundUp(ceilDiv(p.M, rows), p.engine.maxRows()))
	if p.tiles() == 1 && p.N > p.engine.lanes() {
		p.cols = roundUp(ceilDiv(p.N, 2), p.engine.lanes())
	}
}

// WithPages returns the plan whose passes end where pages of that many steps do, for operands that have such.
func (p Plan) WithPages(steps int) Plan {
	const least = 64 // shorter passes would not pay
	if p.tiled() && steps >= least && steps < p.K {
		p.page = steps
		p.depth = ceilDiv(steps, ceilDiv(steps, engineDepth))
	}
	return p
}

// WithWholeTiles returns the plan whose tiles go to the epilogue whole, not some rows at a time.
func (p Plan) WithWholeTiles() Plan {
	p.whole = true
	return p
}

// TileSize returns the most rows and columns of a tile that an epilogue gets.
func (p Plan) TileSize() (rows, cols int) {
	return min(p.M, p.rows), min(roundUp(p.N, p.panel()), p.cols)
}

func newSerialPlan[T Element](l native.Level, m, n, k int) (Plan, error) {
	if m < 0 || n < 0 || k < 0 {
		return Plan{}, fmt.Errorf("%w: %d x %d x %d", ErrShape, m, n, k)
	}
	for _, e := range [][2]int{{m, n}, {m, k}, {k, n}} {
		if e[1] > 0 && e[0] > math.MaxInt/32/e[1] {
			return Plan{}, fmt.Errorf("%w: %d x %d x %d is too large", ErrShape, m, n, k)
		}
	}
	p := Plan{M: m, N: n, K: k, serial: true, rows: tileRows, cols: tileCols, depth: vectorDepth}
	p.engine = engineFor[T](l)
	switch {
	case m < 2 || n < 2:
	case p.engine == nil:
		p.depth = max(1, ceilDiv(k, max(1, ceilDiv(k, depthBlock))))
	default:
		p.cutForEngine()
	}
	return p, nil
}

// NewTiledPlan is [NewSerialPlan] for products that run on the micro-kernels, where there are any, even if one of the operands is
// a vector: for an operand that is read through windows, and so packed anyway.
func NewTiledPlan[T Element](m, n, k int) (Plan, error) {
	p, err := newSerialPlan[T](level(), m, n, k)
	if err == nil && p.engine != nil && m > 0 && n > 0 && !p.tiled() {
		p.vector = true
		p.cutForEngine()
	}
	return p, err
}

// cutForEngine sets the sizes of tiles.
func (p *Plan) cutForEngine() {
	p.depth = max(1, ceilDiv(p.K, max(1, ceilDiv(p.K, engineDepth))))
	p.rows = roundUp(ceilDiv(p.M, ceilDiv(p.M, engineRows)), p.engine.maxRows())
	p.cols = p.engineCols(ceilDiv(p.M, p.rows))
}

// tiled reports whether the micro-kernels of the engine run the plan; products with a vector mostly go without them.
func (p Plan) tiled() bool { return p.engine != nil && (p.vector || p.M > 1 && p.N > 1) }

// PackTasks returns the number of tasks of the packing phase, 0 if there is none. All of them must have finished
// before the first task of the product starts.
func (p Plan) PackTasks() int {
	if !p.shared {
		return 0
	}
	if p.tiled() {
		return ceilDiv(p.N, p.cols)
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
	if p.tiled() {
		return roundUp(p.N, p.engine.lanes()) * p.K
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
	if p.tiled() {
		return p.engineScratch()
	}
	rows, cols, depth := min(roundUp(p.M, MR), tileRows), min(roundUp(p.N, NR), tileCols), min(p.K, p.depth)
	c = rows * cols
	if !p.shared {
		a, b = rows*depth, cols*depth
	}
	return a, b, c
}

func (p Plan) tiles() int {
	if p.M == 0 || p.N == 0 {
		return 0
	}
	return ceilDiv(p.M, p.rows) * ceilDiv(p.N, p.cols)
}

// tile returns the part of C that tile i covers; tiles of one row of tiles follow each other.
func (p Plan) tile(i int) (m0, m1, n0, n1 int) {
	cols := ceilDiv(p.N, p.cols)
	m0, n0 = i/cols*p.rows, i%cols*p.cols
	return m0, min(m0+p.rows, p.M), n0, min(n0+p.cols, p.N)
}

func ceilDiv(x, y int) int { return x/y + min(1, x%y) }

func roundUp(x, y int) int { return ceilDiv(x, y) * y }

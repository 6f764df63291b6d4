package gemm

import "fmt"

// Element is the set of element types: IEEE floats, and integers that wrap.
type Element interface {
	~float32 | ~float64 | ~int32 | ~int64
}

// An Epilogue receives a finished tile of the product: c[i*ldc+j] is element (m0+i, n0+j), for m0+i < m1 and n0+j < n1. The tile
// is scratch memory, still in cache, which the epilogue may overwrite; it is gone after the call. Every element of the product
// is handed over exactly once. Calls for different tiles may run at the same time.
type Epilogue[T Element] func(c []T, ldc, m0, m1, n0, n1 int)

// Product is C = A*B: A is M rows of K values, B is N columns of K values.
type Product[T Element] struct {
	Plan Plan
	A, B Packer[T]

	// Epilogue takes the finished tiles. If nil, element (i,j) is stored in C[i*LDC+j]; LDC is at least N.
	Epilogue Epilogue[T]
	Ahead    []Ahead
	C        []T
	LDC      int
	// Accumulate adds the product to C instead of storing it: the steps are as if
	// they followed those of the product that made C. It wants no Epilogue, and
	// M and N above 1.
	Accumulate bool
}

// Check reports whether every access of the product stays inside its memory. It cannot look inside a [PackerFunc].
// The error wraps [ErrBounds].
func (g *Product[T]) Check() error {
	if err := checkOperand(g.A, g.Plan.M, g.Plan.K); err != nil {
		return fmt.Errorf("operand A: %w", err)
	}
	if err := checkOperand(g.B, g.Plan.N, g.Plan.K); err != nil {
		return fmt.Errorf("operand B: %w", err)
	}
	if g.Epilogue == nil && (g.LDC < g.Plan.N || !fits(len(g.C), g.Plan.M, g.LDC, g.Plan.N, 1)) {
		return fmt.Errorf("result C: %w: %d x %d values with row stride %d in %d", ErrBounds, g.Plan.M, g.Plan.N, g.LDC, len(g.C))
	}
	return nil
}

func checkOperand[T Element](p Packer[T], rows, k int) error {
	switch p := p.(type) {
	case nil:
		return fmt.Errorf("%w: no operand", ErrBounds)
	case *Strided[T]:
		return p.Check(rows, k)
	case *WindowOf[T]:
		return p.fits(rows, k)
	}
	return nil
}

// Pack runs one task of the packing phase: i is below Plan.PackTasks(), shared has Plan.SharedLen() elements.
func (g *Product[T]) Pack(i int, shared []T) {
	p := g.Plan
	if p.tiled() {
		n0, n1 := i*p.cols, min((i+1)*p.cols, p.N)
		strip := roundUp(n1-n0, p.engine.lanes())
		for k0, k1 := 0, 0; k0 < p.K; k0 = k1 {
			k1 = p.pass(k0)
			g.packStrip(shared[n0*p.K+k0*strip:][:strip*(k1-k0)], n0, n1, k0, k1)
		}
		return
	}
	a, b := p.split()
	if rowTiles := ceilDiv(p.M, tileRows); i < rowTiles {
		packBlock(g.A, shared[:a], MR, i*tileRows, min((i+1)*tileRows, p.M), p.K)
	} else {
		i -= rowTiles
		packBlock(g.B, shared[a:a+b], NR, i*tileCols, min((i+1)*tileCols, p.N), p.K)
	}
}

// split returns the shared elements that hold A and B.
func (p Plan) split() (a, b int) { return roundUp(p.M, MR) * p.K, roundUp(p.N, NR) * p.K }

func packBlock[T Element](x Packer[T], dst []T, width, i0, i1, k int) {
	x.Pack(dst[i0*k:roundUp(i1, width)*k], width, i0, i1, 0, k)
}

// Run runs one task of the product: i is below Plan.Tasks(). shared is what the packing phase filled, nil if there is none;
// scratch has Plan.ScratchLen() elements and belongs to the caller's worker. Run does not allocate.
func (g *Product[T]) Run(i int, shared, scratch []T) {
	if !g.Plan.serial {
		g.runTile(i, shared, scratch)
		return
	}
	for t := range g.Plan.tiles() {
		g.runTile(t, shared, scratch)
	}
}

func (g *Product[T]) runTile(i int, shared, scratch []T) {
	p := g.Plan
	m0, m1, n0, n1 := p.tile(i)
	la, lb, lc := p.scratch()
	c, ldc := scratch[la+lb:la+lb+lc], roundUp(n1-n0, p.panel())
	if g.Epilogue == nil {
		c, ldc = g.C[m0*g.LDC+n0:], g.LDC
	}
	switch {
	case p.K == 0 && g.Accumulate:
	case p.K == 0:
		for r := range m1 - m0 {
			clear(c[r*ldc:][:n1-n0])
		}
	case p.tiled():
		g.engineTile(shared, scratch, c, ldc, m0, m1, n0, n1)
	case p.shared:
		g.sharedTile(shared, c, ldc, m0, m1, n0, n1)
	case !g.vectorTile(scratch[:la+lb], c, ldc, m0, m1, n0, n1):
		g.privateTile(scratch[:la], scratch[la:la+lb], c, ldc, m0, m1, n0, n1)
	}
	if g.Epilogue != nil && (p.K == 0 || !p.tiled() || p.whole) {
		g.Epilogue(c, ldc, m0, m1, n0, n1)
	}
}

// fresh reports whether a pass that begins with step k0 finds no sums in C.
func (g *Product[T]) fresh(k0 int) bool { return k0 == 0 && !g.Accumulate }

// panel returns the multiple to which the columns of a tile are rounded.
func (p Plan) panel() int {
	if p.tiled() {
		return p.engine.lanes()
	}
	return NR
}

// sharedTile multiplies panels that hold every step.
func (g *Product[T]) sharedTile(shared, c []T, ldc, m0, m1, n0, n1 int) {
	k := g.Plan.K
	la, lb := g.Plan.split()
	a := block[T]{shared[m0*k : roundUp(m1, MR)*k], k}
	b := block[T]{shared[la:][:lb][n0*k : roundUp(n1, NR)*k], k}
	for k0 := 0; k0 < k; k0 += g.Plan.depth {
		multiply(a, b, k0, min(k0+g.Plan.depth, k), c, ldc, m1-m0, n1-n0, g.fresh(k0))
	}
}

// privateTile packs its own panels, those of a pass at a time.
func (g *Product[T]) privateTile(bufA, bufB, c []T, ldc, m0, m1, n0, n1 int) {
	for k0 := 0; k0 < g.Plan.K; k0 += g.Plan.depth {
		k1 := min(k0+g.Plan.depth, g.Plan.K)
		d := k1 - k0
		a := block[T]{bufA[:roundUp(m1-m0, MR)*d], d}
		b := block[T]{bufB[:roundUp(n1-n0, NR)*d], d}
		g.A.Pack(a.data, MR, m0, m1, k0, k1)
		g.B.Pack(b.data, NR, n0, n1, k0, k1)
		multiply(a, b, 0, d, c, ldc, m1-m0, n1-n0, g.fresh(k0))
	}
}

// block is micro-panels of depth steps, one after the other.
type block[T Element] struct {
	data  []T
	depth int
}

// multiply adds steps [k0,k1) of a*b to the rows x cols tile at c. A panel of A stays in the first-level cache while the
// panels of B, half as large, pass by. Panels that stick out of the tile go through a tile of their own, so nothing outside
// is touched.
func multiply[T Element](a, b block[T], k0, k1 int, c []T, ldc, rows, cols int, fresh bool) {
	for i := 0; i < rows; i += MR {
		pa := a.data[i*a.depth+k0*MR : i*a.depth+k1*MR]
		for j := 0; j < cols; j += NR {
			pb := b.data[j*b.depth+k0*NR : j*b.depth+k1*NR]
			if rows-i >= MR && cols-j >= NR {
				microKernel(pa, pb, c[i*ldc+j:], ldc, fresh)
			} else {
				edgeKernel(pa, pb, c[i*ldc+j:], ldc, min(MR, rows-i), min(NR, cols-j), fresh)
			}
		}
	}
}

func edgeKernel[T Element](a, b, c []T, ldc, rows, cols int, fresh bool) {
	var tile [MR * NR]T
	if !fresh {
		for r := range rows {
			copy(tile[r*NR:][:cols], c[r*ldc:])
		}
	}
	microKernel(a, b, tile[:], NR, fresh)
	for r := range rows {
		copy(c[r*ldc:][:cols], tile[r*NR:])
	}
}

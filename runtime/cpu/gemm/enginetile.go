package gemm

import "unsafe"

// A plan with an engine cuts C into tiles of up to engineRows rows. A task
// packs the columns of B that its tile needs, unless a phase before has packed
// them for all, and reads A in place: each value of A is broadcast, so its
// layout does not matter.

const (
	engineRows  = 192 // rows of a tile: B's columns are packed once for so many rows
	engineDepth = 512 // steps per pass over a tile
	// aliasBytes is the row stride that puts the rows of A into the same sets of
	// the first-level cache; such rows are copied.
	aliasBytes = 2048
)

// engineCols returns the columns of a tile where the plan has the given number of rows of tiles. A strip of few steps is wide, so
// that what an epilogue reads and writes beside a tile passes in long rows, as long as there is a tile for each of some workers;
// one task takes as wide a strip as the second-level cache holds.
func (p Plan) engineCols(rowTiles int) int {
	const (
		longest = 16      // panels
		tiles   = 8       // of a plan whose tasks are shared
		strip   = 1 << 16 // elements
	)
	panel := 2 * p.engine.lanes()
	cols := 2 * panel
	if p.N >= 16*cols {
		cols *= 2
	}
	wide := min(cols*max(1, engineDepth/2/p.depth), roundUp(ceilDiv(p.N*rowTiles, tiles), panel))
	if p.serial {
		wide = strip / p.depth / panel * panel
	}
	wide = min(wide, longest*panel)
	if wide <= cols {
		return cols
	}
	return roundUp(ceilDiv(p.N, ceilDiv(p.N, wide)), panel)
}

// pass returns the end of the pass that begins with step k0.
func (p Plan) pass(k0 int) int {
	k1 := min(k0+p.depth, p.K)
	if p.page > 0 {
		k1 = min(k1, (k0/p.page+1)*p.page)
	}
	return k1
}

// onePass reports whether one pass takes all steps, and no more than its rows are needed at a time.
func (p Plan) onePass() bool { return p.K > 0 && p.K <= p.depth && !p.whole }

// engineScratch returns the lengths of a worker's block of A, of B, of a tile
// of C and of an edge.
func (p Plan) engineScratch() (a, b, c int) {
	depth := min(p.K, p.depth)
	a = p.engine.maxRows() * (depth + aliasPad)
	if !p.shared {
		b = roundUp(min(p.cols, p.N), p.engine.lanes()) * depth
	}
	rows := min(roundUp(p.M, p.engine.maxRows()), p.rows)
	if p.onePass() {
		rows = p.engine.maxRows()
	}
	c = rows * roundUp(min(p.cols, p.N), p.engine.lanes())
	return a, b, c
}

// aliasPad keeps copied rows apart.
const aliasPad = 16

// packStrip packs columns [n0,n1) of B, steps [k0,k1): panels of two vectors,
// the last one of one vector where that is enough.
func (g *Product[T]) packStrip(dst []T, n0, n1, k0, k1 int) {
	e := g.Plan.engine
	depth, v := k1-k0, e.lanes()
	for n := n0; n < n1; {
		width := 2 * v
		if n1-n <= v {
			width = v
		}
		end := min(n+width, n1)
		g.packPanel(dst[:width*depth], width, n, end, k0, k1)
		dst = dst[width*depth:]
		n = end
	}
}

func (g *Product[T]) packPanel(dst []T, width, n0, n1, k0, k1 int) {
	s, ok := g.B.(*Strided[T])
	if !ok || n1-n0 < width || s.Stride != 1 && s.KStride != 1 {
		g.B.Pack(dst, width, n0, n1, k0, k1)
		return
	}
	for k := k0; k < k1; {
		end := s.pageEnd(k, k1)
		if part := dst[(k-k0)*width : (end-k0)*width]; s.Stride == 1 {
			at := s.step(k) + n0
			for len(part) > 0 {
				copy(part[:width], s.Data[at:at+width])
				part = part[width:]
				at += s.KStride
			}
		} else {
			g.transposePanel(part, s, width, n0, k, end)
		}
		k = end
	}
}

// transposePanel packs full panels of rows that are contiguous over the steps, all of one page.
func (g *Product[T]) transposePanel(dst []T, s *Strided[T], width, n0, k0, k1 int) {
	e := g.Plan.engine
	unit := 32 / e.elem
	blocks := (k1 - k0) / unit
	at := s.step(k0)
	for i := 0; i < width && blocks > 0; i += unit {
		// The last element read proves that all of them lie within the data.
		_ = s.Data[(n0+i+unit-1)*s.Stride+at+blocks*unit-1]
		_ = dst[(blocks*unit-1)*width+i+unit-1]
		e.transpose(&packArgs{
			src: unsafe.Pointer(&s.Data[(n0+i)*s.Stride+at]), dst: unsafe.Pointer(&dst[i]),
			stride: int64(s.Stride * e.elem), dpitch: int64(width * e.elem), blocks: int64(blocks),
		})
	}
	for k := blocks * unit; k < k1-k0; k++ {
		for i := range width {
			dst[k*width+i] = s.Data[(n0+i)*s.Stride+at+k]
		}
	}
}

// engineTile computes rows [m0,m1) and columns [n0,n1) to c, or through c for the epilogue, which gets the rows as they are done.
func (g *Product[T]) engineTile(shared, scratch, c []T, ldc, m0, m1, n0, n1 int) {
	p := g.Plan
	la, lb, _ := p.engineScratch()
	bufA, bufB := scratch[:la], scratch[la:la+lb]
	cols := n1 - n0
	if g.Epilogue != nil {
		cols = ldc // the tile has room for whole vectors
	}
	step := ceilDiv(m1-m0, ceilDiv(m1-m0, p.engine.maxRows()))
	for k0, k1 := 0, 0; k0 < p.K; k0 = k1 {
		k1 = p.pass(k0)
		b := bufB
		if p.shared {
			strip := roundUp(n1-n0, p.engine.lanes())
			b = shared[n0*p.K+k0*strip:][:strip*(k1-k0)]
		} else {
			g.packStrip(b, n0, n1, k0, k1)
		}
		for m := m0; m < m1; m += step {
			rows := min(step, m1-m)
			at := (m - m0) * ldc
			if g.Epilogue != nil && p.onePass() {
				at = 0
			}
			g.engineRows(bufA, b, c[at:], ldc, m, rows, n0, cols, k0, k1)
			if g.Epilogue != nil && k1 == p.K && !p.whole {
				g.Epilogue(c[at:], ldc, m, m+rows, n0, n1)
			}
		}
	}
}

// engineRows multiplies some rows of A with all panels of the strip of columns from n0.
func (g *Product[T]) engineRows(bufA, b, c []T, ldc, m, rows, n0, cols, k0, k1 int) {
	e := g.Plan.engine
	v, depth := e.lanes(), k1-k0
	args := kernelArgs{k: int64(depth), ldc: int64(ldc * e.elem)}
	if g.fresh(k0) {
		args.fresh = 1
	}
	a, rs, ks := g.rowsOfA(bufA, m, rows, k0, k1)
	_ = a[(rows-1)*rs+(depth-1)*ks]
	args.a, args.rowStride, args.step = unsafe.Pointer(&a[0]), int64(rs*e.elem), int64(ks*e.elem)
	var edge [maxKernelRows * 2 * maxLanes]T
	for n := 0; n < cols; {
		vectors := 2
		if cols-n <= v {
			vectors = 1
		}
		width := vectors * v
		if k1 == g.Plan.K && len(g.Ahead) > 0 {
			g.ahead(m, rows, n0+n, n0+min(n+width, cols))
		}
		_ = b[width*depth-1]
		args.b = unsafe.Pointer(&b[0])
		if cols-n >= width {
			_ = c[(rows-1)*ldc+n+width-1]
			args.c = unsafe.Pointer(&c[n])
			e.run(rows, vectors, &args)
		} else {
			in := args
			in.c, in.ldc = unsafe.Pointer(&edge), int64(width*e.elem)
			if !g.fresh(k0) {
				for r := range rows {
					copy(edge[r*width:][:cols-n], c[r*ldc+n:])
				}
			}
			e.run(rows, vectors, &in)
			for r := range rows {
				copy(c[r*ldc+n:][:cols-n], edge[r*width:])
			}
		}
		b = b[width*depth:]
		n += width
	}
}

// maxLanes bounds the elements of a vector: 16 of 4 bytes.
const maxLanes = 16

// rowsOfA returns memory that holds rows of A, element (r, k) at r*rs + k*ks:
// the operand itself, or a copy of it.
func (g *Product[T]) rowsOfA(buf []T, m, rows, k0, k1 int) (a []T, rs, ks int) {
	e := g.Plan.engine
	depth := k1 - k0
	pitch := depth + aliasPad
	var s *Strided[T]
	switch x := g.A.(type) {
	case *Strided[T]:
		s = x
	case *WindowOf[T]:
		if x.alongSteps {
			x.packRows(buf, pitch, m, m+rows, k0, k1)
			return buf, pitch, 1
		}
	}
	if s == nil || s.pageEnd(k0, k1) < k1 {
		a = buf[:e.maxRows()*depth]
		g.A.Pack(a, e.maxRows(), m, m+rows, k0, k1)
		return a, 1, e.maxRows()
	}
	at := m*s.Stride + s.step(k0)
	if s.KStride == 1 && s.Stride*e.elem%aliasBytes == 0 && rows > 1 && s.Stride > 0 {
		for r := range rows {
			copy(buf[r*pitch:][:depth], s.Data[at+r*s.Stride:])
		}
		return buf, pitch, 1
	}
	return s.Data[at:], s.Stride, s.KStride
}

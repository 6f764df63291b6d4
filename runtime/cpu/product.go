package cpu

import (
	"unsafe"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/gemm"
)

// A product runs the tasks of one contraction for one worker.
type product interface {
	pack(task int)
	run(p *phase, task int)
}

// newProduct returns what a worker needs for x.
func newProduct(st *state, x *contraction) product {
	switch x.d {
	case types.F32:
		return newTypedProduct[float32](st, x)
	case types.F64:
		return newTypedProduct[float64](st, x)
	case types.I32:
		return newTypedProduct[int32](st, x)
	}
	return newTypedProduct[int64](st, x)
}

type typedProduct[T gemm.Element] struct {
	x    *contraction
	st   *state
	g    gemm.Product[T]
	a, b gemm.Strided[T]
	ta   table[T]
	tb   table[T]
	wa   *gemm.WindowOf[T]
	wb   *gemm.WindowOf[T]
	turn []T     // a tile of the result, turned
	code []instr // the epilogue
	item int     // of the batch
}

func newTypedProduct[T gemm.Element](st *state, x *contraction) *typedProduct[T] {
	p := &typedProduct[T]{x: x, st: st}
	p.g.Plan = x.gemm
	p.g.A, p.g.B = &p.a, &p.b
	planes := wordsOf[T](st.windows)
	p.g.A = p.packer(&x.a, &p.a, &p.ta, &p.wa, planes)
	p.g.B = p.packer(&x.b, &p.b, &p.tb, &p.wb, planes[x.a.windowLen():])
	if x.direct == nil {
		p.g.Epilogue = p.finish
	}
	return p
}

// packer returns the operand that o describes, as one of the given kinds.
func (p *typedProduct[T]) packer(o *operand, s *gemm.Strided[T], t *table[T], w **gemm.WindowOf[T], planes []T) gemm.Packer[T] {
	switch {
	case o.window != nil:
		*w = gemm.NewWindowOf(p.x.gemm, o.window, planes)
		return *w
	case o.rows != nil:
		t.rows, t.steps = o.rows, o.steps
		return t
	}
	*s = gemm.Strided[T]{Stride: int(o.stride), KStride: int(o.step), Page: int(o.page), PageStride: int(o.pageStep)}
	return s
}

// bind points the operands at item of the batch.
func (p *typedProduct[T]) bind(item int) {
	x := p.x
	p.item = item
	a, b := buffer[T](p.st, x.a.buf), buffer[T](p.st, x.b.buf)
	atA, atB, atC := x.a.c, x.b.c, int64(0)
	if x.direct != nil {
		atC = x.direct.c
	}
	for i := len(x.batchAxes) - 1; i >= 0; i-- {
		e := x.batchAxes[i].Extent
		v := int64(item % e)
		item /= e
		atA += v * x.a.batch[i]
		atB += v * x.b.batch[i]
		if x.direct != nil {
			atC += v * x.direct.batch[i]
		}
	}
	p.a.Data, p.b.Data = a[max(0, atA):], b[max(0, atB):]
	p.ta.data, p.ta.base = a, atA
	p.tb.data, p.tb.base = b, atB
	if (p.wa != nil || p.wb != nil) && p.st.windowed != x {
		p.st.windowed = x
		for _, w := range [...]*gemm.WindowOf[T]{p.wa, p.wb} {
			if w != nil {
				w.Reset()
			}
		}
	}
	if p.wa != nil {
		p.wa.Bind(a, atA)
	}
	if p.wb != nil {
		p.wb.Bind(b, atB)
	}
	if x.summed > 0 {
		p.g.Accumulate = p.item/x.inner%x.summed > 0
	}
	if x.direct != nil {
		p.g.C, p.g.LDC = buffer[T](p.st, x.direct.buf)[atC:], int(x.direct.stride)
	}
}

// wordsOf returns memory as elements.
func wordsOf[T gemm.Element](w []uint64) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(w))), len(w)*8/int(unsafe.Sizeof(*new(T))))
}

// turnLen returns the elements of a tile on its way from rows to columns.
func (x *contraction) turnLen() int {
	if !x.turned {
		return 0
	}
	rows, cols := x.gemm.TileSize()
	return rows * cols
}

// windowLen returns the elements of the planes of an operand.
func (o *operand) windowLen() int {
	if o.window == nil {
		return 0
	}
	return o.window.Memory()
}

// sharedOf returns the packed operands of an item of the batch.
func (p *typedProduct[T]) sharedOf(item int) []T {
	n := p.x.gemm.SharedLen()
	if n == 0 {
		return nil
	}
	return buffer[T](p.st, p.x.shared)[item*n : (item+1)*n]
}

func (p *typedProduct[T]) pack(task int) {
	per := p.x.gemm.PackTasks()
	p.bind(task / per)
	p.g.Pack(task%per, p.sharedOf(p.item))
}

func (p *typedProduct[T]) run(ph *phase, task int) {
	per := p.x.gemm.Tasks()
	p.bind(task / per)
	p.code = ph.code
	p.g.Ahead = p.x.ahead(p.st, p.g.Ahead[:0], p.item)
	scratch := wordsOf[T](p.st.scratch)[ph.scratch/int(unsafe.Sizeof(*new(T))):]
	n := p.x.gemm.ScratchLen()
	p.turn = scratch[n : n+p.x.turnLen()]
	p.g.Run(task%per, p.sharedOf(p.item), scratch[:n])
}

// finish hands a tile of C to the stores.
func (p *typedProduct[T]) finish(c []T, ldc, m0, m1, n0, n1 int) {
	if m0 == m1 || n0 == n1 {
		return
	}
	if p.x.turned {
		rows := m1 - m0
		for j := range n1 - n0 {
			row := p.turn[j*rows:][:rows]
			for i := range row {
				row[i] = c[i*ldc+j]
			}
		}
		c, ldc, m0, m1, n0, n1 = p.turn, rows, n0, n1, m0, m1
	}
	p.st.tile = tile{unsafe.Pointer(unsafe.SliceData(c)), ldc, m0, m1, n0, n1, p.item}
	run(p.st, p.code)
}

// A table packs an operand whose offsets follow no stride.
type table[T gemm.Element] struct {
	data        []T
	base        int64
	rows, steps []int64
}

// Pack implements [gemm.Packer].
func (t *table[T]) Pack(dst []T, width, i0, i1, k0, k1 int) {
	depth := k1 - k0
	for i := i0; i < i1; i += width {
		panel := dst[(i-i0)*depth:][:width*depth]
		n := min(width, i1-i)
		if n < width {
			clear(panel)
		}
		for r := range n {
			row := t.base + t.rows[i+r]
			for k := range depth {
				panel[k*width+r] = t.data[row+t.steps[k0+k]]
			}
		}
	}
}

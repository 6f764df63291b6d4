package gemm

import (
	"fmt"
	"slices"
	"unsafe"
)

// A Window says where an operand is that looks at an array through windows, as a convolution does: row i at step k is at the place
// Rows[i] + Steps[k]. The array is cut into planes (images, channels), which are copied, framed by zeros, as the places are asked
// for, so that no place needs a guard. Places count from the first element of the first plane; they lie in planes of Size elements,
// and what row i and step k need is all in plane RowPlanes[i] + StepPlanes[k]. A window without planes (Size 0) is read where it
// is: places count from the origin given to [WindowOf.Bind].
//
// Where Pages are given, a product's steps are the steps of the window for each of them in turn, the array having moved on.
type Window struct {
	Rows, Steps           []int64
	RowPlanes, StepPlanes []int
	Pages                 []int64 // origins

	Size   int         // elements of a plane
	Planes []int64     // origins of planes in the array, relative to that of the page
	Dims   []WindowDim // of a plane, outermost first

	alongSteps        bool    // the runs of steps are the longer ones
	lowest, highest   int64   // places
	rowTurns          []int32 // the end of the run of rows in one plane, of steps
	stepTurns         []int32
	rowRuns, stepRuns []int32 // the end of the run of consecutive places that each row, each step is in
}

// WindowDim is a dimension of a plane: coordinates from 0 to Extent-1, of which those from Lo to Hi-1 are in the array and the
// others zero.
type WindowDim struct {
	Extent, Lo, Hi int
	Stride         int64 // in the array
	Pitch          int   // in the plane
}

// WindowSlack is what a plane must have beyond its last element, and an array beyond nothing.
const WindowSlack = 8

// Init computes what the packer needs to know. It must be called once before the window is used.
func (w *Window) Init() {
	w.rowRuns, w.stepRuns = runs(w.Rows, w.RowPlanes), runs(w.Steps, w.StepPlanes)
	w.rowTurns, w.stepTurns = turns(w.RowPlanes), turns(w.StepPlanes)
	if len(w.Rows) > 0 && len(w.Steps) > 0 {
		w.lowest = slices.Min(w.Rows) + slices.Min(w.Steps)
		w.highest = slices.Max(w.Rows) + slices.Max(w.Steps)
	}
	rows, steps := w.Along()
	w.alongSteps = steps >= rows
	if w.Pages == nil {
		w.Pages = []int64{0}
	}
}

// runs returns where the runs of consecutive places end that lie in one plane.
func runs(places []int64, planes []int) []int32 {
	ends := make([]int32, len(places))
	for i := len(places) - 1; i >= 0; i-- {
		ends[i] = int32(i + 1)
		if i+1 < len(places) && places[i+1] == places[i]+1 && planes[i+1] == planes[i] {
			ends[i] = ends[i+1]
		}
	}
	return ends
}

// turns returns where the runs of equal planes end.
func turns(planes []int) []int32 {
	ends := make([]int32, len(planes))
	for i := len(planes) - 1; i >= 0; i-- {
		ends[i] = int32(i + 1)
		if i+1 < len(planes) && planes[i+1] == planes[i] {
			ends[i] = ends[i+1]
		}
	}
	return ends
}

// Along returns the mean length of the runs of consecutive places along the rows and along the steps.
func (w *Window) Along() (rows, steps float64) {
	mean := func(ends []int32) float64 {
		n := 0
		for i := 0; i < len(ends); i = int(ends[i]) {
			n++
		}
		return float64(len(ends)) / float64(max(1, n))
	}
	return mean(w.rowRuns), mean(w.stepRuns)
}

// AlongRows reports whether the runs along the rows are the longer ones: then it is packed faster as B, and else as A.
func (w *Window) AlongRows() bool { return !w.alongSteps }

// Memory returns the elements of memory that a worker needs for the planes.
func (w *Window) Memory() int {
	if w.Size == 0 {
		return 0
	}
	return len(w.Planes)*w.Size + WindowSlack
}

// WindowOf is a window over an array, for one worker. It implements [Packer].
type WindowOf[T Element] struct {
	*Window
	engine *engine
	data   []T
	origin int64
	memory []T     // the planes
	filled []int64 // the fill that each plane was copied in
	fill   int64
	page   int
	pieces []piece
}

// NewWindowOf returns the operand of a plan that w describes. It keeps its planes in memory, which has at least w.Memory()
// elements, all zero; see [WindowOf.Reset] for memory that others use too.
func NewWindowOf[T Element](p Plan, w *Window, memory []T) *WindowOf[T] {
	x := &WindowOf[T]{Window: w, memory: memory[:w.Memory()], filled: make([]int64, len(w.Planes)), page: -1}
	if p.tiled() {
		x.engine = p.engine
	}
	x.pieces = make([]piece, 0, min(len(w.Steps), engineDepth)+64)
	return x
}

// Bind points the window at an array: place 0 of a window without planes, and the origin of planes, is at origin. It must be called
// again when the array has changed.
func (x *WindowOf[T]) Bind(data []T, origin int64) {
	x.data, x.origin, x.page = data, origin, -1
}

// fits checks the window's tables against the extents of a product.
func (w *Window) fits(rows, k int) error {
	if len(w.Rows) != rows || len(w.Steps)*len(w.Pages) != k || len(w.RowPlanes) != rows || len(w.StepPlanes) != len(w.Steps) {
		return fmt.Errorf("%w: a window of %d rows and %d pages of %d steps for %d x %d values", ErrBounds, len(w.Rows), len(w.Pages), len(w.Steps), rows, k)
	}
	return nil
}

// Reset prepares the planes after someone else has used their memory. [WindowOf.Bind] must follow.
func (x *WindowOf[T]) Reset() { clear(x.memory) }

// turn makes page the one that the planes show.
func (x *WindowOf[T]) turn(page int) {
	if page != x.page {
		x.page = page
		x.fill++
	}
}

// pageOrigin is the origin of the page at hand.
func (x *WindowOf[T]) pageOrigin() int64 { return x.origin + x.Pages[x.page] }

// source returns the memory that places count in, and where place 0 is, for rows [i0,i1) and steps [k0,k1) of a page.
func (x *WindowOf[T]) source(page, i0, i1, k0, k1 int) ([]T, int64) {
	x.turn(page)
	if x.Size == 0 {
		return x.data, x.pageOrigin()
	}
	for i := i0; i < i1; i = int(x.rowTurns[i]) {
		for k := k0; k < k1; k = int(x.stepTurns[k]) {
			x.need(x.RowPlanes[i] + x.StepPlanes[k])
		}
	}
	return x.memory, 0
}

// need copies a plane of the page at hand if it is not there.
func (x *WindowOf[T]) need(plane int) {
	if x.filled[plane] == x.fill {
		return
	}
	x.filled[plane] = x.fill
	x.copyDim(0, x.pageOrigin()+x.Planes[plane], plane*x.Size)
}

// copyDim copies what is in the array of dimension d and those within it.
func (x *WindowOf[T]) copyDim(d int, from int64, to int) {
	dim := &x.Dims[d]
	if dim.Lo >= dim.Hi {
		return
	}
	if d == len(x.Dims)-2 && x.Dims[d+1].Stride == 1 && x.engine != nil {
		x.copyRows(dim, &x.Dims[d+1], from, to)
		return
	}
	if d == len(x.Dims)-1 {
		dst := x.memory[to+dim.Lo*dim.Pitch:]
		for j := range dim.Hi - dim.Lo {
			dst[j*dim.Pitch] = x.data[from+int64(dim.Lo+j)*dim.Stride]
		}
		return
	}
	for i := dim.Lo; i < dim.Hi; i++ {
		x.copyDim(d+1, from+int64(i)*dim.Stride, to+i*dim.Pitch)
	}
}

// copyRows copies rows of contiguous elements.
func (x *WindowOf[T]) copyRows(outer, inner *WindowDim, from int64, to int) {
	n, rows := inner.Hi-inner.Lo, outer.Hi-outer.Lo
	if n <= 0 {
		return
	}
	from += int64(outer.Lo)*outer.Stride + int64(inner.Lo)
	to += outer.Lo*outer.Pitch + inner.Lo
	end := from + int64(rows-1)*outer.Stride
	_, _ = x.data[min(from, end)], x.data[max(from, end)+int64(n)-1]
	_ = x.memory[to+(rows-1)*outer.Pitch+(n+7)/8*8-1]
	x.pieces = appendPieces(x.pieces[:0], n, 0, 0, x.engine.elem)
	x.engine.copyPieces(&copyArgs{
		src: unsafe.Pointer(&x.data[from]), dst: unsafe.Pointer(&x.memory[to]), pieces: unsafe.Pointer(&x.pieces[0]), masks: unsafe.Pointer(&pieceMasks),
		count: int64(len(x.pieces)), rows: int64(rows), step: outer.Stride * int64(x.engine.elem), pitch: int64(outer.Pitch * x.engine.elem),
	})
}

// eachPage calls f for the parts of steps [k0,k1) that lie in one page each: steps [s0,s1) of the window, at steps from k on.
func (x *WindowOf[T]) eachPage(k0, k1 int, f func(page, s0, s1, k int)) {
	n := len(x.Steps)
	for k := k0; k < k1; {
		page := k / n
		end := min(k1, (page+1)*n)
		f(page, k-page*n, end-page*n, k)
		k = end
	}
}

// Pack implements [Packer].
func (x *WindowOf[T]) Pack(dst []T, width, i0, i1, k0, k1 int) {
	depth := k1 - k0
	x.eachPage(k0, k1, func(page, s0, s1, k int) {
		src, at := x.source(page, i0, i1, s0, s1)
		for i := i0; i < i1; i += width {
			panel := dst[(i-i0)*depth:][:width*depth]
			x.panel(panel[(k-k0)*width:][:(s1-s0)*width], src, at, width, i, min(i+width, i1), s0)
		}
	})
}

// panel packs rows [i0,i1) to a panel of the steps from k0 on.
func (x *WindowOf[T]) panel(dst []T, src []T, at int64, width, i0, i1, k0 int) {
	depth := len(dst) / width
	if i1-i0 < width {
		clear(dst)
	}
	if x.engine != nil {
		x.check(src, at)
		_ = dst[(depth-1)*width+i1-i0-1]
		args := columnArgs{
			src: unsafe.Pointer(unsafe.SliceData(src)), offsets: unsafe.Pointer(&x.Steps[k0]), origin: at * int64(x.engine.elem),
			steps: int64(depth), pitch: int64(width * x.engine.elem),
		}
		for i := i0; i < i1; {
			end := min(int(x.rowRuns[i]), i1)
			x.engine.copyRun(&args, end-i, x.Rows[i], unsafe.Pointer(&dst[i-i0]))
			i = end
		}
		return
	}
	for k := range depth {
		row := dst[k*width : (k+1)*width]
		base := at + x.Steps[k0+k]
		for i := i0; i < i1; i++ {
			row[i-i0] = src[base+x.Rows[i]]
		}
	}
}

// packRows copies rows [i0,i1), steps [k0,k1): row i to dst[(i-i0)*pitch:], where pitch is at least WindowSlack more than the steps.
func (x *WindowOf[T]) packRows(dst []T, pitch, i0, i1, k0, k1 int) {
	x.eachPage(k0, k1, func(page, s0, s1, k int) {
		src, at := x.source(page, i0, i1, s0, s1)
		x.check(src, at)
		x.pieces = x.pieces[:0]
		for j := s0; j < s1; {
			end := min(int(x.stepRuns[j]), s1)
			x.pieces = appendPieces(x.pieces, end-j, x.Steps[j], j-s0, x.engine.elem)
			j = end
		}
		_ = dst[(i1-i0-1)*pitch+k-k0+(s1-s0)+7]
		x.engine.copyPieces(&copyArgs{
			src: unsafe.Pointer(unsafe.SliceData(src)), origin: at, offsets: unsafe.Pointer(&x.Rows[i0]), dst: unsafe.Pointer(&dst[k-k0]),
			pieces: unsafe.Pointer(&x.pieces[0]), masks: unsafe.Pointer(&pieceMasks),
			count: int64(len(x.pieces)), rows: int64(i1 - i0), pitch: int64(pitch * x.engine.elem),
		})
	})
}

// check panics if a place of the window may be outside of the memory.
func (x *WindowOf[T]) check(src []T, at int64) {
	if lo, hi := at+x.lowest, at+x.highest; lo < 0 || hi >= int64(len(src)) {
		panic(fmt.Sprintf("gemm: places %d to %d of a window in %d elements", lo, hi, len(src)))
	}
}

package cpu

import (
	"unsafe"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/simd"
)

// class says how many lanes a register has.
type class uint8

const (
	scalar class = iota // one value
	row                 // one per row of a tile of several rows
	full                // one per point of the tile
)

var classNames = [...]string{"s", "r", "v"}

// reg is the number of a register; none is no register.
type reg = int32

const none reg = -1

// An instr is one instruction of a tile program: fn works on the registers.
type instr struct {
	fn   func(*state, *instr)
	name string // for the listing

	dst, a, b, c reg
	cl           class // lanes of dst, or of what is stored
	lanewise     bool  // lane i of dst depends on lanes i of the operands only: dst may take an operand's place
	accumulates  bool  // dst is read too
	places       bool  // dst becomes a name of memory and needs none of its own
	env          bool  // the body runs once per point of env axes

	buf   int // buffer loaded or stored
	aff   *affine
	imm   int64
	width int // lanes per row, for moves between classes
	body  []instr
	loop  *loop
	check *check
	terms []term // of rows, added to the index at aff
	acc   reg    // register that is put on the rows of a tile
	sem   sem
	lane  *laneLoop
	rect  *rectangle
	push  *push
	kind  bodyKind
	tasks bool // the body takes the task's positions
}

// bodyKind says what the lanes of a body are.
type bodyKind uint8

const (
	plainBody   bodyKind = iota // those of the block around it
	laneTiles                   // a tile of points
	rowTiles                    // a tile of several rows
	productTile                 // a row of a tile of a product
)

// A loop is what the instructions that run a body need.
type loop struct {
	slots   []int // env slots of the axes, outermost first
	extents []int
	total   int
	step    int // lanes or rows at a time
}

// mem is a bound buffer.
type mem struct {
	p      unsafe.Pointer
	n      int // elements
	bytes  []byte
	output bool // the caller's, which nothing here reads soon
}

// A state is the machine of one worker while it runs a task.
type state struct {
	ptr    []unsafe.Pointer // where each register is
	env    []int64          // values of axes that are scalars; slot 0 is the task's number
	n      [3]int           // lanes by class
	pos    [3]int           // flat position of lane 0 in its space, by class
	lo, hi int              // positions of the task's outermost loop
	bufs   []mem
	task   int
	failed failure

	scratch  []uint64
	phase    *phase // that the registers are set up for
	args     *simd.Args
	products map[*contraction]product
	windows  []uint64     // planes of the windows of one product
	windowed *contraction // whose they are

	locals    []byte // local values of the block that is at work
	stageBufs []mem  // of the stage that runs
	tile      tile
	walk      walk // of the instruction that runs
}

// taskSlot is the env slot of the task's number.
const taskSlot = 0

// lanes returns the first n lanes of a register.
func lanes[T any](st *state, r reg, n int) []T {
	return unsafe.Slice((*T)(st.ptr[r]), n)
}

// first returns lane 0 of a register.
func first[T any](st *state, r reg) T { return *(*T)(st.ptr[r]) }

// buffer returns the elements of a bound buffer.
func buffer[T any](st *state, b int) []T {
	m := &st.bufs[b]
	return unsafe.Slice((*T)(m.p), m.n)
}

func run(st *state, code []instr) {
	for i := range code {
		in := &code[i]
		in.fn(st, in)
	}
}

// runLoop runs the body once per point of the loop's axes, the last fastest.
func runLoop(st *state, in *instr) {
	l := in.loop
	for _, s := range l.slots {
		st.env[s] = 0
	}
	for range l.total {
		run(st, in.body)
		l.advance(st.env)
	}
}

// advance moves the axes to the next point.
func (l *loop) advance(env []int64) {
	for d := len(l.slots) - 1; d >= 0; d-- {
		s := l.slots[d]
		env[s]++
		if env[s] < int64(l.extents[d]) {
			return
		}
		env[s] = 0
	}
}

// seek moves the axes to the point of flat number p.
func (l *loop) seek(env []int64, p int) {
	for d := len(l.slots) - 1; d >= 0; d-- {
		env[l.slots[d]] = int64(p % l.extents[d])
		p /= l.extents[d]
	}
}

// runChunks runs the body over a space of its own, some lanes at a time.
func runChunks(st *state, in *instr) {
	n, pos := st.n, st.pos
	for p := 0; p < in.loop.total; p += in.loop.step {
		st.pos[full], st.n[full] = p, min(in.loop.step, in.loop.total-p)
		run(st, in.body)
	}
	st.n, st.pos = n, pos
}

// runWhole runs the body with all lanes of a space at once.
func runWhole(st *state, in *instr) {
	st.pos[full], st.n[full] = 0, in.loop.total
	run(st, in.body)
}

// runTiles runs the body over the task's positions, some lanes at a time.
func runTiles(st *state, in *instr) {
	for p := st.lo; p < st.hi; p += in.loop.step {
		st.pos[full], st.n[full] = p, min(in.loop.step, st.hi-p)
		run(st, in.body)
	}
}

// runRows runs the body for each of the task's rows.
func runRows(st *state, in *instr) {
	in.loop.seek(st.env, st.lo)
	for p := st.lo; p < st.hi; p++ {
		run(st, in.body)
		in.loop.advance(st.env)
	}
}

// runRowTiles runs the body over the task's rows, several rows of width lanes
// at a time.
func runRowTiles(st *state, in *instr) {
	for p := st.lo; p < st.hi; p += in.loop.step {
		r := min(in.loop.step, st.hi-p)
		st.pos[row], st.n[row] = p, r
		st.pos[full], st.n[full] = p*in.width, r*in.width
		run(st, in.body)
	}
}

// A term is coef times an axis slot or a register.
type term struct {
	coef int64
	at   int
}

// A dim is one dimension of a space of lanes.
type dim struct {
	extent int
	coef   int64
}

// An affine is an index that is linear in the axes: over the lanes of a tile
// and over everything that is a scalar in it.
type affine struct {
	c    int64
	axes []term // env slots
	regs []term // scalar index registers
	dims []dim  // lanes, outermost first; adjacent ones collapsed
}

// base returns the index where all lane dimensions are 0.
func (a *affine) base(st *state) int64 {
	b := a.c
	for _, t := range a.axes {
		b += t.coef * st.env[t.at]
	}
	for _, t := range a.regs {
		b += t.coef * first[int64](st, reg(t.at))
	}
	return b
}

// maxDims bounds the lane dimensions of an index after collapsing.
const maxDims = 64

// A walk visits the lanes of a tile in runs over which the index has one stride.
type walk struct {
	dims   []dim
	left   int
	off    int   // first lane of the run
	n      int   // lanes of the run
	at     int64 // index at the first lane
	stride int64
	outer  int64 // index at lane 0 of the innermost dimension
	inner  int   // place of the run's first lane in the innermost dimension
	x      [maxDims]int
}

// start begins a walk over n lanes from flat position pos.
func (w *walk) start(a *affine, base int64, pos, n int) {
	w.dims, w.left, w.off, w.n = a.dims, n, 0, 0
	w.outer = base
	for d := len(a.dims) - 1; d >= 0; d-- {
		q := pos / a.dims[d].extent
		w.x[d] = pos - q*a.dims[d].extent
		pos = q
		if d < len(a.dims)-1 {
			w.outer += int64(w.x[d]) * a.dims[d].coef
		}
	}
	if k := len(a.dims) - 1; k >= 0 {
		w.stride = a.dims[k].coef
		w.inner = w.x[k]
	}
}

// next moves to the next run.
func (w *walk) next() bool {
	if w.left == 0 {
		return false
	}
	k := len(w.dims) - 1
	if w.n > 0 {
		w.off += w.n
		w.inner = 0
		for d := k - 1; d >= 0; d-- {
			w.x[d]++
			w.outer += w.dims[d].coef
			if w.x[d] < w.dims[d].extent {
				break
			}
			w.outer -= int64(w.x[d]) * w.dims[d].coef
			w.x[d] = 0
		}
	}
	if k < 0 {
		w.n, w.at = w.left, w.outer
		w.left = 0
		return true
	}
	w.n = min(w.left, w.dims[k].extent-w.inner)
	w.at = w.outer + int64(w.inner)*w.stride
	w.left -= w.n
	return true
}

// bits holds the storage types that moves of data are made for.
type bits interface {
	uint8 | uint16 | uint32 | uint64
}

// bySize returns the function for elements of d's size.
func bySize(d types.DType, f1, f2, f4, f8 func(*state, *instr)) func(*state, *instr) {
	return bySizeOf(d.Size(), f1, f2, f4, f8)
}

// bySizeOf returns the function for elements of the given bytes.
func bySizeOf(size int, f1, f2, f4, f8 func(*state, *instr)) func(*state, *instr) {
	switch size {
	case 1:
		return f1
	case 2:
		return f2
	case 4:
		return f4
	}
	return f8
}

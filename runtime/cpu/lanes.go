package cpu

import (
	"math"
	"slices"
	"unsafe"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/simd"
)

// Where the machine has vector instructions, runs of instructions of a tile
// program become one instruction that runs a generated loop: what they compute
// for one another stays in vector registers. In a tile of several rows the loop
// takes row after row, with folds over each; elsewhere the tile is one row.

// sem is what an instruction means, for the generator.
type sem struct {
	kind  semKind
	op    kernel.Op
	d, to types.DType
}

type semKind uint8

const (
	semNone   semKind = iota
	semUnary          // dst = op(a)
	semBinary         // dst = op(a, b)
	semSelect         // dst = a ? b : c
	semCast           // dst = a as another type
	semCopy           // dst = a, or all lanes a where a has fewer
	semFold           // the scalar dst = op(dst, fold of a)
	semRows           // lanes of rows dst = fold of each row of a
	semIota           // dst = an affine index as a number
	semGe0            // whether an affine index is >= 0
	semEq0            // whether an affine index is 0
	semLoad           // lanes of memory at an affine index
	semLoadIf         // dst = lanes of memory at an affine index where b; else 0
	semStore          // lanes of a to memory at an affine index
	semAccum          // lanes of a added to memory at an affine index
	semMemory         // any other writing of memory
)

// copySem is the meaning of a copy of lanes of the given bytes.
func copySem(size int) sem {
	switch size {
	case 1:
		return sem{kind: semCopy, d: types.Bool}
	case 4:
		return sem{kind: semCopy, d: types.F32}
	}
	return sem{}
}

// A laneLoop is a generated loop and what it is run with.
type laneLoop struct {
	loop    *simd.Loop
	rows    bool // a row of the loop is a row of the tile; else the whole tile
	width   int  // lanes of a row of the tile
	ins     []stream
	outs    []stream
	mems    []memStream
	scalars []laneScalar
	scratch reg     // memory for the loop, or none
	replace []instr // what it stands for, in the listing
}

// stream is a stream in a register.
type stream struct {
	r    reg
	n    int // stream of the loop
	step int // bytes from row to row
}

// memStream is a stream in a buffer at an affine index.
type memStream struct {
	buf    int
	size   int
	aff    *affine
	n      int
	dims   []dim // of rows
	step   int   // elements from row to row, where that is one number
	one    bool  // one element for each row
	around bool  // may bypass the caches
	masked bool  // lanes outside the buffer are not touched
}

type laneScalar struct {
	r    reg
	slot int
	typ  simd.Type
	aff  *affine // the scalar is an index at the first lane, not a register
}

func (l *laneLoop) eachRead(f func(reg)) {
	for _, s := range l.ins {
		f(s.r)
	}
	for _, s := range l.scalars {
		if s.aff == nil {
			f(s.r)
			continue
		}
		for _, t := range s.aff.regs {
			f(reg(t.at))
		}
	}
	for _, m := range l.mems {
		for _, t := range m.aff.regs {
			f(reg(t.at))
		}
	}
}

func (l *laneLoop) eachWritten(f func(reg)) {
	for _, s := range l.outs {
		f(s.r)
	}
	if l.scratch != none {
		f(l.scratch)
	}
}

// laneType returns the generator's type for elements of type d.
func laneType(d types.DType) (simd.Type, bool) {
	switch d {
	case types.F32:
		return simd.F32, true
	case types.I32:
		return simd.I32, true
	case types.U32:
		return simd.U32, true
	case types.Bool:
		return simd.Bool, true
	case types.F16:
		return simd.F16, true
	case types.BF16:
		return simd.BF16, true
	}
	return 0, false
}

// laneWord returns the bits that an element of the given bits in memory has as a
// value of the generator.
func laneWord(t simd.Type, bits uint32) uint32 {
	switch {
	case t == simd.F16:
		return math.Float32bits(types.Float16(bits).Float32())
	case t == simd.BF16:
		return math.Float32bits(types.BFloat16(bits).Float32())
	case t == simd.Bool && bits != 0:
		return math.MaxUint32
	}
	return bits
}

// setScalars puts the loop's scalars into the arguments.
func (l *laneLoop) setScalars(st *state) {
	args := st.args
	for _, s := range l.scalars {
		if s.aff != nil {
			at := s.aff.base(st)
			if !l.rows && len(s.aff.dims) > 0 {
				at += int64(st.pos[full]) * s.aff.dims[0].coef
			}
			args.Scalars[s.slot] = uint32(at)
			continue
		}
		p := st.ptr[s.r]
		switch s.typ {
		case simd.Bool:
			args.Scalars[s.slot] = laneWord(s.typ, uint32(*(*uint8)(p)))
		case simd.F16, simd.BF16:
			args.Scalars[s.slot] = laneWord(s.typ, uint32(*(*uint16)(p)))
		default:
			args.Scalars[s.slot] = *(*uint32)(p)
		}
	}
}

// runLanes runs a generated loop over the lanes of the tile, or over its rows.
func runLanes(st *state, in *instr) {
	l, args := in.lane, st.args
	rows, n := 1, st.n[full]
	if l.rows {
		rows, n = st.n[row], l.width
	}
	l.setScalars(st)
	if l.scratch != none {
		args.Scratch = st.ptr[l.scratch]
	}
	args.Around = false
	for done := 0; done < rows; {
		// Rows over which every index has one step.
		k := rows - done
		for i := range l.mems {
			m := &l.mems[i]
			at := int(m.aff.base(st))
			if l.rows {
				at, k = m.row(at, st.pos[row]+done, k)
			} else {
				at += st.pos[full]
			}
			mem := &st.bufs[m.buf]
			if m.masked {
				args.Streams[m.n], args.Shift[m.n] = mem.p, at*m.size
				continue
			}
			args.Around = args.Around || m.around && mem.output
			args.Streams[m.n] = unsafe.Add(mem.p, at*m.size)
			m.check(mem, at, k, n)
		}
		for _, s := range l.ins {
			args.Streams[s.n] = unsafe.Add(st.ptr[s.r], done*s.step)
		}
		for _, s := range l.outs {
			args.Streams[s.n] = unsafe.Add(st.ptr[s.r], done*s.step)
		}
		l.loop.Run(args, k, n)
		done += k
	}
}

// row returns the index at a row, and how many rows, at most k, have the same
// step from it on.
func (m *memStream) row(at, pos, k int) (int, int) {
	switch len(m.dims) {
	case 0:
		return at, k
	case 1:
		return at + pos*m.step, k
	}
	last := len(m.dims) - 1
	for i := last; i >= 0; i-- {
		d := &m.dims[i]
		q := pos / d.extent
		x := pos - q*d.extent
		if i == last {
			k = min(k, d.extent-x)
		}
		at += x * int(d.coef)
		pos = q
	}
	return at, k
}

// check panics where a stream leaves its buffer.
func (m *memStream) check(mem *mem, at, rows, n int) {
	if m.one {
		n = 1
	}
	end := at + (rows-1)*m.step
	if min(at, end) < 0 || max(at, end)+n > mem.n {
		panic("cpu: a load or store leaves its buffer")
	}
}

// splitDims takes the lane dimensions of an index over rows of width lanes
// apart: those of the rows, and the step from lane to lane of a row, if that is
// one number.
func splitDims(dims []dim, width int) (rows []dim, lane int64, ok bool) {
	inner := 1
	i := len(dims)
	for i > 0 && inner < width {
		i--
		d := dims[i]
		if width%inner != 0 {
			return nil, 0, false
		}
		part := width / inner // lanes of d within a row
		switch {
		case d.extent%part == 0:
		case part%d.extent == 0:
			part = d.extent
		default:
			return nil, 0, false
		}
		if inner == 1 {
			lane = d.coef
		} else if d.coef != lane*int64(inner) {
			return nil, 0, false
		}
		inner *= part
		if part < d.extent {
			rows = append(slices.Clone(dims[:i]), dim{d.extent / part, d.coef * int64(part)})
			return rows, lane, inner == width
		}
	}
	return slices.Clone(dims[:i]), lane, inner == width
}

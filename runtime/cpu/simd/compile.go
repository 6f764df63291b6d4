package simd

import (
	"encoding/binary"
	"fmt"

	"dumbtorch/runtime/cpu/amd64"
)

// The code is a loop over rows, and in it one loop over vectors for each pass.
// Within the copies of a pass's body registers are handed out in one forward
// run; see registers.go.
const (
	maxStreams = 20
	maxScalars = 24
	maxSlots   = 96 // scalars, values of rows, running folds, spilled values
	maxLanes   = 16
	// foldLanes is the number of running folds of a fold: fixed, since it tells
	// the order of additions.
	foldLanes = 32
	slotBytes = 4 * maxLanes
)

// Offsets in Args.
const (
	offCount   = 0
	offRows    = 8
	offRest    = 16
	offScratch = 24
	offStreams = 32
	offScalars = offStreams + 8*maxStreams
	offMask    = offScalars + 4*maxScalars
	offStage   = offMask + slotBytes
	offSlots   = offStage + slotBytes
)

// The registers: the argument block, the number of the first lane of the
// vectors at hand, iterations or lanes left, and temporaries; the rest hold
// streams.
const (
	rArgs  = amd64.R14
	rIndex = amd64.RAX
	rLeft  = amd64.RDX
	rTemp  = amd64.RSI
	rDest  = amd64.RDI // temporary, as RCX is
)

var streamRegs = []amd64.Reg{amd64.RBX, amd64.R8, amd64.R9, amd64.R10, amd64.R11, amd64.R12, amd64.R13, amd64.R15}

// The mask registers of AVX-512: the lanes of a partial vector, and results of
// comparisons on their way to a vector; the lanes that a load wants.
const (
	kRest    amd64.Mask = 1
	kCompare amd64.Mask = 2
	kLoaded  amd64.Mask = 3
)

// compiler is the state of code generation.
type compiler struct {
	*Builder
	*plan
	registers
	a       *amd64.Assembler
	w       amd64.Width
	lanes   int // of a vector
	width   int // of a row; 0: given by each run
	around  bool
	base    int // slots in use by scalars, values of the row and running folds
	pointer map[int]amd64.Reg
	cells   map[Value][]cell
	err     error
}

// compile returns the code, the offset of a second entry that bypasses the
// caches (0: none), and the bytes of scratch memory.
func (b *Builder) compile(width int) (code []byte, around, scratch int, err error) {
	switch {
	case len(b.streams) > maxStreams:
		return nil, 0, 0, fmt.Errorf("simd: %d streams, more than %d", len(b.streams), maxStreams)
	case b.scalars > maxScalars:
		return nil, 0, 0, fmt.Errorf("simd: %d scalars, more than %d", b.scalars, maxScalars)
	}
	a := amd64.New()
	if !b.wide {
		a.WithoutEVEX()
	}
	plan := b.plan(width > 0)
	entries := 1
	for _, s := range b.streams {
		if s.Around {
			entries = 2
		}
	}
	for e := range entries {
		a.Align(64)
		c := &compiler{Builder: b, plan: plan, a: a, w: amd64.Y, lanes: 8, width: width, around: e == 1}
		c.count = 16
		if b.wide {
			c.w, c.lanes, c.count = amd64.Z, 16, 32
		}
		if c.around {
			around = a.Len()
		}
		if c.program(); c.err != nil {
			return nil, 0, 0, c.err
		}
		scratch = len(plan.kept) * c.keptBytes()
	}
	code, err = a.Finish()
	return code, around, scratch, err
}

func (c *compiler) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("simd: "+format, args...)
	}
}

// keptBytes is the size of one row of scratch memory: whole groups of vectors.
func (c *compiler) keptBytes() int {
	return 4 * ((c.width + foldLanes - 1) / foldLanes * foldLanes)
}

func slotAt(i int) amd64.Mem { return amd64.At(rArgs, offSlots+slotBytes*i) }

// vector returns constant data of one vector, whose lane i is f(i).
func (c *compiler) vector(f func(lane int) uint32) amd64.Mem { return c.data(c.lanes, f) }

func (c *compiler) data(lanes int, f func(lane int) uint32) amd64.Mem {
	var data [slotBytes]byte
	for i := range lanes {
		binary.LittleEndian.PutUint32(data[4*i:], f(i))
	}
	return c.a.Pool(data[:4*lanes])
}

// program appends the loop over rows and what goes before and after it.
func (c *compiler) program() {
	a := c.a
	a.Mov(rArgs, amd64.RDI)
	c.base = c.scalars + len(c.slot)
	if c.base > maxSlots {
		c.fail("more than %d values to keep in memory", maxSlots)
		return
	}
	for i := range c.scalars {
		a.Op2(amd64.VBROADCASTSS, c.w, 0, amd64.At(rArgs, offScalars+4*i))
		a.Store(amd64.VMOVUPSStore, c.w, slotAt(i), 0)
	}
	top := a.Here()
	c.rowCode(c.first)
	for i := range c.passes {
		c.pass(&c.passes[i])
	}
	for _, s := range c.stores {
		if c.streams[s.stream].Row {
			c.storeRow(s)
		}
	}
	for i, s := range c.streams {
		if s.Step != 0 {
			a.Mov(rTemp, amd64.At(rArgs, offStreams+8*i))
			a.AddImm(rTemp, int32(s.Step))
			a.MovStore(amd64.At(rArgs, offStreams+8*i), rTemp)
		}
	}
	a.Mov(rTemp, amd64.At(rArgs, offRows))
	a.SubImm(rTemp, 1)
	a.MovStore(amd64.At(rArgs, offRows), rTemp)
	a.CmpImm(rTemp, 0)
	a.Jcc(amd64.NotEqual, top)
	if c.around {
		a.SFence()
	}
	a.VZeroUpper()
	a.Ret()
}

// rowCode computes values of the row, each into its slot.
func (c *compiler) rowCode(values []Value) {
	items := make([]item, len(values))
	for i, v := range values {
		items[i] = item{do: doCompute, v: v}
	}
	c.body(items, 0, wholeVector)
}

// rest says which lanes of a vector count.
type rest int

const (
	wholeVector rest = 0
	// runRest: as many as the number at offRest says; otherwise a rest is the
	// number itself.
	runRest rest = -1
)

// smallBody is the number of operations below which a loop without folds takes
// several vectors at a time.
const smallBody = 12

// pass appends the loop over the lanes.
func (c *compiler) pass(p *pass) {
	a := c.a
	c.startFolds(p)
	c.bindStreams(p)
	copies := foldLanes / c.lanes
	if len(p.folds) == 0 && len(p.items) > smallBody {
		copies = 1
	}
	step := copies * c.lanes
	a.Xor(rIndex, rIndex)
	group := func() {
		for k := range copies {
			c.body(p.items, k, wholeVector)
			if p.heavy {
				c.prefetch(k)
			}
		}
		a.AddImm(rIndex, int32(step))
	}
	if c.width > 0 {
		switch groups := c.width / step; groups {
		case 0:
		case 1:
			group()
		default:
			a.MovImm(rLeft, int32(groups))
			a.Align(32)
			top := a.Here()
			group()
			a.SubImm(rLeft, 1)
			a.Jcc(amd64.NotEqual, top)
		}
		left := c.width % step
		for k := 0; left > 0; k++ {
			r := wholeVector
			if left < c.lanes {
				r = rest(left)
				c.constRest(left)
			}
			c.body(p.items, k, r)
			left -= c.lanes
		}
	} else {
		tail, done := a.Label(), a.Label()
		a.Mov(rLeft, amd64.At(rArgs, offCount))
		a.CmpImm(rLeft, int32(step))
		a.Jcc(amd64.Less, tail)
		a.Align(32)
		top := a.Here()
		group()
		a.SubImm(rLeft, int32(step))
		a.CmpImm(rLeft, int32(step))
		a.Jcc(amd64.GreaterEqual, top)
		a.Bind(tail)
		for k := range copies {
			a.CmpImm(rLeft, 0)
			a.Jcc(amd64.LessEqual, done)
			c.runRest()
			c.body(p.items, k, runRest)
			a.SubImm(rLeft, int32(c.lanes))
		}
		a.Bind(done)
	}
	c.endFolds(p)
	c.rowCode(p.after)
}

// constRest makes the mask of the first n lanes.
func (c *compiler) constRest(n int) {
	if c.wide {
		c.a.MovImm(rTemp, int32(1)<<n-1)
		c.a.KMovW(kRest, rTemp)
	}
}

// runRest makes the mask of the lanes that are left, at most a vector.
func (c *compiler) runRest() {
	a := c.a
	few := a.Label()
	a.Mov(rTemp, rLeft)
	a.CmpImm(rTemp, int32(c.lanes))
	a.Jcc(amd64.LessEqual, few)
	a.MovImm(rTemp, int32(c.lanes))
	a.Bind(few)
	a.MovStore(amd64.At(rArgs, offRest), rTemp)
	c.clear()
	r := c.free()
	a.Op2(amd64.VPBROADCASTD, c.w, r, amd64.At(rArgs, offRest))
	lane := c.vector(func(i int) uint32 { return uint32(i) })
	if c.wide {
		a.Compare(amd64.VPCMPD, c.w, kRest, r, lane, cmpGreater)
		return
	}
	a.Op3(amd64.VPCMPGTD, c.w, r, r, lane)
	a.Store(amd64.VMOVUPSStore, c.w, amd64.At(rArgs, offMask), r)
}

// restMask returns the mask of a partial vector; AVX2.
func (c *compiler) restMask(r rest) amd64.Mem {
	if r == runRest {
		return amd64.At(rArgs, offMask)
	}
	return c.vector(func(i int) uint32 {
		if i < int(r) {
			return ^uint32(0)
		}
		return 0
	})
}

// scratchStream is the number under which scratch memory has a pointer.
const scratchStream = -1

// pointerAt is where the argument block has the pointer of a stream.
func pointerAt(s int) amd64.Mem {
	if s == scratchStream {
		return amd64.At(rArgs, offScratch)
	}
	return amd64.At(rArgs, offStreams+8*s)
}

// bindStreams loads the pointers of the streams of a pass, as far as there are
// registers.
func (c *compiler) bindStreams(p *pass) {
	c.pointer = map[int]amd64.Reg{}
	bind := func(s int) {
		if _, ok := c.pointer[s]; !ok && len(c.pointer) < len(streamRegs) {
			r := streamRegs[len(c.pointer)]
			c.pointer[s] = r
			c.a.Mov(r, pointerAt(s))
		}
	}
	for _, it := range p.items {
		switch n := c.nodes[it.v]; {
		case it.do == doStore:
			bind(c.Builder.stores[it.store].stream)
		case it.do != doCompute:
			bind(scratchStream)
		case n.isLoad():
			bind(n.n)
		}
	}
}

// lanesAt returns the memory of a stream's part of the k-th vector of a group.
func (c *compiler) lanesAt(s, k int) amd64.Mem {
	base, ok := c.pointer[s]
	if !ok {
		base = rTemp
		c.a.Mov(rTemp, pointerAt(s))
	}
	size := 4
	if s != scratchStream {
		size = c.streams[s].Type.bytes()
	}
	return amd64.AtIndex(base, rIndex, size, k*c.lanes*size)
}

// keptAt returns the memory in which a value is kept.
func (c *compiler) keptAt(v Value, k int) amd64.Mem {
	m := c.lanesAt(scratchStream, k)
	m.Disp += int32(c.kept[v] * c.keptBytes())
	return m
}

// farAhead is how many bytes ahead a single pass asks for its inputs.
const farAhead = 1024

// prefetch asks for what the next row, or a later group of a single pass, needs.
func (c *compiler) prefetch(k int) {
	for i, s := range c.streams {
		_, bound := c.pointer[i]
		if !s.Ahead || s.out || s.Row || !bound || s.Type.bytes() < 4 || 4*k*c.lanes%64 != 0 {
			continue
		}
		m := c.lanesAt(i, k)
		if len(c.passes) > 1 {
			m.Disp += int32(s.Step)
		} else {
			m.Disp += farAhead
		}
		c.a.Prefetch(m)
	}
}

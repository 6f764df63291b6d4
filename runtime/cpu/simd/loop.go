package simd

import (
	"fmt"
	"runtime"
	"unsafe"

	"dumbtorch/runtime/cpu/native"
)

// A Loop is a compiled program. It may run on any number of goroutines at once,
// each with its own [Args].
type Loop struct {
	code    *native.Code
	around  int // offset of the code that bypasses the caches; 0: none
	streams []Stream
	scalars int
	width   int // lanes of a row; 0: given by each run
	scratch int
	vector  uintptr // bytes of a vector

	cleanup runtime.Cleanup
}

// Args is what one run of a loop works on: fill in Streams and Scalars by the
// numbers that the builder gave.
type Args struct {
	Streams [maxStreams]unsafe.Pointer
	// Shift is added to the pointer of a stream, in bytes, where the first lane of
	// a [Builder.LoadIf] lies beside the memory. A run sets it back to 0.
	Shift   [maxStreams]int
	Scalars [maxScalars]uint32 // a true mask is all ones
	Scratch unsafe.Pointer     // [Loop.Scratch] bytes
	Around  bool               // outputs of streams that allow it bypass the caches
	block   *block
}

// A block is what the code sees of the arguments. It holds addresses, not
// pointers: they may lie beside what they belong to, or be left from another run.
type block struct {
	count   int64 // lanes of a row, where they are not constant
	rows    int64 // left to do
	rest    int64 // lanes of a partial vector
	scratch uintptr
	streams [maxStreams]uintptr
	scalars [maxScalars]uint32
	mask    [maxLanes]uint32
	stage   [maxLanes]uint32
	slots   [maxSlots][maxLanes]uint32
}

// newBlock returns a block that starts at a cache line, so that no vector of it
// crosses one.
func newBlock() *block {
	words := make([]uint64, unsafe.Sizeof(block{})/8+8)
	p := unsafe.Pointer(unsafe.SliceData(words))
	return (*block)(unsafe.Add(p, -uintptr(p)&63))
}

// NewArgs returns arguments with which no run allocates memory; with others the
// first one does.
func NewArgs() *Args { return &Args{block: newBlock()} }

func wide() bool {
	c, _ := native.Detect()
	return c.Level >= native.AVX512
}

// Supported reports whether loops can run on this machine.
func Supported() bool {
	c, _ := native.Detect()
	return c.Level >= native.AVX2
}

// Compile returns the loop of the program over rows of width lanes, or of as
// many as each run says where width is 0. An error says what does not fit: too
// many streams, scalars or values at once, or no executable memory.
func (b *Builder) Compile(width int) (*Loop, error) {
	if !Supported() {
		return nil, native.ErrUnsupported
	}
	raw, around, scratch, err := b.compile(width)
	if err != nil {
		return nil, err
	}
	code, err := native.Load(raw)
	if err != nil {
		return nil, fmt.Errorf("simd: %w", err)
	}
	l := &Loop{code: code, around: around, streams: b.streams, scalars: b.scalars, width: width, scratch: scratch, vector: 32}
	if b.wide {
		l.vector = 64
	}
	l.cleanup = runtime.AddCleanup(l, func(c *native.Code) { c.Free() }, code)
	return l, nil
}

// Size returns the bytes of machine code.
func (l *Loop) Size() int { return l.code.Size() }

// Scratch returns the bytes of memory that a run needs at [Args.Scratch].
func (l *Loop) Scratch() int { return l.scratch }

// Free gives the code back before the garbage collector does; no run may be in
// progress.
func (l *Loop) Free() error {
	l.cleanup.Stop()
	return l.code.Free()
}

// Run computes rows of n lanes; n must be the width that the loop was compiled
// for, if any. Every stream has the elements of all rows; an output may be an
// input of equal steps, but must not overlap one otherwise.
func (l *Loop) Run(args *Args, rows, n int) {
	if rows <= 0 || n <= 0 {
		return
	}
	if l.width != 0 && n != l.width {
		panic(fmt.Sprintf("simd: %d lanes of a loop over %d", n, l.width))
	}
	if args.block == nil {
		args.block = newBlock()
	}
	b := args.block
	b.rows, b.count, b.scratch = int64(rows), int64(n), uintptr(args.Scratch)
	for i := range l.streams {
		b.streams[i] = uintptr(args.Streams[i]) + uintptr(args.Shift[i])
		args.Shift[i] = 0
	}
	copy(b.scalars[:l.scalars], args.Scalars[:])
	entry := 0
	if args.Around && l.around != 0 && l.aligned(args, rows) {
		entry = l.around
	}
	l.code.Call(entry, unsafe.Pointer(b))
	runtime.KeepAlive(args)
	runtime.KeepAlive(l)
}

// aligned reports whether all vectors of the outputs that may bypass the caches
// are aligned.
func (l *Loop) aligned(args *Args, rows int) bool {
	for i, s := range l.streams {
		if s.Around && (uintptr(args.Streams[i])%l.vector != 0 || rows > 1 && uintptr(s.Step)%l.vector != 0) {
			return false
		}
	}
	return true
}

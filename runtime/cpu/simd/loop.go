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
	code  *native.Code
	tail  int // offset of the code for a partial vector
	types []Type
	out   []bool

	cleanup runtime.Cleanup
}

// Args is what one run of a loop works on: fill in Streams and Scalars by the
// numbers that the builder gave.
type Args struct {
	count   int64 // vectors
	Streams [maxStreams]unsafe.Pointer
	Scalars [maxSlots]uint32 // a true mask is all ones
	mask    [lanes]uint32
	Carry   [maxCarries][lanes]uint32
	slots   [maxSlots][lanes]uint32
	stage   [maxStreams][lanes]uint32
}

// Supported reports whether loops can run on this machine.
func Supported() bool {
	c, _ := native.Detect()
	return c.Level >= native.AVX2
}

// Compile returns the loop of the program. An error says what does not fit: too
// many streams, scalars or values at once, or no executable memory.
func (b *Builder) Compile() (*Loop, error) {
	if !Supported() {
		return nil, native.ErrUnsupported
	}
	raw, tail, err := b.compile()
	if err != nil {
		return nil, err
	}
	code, err := native.Load(raw)
	if err != nil {
		return nil, fmt.Errorf("simd: %w", err)
	}
	l := &Loop{code: code, tail: tail, types: b.types, out: b.out}
	l.cleanup = runtime.AddCleanup(l, func(c *native.Code) { c.Free() }, code)
	return l, nil
}

// Size returns the bytes of machine code.
func (l *Loop) Size() int { return l.code.Size() }

// Free gives the code back before the garbage collector does; no run may be in
// progress.
func (l *Loop) Free() error {
	l.cleanup.Stop()
	return l.code.Free()
}

// Run computes n elements. Every stream has at least n; outputs may be inputs,
// but must not overlap them otherwise.
func (l *Loop) Run(args *Args, n int) {
	defer runtime.KeepAlive(l)
	if args.count = int64(n / lanes); args.count > 0 {
		l.code.Call(0, unsafe.Pointer(args))
	}
	rest := n % lanes
	if rest == 0 {
		return
	}
	done := n - rest
	saved := args.Streams
	for i, t := range l.types {
		if !l.out[i] {
			copy(stageBytes(args, i)[:rest*t.bytes()], unsafe.Slice((*byte)(unsafe.Add(saved[i], done*t.bytes())), rest*t.bytes()))
		}
		args.Streams[i] = unsafe.Pointer(&args.stage[i])
	}
	args.count = 1
	for i := range args.mask {
		args.mask[i] = 0
		if i < rest {
			args.mask[i] = ^uint32(0)
		}
	}
	l.code.Call(l.tail, unsafe.Pointer(args))
	for i, t := range l.types {
		if l.out[i] {
			copy(unsafe.Slice((*byte)(unsafe.Add(saved[i], done*t.bytes())), rest*t.bytes()), stageBytes(args, i))
		}
	}
	args.Streams = saved
}

func stageBytes(args *Args, i int) []byte {
	return (*[vecBytes]byte)(unsafe.Pointer(&args.stage[i]))[:]
}

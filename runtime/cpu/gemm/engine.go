package gemm

import (
	"sync"
	"unsafe"

	"dumbtorch/runtime/cpu/native"
)

// An engine is the generated code for one element type: all micro-kernels and
// the transposing packer. It is made once and stays for the life of the
// process.
type engine struct {
	coder
	code            *native.Code
	kernels         [maxKernelRows][2]int // offsets in code, by rows-1 and vectors-1
	inPlace         [2]int                // those of one row for a B that is not packed
	packer          int
	dot             int
	prefetcher      int
	copier, strider int                   // of pieces, from offsets and from one stride
	columns         [len(columnBytes)]int // of pieces, by size
}

const maxKernelRows = 12

var engines struct {
	sync.Mutex
	m map[coder]*engine // nil: the code could not be loaded
}

// engineFor returns the engine for elements of type T, or nil where portable
// code does the work: for integers, and where no code can run.
func engineFor[T Element](level native.Level) *engine {
	var zero T
	switch any(zero).(type) {
	case float32, float64:
	default:
		return nil
	}
	if level == native.Portable {
		return nil
	}
	c := coder{level, int(unsafe.Sizeof(zero))}
	engines.Lock()
	defer engines.Unlock()
	e, ok := engines.m[c]
	if !ok {
		if engines.m == nil {
			engines.m = map[coder]*engine{}
		}
		e, _ = newEngine(c)
		engines.m[c] = e
	}
	return e
}

// newEngine generates and loads all code of c.
func newEngine(c coder) (*engine, error) {
	e := &engine{coder: c}
	var all []byte
	add := func(code []byte, err error) (int, error) {
		for len(all)%64 != 0 {
			all = append(all, 0xCC) // int3
		}
		at := len(all)
		all = append(all, code...)
		return at, err
	}
	var err error
	for rows := 1; rows <= c.maxRows(); rows++ {
		for vectors := 1; vectors <= 2; vectors++ {
			if e.kernels[rows-1][vectors-1], err = add(c.kernel(rows, vectors, false)); err != nil {
				return nil, err
			}
		}
	}
	for vectors := 1; vectors <= 2; vectors++ {
		if e.inPlace[vectors-1], err = add(c.kernel(1, vectors, true)); err != nil {
			return nil, err
		}
	}
	if e.packer, err = add(c.transposer()); err != nil {
		return nil, err
	}
	if e.dot, err = add(c.dots()); err != nil {
		return nil, err
	}
	if e.prefetcher, err = add(c.prefetchRows()); err != nil {
		return nil, err
	}
	if e.copier, err = add(c.copier(true)); err != nil {
		return nil, err
	}
	for i, n := range columnBytes {
		if e.columns[i], err = add(c.column(n)); err != nil {
			return nil, err
		}
	}
	if e.strider, err = add(c.copier(false)); err != nil {
		return nil, err
	}
	if e.code, err = native.Load(all); err != nil {
		return nil, err
	}
	return e, nil
}

// run multiplies rows of A by a packed panel of the given number of vectors.
func (e *engine) run(rows, vectors int, args *kernelArgs) {
	e.code.Call(e.kernels[rows-1][vectors-1], unsafe.Pointer(args))
}

// runInPlace multiplies one row of A by columns of B that are contiguous in
// memory.
func (e *engine) runInPlace(vectors int, args *kernelArgs) {
	e.code.Call(e.inPlace[vectors-1], unsafe.Pointer(args))
}

// dots runs the kernel of a vector times dotRows rows.
func (e *engine) dots(args *kernelArgs) { e.code.Call(e.dot, unsafe.Pointer(args)) }

// transpose runs the transposing packer.
func (e *engine) transpose(args *packArgs) { e.code.Call(e.packer, unsafe.Pointer(args)) }

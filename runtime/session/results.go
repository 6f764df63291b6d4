package session

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"dumbtorch/internal/spell"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

// Results holds the outputs of one run in device memory. They outlive the step and its programs, until Release or the end
// of the session; after it every use fails with [ErrReleased]. The zero Results is empty and may be given to
// [Step.RunInto]. Results may be used from many goroutines; they must not be copied.
type Results struct {
	mu sync.Mutex // guards b
	b  *block
}

// block is the memory behind Results. It is a thing of its own so that it can be given back when the Results are garbage.
type block struct {
	mu   sync.Mutex
	err  error // why there are no values; nil when there are
	outs []output
	bufs []device.Buffer
	refs int
	num  [8]byte

	list       *blockList // where it is linked, while it has memory
	prev, next *block
}

// blockList holds the blocks that have memory of a session.
type blockList struct {
	mu   sync.Mutex
	head *block
}

// link enters b, whose mutex the caller holds.
func (l *blockList) link(b *block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b.list == l {
		return
	}
	b.list, b.next, b.prev = l, l.head, nil
	if l.head != nil {
		l.head.prev = b
	}
	l.head = b
}

// unlink removes b, whose mutex the caller holds, if it is still there.
func (l *blockList) unlink(b *block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(b)
}

func (l *blockList) remove(b *block) {
	if l.head != b && b.prev == nil {
		return
	}
	if b.prev != nil {
		b.prev.next = b.next
	} else {
		l.head = b.next
	}
	if b.next != nil {
		b.next.prev = b.prev
	}
	b.prev, b.next = nil, nil
}

// releaseAll gives back the memory of every block.
func (l *blockList) releaseAll() {
	for {
		l.mu.Lock()
		b := l.head
		if b != nil {
			l.remove(b)
		}
		l.mu.Unlock()
		if b == nil {
			return
		}
		b.mu.Lock()
		b.free()
		b.mu.Unlock()
	}
}

// free gives back the memory; the caller holds mu.
func (b *block) free() {
	for _, buf := range b.bufs {
		buf.Release()
	}
	b.bufs, b.outs, b.refs, b.err = b.bufs[:0], nil, 0, ErrReleased
	if b.list != nil {
		b.list.unlink(b)
		b.list = nil
	}
}

// release ends one use of the block.
func (b *block) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refs > 0 {
		if b.refs--; b.refs == 0 {
			b.free()
		}
	}
}

var (
	errEmpty  = error(&tagged{ErrReleased, "no run has filled them"})
	errFailed = errors.New("the run that was to fill them failed")
	errShared = errors.New("the results to fill are retained elsewhere")
)

// prepare makes room for a program's outputs, reusing buffers of the right size; the caller holds mu.
func (b *block) prepare(s *Session, outs []output) error {
	if b.refs > 1 {
		return errShared
	}
	if b.list != nil && b.list != &s.blocks {
		b.free()
	}
	b.err = errFailed
	if len(b.outs) > 0 && len(b.outs) == len(outs) && &b.outs[0] == &outs[0] {
		return nil
	}
	fits := len(b.bufs) == len(outs)
	for i := 0; fits && i < len(outs); i++ {
		fits = b.outs[i].typ.Bytes() == outs[i].typ.Bytes()
	}
	if !fits {
		b.free()
		b.err = errFailed
		for _, o := range outs {
			buf, err := s.dev.Alloc(o.typ.Bytes())
			if err != nil {
				b.free()
				return fmt.Errorf("output %q %s: %w", o.name, o.typ, err)
			}
			b.bufs = append(b.bufs, buf)
		}
	}
	b.outs, b.refs = outs, 1
	s.blocks.link(b)
	return nil
}

// block returns the memory of r, new if there is none yet.
func (r *Results) block() *block {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.b == nil {
		r.b = &block{err: errEmpty}
		// Callers release; this catches those who forget.
		runtime.AddCleanup(r, func(b *block) {
			b.mu.Lock()
			b.free()
			b.mu.Unlock()
		}, r.b)
	}
	return r.b
}

// find returns the number of an output; the caller holds mu.
func (b *block) find(name string) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	for i := range b.outs {
		if b.outs[i].name == name {
			return i, nil
		}
	}
	names := make([]string, len(b.outs))
	for i, o := range b.outs {
		names[i] = o.name
	}
	return 0, fmt.Errorf("no output is named %q%s", name, spell.DidYouMean(name, names))
}

// Names returns the names of the outputs in the program's order; none after Release.
func (r *Results) Names() []string {
	b := r.block()
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for _, o := range b.outs {
		names = append(names, o.name)
	}
	return names
}

// Tensor returns a copy of an output. Errors: no such output, [ErrReleased].
func (r *Results) Tensor(name string) (*tensor.Tensor, error) {
	b := r.block()
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	t, err := tensor.New(b.outs[i].typ)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	if err := b.bufs[i].CopyTo(t.Bytes()); err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	return t, nil
}

// Read copies an output to dst, which must have its type, without allocating. Errors: no such output, another type,
// [ErrReleased].
func (r *Results) Read(name string, dst *tensor.Tensor) error {
	b := r.block()
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if dst == nil || !dst.Type().Equal(b.outs[i].typ) {
		return fmt.Errorf("results: output %q is %s, it cannot be read into %s", name, b.outs[i].typ, typeOf(dst))
	}
	if err := b.bufs[i].CopyTo(dst.Bytes()); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// Scalar returns the only element of an output, without allocating: false and true are 0 and 1, and an i64 beyond 2^53 is
// rounded. Errors: no such output, not one element, [ErrReleased].
func (r *Results) Scalar(name string) (float64, error) {
	b := r.block()
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.find(name)
	if err != nil {
		return 0, fmt.Errorf("results: %w", err)
	}
	typ := b.outs[i].typ
	if typ.Shape.Size() != 1 {
		return 0, fmt.Errorf("results: output %q is %s, not one number", name, typ)
	}
	raw := b.num[:typ.DType.Size()]
	if err := b.bufs[i].CopyTo(raw); err != nil {
		return 0, fmt.Errorf("results: %w", err)
	}
	return decode(typ.DType, raw), nil
}

// decode returns a little-endian element.
func decode(d types.DType, raw []byte) float64 { return kernel.ReadScalar(d, raw).Float() }

// Retain adds a holder: the memory is given back when each has called Release. Results with more than one holder cannot be
// filled again. It fails with [ErrReleased].
func (r *Results) Retain() error {
	b := r.block()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refs == 0 {
		return fmt.Errorf("results: %w", ErrReleased)
	}
	b.refs++
	return nil
}

// Release gives the memory back to the device's pool, unless it is retained elsewhere. Releasing twice does nothing.
func (r *Results) Release() { r.block().release() }

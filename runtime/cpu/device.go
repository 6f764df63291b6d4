package cpu

import (
	"fmt"
	mathbits "math/bits"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/native"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

func init() {
	device.Register("cpu", func(arg string) (device.Device, error) {
		var opts []Option
		if arg != "" {
			n, err := strconv.Atoi(arg)
			if err != nil || n < 1 || n > maxThreads {
				return nil, fmt.Errorf("device cpu takes a number of threads from 1 to %d, not %q", maxThreads, arg)
			}
			opts = append(opts, WithThreads(n))
		}
		if _, err := native.Detect(); err != nil {
			return nil, fmt.Errorf("device cpu: %w", err)
		}
		return New(opts...), nil
	})
}

const maxThreads = 1024

// A Device runs programs on the cores of this machine.
type Device struct {
	threads int
	limit   int64 // of bytes in use; 0: what the machine has available
	pool    *pool
	plans   planCache

	mu     sync.Mutex
	slabs  map[int64][]*slab // free, by size
	kept   int64             // bytes of free slabs
	inUse  int64
	closed bool
}

// An Option changes a new device.
type Option func(*Device)

// WithThreads sets the number of threads, at least 1; the default is
// GOMAXPROCS. Results do not depend on it.
func WithThreads(n int) Option { return func(d *Device) { d.threads = min(max(1, n), maxThreads) } }

// WithMemoryLimit bounds the bytes of buffers and arenas in use; the default is
// what the machine has available when they are asked for.
func WithMemoryLimit(bytes int64) Option { return func(d *Device) { d.limit = bytes } }

// New returns a CPU device.
func New(opts ...Option) *Device {
	d := &Device{threads: runtime.GOMAXPROCS(0), slabs: map[int64][]*slab{}}
	for _, o := range opts {
		if o != nil {
			o(d)
		}
	}
	d.pool = newPool(d.threads)
	return d
}

// Name returns "cpu".
func (d *Device) Name() string { return "cpu" }

// Threads returns the number of threads.
func (d *Device) Threads() int { return d.threads }

// Target implements [device.Device].
func (d *Device) Target() kernel.Target {
	c, _ := native.Detect()
	return kernel.Target{Name: "cpu", VectorBytes: c.Level.VectorBytes(), CacheBytes: 1 << 20}
}

// MemoryLimit returns the bytes that buffers and arenas may take together: those
// in use, and what can be taken now.
func (d *Device) MemoryLimit() int64 {
	if d.limit > 0 {
		return d.limit
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inUse + d.kept + tensor.AvailableMemory()
}

// Synchronize implements [device.Device]; a run is over when it returns.
func (d *Device) Synchronize() error { return d.check() }

func (d *Device) check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("device cpu: %w", device.ErrClosed)
	}
	return nil
}

// Close implements [device.Device].
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed, d.slabs, d.kept = true, nil, 0
	return nil
}

// A slab is memory that starts at a cache line.
type slab struct {
	bytes []byte
	class int64
}

// maxKept bounds the free memory that a device keeps for later.
const maxKept = 1 << 30

// classOf rounds a size up to a quarter of a power of two.
func classOf(n int64) int64 {
	n = max(n, 64)
	step := int64(1) << max(6, mathbits.Len64(uint64(n-1))-3)
	return (n + step - 1) / step * step
}

// slab returns memory of at least n bytes.
func (d *Device) slab(n int64) (*slab, error) {
	s, err := d.take(n)
	if err == nil && s.bytes == nil {
		w := alignedWords(int(s.class))
		s.bytes = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), s.class)
	}
	return s, err
}

// take counts a slab of at least n bytes as in use: a free one, or one that has
// no memory yet.
func (d *Device) take(n int64) (*slab, error) {
	if n < 0 {
		return nil, fmt.Errorf("device cpu: allocation of %d bytes", n)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, fmt.Errorf("device cpu: %w", device.ErrClosed)
	case d.limit > 0 && n > d.limit-d.inUse:
		return nil, d.noMemory(n, d.limit-d.inUse)
	case n > tensor.MachineMemory():
		return nil, d.noMemory(n, tensor.AvailableMemory())
	}
	class := classOf(n)
	if free := d.slabs[class]; len(free) > 0 {
		s := free[len(free)-1]
		d.slabs[class] = free[:len(free)-1]
		d.kept -= class
		d.inUse += class
		return s, nil
	}
	if class >= tensor.Large {
		available, ok := tensor.HasMemory(class)
		if !ok && d.kept > 0 {
			clear(d.slabs)
			d.kept = 0
			available, ok = tensor.HasMemory(class)
		}
		if !ok {
			return nil, d.noMemory(n, available)
		}
	}
	d.inUse += class
	return &slab{class: class}, nil
}

// noMemory is the error of an allocation of n bytes; the caller holds mu.
func (d *Device) noMemory(n, left int64) error {
	return fmt.Errorf("device cpu: %d bytes asked for, %d in use, %d left: %w", n, d.inUse, max(0, left), device.ErrOutOfMemory)
}

// recycle keeps a slab for later.
func (d *Device) recycle(s *slab) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inUse -= s.class
	if !d.closed && d.kept+s.class <= maxKept {
		d.slabs[s.class] = append(d.slabs[s.class], s)
		d.kept += s.class
	}
}

// Alloc implements [device.Device].
func (d *Device) Alloc(n int64) (device.Buffer, error) {
	s, err := d.slab(n)
	if err != nil {
		return nil, err
	}
	return &hostBuffer{dev: d, size: n, slab: s}, nil
}

// A hostBuffer is a slab until its release; a run that uses it keeps the slab.
type hostBuffer struct {
	dev  *Device
	size int64

	mu       sync.Mutex
	slab     *slab
	users    int
	released bool
}

// acquire returns the memory for use until letGo.
func (b *hostBuffer) acquire() (*slab, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.released {
		return nil, fmt.Errorf("device cpu: %w", device.ErrReleased)
	}
	if err := b.dev.check(); err != nil {
		return nil, err
	}
	b.users++
	return b.slab, nil
}

func (b *hostBuffer) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.users--
	b.drop()
}

// drop gives the slab back when nobody needs it any more.
func (b *hostBuffer) drop() {
	if b.released && b.users == 0 && b.slab != nil {
		b.dev.recycle(b.slab)
		b.slab = nil
	}
}

// Bytes implements [device.Buffer].
func (b *hostBuffer) Bytes() int64 { return b.size }

// CopyFrom implements [device.Buffer].
func (b *hostBuffer) CopyFrom(src []byte) error {
	return b.copy(len(src), func(mem []byte) { copy(mem, src) })
}

// CopyTo implements [device.Buffer].
func (b *hostBuffer) CopyTo(dst []byte) error {
	return b.copy(len(dst), func(mem []byte) { copy(dst, mem) })
}

func (b *hostBuffer) copy(n int, move func(mem []byte)) error {
	s, err := b.acquire()
	if err != nil {
		return err
	}
	defer b.letGo()
	if int64(n) > b.size {
		return fmt.Errorf("device cpu: copy of %d bytes, the buffer has %d", n, b.size)
	}
	move(s.bytes[:b.size])
	return nil
}

// Release implements [device.Buffer]. Releasing twice is harmless.
func (b *hostBuffer) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.released = true
	b.drop()
}

package interp

import (
	"fmt"
	"sync"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

func init() {
	device.Register("interp", func(arg string) (device.Device, error) {
		if arg != "" {
			return nil, fmt.Errorf("device interp takes no argument, got %q", arg)
		}
		return New(), nil
	})
}

// A Device interprets kernel programs.
type Device struct {
	poison bool
	limit  int64 // of bytes in use; 0: what the machine has available

	mu     sync.Mutex
	inUse  int64
	closed bool
}

// An Option changes a new device.
type Option func(*Device)

// WithPoison makes every run fill, before each launch, all bytes of the arena
// that hold no live temporary with 0xFF (a NaN, where they are read as floats),
// and the outputs at the start of the run. A program whose memory plan reuses
// memory too early, or that reads what it never wrote, then gives other values.
func WithPoison() Option { return func(d *Device) { d.poison = true } }

// WithMemoryLimit bounds the bytes of all buffers and arenas in use; the
// default is what the machine has available when they are asked for.
func WithMemoryLimit(bytes int64) Option { return func(d *Device) { d.limit = bytes } }

// New returns an interpreter.
func New(opts ...Option) *Device {
	d := &Device{}
	for _, o := range opts {
		if o != nil {
			o(d)
		}
	}
	return d
}

// Name returns "interp".
func (d *Device) Name() string { return "interp" }

// Target describes a machine without vectors.
func (d *Device) Target() kernel.Target { return kernel.Target{Name: "interp", CacheBytes: 1 << 20} }

// MemoryLimit returns the bytes that all buffers and arenas may take together:
// those in use, and what can be taken now.
func (d *Device) MemoryLimit() int64 {
	if d.limit > 0 {
		return d.limit
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inUse + tensor.AvailableMemory()
}

// Synchronize returns at once: nothing runs in the background.
func (d *Device) Synchronize() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return device.ErrClosed
	}
	return nil
}

// Close makes the device, its buffers and its executables unusable.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// reserve takes bytes from the device's memory.
func (d *Device) reserve(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return fmt.Errorf("device interp: %w", device.ErrClosed)
	case n < 0:
		return fmt.Errorf("device interp: allocation of %d bytes", n)
	}
	left := d.limit - d.inUse
	ok := n <= left
	if d.limit == 0 {
		left, ok = tensor.HasMemory(n)
	}
	if !ok {
		return fmt.Errorf("device interp: %d bytes asked for, %d in use, %d left: %w", n, d.inUse, max(0, left), device.ErrOutOfMemory)
	}
	d.inUse += n
	return nil
}

func (d *Device) free(n int64) {
	d.mu.Lock()
	d.inUse -= n
	d.mu.Unlock()
}

package interp

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"dumbtorch/runtime/device"
)

// alignment of buffers and of the arena, in bytes.
const alignment = 64

type buffer struct {
	dev      *Device
	data     []byte
	released atomic.Bool
}

// aligned returns n zero bytes at an address that is a multiple of alignment.
func aligned(n int64) []byte {
	b := make([]byte, n+alignment-1)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % alignment
	return b[skip : int64(skip)+n : int64(skip)+n]
}

// Alloc returns a buffer of exactly the given bytes.
func (d *Device) Alloc(bytes int64) (device.Buffer, error) {
	if err := d.reserve(bytes); err != nil {
		return nil, err
	}
	b := &buffer{dev: d, data: aligned(bytes)}
	if d.poison {
		fill(b.data)
	}
	return b, nil
}

// fill writes poison.
func fill(b []byte) {
	for i := range b {
		b[i] = 0xFF
	}
}

func (b *buffer) Bytes() int64 { return int64(len(b.data)) }

// usable returns an error if the buffer has no memory any more.
func (b *buffer) usable() error {
	if b.released.Load() {
		return device.ErrReleased
	}
	return b.dev.Synchronize()
}

func (b *buffer) CopyFrom(src []byte) error {
	if err := b.usable(); err != nil {
		return err
	}
	if len(src) > len(b.data) {
		return fmt.Errorf("copy of %d bytes into a buffer of %d", len(src), len(b.data))
	}
	copy(b.data, src)
	return nil
}

func (b *buffer) CopyTo(dst []byte) error {
	if err := b.usable(); err != nil {
		return err
	}
	if len(dst) > len(b.data) {
		return fmt.Errorf("copy of %d bytes out of a buffer of %d", len(dst), len(b.data))
	}
	copy(dst, b.data)
	return nil
}

// Release gives the memory back; a second call does nothing.
func (b *buffer) Release() {
	if !b.released.Swap(true) {
		b.dev.free(int64(len(b.data)))
	}
}

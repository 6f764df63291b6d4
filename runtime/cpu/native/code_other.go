//go:build !linux || !amd64

package native

import (
	"runtime"
	"unsafe"
)

func detect() Choice {
	return Choice{Portable, "machine code is generated on linux/amd64 only, not on " + runtime.GOOS + "/" + runtime.GOARCH}
}

func probe() error { return ErrUnsupported }

func call(uintptr, unsafe.Pointer) {}

// Load fails with [ErrUnsupported].
func Load([]byte) (*Code, error) { return nil, ErrUnsupported }

// Free does nothing.
func (c *Code) Free() error { return nil }

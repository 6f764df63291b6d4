package native

import (
	"errors"
	"unsafe"
)

// ErrUnsupported says that machine code cannot be run here.
var ErrUnsupported = errors.New("native: generated machine code does not run on this platform")

// Code is generated code in executable memory. It stays until Free; whoever
// frees it makes sure that no call is in progress.
type Code struct {
	mem  []byte // the mapping
	size int    // bytes of code
}

// Size returns the bytes of code.
func (c *Code) Size() int { return c.size }

// Call runs the code at the given offset with the address of its argument
// block in RDI. Memory that the block points to must be kept alive by the
// caller until Call returns; pointers in it are unsafe.Pointer fields.
func (c *Code) Call(offset int, args unsafe.Pointer) {
	call(uintptr(unsafe.Pointer(&c.mem[offset])), args)
}

//go:build unix

package safetensors

import (
	"math"
	"os"
	"syscall"
)

// mapFile maps a file so that writes to the memory do not reach it. It returns nil where the file cannot be mapped, which not
// every file system can, and which a 32-bit system may have no room for.
func mapFile(f *os.File, size int64) (data []byte, unmap func() error) {
	if size > math.MaxInt {
		return nil, nil
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil
	}
	return b, func() error { return syscall.Munmap(b) }
}

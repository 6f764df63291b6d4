package native

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/cpu"
	"golang.org/x/sys/unix"
)

// call runs the machine code at fn with args in RDI: call_amd64.s.
//
//go:noescape
func call(fn uintptr, args unsafe.Pointer)

func detect() Choice {
	x := &cpu.X86
	switch {
	case !x.HasAVX2 || !x.HasFMA:
		return Choice{Portable, "this processor has no AVX2 with FMA"}
	case !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL:
		return Choice{AVX2, "this processor has no AVX-512 F, BW, DQ and VL"}
	}
	return Choice{Level: AVX512}
}

// probe reports whether code can be made executable here.
func probe() error {
	c, err := Load([]byte{0xC3}) // ret
	if err != nil {
		return err
	}
	c.Call(0, nil)
	return c.Free()
}

// Load copies code to executable memory: to fresh pages that are first
// writable and then executable, or, where the kernel refuses that change, to a
// memory file that is mapped twice.
func Load(code []byte) (*Code, error) {
	if len(code) == 0 {
		return nil, fmt.Errorf("native: no code to load")
	}
	size := (len(code) + os.Getpagesize() - 1) &^ (os.Getpagesize() - 1)
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("native: memory for %d bytes of code: %w", size, err)
	}
	copy(mem, code)
	if err := unix.Mprotect(mem, unix.PROT_READ|unix.PROT_EXEC); err == nil {
		return &Code{mem, len(code)}, nil
	}
	unix.Munmap(mem)
	return loadTwice(code, size)
}

// loadTwice writes through one mapping of a memory file and executes through
// another.
func loadTwice(code []byte, size int) (*Code, error) {
	fd, err := unix.MemfdCreate("dumbtorch-code", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("native: no executable memory: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, fmt.Errorf("native: no executable memory: %w", err)
	}
	if _, err := unix.Pwrite(fd, code, 0); err != nil {
		return nil, fmt.Errorf("native: no executable memory: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("native: no executable memory: %w", err)
	}
	return &Code{mem, len(code)}, nil
}

// Free gives the memory back. No call may be in progress.
func (c *Code) Free() error {
	if c.mem == nil {
		return nil
	}
	mem := c.mem
	c.mem = nil
	if err := unix.Munmap(mem); err != nil {
		return fmt.Errorf("native: free code: %w", err)
	}
	return nil
}

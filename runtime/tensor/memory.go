package tensor

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"unsafe"

	"dumbtorch/ir/types"
)

// ErrTooLarge is wrapped by the errors of arrays that do not fit the machine's memory and of archives that exceed the limit of
// [WithMaxBytes].
var ErrTooLarge = errors.New("too large")

// machineMemory bounds what one array may ever take. Go cannot report a failed allocation, it ends the program, so what can
// never succeed is refused before.
var machineMemory = sync.OnceValue(physicalMemory)

// MachineMemory returns the bytes of memory that this machine has, with swap, within the limits of the control groups that the
// process is in; or a bound that nothing can pass where the system does not tell.
func MachineMemory() int64 { return machineMemory() }

// AvailableMemory returns the bytes of memory that can be taken now, besides what this process has: what the system calls
// available and free swap, within the limits of the control groups that the process is in. Where the system tells only what
// there is in all, it returns [MachineMemory].
func AvailableMemory() int64 { return min(machineMemory(), availableMemory()) }

// Large is the size of allocations from which on it pays to ask the system whether there is memory.
const Large = 64 << 20

// HasMemory reports whether n bytes of memory can be taken now, and how many can. Before it says no, it gives what the garbage
// collector has free back to the system. It is cheap below [Large].
func HasMemory(n int64) (available int64, ok bool) {
	if n < Large {
		return machineMemory(), n <= machineMemory()
	}
	if available = AvailableMemory(); n > available && n <= machineMemory() {
		debug.FreeOSMemory()
		available = AvailableMemory()
	}
	return available, n <= available
}

// checkType returns an error if no tensor can have the type, and if there is no memory for one.
func checkType(typ types.Type) error {
	if !typ.DType.Public() {
		return fmt.Errorf("element type %s has no host arrays", typ.DType)
	}
	if err := typ.Shape.Check(); err != nil {
		return err
	}
	if available, ok := HasMemory(typ.Bytes()); !ok {
		return fmt.Errorf("%s takes %s, this machine has %s of memory, %s of it available: %w",
			typ, FormatBytes(typ.Bytes()), FormatBytes(machineMemory()), FormatBytes(available), ErrTooLarge)
	}
	return nil
}

// alloc returns n zero bytes at an address that is a multiple of [Alignment].
func alloc(n int) []byte {
	if n == 0 {
		return []byte{}
	}
	b := make([]byte, n+Alignment-1)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % Alignment)
	return b[skip : skip+n : skip+n]
}

// FormatBytes returns a size with a binary unit: "1.5 GiB".
func FormatBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	x, unit := float64(n)/(1<<10), 0
	for x >= 1<<10 {
		x /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", x, "KMGTPE"[unit])
}

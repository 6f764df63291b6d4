package tensor

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"dumbtorch/ir/types"
)

// ErrTooLarge is wrapped by the errors of arrays that do not fit the machine's memory and of archives that exceed the limit of
// [WithMaxBytes].
var ErrTooLarge = errors.New("too large")

// machineMemory is the most bytes one array may take. Go cannot report a failed allocation, it ends the program, so what can
// never succeed is refused before.
var machineMemory = sync.OnceValue(physicalMemory)

// MachineMemory returns the bytes of memory that this machine has, with swap, or a bound that nothing can pass where the
// system does not tell.
func MachineMemory() int64 { return machineMemory() }

// checkType returns an error if no tensor can have the type.
func checkType(typ types.Type) error {
	if !typ.DType.Public() {
		return fmt.Errorf("element type %s has no host arrays", typ.DType)
	}
	if err := typ.Shape.Check(); err != nil {
		return err
	}
	if n := typ.Bytes(); n > machineMemory() {
		return fmt.Errorf("%s takes %s, this machine has %s of memory: %w", typ, formatBytes(n), formatBytes(machineMemory()), ErrTooLarge)
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

// formatBytes returns a size with a binary unit: "1.5 GiB".
func formatBytes(n int64) string {
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

//go:build !linux && !darwin && !windows

package tensor

import "runtime"

// physicalMemory returns a bound that no array can pass. The standard library does not tell the memory of these systems, so
// it is the size of WebAssembly's address space, or 1 TiB.
func physicalMemory() int64 {
	if runtime.GOARCH == "wasm" {
		return 1 << 32
	}
	return 1 << 40
}

func availableMemory() int64 { return machineMemory() }

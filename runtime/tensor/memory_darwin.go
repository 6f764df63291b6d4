package tensor

import "golang.org/x/sys/unix"

// physicalMemory returns the bytes of memory. Swap grows on demand and is not counted.
func physicalMemory() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 1 << 40
	}
	return int64(n)
}

// availableMemory returns the bytes of memory: what is free at the moment says little on this system, which compresses and
// swaps what is not in use.
func availableMemory() int64 { return machineMemory() }

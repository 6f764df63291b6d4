package tensor

import "syscall"

// physicalMemory returns the bytes of memory and swap together.
func physicalMemory() int64 {
	var si syscall.Sysinfo_t
	if err := syscall.Sysinfo(&si); err != nil {
		return 1 << 40
	}
	return (int64(si.Totalram) + int64(si.Totalswap)) * int64(si.Unit)
}

package tensor

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                 uint32
	totalPhysical, freePhysical  uint64
	totalPageFile, freePageFile  uint64 // what can be committed: memory and page files
	totalVirtual, freeVirtual, _ uint64
}

var globalMemoryStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

func readMemoryStatus() (memoryStatus, bool) {
	s := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	ok, _, _ := globalMemoryStatus.Call(uintptr(unsafe.Pointer(&s)))
	return s, ok != 0
}

// physicalMemory returns what this system can commit: memory and page files together.
func physicalMemory() int64 {
	if s, ok := readMemoryStatus(); ok {
		return int64(s.totalPageFile)
	}
	return 1 << 40
}

// availableMemory returns what this process can still commit.
func availableMemory() int64 {
	if s, ok := readMemoryStatus(); ok {
		return int64(s.freePageFile)
	}
	return machineMemory()
}

package proof

import (
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// devices are those that must agree with PyTorch and with each other; the
// interpreter comes first.
var devices = []struct {
	name    string
	open    func() device.Device
	threads func(n int) device.Device // nil: the device has no threads
}{
	{"interp", func() device.Device { return interp.New(interp.WithPoison()) }, nil},
	{"cpu", func() device.Device { return cpu.New(cpu.WithThreads(1)) }, func(n int) device.Device { return cpu.New(cpu.WithThreads(n)) }},
}

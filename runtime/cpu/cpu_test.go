package cpu_test

import (
	"testing"

	"dumbtorch/runtime/backendtest"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
)

func TestDevice(t *testing.T) {
	backendtest.RunAll(t, func() device.Device { return cpu.New(nil) }) // a nil option asks for nothing
}

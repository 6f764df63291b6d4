package interp_test

import (
	"testing"

	"dumbtorch/runtime/backendtest"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

func TestBackend(t *testing.T) {
	backendtest.RunAll(t, func() device.Device { return interp.New() })
}

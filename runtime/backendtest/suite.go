// Package backendtest is the compliance suite of devices: programs over every
// form of schedule, operation and element type, the contract of buffers and
// executables, and what must not happen to memory around a program's buffers.
// What programs compute is compared with runtime/interp; see [Tolerance].
//
// A device's test calls [RunAll]. The package must not import any other
// device, nor ir, graph, passes or runtime/session.
package backendtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/device"
)

// RunAll runs the suite on devices made by open, which is called once per
// group of tests; each device is closed afterwards.
func RunAll(t *testing.T, open func() device.Device) {
	for _, g := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"Buffers", testBuffers},
		{"Executables", testExecutables},
		{"Ops", testOps},
		{"Casts", testCasts},
		{"Pointwise", testPointwise},
		{"Index", testIndex},
		{"Guards", testGuards},
		{"Folds", testFolds},
		{"Rows", testRows},
		{"Contract", testContract},
		{"Tiles", testTiles},
		{"Checks", testChecks},
		{"Aliasing", testAliasing},
		{"Programs", testPrograms},
		{"Concurrency", testConcurrency},
		{"Random", testRandom},
	} {
		t.Run(g.name, func(t *testing.T) {
			s := &suite{dev: open()}
			defer func() { require.NoError(t, s.dev.Close()) }()
			g.run(t, s)
		})
	}
	t.Run("Close", func(t *testing.T) { testClose(t, open) })
}

// A suite is a run of tests on one device.
type suite struct {
	dev device.Device
}

package cpu_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
)

// TestTasksRunOnce adds 1 to a variable in many short launches, whose workers
// come late to some of them. A task that ran twice would show, but seldom does:
// what finds a worker that looks at a job too early is the race detector.
func TestTasksRunOnce(t *testing.T) {
	const n, launches, runs = 1 << 16, 6, 150
	var b strings.Builder
	fmt.Fprintf(&b, "program count version=1 {\n  arena 0\n  buffer b0 variable \"v\" f32[%d]\n", n)
	fmt.Fprintf(&b, "  kernel inc (p0: f32[%d], p1: f32[%d] out) pointwise(outer: a) {\n    axis a %d\n", n, n, n)
	b.WriteString("    %0 = load p0[a] : f32\n    %1 = const 1.0 : f32\n    %2 = add %0, %1 : f32\n    store p1[a] over (a) = %2\n  }\n")
	for range launches {
		b.WriteString("  launch inc(b0, b0) {label=\"inc\", nodes=1}\n")
	}
	b.WriteString("}\n")
	p, err := kernel.Parse(b.String())
	require.NoError(t, err)
	dev := cpu.New(cpu.WithThreads(4))
	exe, err := dev.Compile(p)
	require.NoError(t, err)
	v, err := dev.Alloc(4 * n)
	require.NoError(t, err)
	require.NoError(t, v.CopyFrom(make([]byte, 4*n)))
	for range runs {
		require.NoError(t, exe.Run(context.Background(), []device.Buffer{v}, nil))
	}
	out := make([]byte, 4*n)
	require.NoError(t, v.CopyTo(out))
	for i := range n {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(out[4*i:])); got != launches*runs {
			require.EqualValues(t, launches*runs, got, "element %d", i)
		}
	}
	v.Release()
	require.NoError(t, exe.Close())
	require.NoError(t, dev.Close())
}

package interp_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// FuzzRun runs whatever parses: it may fail, but neither panic nor hang.
func FuzzRun(f *testing.F) {
	gather := `program g version=1 {
  arena 64
  buffer b0 input "x" f32[6]
  buffer b1 input "at" i32[4]
  buffer b2 temp f32[4] @0
  buffer b3 variable "v" f32[4]
  kernel pointwise0 (p0: f32[6], p1: i32[4], p2: f32[4] out) pointwise(outer: i) {
    axis i 4
    site "gather"
    %0 = load p1[i] : i32
    %1 = load p0[check(%0, 6, site 0)] : f32
    %2 = exp %1 : f32
    %3 = const 0.0 : f32
    %4 = if ge0(i - 1), %2, %3 : f32
    store p2[i] over (i) = %4
  }
  kernel pointwise1 (p0: f32[4], p1: f32[4], p2: f32[4] out) pointwise(outer: i) {
    axis i 4
    %0 = load p0[i] : f32
    %1 = load p1[i] : f32
    %2 = add %0, %1 : f32
    store p2[i] over (i) = %2
  }
  launch pointwise0(b0, b1, b2) {pos=["model.go:3: gather"]}
  launch pointwise1(b2, b3, b3)
}
`
	for _, seed := range []string{gather, "program empty version=1 {\n  arena 0\n}\n"} {
		_, err := kernel.Parse(seed)
		require.NoError(f, err)
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := kernel.Parse(text)
		if err != nil {
			return
		}
		dev := interp.New(interp.WithMemoryLimit(1<<20), interp.WithPoison())
		exe, err := dev.Compile(p)
		if err != nil {
			return
		}
		if p.FirstWrite() < len(p.Launches) {
			p.Launches = p.Launches[:p.FirstWrite()] // later launches cannot be cancelled
			if exe, err = dev.Compile(p); err != nil {
				return
			}
		}
		var in, out []device.Buffer
		for _, kind := range []kernel.BufferKind{kernel.InputBuffer, kernel.VariableBuffer, kernel.OutputBuffer} {
			for _, n := range p.Of(kind) {
				b, err := dev.Alloc(p.Buffers[n].Bytes())
				if err != nil {
					return
				}
				if kind == kernel.OutputBuffer {
					out = append(out, b)
				} else {
					in = append(in, b)
				}
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = exe.Run(ctx, in, out)
	})
}

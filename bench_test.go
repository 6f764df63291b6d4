package dumbtorch_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/examples/models"
	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
)

// workloads are the names under which the scripts in testdata/peers time the
// same work in PyTorch, JAX and GoMLX.
var workloads = []string{"ew_gelu_chain", "ew_broadcast", "softmax_rows", "layernorm_rows", "sumsq_cols", "gemm_f32", "train_mlp_mnist_b128", "train_cnn_mnist_b128", "train_gpt_d128_l4_t64_b16"}

// BenchmarkWorkload times one run of each workload on the CPU device, with all
// data on the device:
//
//	go test -run xxx -bench Workload .
func BenchmarkWorkload(b *testing.B) {
	for _, name := range workloads {
		b.Run(name, func(b *testing.B) {
			exe, in, out := prepare(b, name)
			ctx := context.Background()
			for range 3 {
				require.NoError(b, exe.Run(ctx, in, out))
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := exe.Run(ctx, in, out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1e3/float64(b.N), "ms/run")
		})
	}
}

// No workload allocates once it has run.
func TestStepsDoNotAllocate(t *testing.T) {
	for _, name := range workloads {
		t.Run(name, func(t *testing.T) {
			exe, in, out := prepare(t, name)
			run := func() {
				if err := exe.Run(context.Background(), in, out); err != nil {
					t.Error(err)
				}
			}
			runtime.GC() // what compiling left is not swept during a run
			run()
			const runs = 10 // the Go runtime may make itself a goroutine in some
			require.Zero(t, testing.AllocsPerRun(runs, run))
		})
	}
}

// prepare compiles an example and fills its buffers: inputs with the example's
// feeds, variables with their first values.
func prepare(b testing.TB, name string) (exe device.Executable, in, out []device.Buffer) {
	ex, err := models.Get(name)
	require.NoError(b, err)
	g, err := ex.Build()
	require.NoError(b, err)
	dev := cpu.New()
	s := session.New(dev)
	b.Cleanup(func() {
		require.NoError(b, s.Close())
		require.NoError(b, dev.Close())
	})
	step, err := s.Compile(g)
	require.NoError(b, err)
	exe, err = step.Executable(nil)
	require.NoError(b, err)
	code, err := step.Program(nil)
	require.NoError(b, err)
	feeds := ex.Feeds(1)
	alloc := func(buf *kernel.Buffer, data []byte) device.Buffer {
		d, err := dev.Alloc(buf.Bytes())
		require.NoError(b, err)
		b.Cleanup(d.Release)
		require.NoError(b, d.CopyFrom(data))
		return d
	}
	p := code.Program
	for _, i := range p.Of(kernel.InputBuffer) {
		in = append(in, alloc(&p.Buffers[i], feeds[p.Buffers[i].Name].Bytes()))
	}
	for _, i := range p.Of(kernel.VariableBuffer) {
		first, err := s.Get(p.Buffers[i].Name)
		require.NoError(b, err)
		in = append(in, alloc(&p.Buffers[i], first.Bytes()))
	}
	for _, i := range p.Of(kernel.OutputBuffer) {
		out = append(out, alloc(&p.Buffers[i], nil))
	}
	return exe, in, out
}

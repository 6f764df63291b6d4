package interp_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// BenchmarkProduct is a matrix product of 1<<20 multiplications: what the
// tests of larger models wait for.
func BenchmarkProduct(b *testing.B) {
	kb := kernel.NewBuilder()
	m, n, k := kb.NewAxis("m", 32), kb.NewAxis("n", 64), kb.NewAxis("k", 512)
	x := kb.Load(0, kb.IAdd(kb.IMul(kb.Var(m), 512), kb.Var(k)), types.F32)
	y := kb.Load(1, kb.IAdd(kb.IMul(kb.Var(n), 512), kb.Var(k)), types.F32)
	sum := kb.FoldAxes(kernel.Add, []*kernel.Axis{k}, kb.Bin(kernel.Mul, x, y))
	p := single(kern(kb, []kernel.Param{f32s(32 * 512), f32s(64 * 512), f32s(32 * 64)}, []*kernel.Axis{m, n}, kb.IAdd(kb.IMul(kb.Var(m), 64), kb.Var(n)), sum))
	dev := interp.New()
	exe, err := dev.Compile(p)
	require.NoError(b, err)
	var bufs []device.Buffer
	for i := range p.Buffers {
		buf, err := dev.Alloc(p.Buffers[i].Bytes())
		require.NoError(b, err)
		bufs = append(bufs, buf)
	}
	for b.Loop() {
		require.NoError(b, exe.Run(b.Context(), bufs[:2], bufs[2:]))
	}
}

package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
)

func TestProgramsShareThePlansOfTheirKernels(t *testing.T) {
	p, err := kernel.Parse(`program neg version=1 {
  arena 0
  buffer b0 input "x" f32[6]
  buffer b1 output "y" f32[6]
  kernel pointwise0 (p0: f32[6], p1: f32[6] out) pointwise(outer: i0) {
    axis i0 6
    %0 = load p0[i0] : f32
    %1 = neg %0 : f32
    store p1[i0] over (i0) = %1
  }
  launch pointwise0(b0, b1)
}
`)
	require.NoError(t, err)
	q := *p
	q.Name = "again"
	d := New()
	a, err := d.Compile(p)
	require.NoError(t, err)
	b, err := d.Compile(&q)
	require.NoError(t, err)
	require.Same(t, a.(*executable).plans[0], b.(*executable).plans[0])
	require.Len(t, d.plans.of, 1)
	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	require.Len(t, d.plans.of, 1)
	require.NoError(t, b.Close())
	require.Empty(t, d.plans.of)

	broken := *p
	broken.Buffers = append(broken.Buffers[:2:2], kernel.Buffer{Kind: kernel.ConstBuffer, DType: p.Buffers[0].DType, Len: 3})
	_, err = d.Compile(&broken)
	require.Error(t, err)
	require.Empty(t, d.plans.of, "a program that does not compile keeps nothing")
	require.NoError(t, d.Close())
}

package cpu_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// tilesText is a tiled kernel of two stages: l0[b,i,j] = sum over k of
// x[b,i,k]*x[b,j,k], then the sum over j of max(l0, 0) for each row, by a kernel
// of the given form.
const tilesText = `program tiles version=1 {
  arena 0
  buffer b0 input "x" f32[120]
  buffer b1 output "y" f32[24]
  kernel tiles0 (p0: f32[120], p1: f32[24] out) tiles(blocks: 4) {
    local l0: f32[144]
    stage (p0, l0) kernel product (p0: f32[120], p1: f32[144] out) contract(batch: i0; m: i1; n: i2; k: k) block(i0) {
      axis i0 4
      axis i1 6
      axis i2 6
      axis k 5
      %0 = load p0[30*i0 + 5*i1 + k] : f32
      %1 = load p0[30*i0 + 5*i2 + k] : f32
      %2 = mul %0, %1 : f32
      %3 = fold add (k) %2 : f32
      contract %3 = %0 * %1
      store p1[36*i0 + 6*i1 + i2] over (i0, i1, i2) = %3
    }
    stage (l0, p1) kernel sums (p0: f32[144], p1: f32[24] out) FORM block(i0) {
      axis i0 4
      axis i1 6
      axis i2 6
      %0 = load p0[36*i0 + 6*i1 + i2] : f32
      %1 = const 0.0 : f32
      %2 = max %0, %1 : f32
      %3 = fold add (i2) %2 : f32
      store p1[6*i0 + i1] over (i0, i1) = %3
    }
  }
  launch tiles0(b0, b1)
}
`

// A tiled kernel runs block by block where all stages can, and stage by stage
// where one cannot, with the same result.
func TestTiledKernels(t *testing.T) {
	for form, listed := range map[string]string{
		"rows(outer: i0, i1; inner: i2)": "phase blocks: 4 blocks of 2 stages",
		"general":                        "phase product contract",
	} {
		p, err := kernel.Parse(strings.Replace(tilesText, "FORM", form, 1))
		require.NoError(t, err)
		require.Equal(t, p.String(), strings.Replace(tilesText, "FORM", form, 1))
		var want []byte
		for _, dev := range []device.Device{interp.New(interp.WithPoison()), cpu.New(cpu.WithThreads(1)), cpu.New(cpu.WithThreads(3))} {
			x, err := dev.Alloc(480)
			require.NoError(t, err)
			in := make([]byte, 480)
			for i := range 120 {
				kernel.FloatScalar(p.Buffers[0].DType, float64(i%7)-3).Write(in[4*i:])
			}
			require.NoError(t, x.CopyFrom(in))
			y, err := dev.Alloc(96)
			require.NoError(t, err)
			e, err := dev.Compile(p)
			require.NoError(t, err)
			if dev.Name() == "cpu" {
				require.Contains(t, e.Source(), listed)
			}
			for range 2 {
				require.NoError(t, e.Run(t.Context(), []device.Buffer{x}, []device.Buffer{y}))
			}
			got := make([]byte, 96)
			require.NoError(t, y.CopyTo(got))
			if want == nil {
				want = got
			}
			require.Equal(t, want, got)
			require.NoError(t, e.Close())
		}
	}
}

// A chain of local values of 16 elements a block: doubled, then, each the last
// use of the one before, clipped in place, transposed, diminished by the maximum
// of the row in place, transposed back over the first.
const chainText = `program chain version=1 {
  arena 0
  buffer b0 input "x" f32[64]
  buffer b1 output "y" f32[64]
  kernel tiles0 (p0: f32[64], p1: f32[64] out) tiles(blocks: 4) {
    local l0: f32[64]
    local l1: f32[64]
    local l2: f32[64]
    local l3: f32[64]
    local l4: f32[64]
    stage (p0, l0) kernel twice (p0: f32[64], p1: f32[64] out) pointwise(outer: b, i, j) block(b) {
      axis b 4
      axis i 4
      axis j 4
      %0 = load p0[16*b + 4*i + j] : f32
      %1 = add %0, %0 : f32
      store p1[16*b + 4*i + j] over (b, i, j) = %1
    }
    stage (l0, l1) kernel clipped (p0: f32[64], p1: f32[64] out) pointwise(outer: b, i, j) block(b) {
      axis b 4
      axis i 4
      axis j 4
      %0 = load p0[16*b + 4*i + j] : f32
      %1 = const 3.0 : f32
      %2 = min %0, %1 : f32
      store p1[16*b + 4*i + j] over (b, i, j) = %2
    }
    stage (l1, l2) kernel transposed (p0: f32[64], p1: f32[64] out) pointwise(outer: b, i, j) block(b) {
      axis b 4
      axis i 4
      axis j 4
      %0 = load p0[16*b + 4*j + i] : f32
      store p1[16*b + 4*i + j] over (b, i, j) = %0
    }
    stage (l2, l3) kernel below (p0: f32[64], p1: f32[64] out) rows(outer: b, i; inner: j) block(b) {
      axis b 4
      axis i 4
      axis j 4
      %0 = load p0[16*b + 4*i + j] : f32
      %1 = fold max (j) %0 : f32
      %2 = sub %0, %1 : f32
      store p1[16*b + 4*i + j] over (b, i, j) = %2
    }
    stage (l3, l4) kernel back (p0: f32[64], p1: f32[64] out) pointwise(outer: b, i, j) block(b) {
      axis b 4
      axis i 4
      axis j 4
      %0 = load p0[16*b + 4*j + i] : f32
      store p1[16*b + 4*i + j] over (b, i, j) = %0
    }
    stage (l3, l4, p1) kernel sum (p0: f32[64], p1: f32[64], p2: f32[64] out) pointwise(outer: b, i, j) block(b) {
      axis b 4
      axis i 4
      axis j 4
      %0 = load p0[16*b + 4*i + j] : f32
      %1 = load p1[16*b + 4*i + j] : f32
      %2 = add %0, %1 : f32
      store p2[16*b + 4*i + j] over (b, i, j) = %2
    }
  }
  launch tiles0(b0, b1)
}
`

// Local values that are not in use at the same time share memory.
func TestLocalValuesShareMemory(t *testing.T) {
	p, err := kernel.Parse(chainText)
	require.NoError(t, err)
	in := make([]byte, 256)
	for i := range 64 {
		kernel.FloatScalar(p.Buffers[0].DType, float64(i*7%11)-5).Write(in[4*i:])
	}
	var want []byte
	for _, dev := range []device.Device{interp.New(interp.WithPoison()), cpu.New(cpu.WithThreads(1)), cpu.New(cpu.WithThreads(3))} {
		x, err := dev.Alloc(256)
		require.NoError(t, err)
		require.NoError(t, x.CopyFrom(in))
		y, err := dev.Alloc(256)
		require.NoError(t, err)
		e, err := dev.Compile(p)
		require.NoError(t, err)
		if dev.Name() == "cpu" {
			require.Contains(t, e.Source(), "4 blocks of 6 stages, 1 blocks a task, 128 bytes of local values")
		}
		require.NoError(t, e.Run(t.Context(), []device.Buffer{x}, []device.Buffer{y}))
		got := make([]byte, 256)
		require.NoError(t, y.CopyTo(got))
		if want == nil {
			want = got
		}
		require.Equal(t, want, got)
		require.NoError(t, e.Close())
		require.NoError(t, dev.Close())
	}
}

package gemm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAccumulate(t *testing.T) { onEveryLevel(t, accumulate) }

// Products of some steps each, every one added to what the ones before have
// stored, are the product of all steps, bit for bit.
func accumulate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	value := func() float32 { return r.Float32() - 0.5 }
	for _, s := range [][4]int{{2, 2, 6, 3}, {17, 33, 40, 8}, {64, 64, 96, 32}, {65, 130, 1200, 600}, {200, 31, 14, 2}} {
		m, n, k, step := s[0], s[1], s[2], s[3]
		a, b := newMatrix(m, k, "k-major", value), newMatrix(n, k, "row-major", value)
		want := make([]float32, m*n)
		whole := Product[float32]{Plan: serialPlan(m, n, k), A: &a.strided, B: &b.strided, C: want, LDC: n}
		whole.Run(0, nil, make([]float32, whole.Plan.ScratchLen()))

		got := make([]float32, m*n)
		part := Product[float32]{Plan: serialPlan(m, n, step), C: got, LDC: n}
		scratch := make([]float32, part.Plan.ScratchLen())
		for k0 := 0; k0 < k; k0 += step {
			pa, pb := a.strided, b.strided
			pa.Data, pb.Data = pa.Data[k0*pa.KStride:], pb.Data[k0*pb.KStride:]
			part.A, part.B, part.Accumulate = &pa, &pb, k0 > 0
			part.Run(0, nil, scratch)
		}
		require.Equal(t, want, got, fmt.Sprint(s))
	}
}

func serialPlan(m, n, k int) Plan {
	p, err := newSerialPlan[float32](testLevel, m, n, k)
	if err != nil {
		panic(err)
	}
	return p
}

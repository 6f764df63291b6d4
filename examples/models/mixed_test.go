package models

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// after returns the outputs of one step and the variables after it, in f64, and
// how many products the program has by type.
func after(t *testing.T, e *Example, opts ...graph.Option) (map[string][]float64, map[types.DType]int) {
	g, err := e.Build(opts...)
	require.NoError(t, err)
	products := map[types.DType]int{}
	for _, n := range g.IR().Live() {
		if n.Op == ir.OpContract {
			products[n.DType()]++
		}
	}
	dev := cpu.New(cpu.WithThreads(1))
	defer dev.Close()
	s := session.New(dev, session.WithSeed(5))
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	res, err := step.Run(t.Context(), e.Feeds(3))
	require.NoError(t, err)
	defer res.Release()
	vs := map[string][]float64{}
	keep := func(name string, x *tensor.Tensor, err error) {
		require.NoError(t, err)
		if x.DType().IsFloat() {
			require.Equal(t, types.F32, x.DType(), name)
			wide, err := x.Convert(types.F64)
			require.NoError(t, err)
			vs[name], err = tensor.Data[float64](wide)
			require.NoError(t, err)
		}
	}
	for _, name := range res.Names() {
		x, err := res.Tensor(name)
		keep("output "+name, x, err)
	}
	for _, name := range s.Names() {
		x, err := s.Get(name)
		keep("variable "+name, x, err)
	}
	return vs, products
}

// distance returns the root mean square of the differences, relative to that of
// the values wanted.
func distance(got, want []float64) float64 {
	d, w := 0.0, 0.0
	for i := range want {
		d += (got[i] - want[i]) * (got[i] - want[i])
		w += want[i] * want[i]
	}
	if d == 0 {
		return 0
	}
	return math.Sqrt(d / w)
}

// Every example has nearly the same outputs and gradients in mixed precision,
// with all its products in the low type.
func TestMixedPrecision(t *testing.T) {
	for _, d := range definitions {
		t.Run(d.name, func(t *testing.T) {
			e := d.at(d.small)
			want, products := after(t, e)
			for _, low := range []types.DType{types.F16, types.BF16} {
				got, lowered := after(t, e, graph.Autocast(low))
				require.Equal(t, products[types.F32], lowered[low])
				require.Zero(t, lowered[types.F32])
				require.Len(t, got, len(want))
				for name, w := range want {
					far := distance(got[name], w)
					switch gradient := strings.HasSuffix(name, ".momentum_buffer") || strings.HasSuffix(name, ".exp_avg"); {
					case gradient && strings.Contains(d.name, "cnn") && low == types.BF16:
						// The largest of a window is often another one when rounded.
						require.Less(t, far, 0.4, "%s in %v", name, low)
					case gradient, strings.HasPrefix(name, "output"):
						require.Less(t, far, 0.02, "%s in %v", name, low)
					default:
						require.False(t, math.IsNaN(far), "%s in %v", name, low)
					}
				}
			}
		})
	}
}

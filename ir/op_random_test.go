package ir

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat/distuv"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Known answers of Random123's test vectors (kat_vectors, threefry2x32, 20 rounds),
// which jax 0.10.2 gives too.
func TestThreefryKnownAnswers(t *testing.T) {
	for _, c := range []struct{ k0, k1, c0, c1, w0, w1 int64 }{
		{0, 0, 0, 0, 0x6b200159, 0x99ba4efe},
		{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7},
		{0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0},
	} {
		b := kernel.NewBuilder()
		u := func(v int64) *kernel.Expr { return b.ConstInt(types.U32, v) }
		w0, w1 := b.Threefry(u(c.k0), u(c.k1), u(c.c0), u(c.c1))
		require.Equal(t, []int64{c.w0, c.w1}, []int64{w0.Value().Int(), w1.Value().Int()})
	}
}

func random(t *testing.T, op Op, d types.DType, seed, counter, stream int64, dims ...int) []float64 {
	b := NewBuilder("random")
	state := b.Input("state", types.Of(types.I64, 2))
	vs := newValues(t, false)
	vs.of[state] = array{kernel.IntScalar(types.I64, seed), kernel.IntScalar(types.I64, counter)}
	return vs.floats(b.random(op, types.Of(d, dims...), state, stream))
}

// Values from three chained calls of jax.extend.random.threefry_2x32 (jax 0.10.2).
func TestUniformKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		seed, counter, stream int64
		f32, f64              []float64
	}{
		{7, 3, 5, []float64{0.6006543636322021, 0.1510414481163025, 0.5288035273551941, 0.7183746695518494},
			[]float64{0.600654389237279, 0.151041467476018, 0.528803573258907, 0.718374722980436}},
		{-2, 1 << 40, -9, []float64{0.7239097952842712, 0.8702234625816345, 0.23332762718200684, 0.5195947885513306},
			[]float64{0.7239098030508904, 0.8702234964745345, 0.2333276690670798, 0.5195947978504144}},
	} {
		require.Equal(t, c.f32, random(t, OpUniform, types.F32, c.seed, c.counter, c.stream, 2, 2))
		require.Equal(t, c.f64, random(t, OpUniform, types.F64, c.seed, c.counter, c.stream, 4))
	}
}

// Of a half as many upper bits as its fraction holds are used, so that none is 1.
func TestUniformOfHalfs(t *testing.T) {
	for d, scale := range map[types.DType]float64{types.F16: 1 << 11, types.BF16: 1 << 8} {
		wide, half := random(t, OpUniform, types.F32, 7, 3, 5, 2000), random(t, OpUniform, d, 7, 3, 5, 2000)
		for i, u := range wide {
			require.Equal(t, math.Floor(u*scale)/scale, half[i], d)
		}
		z, want := random(t, OpNormal, d, 7, 3, 5, 9), random(t, OpNormal, types.F32, 7, 3, 5, 9)
		for i := range z {
			require.Equal(t, d.Round(want[i]), z[i], d)
		}
	}
}

// kolmogorov returns sqrt(n) times the largest distance between the samples'
// distribution and cdf.
func kolmogorov(xs []float64, cdf func(float64) float64) float64 {
	slices.Sort(xs)
	d, n := 0.0, float64(len(xs))
	for i, x := range xs {
		d = max(d, cdf(x)-float64(i)/n, float64(i+1)/n-cdf(x))
	}
	return d * math.Sqrt(n)
}

func moments(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x / float64(len(xs))
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean) / float64(len(xs))
	}
	return mean, variance
}

func TestDistributions(t *testing.T) {
	const n = 2000
	const fit = 1.95 // passed by 999 of 1000 samples of the distribution
	for _, d := range []types.DType{types.F32, types.F64} {
		for stream := range int64(2) {
			u := random(t, OpUniform, d, 11, stream, stream, n)
			require.GreaterOrEqual(t, slices.Min(u), 0.0)
			require.Less(t, slices.Max(u), 1.0)
			mean, variance := moments(u)
			require.InDelta(t, 0.5, mean, 4*math.Sqrt(1.0/12/n))
			require.InDelta(t, 1.0/12, variance, 4*math.Sqrt(1.0/180/n))
			require.Less(t, kolmogorov(u, func(x float64) float64 { return x }), fit)

			z := random(t, OpNormal, d, 11, stream, stream, n)
			mean, variance = moments(z)
			require.InDelta(t, 0, mean, 4/math.Sqrt(n))
			require.InDelta(t, 1, variance, 4*math.Sqrt(2.0/n))
			require.Less(t, kolmogorov(z, distuv.UnitNormal.CDF), fit)
		}
	}
	require.NotEqual(t, random(t, OpUniform, types.F32, 1, 0, 0, 8), random(t, OpUniform, types.F32, 2, 0, 0, 8))
	require.NotEqual(t, random(t, OpUniform, types.F32, 1, 0, 0, 8), random(t, OpUniform, types.F32, 1, 1, 0, 8))
	require.NotEqual(t, random(t, OpUniform, types.F32, 1, 0, 0, 8), random(t, OpUniform, types.F32, 1, 0, 1, 8))
}

// The quantile function at the ends, beside the middle and between, against
// gonum's and the standard library's.
func TestNormalQuantile(t *testing.T) {
	const top = 1<<32 - 1
	words := []int64{0, 1 << 8, 2 << 8, 1 << 20, 1 << 24, 1 << 28, 1 << 30, 1<<31 - 1<<8, 1 << 31, 1<<31 + 1<<8, 3 << 30, top - 1<<8, top}
	for w := int64(0x0666); w < top; w += 0x1234567 {
		words = append(words, w)
	}
	for _, d := range []types.DType{types.F32, types.F64} {
		eps := 4e-7
		if d == types.F64 {
			eps = 2e-15
		}
		for _, w0 := range words {
			for _, w1 := range []int64{0, top, 0x9e3779b9} {
				p := (float64(w0>>8) + 0.5) * 0x1p-24
				if d == types.F64 {
					p = (float64(w0>>5)*0x1p26 + float64(w1>>6) + 0.5) * 0x1p-53
				}
				b := kernel.NewBuilder()
				q := symmetric(b, d, b.ConstInt(types.U32, w0), b.ConstInt(types.U32, w1)).Value().Float()
				require.InDelta(t, p-0.5, q, 0x1p-53)
				// p itself rounds; q and 1/2-|q| are exact.
				want := math.Copysign(distuv.UnitNormal.Quantile(0.5-math.Abs(q)), q)
				if math.Abs(q) < 0.25 {
					want = math.Sqrt2 * math.Erfinv(2*q)
				}
				got := normal(b, d, b.ConstInt(types.U32, w0), b.ConstInt(types.U32, w1)).Value().Float()
				require.InDelta(t, want, got, eps*math.Abs(want), "%v of words %#x %#x", d, w0, w1)
			}
		}
	}
}

func TestLogarithm(t *testing.T) {
	for _, d := range []types.DType{types.F32, types.F64} {
		ulp := 0x1p-23
		if d == types.F64 {
			ulp = 0x1p-52
		}
		for x := 0x1p-54; x < 1; x *= 1.0137 {
			b := kernel.NewBuilder()
			c := b.Const(d, x)
			got := arith{b, d}.log(c).Value().Float()
			require.InEpsilon(t, math.Log(c.Value().Float()), got, ulp, "%v", x)
		}
	}
}

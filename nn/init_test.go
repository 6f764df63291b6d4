package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

// moments draws a [200,100] variable and returns mean, standard deviation and
// the largest magnitude.
func moments(t *testing.T, init graph.Initializer) (mean, std, largest float64) {
	x := newTensor(t, graph.F64, 200, 100)
	require.NoError(t, init(x, 7))
	v := value[float64](t, x)
	var squares float64
	for _, e := range v {
		mean += e / float64(len(v))
		squares += e * e / float64(len(v))
		largest = max(largest, math.Abs(e))
	}
	return mean, math.Sqrt(squares - mean*mean), largest
}

// Mean, standard deviation and bound of 20,000 numbers are those of the
// distribution within four standard errors.
func TestDistributions(t *testing.T) {
	for name, c := range map[string]struct {
		init             graph.Initializer
		mean, std, bound float64
	}{
		"uniform":         {nn.Uniform(-2, 2), 0, 4 / math.Sqrt(12), 2},
		"uniform 1 to 2":  {nn.Uniform(1, 2), 1.5, 1 / math.Sqrt(12), 2},
		"normal":          {nn.Normal(3, 0.5), 3, 0.5, math.Inf(1)},
		"kaiming uniform": {nn.KaimingUniform(math.Sqrt2), 0, math.Sqrt(2. / 100), math.Sqrt(6. / 100)},
		"kaiming normal":  {nn.KaimingNormal(math.Sqrt2), 0, math.Sqrt(2. / 100), math.Inf(1)},
		"xavier uniform":  {nn.XavierUniform(1), 0, math.Sqrt(2. / 300), math.Sqrt(6. / 300)},
		"xavier normal":   {nn.XavierNormal(5. / 3), 0, 5. / 3 * math.Sqrt(2./300), math.Inf(1)},
	} {
		t.Run(name, func(t *testing.T) {
			mean, std, largest := moments(t, c.init)
			const n = 200 * 100
			require.InDelta(t, c.mean, mean, 4*c.std/math.Sqrt(n))
			require.InDelta(t, c.std, std, 4*c.std/math.Sqrt(2*n))
			require.LessOrEqual(t, largest, c.bound)
			if !math.IsInf(c.bound, 1) {
				require.Greater(t, largest, 0.99*c.bound)
			}
		})
	}
}

// The normal distribution function holds at several points, so that the tails
// are there.
func TestNormalTails(t *testing.T) {
	x := newTensor(t, graph.F64, 40000)
	require.NoError(t, nn.Normal(0, 1)(x, 1))
	for _, at := range []float64{-2.5, -1, 0, 0.5, 2} {
		below := 0.0
		for _, e := range value[float64](t, x) {
			if e < at {
				below++
			}
		}
		p := math.Erfc(-at/math.Sqrt2) / 2
		require.InDelta(t, p, below/40000, 4*math.Sqrt(p*(1-p)/40000), "at %v", at)
	}
}

// fan_in and fan_out of a convolution's weight [out,in,kh,kw] count the window.
func TestFans(t *testing.T) {
	x := newTensor(t, graph.F32, 64, 8, 3, 5)
	largest := func(init graph.Initializer) (m float64) {
		require.NoError(t, init(x, 1))
		for _, e := range value[float32](t, x) {
			m = max(m, math.Abs(float64(e)))
		}
		return m
	}
	require.InDelta(t, math.Sqrt(3./(8*15)), largest(nn.KaimingUniform(1)), 1e-3)
	require.InDelta(t, math.Sqrt(6./(72*15)), largest(nn.XavierUniform(1)), 1e-3)
}

func TestSeeds(t *testing.T) {
	draw := func(seed uint64) []float32 {
		x := newTensor(t, graph.F32, 100)
		require.NoError(t, nn.Uniform(0, 1)(x, seed))
		return value[float32](t, x)
	}
	require.Equal(t, draw(1), draw(1))
	require.NotEqual(t, draw(1), draw(2))
	// Computed by a second implementation of SplitMix64, in Python.
	require.Equal(t, []float32{0.5665616, 0.7457818, 0.9710028}, round7(draw(1)[:3]))

	// Two variables of one session draw different numbers.
	a, b := graph.NewVariable("a", newTensor(t, graph.F32, 4).Type(), nn.Uniform(0, 1)), graph.NewVariable("b", newTensor(t, graph.F32, 4).Type(), nn.Uniform(0, 1))
	x, y := newTensor(t, graph.F32, 4), newTensor(t, graph.F32, 4)
	require.NoError(t, a.Initialize(x, 1))
	require.NoError(t, b.Initialize(y, 1))
	require.NotEqual(t, value[float32](t, x), value[float32](t, y))
}

func round7(v []float32) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(math.Round(float64(x)*1e7) / 1e7)
	}
	return out
}

func TestConstant(t *testing.T) {
	x := newTensor(t, graph.F32, 2, 2)
	require.NoError(t, nn.Constant(0.1)(x, 0))
	require.Equal(t, []float32{0.1, 0.1, 0.1, 0.1}, value[float32](t, x))
	require.NoError(t, nn.Zeros()(x, 0))
	require.Equal(t, []float32{0, 0, 0, 0}, value[float32](t, x))
	i := newTensor(t, graph.I32, 3)
	require.NoError(t, nn.Ones()(i, 0))
	require.Equal(t, []int32{1, 1, 1}, value[int32](t, i))
	require.EqualError(t, nn.Constant(0.5)(i, 0), "tensor: 0.5 is not a value of type i32")
	require.NoError(t, nn.Zeros()(newTensor(t, graph.F32, 0), 0))
}

func TestInitializerErrors(t *testing.T) {
	x, flat := newTensor(t, graph.F32, 2, 2), newTensor(t, graph.F32, 3)
	require.EqualError(t, nn.Uniform(1, 0)(x, 0), "uniform: bounds 1 and 0 are not finite and in order")
	require.EqualError(t, nn.Uniform(0, math.Inf(1))(x, 0), "uniform: bounds 0 and +Inf are not finite and in order")
	require.EqualError(t, nn.Normal(0, -1)(x, 0), "normal: mean 0 and standard deviation -1 are not finite, the second at least 0")
	require.EqualError(t, nn.Uniform(0, 1)(newTensor(t, graph.I64, 2), 0), "random numbers are floating-point, the variable is i64[2]")
	require.EqualError(t, nn.KaimingUniform(1)(flat, 0), "fan_in and fan_out are those of a weight of at least two dimensions, the variable is f32[3]")
	require.NoError(t, nn.XavierNormal(1)(newTensor(t, graph.F32, 0, 3), 0))
}

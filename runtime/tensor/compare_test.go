package tensor

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEqualIsByBits(t *testing.T) {
	nan := math.NaN()
	require.True(t, Equal(vec(nan, 1), vec(nan, 1)))
	require.False(t, Equal(vec(0.0), vec(math.Copysign(0, -1))))
	require.False(t, Equal(vec[int32](1), vec(float32(1))))
	require.False(t, Equal(vec[int32](1), must(From([]int32{1}, 1, 1))))
	require.False(t, Equal(vec(nan), vec(math.Float64frombits(math.Float64bits(nan)^2))))
}

func TestAllCloseAccepts(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	require.NoError(t, AllClose(vec(1.0, -2), vec(1.0, -2), 0, 0))
	require.NoError(t, AllClose(vec(1.125), vec(1.0), 0, 0.125))
	require.NoError(t, AllClose(vec(2.5), vec(2.0), 0.25, 0))
	require.NoError(t, AllClose(vec(inf, -inf), vec(inf, -inf), 0.1, 0.1))
	require.NoError(t, AllClose(vec(inf, -inf), vec(inf, -inf), 0, 0))
	require.NoError(t, AllClose(vec(nan, 1), vec(nan, 1), 0, 0, NaNEqual()))
	require.NoError(t, AllClose(vec(0.0), vec(math.Copysign(0, -1)), 0, 0))
	require.NoError(t, AllClose(vec(true, false), vec(true, false), 0, 0))
	require.NoError(t, AllClose(vec(1e300), vec(-1e300), 0, inf))
}

func TestAllCloseWithoutTensors(t *testing.T) {
	require.EqualError(t, AllClose(nil, vec(1.0), 0, 0), "tensor: there is no tensor to compare")
	require.EqualError(t, AllClose(vec(1.0), nil, 0, 0), "tensor: there is no tensor to compare")
	require.NoError(t, AllClose(vec(1.0), vec(1.0), 0, 0, nil))
}

func TestAllCloseNamesTheWorst(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		got, want  *Tensor
		rtol, atol float64
		opts       []CloseOption
		msg        string
	}{
		{must(From([]float32{1, 2, 3, 4.5}, 2, 2)), must(From([]float32{1, 2.25, 3, 4}, 2, 2)), 0, 0, nil,
			"tensor: 2 of 4 elements of f32[2,2] differ, worst at [1,1]: got 4.5, want 4 (difference 0.5, tolerance 0)"},
		{vec(100.5, 1.5), vec(100.0, 1.25), 0.01, 0, nil,
			"tensor: 1 of 2 elements of f64[2] differ, worst at [1]: got 1.5, want 1.25 (difference 0.25, tolerance 0.0125)"},
		{vec(1.0, nan), vec(9.0, nan), 0, 0, nil,
			"tensor: 2 of 2 elements of f64[2] differ, worst at [1]: got NaN, want NaN (difference +Inf, tolerance 0)"},
		{vec(nan, 2), vec(1.0, nan), 0, 0, []CloseOption{NaNEqual()},
			"tensor: 2 of 2 elements of f64[2] differ, worst at [0]: got NaN, want 1 (difference +Inf, tolerance 0)"},
		{vec(1.0), vec(inf), 0.5, 0, nil,
			"tensor: 1 of 1 elements of f64[1] differ, worst at [0]: got 1, want +Inf (difference +Inf, tolerance 0)"},
		{vec(-inf), vec(inf), 0.5, inf, nil,
			"tensor: 1 of 1 elements of f64[1] differ, worst at [0]: got -Inf, want +Inf (difference +Inf, tolerance +Inf)"},
		{vec[int64](math.MaxInt64), vec[int64](math.MaxInt64 - 1), 0, 0.5, nil,
			"tensor: 1 of 1 elements of i64[1] differ, worst at [0]: got 9223372036854775807, want 9223372036854775806 (difference 1, tolerance 0.5)"},
		{vec[int64](math.MaxInt64), vec[int64](math.MinInt64), 0, 0, nil,
			"tensor: 1 of 1 elements of i64[1] differ, worst at [0]: got 9223372036854775807, want -9223372036854775808 (difference 1.84e+19, tolerance 0)"},
		{vec(true), vec(false), 0, 0, nil,
			"tensor: 1 of 1 elements of bool[1] differ, worst at [0]: got true, want false (difference 1, tolerance 0)"},
		{vec[int32](1), vec(1.0), 0, 0, nil, "tensor: types differ: got i32[1], want f64[1]"},
		{vec(1.0), vec(1.0), -1, 0, nil, "tensor: tolerances rtol -1 and atol 0 must not be negative or NaN"},
		{vec(1.0), vec(1.0), 0, nan, nil, "tensor: tolerances rtol 0 and atol NaN must not be negative or NaN"},
	} {
		require.EqualError(t, AllClose(c.got, c.want, c.rtol, c.atol, c.opts...), c.msg)
	}
}

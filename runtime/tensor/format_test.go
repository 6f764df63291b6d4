package tensor

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

func TestString(t *testing.T) {
	count := func(dims ...int) *Tensor {
		x := must(New(types.Of(types.I32, dims...)))
		for i := range view[int32](x) {
			view[int32](x)[i] = int32(i)
		}
		return x
	}
	for _, c := range []struct {
		x    *Tensor
		want string
	}{
		{Scalar(float32(0.1)), "f32[] 0.1"},
		{Scalar(true), "bool[] true"},
		{vec(true, false), "bool[2] [ true false]"},
		{vec[uint8](1, 200), "u8[2] [  1 200]"},
		{vec[int64](math.MinInt64), "i64[1] [-9223372036854775808]"},
		{vec(1.0/3, math.NaN(), math.Inf(-1), 1e-300), "f64[4] [0.33333333        NaN       -Inf     1e-300]"},
		{vec(123456789.0, 1e20/3), "f64[2] [1.2345679e+08 3.3333333e+19]"},
		{vec[types.BFloat16](0x3dcd, 0x7f80, 0x4049), "bf16[3] [ 0.1 +Inf 3.14]"},
		{vec[types.Float16](0x3555, 0x7bff), "f16[2] [0.3333  65500]"},
		{count(2, 3), "i32[2,3]\n[[0 1 2]\n [3 4 5]]"},
		{count(2, 2, 2), "i32[2,2,2]\n[[[0 1]\n  [2 3]]\n\n [[4 5]\n  [6 7]]]"},
		{count(1001), "i32[1001] [   0    1    2 ...  998  999 1000]"},
		{count(1000, 2), "i32[1000,2]\n[[   0    1]\n [   2    3]\n [   4    5]\n ...\n [1994 1995]\n [1996 1997]\n [1998 1999]]"},
	} {
		require.Equal(t, c.want, c.x.String())
	}
}

func TestStringOfManySmallDimensionsEnds(t *testing.T) {
	dims := make([]int, 20)
	for i := range dims {
		dims[i] = 2
	}
	s := must(New(types.Of(types.U8, dims...))).String()
	require.Less(t, len(s), 200_000)
	require.Contains(t, s, "...")
}

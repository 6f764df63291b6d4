package tensor

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

func vec[T Element](v ...T) *Tensor { return must(From(v, len(v))) }

func TestConvert(t *testing.T) {
	for _, c := range []struct{ from, to *Tensor }{
		{vec(true, false), vec[uint8](1, 0)},
		{vec(true, false), vec[int64](1, 0)},
		{vec(true, false), vec[float32](1, 0)},
		{vec[uint8](0, 2, 255), vec(false, true, true)},
		{vec[float32](0, -0.5, float32(math.NaN())), vec(false, true, true)},
		{vec[uint8](0, 255), vec[int32](0, 255)},
		{vec[int32](math.MinInt32, math.MaxInt32), vec[int64](math.MinInt32, math.MaxInt32)},
		{vec[int32](math.MaxInt32, 1<<24+1), vec[float32](1<<31, 1<<24)},
		{vec[int64](1<<53+1, 1<<53+3), vec[float64](1<<53, 1<<53+4)},
		{vec[int64](math.MaxInt32, math.MinInt32), vec[int32](math.MaxInt32, math.MinInt32)},
		{vec(1.9, -1.9, -0.9), vec[int32](1, -1, 0)},
		{vec(255.9, -0.9), vec[uint8](255, 0)},
		{vec(2147483647.9, -2147483648.9), vec[int32](math.MaxInt32, math.MinInt32)},
		{vec(-math.Exp2(63)), vec[int64](math.MinInt64)},
		{vec(0.1, 1e300, math.Inf(-1)), vec(float32(0.1), float32(math.Inf(1)), float32(math.Inf(-1)))},
		{vec[float32](0.5, -0.25), vec(0.5, -0.25)},
		{vec(0.1, 1e300, 1+0x1p-11+0x1p-40), vec[types.Float16](0x2e66, 0x7c00, 0x3c00)}, // through f32
		{vec[float32](0.1, 1e38, -1e-45), vec[types.BFloat16](0x3dcd, 0x7e96, 0x8000)},
		{vec[int64](65520, -3), vec[types.Float16](0x7c00, 0xc200)},
		{vec[types.BFloat16](0x3fc0, 0xc0e0), vec[int32](1, -7)},
		{vec[types.Float16](0x3c01, 0x8000), vec[types.BFloat16](0x3f80, 0x8000)},
		{vec[types.Float16](1, 0), vec(0x1p-24, 0)},
	} {
		got, err := c.from.Convert(c.to.DType())
		require.NoError(t, err)
		require.True(t, Equal(c.to, got), "%v: want %v, got %v", c.from, c.to, got)
	}
}

func TestConvertRefusesWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		from *Tensor
		to   types.DType
		want string
	}{
		{vec[int32](1, 256), types.U8, "tensor: convert i32[2] to u8: the element at [1] is 256, which does not fit"},
		{vec[int64](-1), types.U8, "tensor: convert i64[1] to u8: the element at [0] is -1, which does not fit"},
		{vec[int64](1 << 31), types.I32, "tensor: convert i64[1] to i32: the element at [0] is 2147483648, which does not fit"},
		{vec(0, math.NaN()), types.I64, "tensor: convert f64[2] to i64: the element at [1] is NaN, which does not fit"},
		{vec(math.Exp2(63)), types.I64, "tensor: convert f64[1] to i64: the element at [0] is 9.223372036854776e+18, which does not fit"},
		{vec(float32(math.Inf(1))), types.I32, "tensor: convert f32[1] to i32: the element at [0] is +Inf, which does not fit"},
		{vec(2147483648.0), types.I32, "tensor: convert f64[1] to i32: the element at [0] is 2.147483648e+09, which does not fit"},
		{vec[types.Float16](0x7bff), types.U8, "tensor: convert f16[1] to u8: the element at [0] is 65500, which does not fit"},
		{vec(-1.0), types.U8, "tensor: convert f64[1] to u8: the element at [0] is -1, which does not fit"},
	} {
		_, err := c.from.Convert(c.to)
		require.EqualError(t, err, c.want)
	}
	_, err := vec(1.0).Convert(types.U32)
	require.ErrorContains(t, err, "element type u32 has no host arrays")
}

func TestConvertCopies(t *testing.T) {
	x := vec[float32](1, 2)
	y := must(x.Convert(types.F32))
	require.NoError(t, y.Set(9, 0))
	require.Equal(t, 1.0, must(x.At(0)))
}

func TestConvertThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOf(rapid.Int32()).Draw(t, "v")
		x := vec(v...)
		for _, d := range []types.DType{types.I64, types.F64} {
			y, err := x.Convert(d)
			require.NoError(t, err)
			back, err := y.Convert(types.I32)
			require.NoError(t, err)
			require.True(t, Equal(x, back))
		}
	})
}

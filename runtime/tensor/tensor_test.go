package tensor

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestNewIsZeroAndAligned(t *testing.T) {
	for _, d := range types.DTypes() {
		for n := range 70 {
			x, err := New(types.Of(d, n, 3))
			require.NoError(t, err)
			require.Equal(t, 3*n, x.Len())
			require.Len(t, x.Bytes(), 3*n*d.Size())
			for _, b := range x.Bytes() {
				require.Zero(t, b)
			}
			if n > 0 {
				require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(x.Bytes())))%Alignment)
				require.Equal(t, len(x.Bytes()), cap(x.Bytes()))
			}
		}
	}
}

func TestNewOwnsItsShape(t *testing.T) {
	sh := types.Shape{2, 3}
	x := must(New(types.Type{DType: types.F32, Shape: sh}))
	sh[0] = 100
	require.Equal(t, types.Shape{2, 3}, x.Shape())
	dims := []int{2}
	y := must(From([]int32{1, 2}, dims...))
	dims[0] = 100
	require.Equal(t, types.Shape{2}, y.Shape())
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		typ  types.Type
		want string
	}{
		{types.Of(types.Invalid, 2), "element type invalid has no host arrays"},
		{types.Of(types.U32, 2), "element type u32 has no host arrays"},
		{types.Of(types.F32, 2, -1), "dimension 1 of [2,-1] is negative"},
		{types.Of(types.F32, 1<<40, 1<<40), "more than 2^48 elements"},
		{types.Of(types.F64, 1<<48), "f64[281474976710656] takes 2.0 PiB"},
	} {
		_, err := New(c.typ)
		require.ErrorContains(t, err, c.want)
	}
	_, err := New(types.Of(types.F64, 1<<48))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Full(float32(1), -1)
	require.ErrorContains(t, err, "negative")
}

func TestFromSharesData(t *testing.T) {
	data := []float32{1, 2, 3, 4, 5, 6}
	x := must(From(data, 2, 3))
	require.Equal(t, types.Of(types.F32, 2, 3), x.Type())
	require.Equal(t, types.F32, x.DType())
	data[5] = 60
	require.Equal(t, 60.0, must(x.At(1, 2)))
	must(Data[float32](x))[0] = 10
	require.Equal(t, float32(10), data[0])
	x.Bytes()[4], x.Bytes()[5], x.Bytes()[6], x.Bytes()[7] = 0, 0, 0, 0
	require.Zero(t, data[1])
}

func TestFromRefuses(t *testing.T) {
	_, err := From([]int64{1, 2, 3}, 2, 2)
	require.EqualError(t, err, "tensor: i64[2,2] has 4 elements, the data 3")
	_, err = From([]int64{1, 2})
	require.EqualError(t, err, "tensor: i64[] has 1 elements, the data 2")
	_, err = From([]int64{}, -1, 0)
	require.ErrorContains(t, err, "negative")
	_, err = From([]int64{}, 1<<40, 1<<40)
	require.ErrorContains(t, err, "2^48")
}

func TestEmpty(t *testing.T) {
	x := must(From[float32](nil, 0, 1<<60))
	require.Zero(t, x.Len())
	require.Empty(t, must(Data[float32](x)))
	require.Empty(t, x.Bytes())
	require.Equal(t, "f32[0,1152921504606846976] []", x.String())
	require.True(t, Equal(x, x.Clone()))
	require.NoError(t, AllClose(x, x.Clone(), 0, 0))
	_, err := x.At(0, 0)
	require.ErrorContains(t, err, "outside")
	require.Equal(t, types.Of(types.I32, 0, 1<<60), must(x.Convert(types.I32)).Type())
}

func TestZeroTensor(t *testing.T) {
	var x Tensor
	require.Zero(t, x.Len())
	require.Equal(t, "invalid[] []", x.String())
	_, err := x.At()
	require.Error(t, err)
	require.Error(t, x.Set(1))
	_, err = Item[float32](&x)
	require.Error(t, err)
	_, err = x.Convert(types.F32)
	require.Error(t, err)
	_, err = x.Reshape(1)
	require.Error(t, err)
	require.Zero(t, x.Clone().Len())
	require.Equal(t, "<nil>", (*Tensor)(nil).String())
}

func TestDataAndItemCheckTheType(t *testing.T) {
	x := Scalar(int32(7))
	require.Equal(t, int32(7), must(Item[int32](x)))
	_, err := Data[int64](x)
	require.EqualError(t, err, "tensor: the elements of i32[] are read as i64")
	_, err = Item[float32](x)
	require.EqualError(t, err, "tensor: the elements of i32[] are read as f32")
	_, err = Item[int32](must(Full(int32(1), 2)))
	require.EqualError(t, err, "tensor: i32[2] has 2 elements, not one")
	require.Equal(t, int32(1), must(Item[int32](must(Full(int32(1), 1, 1)))))
}

func TestDTypeOf(t *testing.T) {
	got := []types.DType{DTypeOf[bool](), DTypeOf[uint8](), DTypeOf[int32](), DTypeOf[int64](), DTypeOf[types.Float16](), DTypeOf[types.BFloat16](),
		DTypeOf[float32](), DTypeOf[float64]()}
	require.Equal(t, types.DTypes(), got)
}

func TestAtAndSet(t *testing.T) {
	for _, d := range types.DTypes() {
		x := must(New(types.Of(d, 2, 3)))
		require.NoError(t, x.Set(1, 1, 0))
		require.Equal(t, 1.0, must(x.At(1, 0)), "%s", d)
		require.Equal(t, 0.0, must(x.At(0, 1)), "%s", d)
		i := 3 * d.Size()
		require.NotEqual(t, make([]byte, d.Size()), x.Bytes()[i:i+d.Size()], "row-major position")
	}
	x := must(New(types.Of(types.I32, 2)))
	for _, c := range []struct {
		typ types.DType
		v   float64
		ok  bool
	}{
		{types.Bool, 1, true}, {types.Bool, 2, false},
		{types.U8, 255, true}, {types.U8, 256, false}, {types.U8, -1, false},
		{types.I32, math.MinInt32, true}, {types.I32, math.MaxInt32 + 1, false}, {types.I32, 0.5, false}, {types.I32, math.NaN(), false},
		{types.I64, math.MinInt64, true}, {types.I64, 1 << 63, false}, {types.I64, math.Inf(1), false},
		{types.F16, 65504, true}, {types.BF16, -0x1p127, true}, {types.F32, math.Inf(-1), true}, {types.F64, 1e300, true},
	} {
		x := must(New(types.Of(c.typ)))
		err := x.Set(c.v)
		if c.ok {
			require.NoError(t, err)
			require.Equal(t, c.v, must(x.At()))
		} else {
			require.EqualError(t, err, fmt.Sprintf("tensor: %v is not a value of type %s", c.v, c.typ))
		}
	}
	require.EqualError(t, x.Set(1, 2), "tensor: index [2] is outside i32[2]")
	require.EqualError(t, x.Set(1, -1), "tensor: index [-1] is outside i32[2]")
	_, err := x.At(0, 0)
	require.EqualError(t, err, "tensor: index [0 0] has 2 numbers, type i32[2] has 1 dimensions")
}

func TestReshapeSharesAndCloneDoesNot(t *testing.T) {
	x := must(From([]int32{1, 2, 3, 4, 5, 6}, 2, 3))
	r := must(x.Reshape(3, 2))
	c := x.Clone()
	require.True(t, Equal(x, c))
	require.NoError(t, x.Set(50, 1, 1))
	require.Equal(t, 50.0, must(r.At(2, 0)))
	require.Equal(t, 5.0, must(c.At(1, 1)))
	require.False(t, Equal(x, c))
	_, err := x.Reshape(4, 2)
	require.EqualError(t, err, "tensor: i32[2,3] has 6 elements, i32[4,2] has 8")
	_, err = x.Reshape(-2, -3)
	require.ErrorContains(t, err, "negative")
}

func TestOffsetAndUnravelAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := rapid.SliceOfN(rapid.IntRange(1, 5), 0, 5).Draw(t, "dims")
		x, err := New(types.Of(types.U8, dims...))
		require.NoError(t, err)
		flat := rapid.IntRange(0, x.Len()-1).Draw(t, "flat")
		got, err := x.offset(x.unravel(flat))
		require.NoError(t, err)
		require.Equal(t, flat, got)
	})
}

func TestFromBytes(t *testing.T) {
	x := vec[float32](1, 2, 3, 4)
	y := must(FromBytes(types.Of(types.F32, 2, 2), x.Bytes()))
	require.True(t, Equal(must(x.Reshape(2, 2)), y))
	require.NoError(t, y.Set(7, 1, 1))
	require.Equal(t, 7.0, must(x.At(3)), "the memory is shared")
	require.Zero(t, must(FromBytes(types.Of(types.F64, 0, 3), nil)).Len())

	for want, f := range map[string]func() (*Tensor, error){
		"tensor: f32[3] takes 12 bytes, given 16":                       func() (*Tensor, error) { return FromBytes(types.Of(types.F32, 3), x.Bytes()) },
		"tensor: the memory given for f32[1] is not aligned to 4 bytes": func() (*Tensor, error) { return FromBytes(types.Of(types.F32, 1), x.Bytes()[2:6]) },
		"tensor: byte 1 given for bool[3] is 2, not 0 or 1":             func() (*Tensor, error) { return FromBytes(types.Of(types.Bool, 3), []byte{1, 2, 0}) },
		"tensor: element type u32 has no host arrays":                   func() (*Tensor, error) { return FromBytes(types.Of(types.U32, 1), x.Bytes()[:4]) },
		"tensor: dimension 0 of [-1] is negative":                       func() (*Tensor, error) { return FromBytes(types.Of(types.U8, -1), nil) },
	} {
		_, err := f()
		require.EqualError(t, err, want)
	}
}

package types

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The table of torch.promote_types for tensors of at least one dimension.
func TestPromote(t *testing.T) {
	order := []DType{Bool, U8, I32, I64, F16, BF16, F32, F64}
	for i, a := range order {
		for j, b := range order {
			want := order[max(i, j)]
			if a.IsHalf() && b.IsHalf() && a != b {
				want = F32
			}
			require.Equal(t, want, Promote(a, b), "%v with %v", a, b)
		}
	}
	require.Equal(t, order, DTypes())
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct {
		in   []Shape
		want Shape
	}{
		{[]Shape{{}, {}}, Shape{}},
		{[]Shape{{3}, {}}, Shape{3}},
		{[]Shape{{4, 1}, {3}}, Shape{4, 3}},
		{[]Shape{{2, 1, 5}, {7, 1}, {1}}, Shape{2, 7, 5}},
		{[]Shape{{0}, {1}}, Shape{0}},
		{[]Shape{{1}, {0, 1}}, Shape{0, 1}},
	} {
		got, err := Broadcast(c.in...)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	for _, in := range [][]Shape{{{2}, {3}}, {{0}, {2}}, {{2, 3}, {2}}} {
		_, err := Broadcast(in...)
		require.ErrorIs(t, err, ErrBroadcast)
		require.ErrorContains(t, err, in[0].String()+" with "+in[1].String())
	}
}

func TestParse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := Type{rapid.SampledFrom([]DType{Bool, U8, U32, I32, I64, F16, BF16, F32, F64}).Draw(rt, "dtype"),
			Shape(rapid.SliceOfN(rapid.IntRange(0, 2000), 0, 4).Draw(rt, "shape"))}
		got, err := Parse(want.String())
		require.NoError(rt, err)
		require.True(rt, want.Equal(got), "%v and %v", want, got)
	})
	for _, s := range []string{"", "f32", "f32[", "f32]", "f8[2]", "f32[2,]", "f32[,2]", "f32[-1]", "f32[+1]", "f32[02]", "f32[ 2]", "f32[2]x",
		"f32[99999999999999999999]", "f32[281474976710657]", "f32[16777216,16777217]"} {
		_, err := Parse(s)
		require.Error(t, err, s)
	}
}

func TestShapeLimits(t *testing.T) {
	require.NoError(t, Shape{MaxElements}.Check())
	require.NoError(t, Shape{1 << 24, 1 << 24}.Check())
	require.NoError(t, Shape{math.MaxInt, 0, math.MaxInt}.Check(), "no elements")
	require.ErrorContains(t, Shape{1 << 24, 1<<24 + 1}.Check(), "more than 2^48")
	require.ErrorContains(t, Shape{math.MaxInt, math.MaxInt}.Check(), "more than 2^48")
	require.ErrorContains(t, Shape{0, -1}.Check(), "dimension 1 of [0,-1] is negative")
	require.Equal(t, []int{12, 4, 1}, Shape{2, 3, 4}.Strides())
	require.Equal(t, 1, Shape{}.Size())
	require.Equal(t, int64(48), Of(F64, 2, 3).Bytes())
}

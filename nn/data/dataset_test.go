package data

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

func from[T tensor.Element](t require.TestingT, data []T, dims ...int) *tensor.Tensor {
	x, err := tensor.From(data, dims...)
	require.NoError(t, err)
	return x
}

func values[T tensor.Element](t require.TestingT, x *tensor.Tensor) []T {
	v, err := tensor.Data[T](x)
	require.NoError(t, err)
	return v
}

// counting is n samples: "x", f32[2], is {i, -i}, and "id", i64[], is i.
func counting(t require.TestingT, n int) *Tensors {
	x := make([]float32, 2*n)
	id := make([]int64, n)
	for i := range n {
		x[2*i], x[2*i+1], id[i] = float32(i), float32(-i), int64(i)
	}
	d, err := FromTensors(Column{"x", from(t, x, n, 2)}, Column{"id", from(t, id, n)})
	require.NoError(t, err)
	return d
}

// read returns a sample's id after checking that its fields agree.
func read(t require.TestingT, d Dataset, i int) int {
	var dst []*tensor.Tensor
	for _, f := range d.Fields() {
		b, err := tensor.New(f.batched(3))
		require.NoError(t, err)
		dst = append(dst, b)
	}
	require.NoError(t, d.Read(i, dst, 1))
	x, id := values[float32](t, dst[0]), values[int64](t, dst[1])
	require.Equal(t, []float32{0, 0, float32(id[1]), float32(-id[1]), 0, 0}, x, "only the row is written")
	return int(id[1])
}

func TestFromTensors(t *testing.T) {
	d := counting(t, 5)
	require.Equal(t, 5, d.Len())
	require.Equal(t, []Field{{"x", types.Of(types.F32, 2)}, {"id", types.Of(types.I64)}}, d.Fields())
	for i := range 5 {
		require.Equal(t, i, read(t, d, i))
	}
}

func TestFromTensorsErrors(t *testing.T) {
	two, three := from(t, []float32{1, 2}, 2), from(t, []float32{1, 2, 3}, 3)
	scalar := from(t, []float32{1})
	for _, c := range []struct {
		columns []Column
		want    string
	}{
		{nil, "data: a data set needs at least one column"},
		{[]Column{{"", two}}, "data: column 0 has no name"},
		{[]Column{{"x", two}, {"x", two}}, `data: two columns are called "x"`},
		{[]Column{{"x", nil}}, `data: column "x" has no tensor`},
		{[]Column{{"x", scalar}}, `data: column "x" is a scalar, f32[]: a column needs a first dimension that counts samples`},
		{[]Column{{"x", two}, {"y", three}}, `data: column "x" has 2 samples, column "y" has 3`},
	} {
		_, err := FromTensors(c.columns...)
		require.EqualError(t, err, c.want)
	}
}

func TestSubset(t *testing.T) {
	indices := []int{4, 0, 4}
	s, err := NewSubset(counting(t, 5), indices)
	require.NoError(t, err)
	indices[0] = 1
	require.Equal(t, 3, s.Len())
	require.Equal(t, []int{4, 0, 4}, []int{read(t, s, 0), read(t, s, 1), read(t, s, 2)})

	_, err = NewSubset(counting(t, 5), []int{0, 5})
	require.EqualError(t, err, "data: index 1 of a subset is 5, the data set has 5 samples")
	_, err = NewSubset(counting(t, 5), []int{-1})
	require.EqualError(t, err, "data: index 0 of a subset is -1, the data set has 5 samples")
	_, err = NewSubset(nil, []int{0})
	require.EqualError(t, err, "data: there is no data set")
	_, _, err = Split(nil, 0, 1)
	require.EqualError(t, err, "data: there is no data set")
	_, err = NewLoader(nil, Options{Batch: 1})
	require.EqualError(t, err, "data: there is no data set")
}

func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "n")
		k := rapid.IntRange(0, n).Draw(t, "k")
		first, rest, err := Split(counting(t, n), k, rapid.Uint64().Draw(t, "seed"))
		require.NoError(t, err)
		require.Equal(t, k, first.Len())
		require.Equal(t, n-k, rest.Len())
		var all []int
		for _, s := range []*Subset{first, rest} {
			for i := range s.Len() {
				all = append(all, read(t, s, i))
			}
		}
		slices.Sort(all)
		for i, v := range all {
			require.Equal(t, i, v)
		}
	})
	_, _, err := Split(counting(t, 3), 4, 0)
	require.EqualError(t, err, "data: cannot split 4 samples off a data set of 3")
	_, _, err = Split(counting(t, 3), -1, 0)
	require.EqualError(t, err, "data: cannot split -1 samples off a data set of 3")
}

// A change of these orders breaks every resumed run. They were computed by a
// second implementation, in Python.
func TestShuffleGolden(t *testing.T) {
	order := make([]int, 10)
	for _, c := range []struct {
		seed  uint64
		epoch int
		want  []int
	}{
		{0, 0, []int{1, 4, 5, 0, 7, 6, 9, 8, 2, 3}},
		{0, 1, []int{4, 7, 0, 5, 9, 3, 6, 2, 8, 1}},
		{1, 0, []int{7, 2, 6, 8, 0, 1, 5, 9, 3, 4}},
		{1 << 63, 1000, []int{0, 9, 5, 4, 3, 8, 6, 7, 1, 2}},
	} {
		Shuffle(order, c.seed, c.epoch)
		require.Equal(t, c.want, order, "seed %d, epoch %d", c.seed, c.epoch)
	}
}

func TestImages(t *testing.T) {
	pixels := from(t, []uint8{0, 51, 255, 102}, 2, 1, 2)
	d, err := NewImages(pixels, from(t, []uint8{1, 0}, 2), 2)
	require.NoError(t, err)
	require.Equal(t, 2, d.Len())
	require.Equal(t, 1, d.Label(0))
	require.Same(t, pixels, d.Pixels())
	require.Equal(t, []Field{{"image", types.Of(types.F32, 1, 2)}, {"label", types.Of(types.I32)}}, d.Fields())
	readImage := func(d *Images, i int) ([]float32, []int32) {
		dst := []*tensor.Tensor{from(t, make([]float32, 4), 2, 2), from(t, make([]int32, 2), 2)}
		require.NoError(t, d.Read(i, dst, 1))
		return values[float32](t, dst[0]), values[int32](t, dst[1])
	}
	x, y := readImage(d, 0)
	require.Equal(t, []float32{0, 0, 0, .2}, x)
	require.Equal(t, []int32{0, 1}, y)

	n, err := d.Normalize(.5, .25)
	require.NoError(t, err)
	x, _ = readImage(n, 1)
	require.Equal(t, []float32{0, 0, 2, (float32(102)/255 - .5) / .25}, x)
	x, _ = readImage(d, 1)
	require.Equal(t, []float32{0, 0, 1, .4}, x, "the original is not normalised")

	r, err := n.Reshape(2)
	require.NoError(t, err)
	require.Equal(t, types.Of(types.F32, 2), r.Fields()[0].Type)
	require.Equal(t, types.Of(types.F32, 1, 2), d.Fields()[0].Type)

	labels, err := NewImages(pixels, from(t, []int32{7, 8}, 2), 9)
	require.NoError(t, err)
	require.Equal(t, 8, labels.Label(1))
}

func TestImagesErrors(t *testing.T) {
	pixels := from(t, []uint8{0, 51, 255, 102}, 2, 1, 2)
	ok := from(t, []int32{0, 1}, 2)
	for _, c := range []struct {
		pixels, labels *tensor.Tensor
		want           string
	}{
		{pixels, nil, "data: images and labels are both needed"},
		{ok, ok, "data: images are i32[2], not u8[n,height,width]"},
		{pixels, pixels, "data: labels are u8[2,1,2], not u8[n] or i32[n]"},
		{pixels, from(t, []float32{0, 1}, 2), "data: labels are f32[2], not u8[n] or i32[n]"},
		{pixels, from(t, []int32{0}, 1), "data: there are 2 images and 1 labels"},
		{pixels, from(t, []int32{0, 2}, 2), "data: label 1 is 2, outside 0 to 1"},
		{pixels, from(t, []int32{-1, 0}, 2), "data: label 0 is -1, outside 0 to 1"},
	} {
		_, err := NewImages(c.pixels, c.labels, 2)
		require.EqualError(t, err, c.want)
	}
	d, err := NewImages(pixels, ok, 2)
	require.NoError(t, err)
	_, err = d.Normalize(0, 0)
	require.EqualError(t, err, "data: cannot normalise by mean 0 and standard deviation 0: both must be finite, the second positive")
	_, err = d.Reshape(3)
	require.EqualError(t, err, "data: images of 2 pixels do not have the shape [3]")
	_, err = d.Reshape(-1, -2)
	require.ErrorContains(t, err, "negative")
}

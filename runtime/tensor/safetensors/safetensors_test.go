package safetensors_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// open opens a file by its mapping, by reading, and from memory: all must tell the same.
func open(t *testing.T, path string, check func(t *testing.T, f *safetensors.File)) {
	for name, f := range map[string]func() (*safetensors.File, error){
		"mapped": func() (*safetensors.File, error) { return safetensors.Open(path) },
		"read":   func() (*safetensors.File, error) { return safetensors.OpenUnmapped(path) },
		"parsed": func() (*safetensors.File, error) { return safetensors.Parse(must(os.ReadFile(path))) },
	} {
		t.Run(name, func(t *testing.T) {
			f, err := f()
			require.NoError(t, err)
			check(t, f)
			require.NoError(t, f.Close())
			require.NoError(t, f.Close())
			for _, a := range f.Arrays() {
				_, err := f.ReadRaw(a.Name)
				require.ErrorIs(t, err, safetensors.ErrClosed)
			}
		})
	}
}

// native holds what testdata/make.py puts into native.safetensors.
func native() map[string]*tensor.Tensor {
	inf, zero := math.Inf(1), math.Copysign(0, -1)
	floats := must(tensor.From([]float64{0, zero, 0.1, inf, -inf, -3.5}, 2, 3))
	as := func(d types.DType) *tensor.Tensor { return must(floats.Convert(d)) }
	return map[string]*tensor.Tensor{
		"b":              must(tensor.From([]bool{true, false, true, false, false, true}, 2, 3)),
		"u8":             must(tensor.From([]uint8{0, 1, 127, 128, 254, 255}, 2, 3)),
		"i32":            must(tensor.From([]int32{0, -1, 2, math.MaxInt32, math.MinInt32, 7}, 2, 3)),
		"i64":            must(tensor.From([]int64{0, -1, 2, math.MaxInt64, math.MinInt64, 1<<53 + 1}, 2, 3)),
		"f16":            as(types.F16),
		"bf16":           as(types.BF16),
		"f32":            as(types.F32),
		"f64":            floats,
		"scalar":         tensor.Scalar(float32(2.5)),
		"empty":          must(tensor.New(types.Of(types.F32, 0, 3))),
		"naïve \"name\"": must(tensor.From([]uint8{1}, 1)),
	}
}

func TestReadsWhatPythonWrote(t *testing.T) {
	open(t, "testdata/native.safetensors", func(t *testing.T, f *safetensors.File) {
		require.Len(t, f.Arrays(), len(native()))
		require.Equal(t, map[string]string{"format": "pt"}, f.Metadata())
		for name, want := range native() {
			got, err := f.Read(name)
			require.NoError(t, err)
			require.True(t, tensor.Equal(want, got), "%s: %v", name, got)
			a, ok := f.Array(name)
			require.True(t, ok)
			typ, ok := a.Type()
			require.True(t, ok)
			require.True(t, typ.Equal(want.Type()))
			require.Equal(t, int64(len(want.Bytes())), a.Bytes())
		}
		_, ok := f.Array("none")
		require.False(t, ok)
		_, err := f.Read("none")
		require.ErrorContains(t, err, `safetensors: there is no array "none"`)
	})
	all, meta, err := safetensors.Read("testdata/native.safetensors")
	require.NoError(t, err)
	require.Len(t, all, len(native()))
	require.Equal(t, "pt", meta["format"])
}

// The files that are written are those that Python writes.
func TestWritesTheBytesOfPython(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, safetensors.Write(path, tensor.SortByName(native()), map[string]string{"format": "pt"}))
	require.Equal(t, must(os.ReadFile("testdata/native.safetensors")), must(os.ReadFile(path)))
}

// Every element type that the framework lacks becomes the numbers that PyTorch makes of it.
func TestWidening(t *testing.T) {
	open(t, "testdata/widened.safetensors", func(t *testing.T, f *safetensors.File) {
		kinds := map[safetensors.DType]bool{}
		for _, a := range f.Arrays() {
			want, ok := f.Array("want." + a.Name)
			if !ok {
				continue
			}
			kinds[a.DType] = true
			typ, ok := a.Type()
			require.True(t, ok)
			wantType, _ := want.Type()
			require.True(t, typ.Equal(wantType), "%s: %s, not %s", a, typ, wantType)
			x, y := must(f.Read(a.Name)), must(f.Read(want.Name))
			require.True(t, typ.Equal(x.Type()))
			require.NoError(t, tensor.AllClose(x, y, 0, 0, tensor.NaNEqual()), a.String())
			for i, v := range x.Bytes() {
				if a.Name != "c64" && typ.DType == types.F32 && math.IsNaN(must(x.At(i/4))) {
					continue // of any payload
				}
				require.Equal(t, y.Bytes()[i], v, "the sign of zero too")
			}
		}
		require.Len(t, kinds, 11)
	})
	open(t, "testdata/small.safetensors", func(t *testing.T, f *safetensors.File) {
		x := must(f.Read("f4"))
		require.Equal(t, []float32{0, .5, 1, 1.5, 2, 3, 4, 6, float32(math.Copysign(0, -1)), -.5, -1, -1.5, -2, -3, -4, -6}, must(tensor.Data[float32](x)))
		require.Equal(t, "[2,8]", x.Shape().String())
		_, err := f.Read("f6")
		require.ErrorContains(t, err, `"f6": F6_E3M2[4] has no tensor`)
		require.Equal(t, []byte{1, 2, 3}, must(f.ReadRaw("f6")))
		a, _ := f.Array("f6")
		_, ok := a.Type()
		require.False(t, ok)
	})
	var b bytes.Buffer
	require.NoError(t, safetensors.WriteRaw(&b, []safetensors.Raw{{"u", safetensors.U64, types.Shape{2}, bytes.Repeat([]byte{0xff}, 16)}}, nil))
	_, err := must(safetensors.Parse(b.Bytes())).Read("u")
	require.EqualError(t, err, `safetensors: "u": element 0 is 18446744073709551615, which does not fit i64`)
}

func TestUnalignedData(t *testing.T) {
	open(t, "testdata/unaligned.safetensors", func(t *testing.T, f *safetensors.File) {
		require.Equal(t, []float32{1.5, -2}, must(tensor.Data[float32](must(f.Read("w")))))
		require.Equal(t, []bool{true}, must(tensor.Data[bool](must(f.Read("b")))), "as PyTorch reads a 2")
		require.Equal(t, 1.0, must(must(f.Read("half")).At(0)))
		require.Equal(t, "w", f.Arrays()[1].Name, "in the order of the data")
	})
}

// Writing to a view changes neither the file nor a later view.
func TestView(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, safetensors.Write(path, []tensor.Named{{Name: "w", Tensor: must(tensor.From([]float32{1, 2}, 2))}}, nil))
	before := must(os.ReadFile(path))
	f := must(safetensors.Open(path))
	require.NoError(t, f.View("w", func(x *tensor.Tensor) error {
		require.NoError(t, f.Close(), "it waits for nobody")
		require.Equal(t, 2.0, must(x.At(1)))
		return x.Set(7, 1)
	}))
	require.Equal(t, before, must(os.ReadFile(path)))
	require.ErrorIs(t, f.View("w", nil), safetensors.ErrClosed)
	require.ErrorIs(t, must(safetensors.Parse(before)).View("w", func(*tensor.Tensor) error { return os.ErrExist }), os.ErrExist)
}

// Closing while others read makes their calls end well or fail with ErrClosed.
func TestCloseWhileReading(t *testing.T) {
	for range 20 {
		f := must(safetensors.Open("testdata/widened.safetensors"))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for _, a := range f.Arrays() {
					if _, err := f.Read(a.Name); err != nil {
						require.ErrorIs(t, err, safetensors.ErrClosed)
					}
				}
			})
		}
		require.NoError(t, f.Close())
		all.Wait()
	}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var arrays []tensor.Named
		for _, name := range rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]).Draw(t, "names") {
			d := rapid.SampledFrom(types.DTypes()).Draw(t, "dtype")
			sh := types.Shape(rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape"))
			n := sh.Size() * d.Size()
			raw := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
			x := must(tensor.New(types.Of(d, sh...)))
			copy(x.Bytes(), raw)
			if d == types.Bool {
				for i := range x.Bytes() {
					x.Bytes()[i] &= 1
				}
			}
			arrays = append(arrays, tensor.Named{Name: name, Tensor: x})
		}
		meta := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "metadata")
		path := filepath.Join(dir, "x.safetensors")
		require.NoError(t, safetensors.Write(path, arrays, meta))
		got, gotMeta, err := safetensors.Read(path)
		require.NoError(t, err)
		require.Len(t, got, len(arrays))
		for _, a := range arrays {
			require.True(t, tensor.Equal(a.Tensor, got[a.Name]), "%q", a.Name)
		}
		require.Equal(t, len(meta), len(gotMeta))
		for k, v := range meta {
			require.Equal(t, v, gotMeta[k])
		}
	})
}

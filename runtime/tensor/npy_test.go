package tensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

// numpyFiles has the arrays of testdata/make.py.
func numpyFiles() map[string]*Tensor {
	inf := math.Inf(1)
	count := make([]int32, 24)
	for i := range count {
		count[i] = int32(i)
	}
	nan64, nan32 := math.Float64frombits(0x7ff8<<48), math.Float32frombits(0x7fc0<<16)
	negZero := math.Copysign(0, -1)
	values := map[string]*Tensor{
		"b1": must(From([]bool{true, false, true, false, false, true}, 2, 3)),
		"u1": must(From([]uint8{0, 1, 127, 128, 254, 255}, 2, 3)),
		"i4": must(From([]int32{0, -1, 2, math.MaxInt32, math.MinInt32, 7}, 2, 3)),
		"i8": must(From([]int64{0, -1, 2, math.MaxInt64, math.MinInt64, 1<<53 + 1}, 2, 3)),
		"f2": must(From([]types.Float16{0, 0x8000, 0x2e66, 0x7c00, 0xfc00, 0x7e00}, 2, 3)),
		"f4": must(From([]float32{0, float32(negZero), 0.1, float32(inf), float32(-inf), nan32}, 2, 3)),
		"f8": must(From([]float64{0, negZero, 0.1, inf, -inf, nan64}, 2, 3)),
	}
	files := map[string]*Tensor{
		"scalar":   Scalar(2.5),
		"bf16":     must(From([]types.BFloat16{0, 0x8000, 0x3dcd, 0x7f80, 0xff80, 0x7fc0}, 2, 3)),
		"vector":   vec[float32](1, 2, 3),
		"empty":    must(New(types.Of(types.F32, 0, 3))),
		"fortran3": must(From(count, 2, 3, 4)),
		"version2": must(From(count, 4, 6)),
		"version3": must(From(count, 4, 6)),
	}
	for code, x := range values {
		files[code+"_le"], files[code+"_le_fortran"] = x, x
		if x.DType().Size() > 1 {
			files[code+"_be"], files[code+"_be_fortran"] = x, x
		}
	}
	return files
}

func TestReadNPYReadsWhatNumPyWrote(t *testing.T) {
	files := numpyFiles()
	paths, err := filepath.Glob("testdata/*.npy")
	require.NoError(t, err)
	good := 0
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".npy")
		if strings.HasPrefix(name, "bad_") {
			continue
		}
		good++
		want := files[name]
		require.NotNil(t, want, name)
		fromFile, err := ReadNPYFile(path)
		require.NoError(t, err, name)
		require.True(t, Equal(want, fromFile), "%s: want %v, got %v", name, want, fromFile)
		raw := must(os.ReadFile(path))
		fromStream, err := ReadNPY(iotest.OneByteReader(bytes.NewReader(raw)))
		require.NoError(t, err, name)
		require.True(t, Equal(want, fromStream), name)
	}
	require.Equal(t, len(files), good)
}

func TestWriteNPYWritesWhatNumPyWrites(t *testing.T) {
	files := numpyFiles()
	for _, name := range []string{"b1_le", "u1_le", "i4_le", "i8_le", "f4_le", "f8_le", "scalar", "vector", "empty"} {
		var b bytes.Buffer
		require.NoError(t, WriteNPY(&b, files[name]))
		require.Equal(t, must(os.ReadFile("testdata/"+name+".npy")), b.Bytes(), name)
	}
}

func TestReadNPYLeavesTheStreamAfterTheArray(t *testing.T) {
	var b bytes.Buffer
	x, y := vec[float32](1, 2), vec[int64](3)
	require.NoError(t, WriteNPY(&b, x))
	require.NoError(t, WriteNPY(&b, y))
	require.True(t, Equal(x, must(ReadNPY(&b))))
	require.True(t, Equal(y, must(ReadNPY(&b))))
	_, err := ReadNPY(&b)
	require.ErrorIs(t, err, io.EOF)
}

// npyBytes returns a file with the given header text.
func npyBytes(dict string, data ...byte) []byte {
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	return append(append(b, dict...), data...)
}

func TestReadNPYRefuses(t *testing.T) {
	dict := func(descr, fortran, shape string) []byte {
		return npyBytes("{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + "}")
	}
	rank65 := "(" + strings.Repeat("1,", 65) + ")"
	for _, c := range []struct {
		file []byte
		want string
	}{
		{nil, "npy: no data: EOF"},
		{[]byte("\x93NUM"), "npy: header: unexpected EOF"},
		{[]byte("PK\x03\x04 and so on"), `npy: not an npy file: it begins with "PK\x03\x04 a", not "\x93NUMPY"`},
		{[]byte("\x93NUMPY\x04\x00\x00\x00\x00\x00"), "npy: npy version 4.0 is unknown (known: 1.0, 2.0, 3.0)"},
		{[]byte("\x93NUMPY\x01\x01\x00\x00"), "npy: npy version 1.1 is unknown (known: 1.0, 2.0, 3.0)"},
		{[]byte("\x93NUMPY\x01\x00\x10\x00{"), "npy: header: unexpected EOF"},
		{[]byte("\x93NUMPY\x02\x00\x10\x00"), "npy: header: unexpected EOF"},
		{[]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "npy: header of 4294967295 bytes is too long (at most 65536)"},
		{must(os.ReadFile("testdata/bad_f16.npy")), `npy: header: element type "<f16" is not supported (supported: |b1 |u1 <i4 <i8 <f2 <f4 <f8, <V2 as bf16, and > for <)`},
		{must(os.ReadFile("testdata/bad_object.npy")), "npy: header: element type '|O' is Python objects: they are pickles, which are programs, and never loaded"},
		{must(os.ReadFile("testdata/bad_structured.npy")), "npy: header: structured element types are not supported"},
		{dict("('<f4', (2,))", "False", "()"), "npy: header: structured element types are not supported"},
		{dict("'|f4'", "False", "()"), `npy: header: element type "|f4" is not supported (supported: |b1 |u1 <i4 <i8 <f2 <f4 <f8, <V2 as bf16, and > for <)`},
		{dict("'<f4'", "false", "()"), `npy: header: want True or False at byte 34, found "false, 'shape': "`},
		{dict("'<f4'", "Falsey", "()"), `npy: header: want '}' at byte 39, found "y, 'shape': ()}"`},
		{dict("'<f4'", "False", "(3)"), `npy: header: want ',' after the only number of a tuple at byte 52, found ")}"`},
		{dict("'<f4'", "False", "(,)"), `npy: header: want a dimension at byte 51, found ",)}"`},
		{dict("'<f4'", "False", "(3, -1)"), `npy: header: want a dimension at byte 54, found "-1)}"`},
		{dict("'<f4'", "False", "(3, 04)"), `npy: header: want a dimension at byte 54, found "04)}"`},
		{dict("'<f4'", "False", "(3, 1e9)"), `npy: header: want ')' at byte 55, found "e9)}"`},
		{dict("'<f4'", "False", "(9223372036854775808,)"), `npy: header: want a dimension below 2^63 at byte 51, found "9223372036854775"`},
		{dict("'<f4'", "False", "(4294967296, 4294967296)"), "npy: header: shape [4294967296,4294967296] has more than 2^48 elements"},
		{dict("'<f4'", "False", rank65), "npy: header: more than 64 dimensions"},
		{dict("'<f8'", "False", "(281474976710656,)"), "takes 2.0 PiB, this machine has"},
		{dict("'<f4'", "False", "(2,)"), "npy: f32[2]: data end after 0 of 8 bytes: unexpected EOF"},
		{npyBytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 1, 2, 3), "npy: f32[2]: data end after 3 of 8 bytes: unexpected EOF"},
		{npyBytes("{'descr': '<f4', 'descr': '<f4'}"), `npy: header: key "descr" occurs twice`},
		{npyBytes("{'descr': '<f4', 'fortran_order': False}"), `npy: header: key "shape" is missing`},
		{npyBytes("{'shape': (), 'mode': 1}"), `npy: header: unknown key "mode"`},
		{npyBytes("{}"), `npy: header: key "descr" is missing`},
		{npyBytes("{"), "npy: header: want a plain string, found the end of the header"},
		{npyBytes(`{'de\'scr': '<f4'}`), `npy: header: want a plain string at byte 1, found "'de\\'scr': '<f4'"`},
		{npyBytes("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x"), `npy: header: want nothing more at byte 54, found "x"`},
		{npyBytes(""), "npy: header: want '{', found the end of the header"},
	} {
		_, err := ReadNPY(bytes.NewReader(c.file))
		require.ErrorContains(t, err, c.want)
		if strings.HasPrefix(c.want, "npy:") {
			require.EqualError(t, err, c.want)
		}
	}
}

func TestReadNPYTakesOtherSpellings(t *testing.T) {
	for _, dict := range []string{
		"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2)}",
		"{\"shape\":(1L,2L,),\n\t\"descr\":\"<i4\",'fortran_order':False,}\n",
		"  { 'fortran_order' : False , 'shape' : ( 1 , 2 ) , 'descr' : '<i4' , }   ",
	} {
		x, err := ReadNPY(bytes.NewReader(npyBytes(dict, 1, 0, 0, 0, 2, 0, 0, 0)))
		require.NoError(t, err, dict)
		require.True(t, Equal(must(From([]int32{1, 2}, 1, 2)), x))
	}
}

func TestReadNPYMakesBoolsWhole(t *testing.T) {
	x, err := ReadNPY(bytes.NewReader(npyBytes("{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", 0, 2, 255)))
	require.NoError(t, err)
	require.Equal(t, []byte{0, 1, 1}, x.Bytes())
}

func TestReadNPYAllocatesOnlyWhatArrives(t *testing.T) {
	file := npyBytes("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 4294967296)}", 1, 2, 3)
	if machineMemory() < 1<<33 {
		t.Skip("the claim is refused before reading on a machine this small")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadNPY(bytes.NewReader(file))
	runtime.ReadMemStats(&after)
	require.EqualError(t, err, "npy: u8[2,4294967296]: data end after 3 of 8589934592 bytes: unexpected EOF")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*readChunk))
}

func TestReadNPYGrowsOverManyChunks(t *testing.T) {
	x := must(New(types.Of(types.I32, 1000, 1234)))
	for i := range view[int32](x) {
		view[int32](x)[i] = int32(i * 7)
	}
	var b bytes.Buffer
	require.NoError(t, WriteNPY(&b, x))
	require.Greater(t, b.Len(), 4*readChunk)
	require.True(t, Equal(x, must(ReadNPY(&b))))
}

func TestReadNPYPassesOnErrors(t *testing.T) {
	broken := errors.New("the disk is gone")
	file := must(os.ReadFile("testdata/f4_le.npy"))
	for _, n := range []int{0, 7, 11, 64, 130} {
		r := io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken))
		_, err := ReadNPY(r)
		require.ErrorIs(t, err, broken)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	file := must(os.ReadFile("testdata/f4_be_fortran.npy"))
	path := filepath.Join(t.TempDir(), "x.npy")
	for n := range len(file) {
		_, err := ReadNPY(bytes.NewReader(file[:n]))
		require.Error(t, err)
		require.NoError(t, os.WriteFile(path, file[:n], 0o600))
		_, err = ReadNPYFile(path)
		require.ErrorContains(t, err, path)
	}
	require.NoError(t, os.WriteFile(path, append(file, 0), 0o600))
	_, err := ReadNPYFile(path)
	require.EqualError(t, err, path+": npy: f32[2,3] takes 24 bytes, but 25 follow the header")
}

func TestWriteNPYRefuses(t *testing.T) {
	require.EqualError(t, WriteNPY(io.Discard, nil), "npy: no tensor to write")
	require.EqualError(t, WriteNPY(io.Discard, &Tensor{}), "npy: no tensor to write")
	dims := make([]int, 65)
	for i := range dims {
		dims[i] = 1
	}
	require.EqualError(t, WriteNPY(io.Discard, must(Full(true, dims...))), "npy: 65 dimensions are more than the 64 that NumPy reads")
	for _, limit := range []int{0, 128} {
		require.ErrorIs(t, WriteNPY(&shortWriter{limit}, vec(1.0)), io.ErrShortWrite)
	}
}

// shortWriter fails after n bytes.
type shortWriter struct{ n int }

func (w *shortWriter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return w.n, io.ErrShortWrite
	}
	w.n -= len(p)
	return len(p), nil
}

// TestSwappedData covers the path that only big-endian hosts take.
func TestSwappedData(t *testing.T) {
	raw := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for size, want := range map[int][]byte{1: {1, 2, 3, 4, 5, 6, 7, 8}, 4: {4, 3, 2, 1, 8, 7, 6, 5}, 8: {8, 7, 6, 5, 4, 3, 2, 1}} {
		var b bytes.Buffer
		require.NoError(t, writeData(&b, raw, size, true))
		require.Equal(t, want, b.Bytes())
		require.Equal(t, byte(1), raw[0], "the tensor is left as it was")
	}
}

func TestNPYRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawTensor(t)
		var b bytes.Buffer
		require.NoError(t, WriteNPY(&b, x))
		require.Zero(t, (b.Len()-len(x.Bytes()))%npyAlign)
		y, err := ReadNPY(&b)
		require.NoError(t, err)
		require.True(t, Equal(x, y))
		require.Zero(t, b.Len())
	})
}

func drawTensor(t *rapid.T) *Tensor {
	d := rapid.SampledFrom(types.DTypes()).Draw(t, "dtype")
	dims := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "dims")
	x, err := New(types.Of(d, dims...))
	require.NoError(t, err)
	for i := range x.Bytes() {
		x.Bytes()[i] = rapid.Byte().Draw(t, "byte")
		if d == types.Bool {
			x.Bytes()[i] &= 1
		}
	}
	return x
}

// TestRowMajor compares with the definition: the element at an index of column-major data is at the sum of index[k] times the
// product of the dimensions before k.
func TestRowMajor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dims := rapid.SliceOfN(rapid.IntRange(1, 4), 0, 4).Draw(t, "dims")
		x, err := New(types.Of(types.U8, dims...))
		require.NoError(t, err)
		for i := range x.Bytes() {
			x.Bytes()[i] = byte(i)
		}
		got := wrap(x.typ, rowMajor(x.raw, x.typ))
		for i := range x.n {
			want, n := 0, 1
			for k, ix := range got.unravel(i) {
				want += ix * n
				n *= dims[k]
			}
			require.Equal(t, byte(want), got.raw[i])
		}
	})
}

func FuzzReadNPY(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.npy")
	require.NoError(f, err)
	for _, path := range paths {
		f.Add(must(os.ReadFile(path)))
	}
	f.Add(npyBytes("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 4294967296)}", 1, 2, 3))
	f.Fuzz(func(t *testing.T, file []byte) {
		x, err := ReadNPY(bytes.NewReader(file))
		if err != nil {
			require.Nil(t, x)
			return
		}
		require.LessOrEqual(t, len(x.Bytes()), len(file))
		require.Equal(t, x.Type().Bytes(), int64(len(x.Bytes())))
		var b bytes.Buffer
		require.NoError(t, WriteNPY(&b, x))
		again, err := ReadNPY(&b)
		require.NoError(t, err)
		require.True(t, Equal(x, again))
	})
}

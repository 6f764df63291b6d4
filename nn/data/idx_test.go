package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

// idx returns an IDX file.
func idx(kind byte, dims []uint32, body ...byte) []byte {
	b := []byte{0, 0, kind, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, body...)
}

func zip(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func TestReadIDX(t *testing.T) {
	x, err := ReadIDX(bytes.NewReader(idx(8, []uint32{2, 3}, 1, 2, 3, 4, 5, 255)))
	require.NoError(t, err)
	require.Equal(t, types.Of(types.U8, 2, 3), x.Type())
	require.Equal(t, []uint8{1, 2, 3, 4, 5, 255}, values[uint8](t, x))

	x, err = ReadIDX(bytes.NewReader(idx(12, []uint32{2}, 0, 0, 1, 2, 255, 255, 255, 254)))
	require.NoError(t, err)
	require.Equal(t, []int32{258, -2}, values[int32](t, x))

	x, err = ReadIDX(bytes.NewReader(idx(13, []uint32{1, 1}, binary.BigEndian.AppendUint32(nil, math.Float32bits(-1.5))...)))
	require.NoError(t, err)
	require.Equal(t, types.Of(types.F32, 1, 1), x.Type())
	require.Equal(t, []float32{-1.5}, values[float32](t, x))

	x, err = ReadIDX(bytes.NewReader(idx(14, nil, binary.BigEndian.AppendUint64(nil, math.Float64bits(math.Pi))...)))
	require.NoError(t, err)
	require.Equal(t, types.Of(types.F64), x.Type())
	require.Equal(t, []float64{math.Pi}, values[float64](t, x))

	x, err = ReadIDX(bytes.NewReader(idx(8, []uint32{0, 28, 28})))
	require.NoError(t, err)
	require.Equal(t, types.Of(types.U8, 0, 28, 28), x.Type())
}

// Longer than the first buffer, one byte at a time, plain and packed.
func TestReadIDXGrows(t *testing.T) {
	body := make([]byte, 200_000)
	for i := range body {
		body[i] = byte(i * 7 >> 3)
	}
	file := idx(8, []uint32{500, 400}, body...)
	for _, f := range [][]byte{file, zip(file)} {
		x, err := ReadIDX(iotest.OneByteReader(bytes.NewReader(f)))
		require.NoError(t, err)
		require.Equal(t, body, values[uint8](t, x))
	}
}

func TestReadIDXErrors(t *testing.T) {
	good := idx(8, []uint32{2, 3}, 1, 2, 3, 4, 5, 6)
	packed := zip(good)
	badSum := bytes.Clone(packed)
	badSum[len(badSum)-8] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":        {nil, "not an IDX file: its header ends after 0 bytes: truncated"},
		"short magic":  {good[:3], "not an IDX file: its header ends after 3 bytes: truncated"},
		"magic":        {[]byte("PNG!"), "not an IDX file: wrong magic number 0x504e4721"},
		"no type":      {idx(7, nil), "not an IDX file: wrong magic number 0x00000700: there is no element type 0x07"},
		"i8":           {idx(9, nil), "IDX elements of type i8 are not supported"},
		"i16":          {idx(11, nil), "IDX elements of type i16 are not supported"},
		"dims":         {good[:9], "the IDX header says 2 dimensions and ends after 5 bytes of them: truncated"},
		"truncated":    {good[:15], "the header says u8[2,3], 6 bytes, of which 3 are there: truncated"},
		"trailing":     {append(bytes.Clone(good), 0), "the header says u8[2,3], 6 bytes, and the file goes on after them"},
		"too big":      {idx(14, []uint32{1 << 20, 1 << 20}), "the IDX header says f64[1048576,1048576], more than the 4 GiB that are read"},
		"overflow":     {idx(8, bytes32(255, 1<<31-1)), "more than the 4 GiB that are read"},
		"dimension":    {idx(8, []uint32{1 << 31}), "dimension 0 of the IDX header is 2147483648"},
		"lying":        {idx(8, []uint32{1 << 30}, 1), "the header says u8[1073741824], 1073741824 bytes, of which 1 are there: truncated"},
		"gzip header":  {packed[:5], "gzip header: truncated"},
		"gzip body":    {packed[:len(packed)-12], "truncated"},
		"gzip trailer": {packed[:len(packed)-3], "truncated"},
		"gzip sum":     {badSum, "gzip: invalid checksum"},
		"gzip tail":    {append(bytes.Clone(packed), "xy"...), "after the last element: truncated"},
		"gzip member":  {append(bytes.Clone(packed), packed...), "the header says u8[2,3], 6 bytes, and the file goes on after them"},
	} {
		_, err := ReadIDX(bytes.NewReader(c.file))
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := ReadIDX(iotest.ErrReader(io.ErrClosedPipe))
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func bytes32(n int, v uint32) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// A header that promises a gigabyte takes no memory for it.
func TestHeaderTakesNoMemory(t *testing.T) {
	file := idx(8, []uint32{1 << 30}, 1, 2, 3)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadIDX(bytes.NewReader(file))
	runtime.ReadMemStats(&after)
	require.Error(t, err)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

func TestReadIDXFileNamesTheFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "bad.idx")
	_, err := ReadIDXFile(p)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, p)
	require.NoError(t, os.WriteFile(p, []byte("hello"), 0o600))
	_, err = ReadIDXFile(p)
	require.EqualError(t, err, "data: "+p+": not an IDX file: wrong magic number 0x68656c6c")
}

func FuzzReadIDX(f *testing.F) {
	good := idx(8, []uint32{2, 3}, 1, 2, 3, 4, 5, 6)
	for _, seed := range [][]byte{
		nil, good, zip(good), good[:7], append(bytes.Clone(good), 9),
		idx(12, []uint32{2}, 0, 0, 1, 2, 255, 255, 255, 254),
		idx(13, []uint32{1, 1}, 1, 2, 3, 4), idx(14, nil, 1, 2, 3, 4, 5, 6, 7, 8),
		idx(8, []uint32{0, 1 << 30, 1 << 30}), idx(8, bytes32(255, 1<<31-1)), idx(9, nil),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ReadIDX(bytes.NewReader(b))
		if err != nil {
			require.Nil(t, x)
			return
		}
		if b[0] == 0x1f {
			return
		}
		// What was accepted is what the file says, byte for byte.
		require.Len(t, b, 4+4*len(x.Shape())+int(x.Type().Bytes()))
		if x.DType() == types.U8 {
			require.Equal(t, string(b[4+4*len(x.Shape()):]), string(x.Bytes()))
		}
	})
}

package tensor

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

func TestReadNPZReadsWhatNumPyWrote(t *testing.T) {
	for _, name := range []string{"stored", "deflated"} {
		m, err := ReadNPZ("testdata/" + name + ".npz")
		require.NoError(t, err)
		require.Len(t, m, 3)
		require.True(t, Equal(must(From([]float32{0, 1, 2, 3, 4, 5}, 2, 3)), m["w"]))
		require.True(t, Equal(vec[int64](1, 2), m["fc1.bias"]))
		require.True(t, Equal(Scalar(int32(7)), m["step"]))
	}
}

func TestNPZRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		m := map[string]*Tensor{}
		for _, name := range rapid.SliceOf(rapid.StringN(1, 8, -1).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })).Draw(t, "names") {
			m[name] = drawTensor(t)
		}
		var opts []WriteOption
		if rapid.Bool().Draw(t, "deflate") {
			opts = append(opts, WithDeflate())
		}
		path := filepath.Join(dir, "x.npz")
		require.NoError(t, WriteNPZ(path, SortByName(m), opts...))
		got, err := ReadNPZ(path)
		require.NoError(t, err)
		require.Len(t, got, len(m))
		for name, x := range m {
			require.True(t, Equal(x, got[name]), "%q", name)
		}
		var b bytes.Buffer
		require.NoError(t, WriteNPZTo(&b, SortByName(m), opts...))
		require.Equal(t, must(os.ReadFile(path)), b.Bytes(), "deterministic")
	})
}

func TestWriteNPZKeepsTheOrder(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteNPZTo(&b, []Named{{"z", vec(1.0)}, {"a", vec(2.0)}}))
	z := must(zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len())))
	require.Equal(t, "z.npy", z.File[0].Name)
	require.Equal(t, "a.npy", z.File[1].Name)
	require.Equal(t, 1980, z.File[0].Modified.Year())
	require.Equal(t, []Named{{"a", nil}, {"b", nil}, {"c", nil}}, SortByName(map[string]*Tensor{"c": nil, "a": nil, "b": nil}))
}

func TestWriteNPZRefusesAndLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.npz")
	x := vec(1.0)
	require.NoError(t, WriteNPZ(path, []Named{{"a", x}}))
	old := must(os.ReadFile(path))
	for _, c := range []struct {
		arrays []Named
		want   string
	}{
		{[]Named{{"", x}}, `npz: array name "" is empty, occurs twice or holds a NUL byte`},
		{[]Named{{"a", x}, {"a", x}}, `npz: array name "a" is empty, occurs twice or holds a NUL byte`},
		{[]Named{{"a\x00b", x}}, `npz: array name "a\x00b" is empty, occurs twice or holds a NUL byte`},
		{[]Named{{"a", x}, {"b", nil}}, `npz: entry "b.npy": no tensor to write`},
	} {
		require.EqualError(t, WriteNPZ(path, c.arrays), "write "+path+": "+c.want)
		require.Equal(t, old, must(os.ReadFile(path)))
		require.Len(t, must(os.ReadDir(dir)), 1)
	}
	require.Error(t, WriteNPZ(path, []Named{{strings.Repeat("n", 70000), x}}))
}

// rawEntry is one entry of a hand-made archive; zero sizes are filled in.
type rawEntry struct {
	zip.FileHeader
	data []byte
}

func archive(entries ...rawEntry) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		h := e.FileHeader
		if h.CRC32 == 0 {
			h.CRC32 = crc32.ChecksumIEEE(e.data)
		}
		if h.CompressedSize64 == 0 {
			h.CompressedSize64 = uint64(len(e.data))
		}
		if h.UncompressedSize64 == 0 {
			h.UncompressedSize64 = uint64(len(e.data))
		}
		must(must(z.CreateRaw(&h)).Write(e.data))
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func npyOf(x *Tensor) []byte {
	var b bytes.Buffer
	if err := WriteNPY(&b, x); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestReadNPZRefuses(t *testing.T) {
	good := npyOf(vec(1.0, 2))
	named := func(name string) zip.FileHeader { return zip.FileHeader{Name: name} }
	for _, c := range []struct {
		file []byte
		want string
	}{
		{nil, "npz: zip: not a valid zip file"},
		{good, "npz: zip: not a valid zip file"},
		{archive(rawEntry{named("a.txt"), good}), `npz: entry "a.txt" is not an npy file`},
		{archive(rawEntry{named("a.npy"), good}, rawEntry{named("a.npy"), good}), `npz: entry "a.npy" occurs twice`},
		{archive(rawEntry{zip.FileHeader{Name: "a.npy", Flags: 1}, good}), `npz: entry "a.npy" is encrypted`},
		{archive(rawEntry{zip.FileHeader{Name: "a.npy", Method: 12}, good}), `npz: entry "a.npy": zip: unsupported compression algorithm`},
		{archive(rawEntry{zip.FileHeader{Name: "a.npy", CRC32: 1}, good}), `npz: entry "a.npy": zip: checksum error`},
		{archive(rawEntry{named("a.npy"), good[:140]}), `npz: entry "a.npy": f64[2] takes 16 bytes, only 12 follow the header: unexpected EOF`},
		{archive(rawEntry{named("a.npy"), append(bytes.Clone(good), 0)}), `npz: entry "a.npy": f64[2] takes 16 bytes, but 17 follow the header`},
		{archive(rawEntry{named("a.npy"), []byte("hello, hello, hello")}), `npz: entry "a.npy": not an npy file: it begins with "hello,", not "\x93NUMPY"`},
		{archive(rawEntry{zip.FileHeader{Name: "a.npy", UncompressedSize64: 1 << 40}, good}),
			`npz: the arrays up to entry "a.npy" unpack to more than the limit of 4.0 GiB (tensor.WithMaxBytes raises it): too large`},
		{archive(rawEntry{zip.FileHeader{Name: "a.npy", UncompressedSize64: 1<<64 - 2}, good}),
			`npz: the arrays up to entry "a.npy" unpack to more than the limit of 4.0 GiB (tensor.WithMaxBytes raises it): too large`},
	} {
		_, err := ReadNPZFrom(bytes.NewReader(c.file), int64(len(c.file)))
		require.EqualError(t, err, c.want)
	}
}

func TestReadNPZLimit(t *testing.T) {
	x := must(New(types.Of(types.U8, 1<<20)))
	path := filepath.Join(t.TempDir(), "zeros.npz")
	require.NoError(t, WriteNPZ(path, []Named{{"a", x}, {"b", x}}, WithDeflate()))
	require.Less(t, must(os.Stat(path)).Size(), int64(1<<14))
	_, err := ReadNPZ(path, WithMaxBytes(2<<20+255))
	require.ErrorIs(t, err, ErrTooLarge)
	require.EqualError(t, err, path+`: npz: the arrays up to entry "b.npy" unpack to more than the limit of 2.0 MiB (tensor.WithMaxBytes raises it): too large`)
	m, err := ReadNPZ(path, WithMaxBytes(2<<20+256))
	require.NoError(t, err)
	require.Len(t, m, 2)
	_, err = ReadNPZ(path, WithMaxBytes(-1))
	require.ErrorIs(t, err, ErrTooLarge)
}

// TestReadNPZHoldsAnnouncedSizesAgainstTheData patches the sizes that the directory announces.
func TestReadNPZHoldsAnnouncedSizesAgainstTheData(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, WriteNPZTo(&b, []Named{{"a", must(New(types.Of(types.U8, 1<<16)))}}, WithDeflate()))
	size := bytes.LastIndex(b.Bytes(), []byte("PK\x01\x02")) + 24
	for _, announced := range []uint32{0, 100, 128, 1<<16 + 127, 1<<16 + 129, 1 << 31} {
		file := bytes.Clone(b.Bytes())
		require.Equal(t, uint32(1<<16+128), binary.LittleEndian.Uint32(file[size:]))
		binary.LittleEndian.PutUint32(file[size:], announced)
		_, err := ReadNPZFrom(bytes.NewReader(file), int64(len(file)))
		require.Error(t, err, announced)
	}
	// Array and directory agree on 1 GiB, the stream has a thousandth of it.
	short := npyOf(must(New(types.Of(types.U8, 1<<20))))
	short = bytes.Replace(short, []byte("(1048576,), }   "), []byte("(1073741824,), }"), 1)
	file := archive(rawEntry{zip.FileHeader{Name: "a.npy", UncompressedSize64: 1<<30 + 128}, short})
	_, err := ReadNPZFrom(bytes.NewReader(file), int64(len(file)))
	require.EqualError(t, err, `npz: entry "a.npy": u8[1073741824]: data end after 1048576 of 1073741824 bytes: unexpected EOF`)
}

func TestReadNPZMissingFile(t *testing.T) {
	_, err := ReadNPZ(filepath.Join(t.TempDir(), "none.npz"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadNPYFile(filepath.Join(t.TempDir(), "none.npy"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadNPZ(t.TempDir())
	require.Error(t, err)
}

func FuzzReadNPZ(f *testing.F) {
	f.Add(must(os.ReadFile("testdata/stored.npz")))
	f.Add(must(os.ReadFile("testdata/deflated.npz")))
	f.Add(archive(rawEntry{zip.FileHeader{Name: "a.npy", UncompressedSize64: 1 << 40}, npyOf(vec(1.0))}))
	const limit = 1 << 22
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := ReadNPZFrom(bytes.NewReader(file), int64(len(file)), WithMaxBytes(limit))
		if err != nil {
			require.Nil(t, m)
			return
		}
		total := 0
		for _, x := range m {
			total += len(x.Bytes())
		}
		require.LessOrEqual(t, total, limit)
		var b bytes.Buffer
		if err := WriteNPZTo(&b, SortByName(m)); err != nil {
			require.ErrorContains(t, err, "array name") // a zip file may hold names that are not written
			return
		}
		again, err := ReadNPZFrom(bytes.NewReader(b.Bytes()), int64(b.Len()))
		require.NoError(t, err)
		require.Len(t, again, len(m))
		for name, x := range m {
			require.True(t, Equal(x, again[name]))
		}
	})
}

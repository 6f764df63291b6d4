package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// file returns a file of a header and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

// u8 describes an array of n bytes.
func u8(name string, from, n int) string {
	return fmt.Sprintf(`"%s":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}`, name, n, from, from+n)
}

// hostile are files that are not what they claim, and what is said of them.
var hostile = []struct {
	name string
	file []byte
	want string
}{
	{"empty", nil, "not a safetensors file: it has 0 bytes, fewer than the 8 of the header's length"},
	{"short", []byte("{}"), "not a safetensors file: it has 2 bytes, fewer than the 8 of the header's length"},
	{"huge header", []byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"), "not a safetensors file: its header would have 18446744073709551615 bytes, more than the 100000000 allowed"},
	{"header past the end", []byte("\x03\x00\x00\x00\x00\x00\x00\x00{}"), "the header has 3 bytes, and only 2 follow its length: unexpected EOF"},
	{"no header", file("", 0), `header: it begins with "", not with '{'`},
	{"a list", file("[]", 0), `header: it begins with "[", not with '{'`},
	{"space first", file(" {}", 0), `header: it begins with " ", not with '{'`},
	{"not JSON", file("{]", 0), "header: byte 2: invalid character ']' looking for beginning of object key string"},
	{"cut short", file(`{"a":`, 0), "header: byte 5: unexpected end of JSON input"},
	{"more than an object", file(`{}{}`, 0), "header: byte 3: invalid character '{' after top-level value"},
	{"NUL after it", file("{}\x00", 0), `header: byte 3: invalid character '\x00' after top-level value`},
	{"not UTF-8", file("{\"\xff\":1}", 0), "header: it is not UTF-8"},
	{"deep", file(`{"a":`+strings.Repeat("[", 1<<20)+strings.Repeat("]", 1<<20)+"}", 0), "header: byte 10005: invalid character '[' exceeded max depth"},
	{"deep field", file(`{"a":{"x":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)+"}}", 0), `header: "a": field "dtype" is missing`},
	{"duplicate", file("{"+u8("a", 0, 1)+","+u8("a", 1, 1)+"}", 2), `header: "a" occurs twice`},
	{"duplicate by escape", file(`{`+u8("a", 0, 1)+","+u8(`\u0061`, 1, 1)+"}", 2), `header: "a" occurs twice`},
	{"duplicate field", file(`{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1), `header: "a": field "dtype" occurs twice`},
	{"two metadata", file(`{"__metadata__":{},"__metadata__":{}}`, 0), `header: "__metadata__" occurs twice`},
	{"metadata twice", file(`{"__metadata__":{"k":"a","k":"b"}}`, 0), `header: "__metadata__": "k" occurs twice`},
	{"metadata of numbers", file(`{"__metadata__":{"k":1}}`, 0), `header: "__metadata__": "k" is 1, not a string`},
	{"nested metadata", file(`{"__metadata__":{"k":{}}}`, 0), `header: "__metadata__": "k" is {, not a string`},
	{"metadata that is a list", file(`{"__metadata__":[]}`, 0), `header: "__metadata__": want '{', found [`},
	{"no array", file(`{"a":7}`, 0), `header: "a": want '{', found 7`},
	{"no element type", file(`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1), `header: "a": field "dtype" is missing`},
	{"no shape", file(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1), `header: "a": field "shape" is missing`},
	{"no offsets", file(`{"a":{"dtype":"U8","shape":[1]}}`, 1), `header: "a": field "data_offsets" is missing`},
	{"numeric element type", file(`{"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}`, 1), `header: "a": its element type is 8, not a string`},
	{"unknown element type", file(`{"a":{"dtype":"C128","shape":[1],"data_offsets":[0,1]}}`, 1), `header: "a": unknown element type "C128" (known: BOOL F4 `},
	{"negative dimension", file(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}`, 1), `header: "a": shape: -1 is not an integer from 0 to 2^63-1`},
	{"dimension with a fraction", file(`{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}`, 1), `header: "a": shape: 1.0 is not an integer from 0 to 2^63-1`},
	{"dimension past 2^63", file(`{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}}`, 1), `header: "a": shape: 9223372036854775808 is not an integer from 0 to 2^63-1`},
	{"nested shape", file(`{"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}}`, 1), `header: "a": shape: [ is not an integer from 0 to 2^63-1`},
	{"shape of text", file(`{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}`, 1), `header: "a": shape: 1 is not an integer from 0 to 2^63-1`},
	{"too many dimensions", file(`{"a":{"dtype":"U8","shape":[1`+strings.Repeat(",1", 64)+`],"data_offsets":[0,1]}}`, 1), `header: "a": shape: more than 64 numbers`},
	{"shape that overflows", file(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), `header: "a": shape [4294967296,4294967296] has more than 2^48 elements`},
	{"three offsets", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}`, 1), `header: "a": data_offsets: more than 2 numbers`},
	{"one offset", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}`, 1), `header: "a": data_offsets [0] are not a begin and an end`},
	{"reversed offsets", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1), `header: "a": data_offsets [1 0] are not a begin and an end`},
	{"wrong size", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), `header: "a": F32[2] takes 8 bytes, and its data_offsets hold 4`},
	{"half a byte", file(`{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}`, 2), `header: "a": F4[3] does not fill whole bytes`},
	{"hole", file("{"+u8("a", 0, 1)+","+u8("b", 2, 1)+"}", 3), `header: "b": its data begin at byte 2 and leave a hole from byte 1`},
	{"hole at the start", file("{"+u8("a", 1, 1)+"}", 2), `header: "a": its data begin at byte 1 and leave a hole from byte 0`},
	{"overlap", file("{"+u8("a", 0, 2)+","+u8("b", 1, 2)+"}", 3), `header: "b": its data begin at byte 1, inside other data that end at byte 2`},
	{"the same data", file("{"+u8("a", 0, 2)+","+u8("b", 0, 2)+"}", 2), `header: "b": its data begin at byte 0, inside other data that end at byte 2`},
	{"data past the end", file("{"+u8("a", 0, 9)+"}", 8), `header: "a": U8[9] takes 9 bytes from byte 0, and the file has 8 bytes of data`},
	{"2^48 bytes", file(`{"a":{"dtype":"U8","shape":[281474976710656],"data_offsets":[0,281474976710656]}}`, 8), `header: "a": U8[281474976710656] takes 281474976710656 bytes from byte 0, and the file has 8 bytes of data`},
	{"offsets at the end of int64", file(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}`, 0), `header: "a": its data begin at byte 9223372036854775807 and leave a hole from byte 0`},
	{"more data", file("{"+u8("a", 0, 1)+"}", 2), "header: the arrays take 1 bytes, and the file has 2 bytes of data"},
	{"data without arrays", file("{}", 1), "header: the arrays take 0 bytes, and the file has 1 bytes of data"},
}

func TestHostileFiles(t *testing.T) {
	dir := t.TempDir()
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			f, err := safetensors.Parse(c.file)
			require.Nil(t, f)
			require.ErrorContains(t, err, "safetensors: "+c.want)
			path := filepath.Join(dir, "x.safetensors")
			require.NoError(t, os.WriteFile(path, c.file, 0o644))
			for _, open := range []func(string) (*safetensors.File, error){safetensors.Open, safetensors.OpenUnmapped} {
				f, err = open(path)
				require.Nil(t, f)
				require.ErrorContains(t, err, path+": safetensors: "+c.want)
			}
			_, _, err = safetensors.Read(path)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := safetensors.Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = safetensors.Open(dir)
	require.Error(t, err)
}

// What a header claims is not allocated.
func TestClaimsAllocateNothing(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, b := range [][]byte{
		file(`{"a":{"dtype":"F64","shape":[34359738368],"data_offsets":[0,274877906944]}}`, 8),
		[]byte("\x00\xe1\xf5\x05\x00\x00\x00\x00{}"),
	} {
		_, err := safetensors.Parse(b)
		require.Error(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// Metadata may be null, and other fields of an array are passed over, as in Python.
func TestAccepted(t *testing.T) {
	f := must(safetensors.Parse(file(`{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"y":[1]}}}  `+"\n", 1)))
	require.Nil(t, f.Metadata())
	require.Equal(t, "U8[1]", f.Arrays()[0].String())
	f = must(safetensors.Parse(file("{}", 0)))
	require.Empty(t, f.Arrays())
	f = must(safetensors.Parse(file("{"+u8("a", 0, 1)+","+u8("z", 1, 0)+","+u8("y", 0, 0)+"}", 1)))
	require.Len(t, f.Arrays(), 3)
}

func TestWriteRefusesAndLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.safetensors")
	x := must(tensor.From([]uint8{1}, 1))
	require.NoError(t, safetensors.Write(path, []tensor.Named{{Name: "a", Tensor: x}}, nil))
	old := must(os.ReadFile(path))
	wide := must(tensor.New(types.Of(types.U8, make([]int, 65)...)))
	for _, c := range []struct {
		arrays []tensor.Named
		meta   map[string]string
		want   string
	}{
		{[]tensor.Named{{Name: "a", Tensor: x}, {Name: "a", Tensor: x}}, nil, `array name "a" is not UTF-8, is "__metadata__" or occurs twice`},
		{[]tensor.Named{{Name: "__metadata__", Tensor: x}}, nil, `array name "__metadata__" is not UTF-8, is "__metadata__" or occurs twice`},
		{[]tensor.Named{{Name: "\xff", Tensor: x}}, nil, `array name "\xff" is not UTF-8, is "__metadata__" or occurs twice`},
		{[]tensor.Named{{Name: "a"}}, nil, `"a": no tensor to write`},
		{[]tensor.Named{{Name: "a", Tensor: wide}}, nil, `"a": 65 dimensions are more than the 64 that are read`},
		{nil, map[string]string{"k": "\xff"}, `metadata "k": "\xff" is not UTF-8`},
		{nil, map[string]string{"k": strings.Repeat("x", 1e8)}, "the header would have at least 100000001 bytes, more than the 100000000 that are read"},
	} {
		require.EqualError(t, safetensors.Write(path, c.arrays, c.meta), "write "+path+": safetensors: "+c.want)
		require.Equal(t, old, must(os.ReadFile(path)))
		require.Len(t, must(os.ReadDir(dir)), 1)
	}
	require.EqualError(t, safetensors.WriteRaw(io.Discard, []safetensors.Raw{{Name: "a", DType: safetensors.F32, Shape: types.Shape{2}, Data: make([]byte, 7)}}, nil),
		`safetensors: "a": F32[2] takes 8 bytes, given 7`)
	require.EqualError(t, safetensors.WriteRaw(io.Discard, []safetensors.Raw{{Name: "a"}}, nil), `safetensors: "a": it has no element type`)
	require.EqualError(t, safetensors.WriteRaw(io.Discard, []safetensors.Raw{{Name: "a", DType: 99}}, nil), `safetensors: "a": it has no element type`)
}

// A file that others cut short while it is mapped is an error, not a crash.
func TestCutShortWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	x := must(tensor.New(types.Of(types.F32, 1<<16)))
	for _, open := range []func(string) (*safetensors.File, error){safetensors.Open, safetensors.OpenUnmapped} {
		require.NoError(t, safetensors.Write(path, []tensor.Named{{Name: "w", Tensor: x}}, nil))
		f := must(open(path))
		if err := os.Truncate(path, 100); err != nil {
			require.NoError(t, f.Close())
			t.Skip(err) // systems that lock open files
		}
		_, err := f.Read("w")
		require.Error(t, err)
		require.ErrorContains(t, err, path+`: safetensors: "w": `)
		require.NoError(t, f.Close())
	}
}

// A panic that is not the file's goes on.
func TestPanicInView(t *testing.T) {
	f := must(safetensors.Open("testdata/native.safetensors"))
	defer f.Close()
	require.PanicsWithValue(t, "mine", func() { _ = f.View("f32", func(*tensor.Tensor) error { panic("mine") }) })
	_, err := f.Read("f32")
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	for _, path := range must(filepath.Glob("testdata/*.safetensors")) {
		f.Add(must(os.ReadFile(path)))
	}
	for _, c := range hostile {
		if len(c.file) < 1<<10 {
			f.Add(c.file)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := safetensors.Parse(b)
		if err != nil {
			require.Nil(t, st)
			return
		}
		var raws []safetensors.Raw
		total := 0
		for _, a := range st.Arrays() {
			raw := must(st.ReadRaw(a.Name))
			total += len(raw)
			raws = append(raws, safetensors.Raw{Name: a.Name, DType: a.DType, Shape: a.Shape, Data: raw})
			x, err := st.Read(a.Name)
			if typ, ok := a.Type(); err == nil {
				require.True(t, ok)
				require.True(t, typ.Equal(x.Type()))
			} else {
				require.True(t, !ok || a.DType == safetensors.U64)
			}
		}
		require.LessOrEqual(t, total, len(b))
		var out bytes.Buffer
		require.NoError(t, safetensors.WriteRaw(&out, raws, st.Metadata()))
		again, err := safetensors.Parse(out.Bytes())
		require.NoError(t, err)
		require.Len(t, again.Arrays(), len(raws))
		for _, r := range raws {
			require.Equal(t, r.Data, must(again.ReadRaw(r.Name)))
		}
	})
}

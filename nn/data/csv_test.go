package data

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

const irises = "\ufeffsepal length,sepal width , species,ok,\"n, all\"\r\n" +
	"5.1,3.5,setosa,true,1\r\n" +
	"\r\n" +
	" 7.0 ,3.2,\"versicolor\",F,-2\n" +
	"6.3,,virginica,0,3"

// field returns the elements of all samples of a field.
func field[T tensor.Element](t *testing.T, d *Tensors, name string) []T {
	t.Helper()
	for _, f := range d.Fields() {
		if f.Name != name {
			continue
		}
		var dst []*tensor.Tensor
		at := 0
		for k, f := range d.Fields() {
			x, err := tensor.New(f.batched(d.Len()))
			require.NoError(t, err)
			dst = append(dst, x)
			if f.Name == name {
				at = k
			}
		}
		for i := range d.Len() {
			require.NoError(t, d.Read(i, dst, i))
		}
		v, err := tensor.Data[T](dst[at])
		require.NoError(t, err)
		return v
	}
	require.Fail(t, "no such field", name)
	return nil
}

func TestReadCSV(t *testing.T) {
	d, err := ReadCSV(strings.NewReader(irises), CSV{Fields: []CSVField{
		{Name: "x", Columns: []string{"sepal length", "sepal width"}, MissingNaN: true},
		{Name: "y", Columns: []string{"species"}, Classes: []string{"setosa", "versicolor", "virginica"}},
		{Name: "ok", DType: types.Bool},
		{Name: "n", Columns: []string{"n, all"}, DType: types.I64},
	}})
	require.NoError(t, err)
	require.Equal(t, 3, d.Len())
	require.Equal(t, []Field{{"x", types.Of(types.F32, 2)}, {"y", types.Of(types.I32)}, {"ok", types.Of(types.Bool)}, {"n", types.Of(types.I64)}}, d.Fields())
	x := field[float32](t, d, "x")
	require.Equal(t, []float32{5.1, 3.5, 7, 3.2, 6.3}, x[:5])
	require.True(t, math.IsNaN(float64(x[5])))
	require.Equal(t, []int32{0, 1, 2}, field[int32](t, d, "y"))
	require.Equal(t, []bool{true, false, false}, field[bool](t, d, "ok"))
	require.Equal(t, []int64{1, -2, 3}, field[int64](t, d, "n"))

	path := filepath.Join(t.TempDir(), "a.tsv")
	require.NoError(t, os.WriteFile(path, []byte("1\t2\t3\n4\t5\t6\n"), 0o644))
	d, err = ReadCSVFile(path, CSV{NoHeader: true, Comma: '\t', Fields: []CSVField{{Name: "x", Columns: []string{"2", "0"}}, {Name: "1", DType: types.U8}}})
	require.NoError(t, err)
	require.Equal(t, []float32{3, 1, 6, 4}, field[float32](t, d, "x"))
	require.Equal(t, []uint8{2, 5}, field[uint8](t, d, "1"))
}

func TestCSVTypes(t *testing.T) {
	read := func(dt types.DType, cell string) (*Tensors, error) {
		return ReadCSV(strings.NewReader("x\n"+cell), CSV{Fields: []CSVField{{Name: "x", DType: dt}}})
	}
	for _, c := range []struct {
		dtype types.DType
		cell  string
		want  float64
	}{
		{types.F64, "0.1", 0.1}, {types.F32, "1e-45", 1.401298464324817e-45}, {types.F16, "0.1", 0.0999755859375}, {types.BF16, "0.1", 0.10009765625},
		{types.F64, "-inf", math.Inf(-1)}, {types.F16, "+Inf", math.Inf(1)}, {types.U8, "255", 255}, {types.I32, "-2147483648", math.MinInt32},
		{types.I64, "9007199254740993", 9007199254740992}, {types.Bool, "T", 1},
	} {
		d, err := read(c.dtype, c.cell)
		require.NoError(t, err)
		x, err := tensor.New(d.Fields()[0].batched(1))
		require.NoError(t, err)
		require.NoError(t, d.Read(0, []*tensor.Tensor{x}, 0))
		got, err := x.At(0)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s %s", c.dtype, c.cell)
	}
	for _, c := range []struct {
		dtype types.DType
		cell  string
		want  string
	}{
		{types.F32, "1e39", "is out of the range of f32"}, {types.F64, "1e309", "is out of the range of f64"}, {types.F16, "65520", "is out of the range of f16"},
		{types.BF16, "3.4e38", "is out of the range of bf16"}, {types.F32, "1,5", ""}, {types.F32, "1.5.", "is not a number"}, {types.U8, "256", "is out of the range of u8"},
		{types.U8, "-1", "is not an integer"}, {types.I32, "1.0", "is not an integer"}, {types.I64, "9223372036854775808", "is out of the range of i64"},
		{types.Bool, "2", "is neither true nor false"}, {types.U32, "1", `field "x": element type u32 cannot be read from text`},
	} {
		_, err := read(c.dtype, c.cell)
		require.Error(t, err)
		require.ErrorContains(t, err, c.want)
	}
}

func TestCSVMistakes(t *testing.T) {
	x := []CSVField{{Name: "x"}}
	many := make([]string, 257)
	for i := range many {
		many[i] = strings.Repeat("a", i)
	}
	for _, c := range []struct {
		text string
		o    CSV
		want string
	}{
		{"", CSV{Fields: x}, "there are no rows"},
		{"\n\n", CSV{Fields: x}, "there are no rows"},
		{"x", CSV{Fields: x}, "there are no rows after the header"},
		{"x\n1\n2,3\n", CSV{Fields: x}, "line 3: the row has another number of cells than the first"},
		{"y,x\n1,2\n3,four\n", CSV{Fields: x}, `line 3, column 3: "four" is not a number (column "x", field "x")`},
		{"y,x\n\"a\nb\",2\nc, \n", CSV{Fields: x}, `line 4, column 3: " " is empty (column "x", field "x")`},
		{"1,b\n", CSV{NoHeader: true, Fields: []CSVField{{Name: "x", Columns: []string{"0", "1"}}}}, `line 1, column 3: "b" is not a number (column "1", field "x")`},
		{"x\n\"1\n", CSV{Fields: x}, `line 2, column 4: extraneous or missing " in quoted-field`},
		{"x\n1\"2\n", CSV{Fields: x}, `line 2, column 2: bare " in non-quoted-field`},
		{"y\n1\n", CSV{Fields: x}, `field "x": there is no column "x"; the columns are ["y"]`},
		{"y,y\n1,2\n", CSV{Fields: x}, `columns 1 and 2 are both called "y"`},
		{"x\n1\n", CSV{}, `no fields are asked for; the columns are ["x"]`},
		{"x\n1\n", CSV{Fields: []CSVField{{}}}, `the name "" of a field is empty or is that of another`},
		{"x\n1\n", CSV{Fields: []CSVField{{Name: "x"}, {Name: "x"}}}, `the name "x" of a field is empty or is that of another`},
		{"x\n1\n", CSV{Fields: []CSVField{{Name: "x", Columns: []string{}}}}, `field "x": it has no columns`},
		{"x\n1\n", CSV{Fields: []CSVField{{Name: "x", DType: types.I32, MissingNaN: true}}}, `field "x": i32 has no NaN for cells that are empty`},
		{"x\nc\n", CSV{Fields: []CSVField{{Name: "x", Classes: []string{"a", "b"}}}}, `line 2, column 1: "c" is none of the 2 classes (column "x", field "x")`},
		{"x\na\n", CSV{Fields: []CSVField{{Name: "x", Classes: []string{"a", "a"}}}}, `field "x": class "a" is given twice`},
		{"x\na\n", CSV{Fields: []CSVField{{Name: "x", Classes: []string{"a"}, DType: types.F32}}}, `field "x": classes are u8, i32 or i64, not f32`},
		{"x\na\n", CSV{Fields: []CSVField{{Name: "x", Classes: many, DType: types.U8}}}, `field "x": 257 classes are more than u8 can tell apart`},
		{"x\na\n", CSV{Fields: []CSVField{{Name: "x", Classes: []string{"a"}, DType: types.F32, MissingNaN: true}}}, `field "x": an empty cell is no class`},
		{"x\n1\n", CSV{Comma: '"', Fields: x}, "csv: invalid field or comment delimiter"},
	} {
		_, err := ReadCSV(strings.NewReader(c.text), c.o)
		require.EqualError(t, err, "data: csv: "+c.want)
		path := filepath.Join(t.TempDir(), "a.csv")
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
		_, err = ReadCSVFile(path, c.o)
		require.EqualError(t, err, "data: "+path+": "+c.want)
	}
	_, err := ReadCSVFile(filepath.Join(t.TempDir(), "none"), CSV{Fields: x})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func FuzzReadCSV(f *testing.F) {
	for _, s := range []string{irises, "", "x,y\n1,2\n", "\"x\n\",y\n1,2", "x\n\x00\n", "a;b\n1;2\n", "\ufeff", "x,y\r\n1,\xff\r\n"} {
		f.Add(s, uint8(types.F32), false)
	}
	f.Fuzz(func(t *testing.T, text string, dtype uint8, noHeader bool) {
		o := CSV{NoHeader: noHeader, Fields: []CSVField{{Name: "a", Columns: []string{"x"}, DType: types.DType(dtype)}, {Name: "b", Columns: []string{"y", "x"}, MissingNaN: true}}}
		if noHeader {
			o.Fields[0].Columns, o.Fields[1].Columns = []string{"0"}, []string{"1", "0"}
		}
		d, err := ReadCSV(strings.NewReader(text), o)
		if err != nil {
			require.Nil(t, d)
			require.True(t, strings.HasPrefix(err.Error(), "data: csv: "))
			return
		}
		require.Positive(t, d.Len())
		require.LessOrEqual(t, d.Len(), 1+strings.Count(text, "\n"))
		require.Len(t, d.Fields(), 2)
	})
}

package data

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// CSV says how [ReadCSV] makes samples of rows.
type CSV struct {
	// Fields are the fields of a sample. Columns of the file that none of them names
	// are passed over.
	Fields []CSVField
	// NoHeader says that the first row is a sample. The columns are then named by
	// their positions: "0", "1", and so on.
	NoHeader bool
	// Comma separates the cells; 0 means a comma.
	Comma rune
}

// CSVField is a field of a sample: a scalar if it has one column, a vector if it
// has several.
type CSVField struct {
	// Name is what the field is called when it is fed to a model.
	Name string
	// Columns are the columns of the file; without any, the one that is called Name.
	Columns []string
	// DType is the element type; where it is not set, f32, or i32 with Classes.
	DType types.DType
	// Classes, if not nil, are the words that the cells hold; a cell's value is the
	// position of its word, counted from 0.
	Classes []string
	// MissingNaN reads an empty cell as NaN; without it, it is an error. The element
	// type must be a floating-point type.
	MissingNaN bool
}

// ReadCSV reads all rows of comma-separated values (RFC 4180; a byte order mark is
// passed over, and so are blank lines). Space around a cell does not count. The
// errors are those of the options, among them columns that are not there, and of
// the text: they tell line and column of the first cell that is not a value of its
// field's type, or is out of its range, or of a row of another length.
func ReadCSV(r io.Reader, o CSV) (*Tensors, error) {
	d, err := readCSV(r, &o)
	if err != nil {
		return nil, fmt.Errorf("data: csv: %w", err)
	}
	return d, nil
}

// ReadCSVFile is [ReadCSV] of a file; its errors name the file.
func ReadCSVFile(path string, o CSV) (*Tensors, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	d, err := readCSV(f, &o)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return d, nil
}

func readCSV(in io.Reader, o *CSV) (*Tensors, error) {
	b := bufio.NewReader(in)
	if mark, _ := b.Peek(3); string(mark) == "\ufeff" {
		b.Discard(len(mark))
	}
	r := csv.NewReader(b)
	r.ReuseRecord = true
	r.Comma = cmp.Or(o.Comma, ',')
	first, err := r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("there are no rows")
	case err != nil:
		return nil, csvError(err)
	}
	names := slices.Clone(first)
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); o.NoHeader {
			names[i] = strconv.Itoa(i)
		}
	}
	fields, err := o.fields(names)
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		row := first
		if !o.NoHeader || n > 0 {
			if row, err = r.Read(); errors.Is(err, io.EOF) {
				return csvTensors(fields, n)
			}
			if err != nil {
				return nil, csvError(err)
			}
		}
		for _, f := range fields {
			for _, k := range f.at {
				if err := f.add(strings.TrimSpace(row[k])); err != nil {
					line, column := r.FieldPos(k)
					return nil, fmt.Errorf("line %d, column %d: %q %w (column %q, field %q)", line, column, row[k], err, names[k], f.Name)
				}
			}
		}
	}
}

// csvError words the errors of encoding/csv as those of values.
func csvError(err error) error {
	var p *csv.ParseError
	switch {
	case !errors.As(err, &p):
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("line %d: the row has another number of cells than the first", p.Line)
	}
	return fmt.Errorf("line %d, column %d: %w", p.Line, p.Column, p.Err)
}

// csvField is a field while it is read.
type csvField struct {
	CSVField
	at   []int // its columns
	cell cell
}

// add appends the value of a cell.
func (f *csvField) add(s string) error {
	if s == "" {
		if !f.MissingNaN {
			return errors.New("is empty")
		}
		s = "NaN"
	}
	return f.cell.parse(s)
}

// fields checks the options against the names of the columns.
func (o *CSV) fields(names []string) ([]*csvField, error) {
	at := map[string]int{}
	for i, name := range names {
		if j, ok := at[name]; ok {
			return nil, fmt.Errorf("columns %d and %d are both called %q", j+1, i+1, name)
		}
		at[name] = i
	}
	if len(o.Fields) == 0 {
		return nil, fmt.Errorf("no fields are asked for; the columns are %q", names)
	}
	var fields []*csvField
	seen := map[string]bool{}
	for _, f := range o.Fields {
		c := &csvField{CSVField: f}
		if c.Name == "" || seen[c.Name] {
			return nil, fmt.Errorf("the name %q of a field is empty or is that of another", c.Name)
		}
		seen[c.Name] = true
		if c.Columns == nil {
			c.Columns = []string{c.Name}
		}
		for _, name := range c.Columns {
			i, ok := at[name]
			if !ok {
				return nil, fmt.Errorf("field %q: there is no column %q; the columns are %q", f.Name, name, names)
			}
			c.at = append(c.at, i)
		}
		if err := c.complete(); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		fields = append(fields, c)
	}
	return fields, nil
}

// complete chooses the element type and how cells are read.
func (f *csvField) complete() error {
	if f.DType == types.Invalid {
		if f.DType = types.F32; f.Classes != nil {
			f.DType = types.I32
		}
	}
	switch {
	case len(f.Columns) == 0:
		return errors.New("it has no columns")
	case f.MissingNaN && !f.DType.IsFloat():
		return fmt.Errorf("%s has no NaN for cells that are empty", f.DType)
	case f.MissingNaN && f.Classes != nil:
		return errors.New("an empty cell is no class")
	}
	var err error
	f.cell, err = newCell(f.DType, f.Classes)
	return err
}

// csvTensors makes a data set of what was read of n rows.
func csvTensors(fields []*csvField, n int) (*Tensors, error) {
	if n == 0 {
		return nil, errors.New("there are no rows after the header")
	}
	var columns []Column
	for _, f := range fields {
		dims := []int{n}
		if len(f.at) > 1 {
			dims = append(dims, len(f.at))
		}
		t, err := f.cell.tensor(dims)
		if err != nil {
			return nil, err
		}
		columns = append(columns, Column{f.Name, t})
	}
	return FromTensors(columns...)
}

// cell collects the values of a field.
type cell interface {
	parse(s string) error
	tensor(dims []int) (*tensor.Tensor, error)
}

// cells is the cell of an element type.
type cells[T tensor.Element] struct {
	data []T
	one  func(s string) (T, error)
}

func (c *cells[T]) parse(s string) error {
	v, err := c.one(s)
	c.data = append(c.data, v)
	return err
}

func (c *cells[T]) tensor(dims []int) (*tensor.Tensor, error) { return tensor.From(c.data, dims...) }

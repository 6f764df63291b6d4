// Package data owns data sets and batching: what a sample is, in which order
// samples are seen, and how batches reach a training loop without allocating.
// It reads CSV, NumPy's files, text, IDX files and the MNIST data set; sub-package
// digits draws a data set that needs no files.
//
// A [Dataset] is addressed by index. A [Loader] shuffles the indices from a
// seed, gathers batches on a goroutine into a small ring of tensors that it
// reuses, and knows its [Position], so that a run can be resumed at the batch
// where it stopped.
//
// It must not import graph, nn, passes, runtime/session or a device.
package data

import (
	"errors"
	"fmt"

	"dumbtorch/ir/types"
	"dumbtorch/nn/internal/splitmix"
	"dumbtorch/runtime/tensor"
)

// Field is one named part of a sample, such as its image or its label.
type Field struct {
	// Name is what the field is called when it is fed to a model.
	Name string
	// Type is the type of the field of a single sample, without a batch
	// dimension: f32[28,28].
	Type types.Type
}

// batched returns the type of the field of n samples.
func (f Field) batched(n int) types.Type {
	return types.Of(f.Type.DType, append([]int{n}, f.Type.Shape...)...)
}

// Dataset is a finite set of samples that are addressed by index.
type Dataset interface {
	// Len returns the number of samples. It must not change.
	Len() int

	// Fields returns the fields of a sample. They must not change, and the
	// caller must not change them.
	Fields() []Field

	// Read writes sample i into row number row of every dst[k], a tensor of the
	// type of field k behind a leading dimension of rows. Only that row is
	// touched. Callers pass 0 <= i < Len() and a row that exists. Read is called
	// from several goroutines at once, for different rows. A Read that does not
	// allocate makes a Loader that does not.
	Read(i int, dst []*tensor.Tensor, row int) error
}

// rowOf returns the bytes of one row of a tensor whose rows have n bytes.
func rowOf(t *tensor.Tensor, row, n int) []byte { return t.Bytes()[row*n : (row+1)*n] }

// Column names a tensor whose first dimension counts samples.
type Column struct {
	Name   string
	Tensor *tensor.Tensor
}

// Tensors is the [Dataset] of samples held in memory: sample i is row i of every
// column.
type Tensors struct {
	n      int
	fields []Field
	bytes  [][]byte
}

// FromTensors returns the data set whose fields are the columns, in order. The
// tensors are not copied. The error is that of columns without a name, with a
// repeated name, without a first dimension, or of different lengths.
func FromTensors(columns ...Column) (*Tensors, error) {
	if len(columns) == 0 {
		return nil, errors.New("data: a data set needs at least one column")
	}
	d := &Tensors{}
	seen := map[string]bool{}
	for i, c := range columns {
		switch {
		case c.Name == "":
			return nil, fmt.Errorf("data: column %d has no name", i)
		case seen[c.Name]:
			return nil, fmt.Errorf("data: two columns are called %q", c.Name)
		case c.Tensor == nil:
			return nil, fmt.Errorf("data: column %q has no tensor", c.Name)
		case len(c.Tensor.Shape()) == 0:
			return nil, fmt.Errorf("data: column %q is a scalar, %s: a column needs a first dimension that counts samples", c.Name, c.Tensor.Type())
		}
		seen[c.Name] = true
		sh := c.Tensor.Shape()
		if i == 0 {
			d.n = sh[0]
		} else if sh[0] != d.n {
			return nil, fmt.Errorf("data: column %q has %d samples, column %q has %d", columns[0].Name, d.n, c.Name, sh[0])
		}
		d.fields = append(d.fields, Field{c.Name, types.Of(c.Tensor.DType(), sh[1:]...)})
		d.bytes = append(d.bytes, c.Tensor.Bytes())
	}
	return d, nil
}

// Len returns the number of samples.
func (d *Tensors) Len() int { return d.n }

// Fields returns the columns without their first dimension.
func (d *Tensors) Fields() []Field { return d.fields }

// Read copies row i of every column.
func (d *Tensors) Read(i int, dst []*tensor.Tensor, row int) error {
	for k := range d.fields {
		n := int(d.fields[k].Type.Bytes())
		copy(rowOf(dst[k], row, n), d.bytes[k][i*n:(i+1)*n])
	}
	return nil
}

// Subset is the [Dataset] of some samples of another one.
type Subset struct {
	of      Dataset
	indices []int
}

var errNoData = errors.New("data: there is no data set")

// NewSubset returns the data set whose sample i is sample indices[i] of d. An
// index may occur more than once. The error is that of an index outside d.
func NewSubset(d Dataset, indices []int) (*Subset, error) {
	if d == nil {
		return nil, errNoData
	}
	for k, i := range indices {
		if i < 0 || i >= d.Len() {
			return nil, fmt.Errorf("data: index %d of a subset is %d, the data set has %d samples", k, i, d.Len())
		}
	}
	return &Subset{d, append([]int(nil), indices...)}, nil
}

// Len returns the number of samples of the subset.
func (s *Subset) Len() int { return len(s.indices) }

// Fields returns the fields of the underlying data set.
func (s *Subset) Fields() []Field { return s.of.Fields() }

// Read reads the underlying sample.
func (s *Subset) Read(i int, dst []*tensor.Tensor, row int) error {
	return s.of.Read(s.indices[i], dst, row)
}

// Split divides d into n samples, chosen at random from the seed, and the rest:
// the first n and the others of the order that a [Loader] with Shuffle and that
// seed would give epoch 0. The error is that of n outside 0 to d.Len().
func Split(d Dataset, n int, seed uint64) (first, rest *Subset, err error) {
	if d == nil {
		return nil, nil, errNoData
	}
	if n < 0 || n > d.Len() {
		return nil, nil, fmt.Errorf("data: cannot split %d samples off a data set of %d", n, d.Len())
	}
	order := make([]int, d.Len())
	Shuffle(order, seed, 0)
	return &Subset{d, order[:n:n]}, &Subset{d, order[n:]}, nil
}

// Shuffle fills order with the permutation of 0..len(order)-1 that belongs to a
// seed and an epoch. It depends on nothing else, on every platform and in every
// version of Go: a Fisher-Yates shuffle, from the last element down, whose
// choices are drawn without bias (Lemire 2019) from SplitMix64, started at
// Mix(Mix(seed+g) + epoch*g) with g = 0x9e3779b97f4a7c15 and Mix the
// generator's output function.
func Shuffle(order []int, seed uint64, epoch int) {
	r := splitmix.Stream(seed, uint64(epoch))
	r.Perm(order)
}

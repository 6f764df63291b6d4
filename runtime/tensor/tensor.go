package tensor

import (
	"fmt"
	"unsafe"

	"dumbtorch/ir/types"
)

// Alignment is the alignment in bytes of the data of every tensor that this package allocates: a cache line, and the widest
// vector register. Data given to [From] keep their own.
const Alignment = 64

// Tensor is a dense row-major array in host memory. Make one with [New], [From], [Full] or [Scalar]; the zero Tensor has no
// elements and no valid type.
type Tensor struct {
	typ types.Type
	n   int    // number of elements; len(raw) / size of one
	raw []byte // aligned for the element type
}

// New returns a tensor of zeros (false for bool), its data aligned to [Alignment]. It returns an error if the element type is
// not public, the shape fails [types.Shape.Check], or the data would not fit the machine's memory (wraps [ErrTooLarge]).
func New(typ types.Type) (*Tensor, error) {
	if err := checkType(typ); err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	return wrap(types.Of(typ.DType, typ.Shape...), alloc(int(typ.Bytes()))), nil
}

// From returns a tensor that shares the given row-major data; no dims make a scalar. It returns an error if the product of the
// dims is not len(data).
func From[T Element](data []T, dims ...int) (*Tensor, error) {
	typ := types.Of(DTypeOf[T](), dims...)
	if err := typ.Shape.Check(); err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	if n := typ.Shape.Size(); n != len(data) {
		return nil, fmt.Errorf("tensor: %s has %d elements, the data %d", typ, n, len(data))
	}
	return wrap(typ, bytesOf(data)), nil
}

// FromBytes returns a tensor that shares the given memory: its elements in row-major order, in the host's byte order, as
// [Tensor.Bytes] gives them. It returns an error if the length is not that of the type, if the memory is not aligned for an
// element, or if a byte of a bool tensor is neither 0 nor 1; and those of [New].
func FromBytes(typ types.Type, raw []byte) (*Tensor, error) {
	if err := checkType(typ); err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	if n := typ.Bytes(); n != int64(len(raw)) {
		return nil, fmt.Errorf("tensor: %s takes %d bytes, given %d", typ, n, len(raw))
	}
	if size := uintptr(typ.DType.Size()); uintptr(unsafe.Pointer(unsafe.SliceData(raw)))%size != 0 {
		return nil, fmt.Errorf("tensor: the memory given for %s is not aligned to %d bytes", typ, size)
	}
	if typ.DType == types.Bool {
		for i, b := range raw {
			if b > 1 {
				return nil, fmt.Errorf("tensor: byte %d given for %s is %d, not 0 or 1", i, typ, b)
			}
		}
	}
	return wrap(types.Of(typ.DType, typ.Shape...), raw), nil
}

// Full returns a new tensor with every element v; no dims make a scalar. Its errors are those of [New].
func Full[T Element](v T, dims ...int) (*Tensor, error) {
	t, err := New(types.Of(DTypeOf[T](), dims...))
	if err != nil {
		return nil, err
	}
	data := view[T](t)
	for i := range data {
		data[i] = v
	}
	return t, nil
}

// Scalar returns a new tensor of no dimensions with the value v.
func Scalar[T Element](v T) *Tensor {
	t := wrap(types.Of(DTypeOf[T]()), alloc(int(unsafe.Sizeof(v))))
	view[T](t)[0] = v
	return t
}

// Data returns the elements of t in row-major order. It shares memory with t: writing changes the tensor. It returns an error
// if T is not the host form of the tensor's element type.
func Data[T Element](t *Tensor) ([]T, error) {
	if d := DTypeOf[T](); d != t.typ.DType {
		return nil, fmt.Errorf("tensor: the elements of %s are read as %s", t.typ, d)
	}
	return view[T](t), nil
}

// Item returns the only element of t, whatever the number of its dimensions. It returns an error if t does not have exactly
// one element, or not of type T.
func Item[T Element](t *Tensor) (T, error) {
	var zero T
	data, err := Data[T](t)
	if err != nil {
		return zero, err
	}
	if len(data) != 1 {
		return zero, fmt.Errorf("tensor: %s has %d elements, not one", t.typ, len(data))
	}
	return data[0], nil
}

// Type returns the element type and shape. The shape is shared with the tensor and must not be changed.
func (t *Tensor) Type() types.Type { return t.typ }

// Shape returns the sizes of the dimensions, outermost first. It is shared with the tensor and must not be changed.
func (t *Tensor) Shape() types.Shape { return t.typ.Shape }

// DType returns the element type.
func (t *Tensor) DType() types.DType { return t.typ.DType }

// Len returns the number of elements.
func (t *Tensor) Len() int { return t.n }

// Bytes returns the memory of t, [Tensor.Len] times the element size, in the host's byte order. It shares memory with t. A
// writer must leave the bytes of a bool tensor 0 or 1: Go gives other values no meaning.
func (t *Tensor) Bytes() []byte { return t.raw }

// Clone returns a tensor of the same type with a copy of the data.
func (t *Tensor) Clone() *Tensor {
	c := wrap(types.Type{DType: t.typ.DType, Shape: t.typ.Shape.Clone()}, alloc(len(t.raw)))
	c.n = t.n
	copy(c.raw, t.raw)
	return c
}

// Reshape returns a tensor of the given shape over the same data: changing one changes the other. It returns an error if the
// numbers of elements differ.
func (t *Tensor) Reshape(dims ...int) (*Tensor, error) {
	typ := types.Of(t.typ.DType, dims...)
	if err := typ.Shape.Check(); err != nil {
		return nil, fmt.Errorf("tensor: %w", err)
	}
	if n := typ.Shape.Size(); n != t.n {
		return nil, fmt.Errorf("tensor: %s has %d elements, %s has %d", t.typ, t.n, typ, n)
	}
	return &Tensor{typ: typ, n: t.n, raw: t.raw}, nil
}

// wrap returns a tensor over raw, whose length fits the type.
func wrap(typ types.Type, raw []byte) *Tensor {
	t := &Tensor{typ: typ, raw: raw}
	if size := typ.DType.Size(); size > 0 {
		t.n = len(raw) / size
	}
	return t
}

// view returns the data of a tensor whose element type is known to be that of T.
func view[T Element](t *Tensor) []T {
	if t.n == 0 {
		return []T{}
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(t.raw))), t.n)
}

// bytesOf returns the memory of a slice.
func bytesOf[T Element](data []T) []byte {
	if len(data) == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(data[0])))
}

package safetensors

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Raw is an array of any element type of the format, with its bytes as they are in a file.
type Raw struct {
	Name  string
	DType DType
	Shape types.Shape
	Data  []byte
}

// Read reads all arrays of a file as tensors of the types that [Array.Type] tells, and its metadata. Errors: those of [Open]
// and of [File.Read].
func Read(path string) (map[string]*tensor.Tensor, map[string]string, error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	m := make(map[string]*tensor.Tensor, len(f.byName))
	for name := range f.byName {
		if m[name], err = f.Read(name); err != nil {
			return nil, nil, err
		}
	}
	return m, f.header.metadata, nil
}

// Write writes arrays and metadata, which may be nil, to a file through [tensor.WriteFileAtomic]. The file is laid out as
// Python's safetensors does it, by element type and then by name, so that the same arrays give the same bytes, whatever their
// order. Names that occur twice, that are not UTF-8 or that are "__metadata__" are errors, and so is text in the metadata that
// is not UTF-8.
func Write(path string, arrays []tensor.Named, metadata map[string]string) error {
	err := tensor.WriteFileAtomic(path, func(w io.Writer) error { return WriteTo(w, arrays, metadata) })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteTo is [Write] to a stream.
func WriteTo(w io.Writer, arrays []tensor.Named, metadata map[string]string) error {
	list := make([]Raw, len(arrays))
	for i, a := range arrays {
		if a.Tensor == nil || !a.Tensor.DType().Public() {
			return fmt.Errorf("safetensors: %q: no tensor to write", a.Name)
		}
		list[i] = Raw{a.Name, dtypeOf(a.Tensor.DType()), a.Tensor.Shape(), a.Tensor.Bytes()}
	}
	return write(w, list, metadata, !hostLittleEndian)
}

// WriteRaw is [WriteTo] for arrays of any element type, whose data are little-endian.
func WriteRaw(w io.Writer, arrays []Raw, metadata map[string]string) error {
	return write(w, slices.Clone(arrays), metadata, false)
}

func write(w io.Writer, arrays []Raw, metadata map[string]string, swapped bool) error {
	h, err := plan(arrays, metadata)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	text, err := h.format()
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	n := len(text)
	length := []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24), 0, 0, 0, 0}
	if _, err := w.Write(append(length, text...)); err != nil {
		return err
	}
	for _, a := range arrays {
		if size := a.DType.Bits() / 8; swapped && size > 1 {
			a.Data = slices.Clone(a.Data)
			swap(a.Data, size)
		}
		if _, err := w.Write(a.Data); err != nil {
			return err
		}
	}
	return nil
}

// plan sorts the arrays and gives them their places.
func plan(arrays []Raw, metadata map[string]string) (*header, error) {
	slices.SortStableFunc(arrays, func(a, b Raw) int {
		return cmp.Or(cmp.Compare(b.DType, a.DType), cmp.Compare(a.Name, b.Name))
	})
	for k, v := range metadata {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return nil, fmt.Errorf("metadata %q: %q is not UTF-8", k, v)
		}
	}
	h := &header{metadata: metadata}
	seen := make(map[string]bool, len(arrays))
	at := int64(0)
	for _, r := range arrays {
		a := Array{Name: r.Name, DType: r.DType, Shape: r.Shape, start: at, size: int64(len(r.Data))}
		size, err := a.checkedSize()
		switch {
		case !utf8.ValidString(r.Name), r.Name == metadataKey, seen[r.Name]:
			return nil, fmt.Errorf("array name %q is not UTF-8, is %q or occurs twice", r.Name, metadataKey)
		case r.DType.Bits() == 0:
			err = errors.New("it has no element type")
		case len(r.Shape) > maxRank:
			err = fmt.Errorf("%d dimensions are more than the %d that are read", len(r.Shape), maxRank)
		case err == nil && size != a.size:
			err = fmt.Errorf("%s takes %d bytes, given %d", a, size, a.size)
		}
		if err != nil {
			return nil, fmt.Errorf("%q: %w", r.Name, err)
		}
		seen[r.Name] = true
		h.arrays = append(h.arrays, a)
		at += a.size
	}
	return h, nil
}

package safetensors

import (
	"fmt"
	"slices"
	"unsafe"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// tensor returns an array as a tensor, over raw where that can be.
func (a Array) tensor(raw []byte) (*tensor.Tensor, error) {
	typ, ok := a.Type()
	if !ok {
		return nil, fmt.Errorf("%s has no tensor: the format does not say how such elements are packed", a)
	}
	d := &dtypes[a.DType]
	if d.decode == nil && (hostLittleEndian || d.bits == 8) {
		// What is left are data that are not aligned, as older writers left them, and bools of other bytes than 0 and 1.
		if t, err := tensor.FromBytes(typ, raw); err == nil {
			return t, nil
		}
	}
	t, err := tensor.New(typ)
	if err != nil {
		return nil, err
	}
	if d.decode != nil {
		return t, d.decode(t, raw)
	}
	dst := t.Bytes()
	copy(dst, raw)
	switch {
	case typ.DType == types.Bool:
		for i, b := range dst {
			dst[i] = min(b, 1)
		}
	case !hostLittleEndian:
		swap(dst, d.bits/8)
	}
	return t, nil
}

// swap reverses the n bytes of each element.
func swap(b []byte, n int) {
	for ; len(b) >= n; b = b[n:] {
		slices.Reverse(b[:n])
	}
}

// faultOf reports whether a recovered panic is a fault in the mapping.
func (f *File) faultOf(r any) bool {
	fault, ok := r.(interface{ Addr() uintptr })
	if !ok {
		return false
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	return fault.Addr() >= from && fault.Addr()-from < uintptr(len(f.data))
}

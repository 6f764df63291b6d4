package data

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// maxIDX bounds the bytes of an IDX file's elements, so that a few compressed
// bytes cannot unpack to more memory than a machine has.
const maxIDX = 4 << 30

// idxTypes maps the third byte of an IDX file to its element type.
var idxTypes = map[byte]types.DType{
	0x08: types.U8,
	0x0c: types.I32,
	0x0d: types.F32,
	0x0e: types.F64,
}

// idxOther names the element types of the format that no tensor has.
var idxOther = map[byte]string{0x09: "i8", 0x0b: "i16"}

// ReadIDX reads a tensor from the IDX format of the MNIST files (described at
// the end of yann.lecun.com/exdb/mnist): two zero bytes, the element type, the
// number of dimensions, each dimension as a big-endian u32, then the elements,
// big-endian, in row-major order. The stream may be gzip-compressed: its first
// bytes tell. It must end with the last element, and hold at most 4 GiB.
//
// Memory is taken as elements arrive, never because the header asks for it.
func ReadIDX(r io.Reader) (*tensor.Tensor, error) {
	return readIDX(r, func(types.Type) error { return nil })
}

// readIDX is ReadIDX of a type that accept has nothing against.
func readIDX(r io.Reader, accept func(types.Type) error) (*tensor.Tensor, error) {
	br := bufio.NewReader(r)
	if magic, _ := br.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, fmt.Errorf("gzip header: %w", truncated(err))
		}
		defer z.Close()
		br = bufio.NewReader(z)
	}
	t, err := readIDXHeader(br)
	if err != nil {
		return nil, err
	}
	if err := accept(t); err != nil {
		return nil, err
	}
	raw, err := readIDXBody(br, t)
	if err != nil {
		return nil, err
	}
	return decodeIDX(raw, t)
}

// ReadIDXFile is [ReadIDX] of a file; its errors name the file.
func ReadIDXFile(path string) (*tensor.Tensor, error) {
	return readIDXFile(path, func(types.Type) error { return nil })
}

func readIDXFile(path string, accept func(types.Type) error) (*tensor.Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	t, err := readIDX(f, accept)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return t, nil
}

// truncated turns the errors by which io and gzip say that data ended into one
// that a user understands.
func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("truncated")
	}
	return err
}

func readIDXHeader(r io.Reader) (types.Type, error) {
	fail := func(format string, args ...any) (types.Type, error) {
		return types.Type{}, fmt.Errorf(format, args...)
	}
	var magic [4]byte
	if n, err := io.ReadFull(r, magic[:]); err != nil {
		return fail("not an IDX file: its header ends after %d bytes: %w", n, truncated(err))
	}
	if magic[0] != 0 || magic[1] != 0 {
		return fail("not an IDX file: wrong magic number %#08x", binary.BigEndian.Uint32(magic[:]))
	}
	d, ok := idxTypes[magic[2]]
	if !ok {
		if name := idxOther[magic[2]]; name != "" {
			return fail("IDX elements of type %s are not supported", name)
		}
		return fail("not an IDX file: wrong magic number %#08x: there is no element type %#02x", binary.BigEndian.Uint32(magic[:]), magic[2])
	}
	dims := make([]byte, 4*int(magic[3]))
	if n, err := io.ReadFull(r, dims); err != nil {
		return fail("the IDX header says %d dimensions and ends after %d bytes of them: %w", magic[3], n, truncated(err))
	}
	sh := make(types.Shape, magic[3])
	size, empty := int64(d.Size()), false
	for i := range sh {
		n := int64(binary.BigEndian.Uint32(dims[4*i:]))
		if n > math.MaxInt32 {
			return fail("dimension %d of the IDX header is %d", i, n)
		}
		sh[i] = int(n)
		empty = empty || n == 0
		if n > 0 && size <= maxIDX {
			size *= n
		}
	}
	if size > maxIDX && !empty {
		return fail("the IDX header says %s%s, more than the %d GiB that are read", d, sh, maxIDX>>30)
	}
	t := types.Type{DType: d, Shape: sh}
	if err := sh.Check(); err != nil {
		return fail("the IDX header: %w", err)
	}
	return t, nil
}

// readIDXBody reads the elements and checks that nothing follows them.
func readIDXBody(r *bufio.Reader, t types.Type) ([]byte, error) {
	want := int(t.Bytes())
	raw := make([]byte, 0, min(want, 64<<10))
	for len(raw) < want {
		if len(raw) == cap(raw) {
			grown := make([]byte, len(raw), min(want, 2*cap(raw)))
			copy(grown, raw)
			raw = grown
		}
		n, err := io.ReadFull(r, raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if err != nil {
			return nil, fmt.Errorf("the header says %s, %d bytes, of which %d are there: %w", t, want, len(raw), truncated(err))
		}
	}
	switch _, err := r.ReadByte(); {
	case err == nil:
		return nil, fmt.Errorf("the header says %s, %d bytes, and the file goes on after them", t, want)
	case err != io.EOF:
		return nil, fmt.Errorf("after the last element: %w", truncated(err))
	}
	return raw, nil
}

// decodeIDX makes a tensor of big-endian elements.
func decodeIDX(raw []byte, t types.Type) (*tensor.Tensor, error) {
	switch t.DType {
	case types.U8:
		return tensor.From(raw, t.Shape...)
	case types.I32:
		return tensor.From(decode(raw, 4, func(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }), t.Shape...)
	case types.F32:
		return tensor.From(decode(raw, 4, func(b []byte) float32 { return math.Float32frombits(binary.BigEndian.Uint32(b)) }), t.Shape...)
	case types.F64:
		return tensor.From(decode(raw, 8, func(b []byte) float64 { return math.Float64frombits(binary.BigEndian.Uint64(b)) }), t.Shape...)
	}
	return nil, fmt.Errorf("IDX elements of type %s are not supported", t.DType)
}

func decode[T any](raw []byte, size int, one func([]byte) T) []T {
	out := make([]T, len(raw)/size)
	for i := range out {
		out[i] = one(raw[i*size:])
	}
	return out
}

package tensor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"dumbtorch/ir/types"
)

// The npy format is defined by NEP 1 and numpy/lib/format.py: magic, version, length of the header, a Python dict padded with
// spaces, data.
const (
	npyMagic     = "\x93NUMPY"
	npyAlign     = 64      // the data begin at a multiple of it
	npyMaxHeader = 1 << 16 // room for 64 dimensions many times over
	readChunk    = 1 << 20
)

var hostBigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// ReadNPY reads one array in npy format, version 1.0, 2.0 or 3.0, in either byte order and in row-major or column-major order,
// and leaves r after it. The result is row-major; elements of two raw bytes (V2) are bf16. Element types other than those of [Element], structured ones and Python
// objects are errors. What the header claims is never allocated before as much data has arrived, and never if it would not
// fit the machine's memory (wraps [ErrTooLarge]). Data that end early are an error that wraps [io.ErrUnexpectedEOF]; if r has
// nothing at all, the error wraps [io.EOF].
func ReadNPY(r io.Reader) (*Tensor, error) {
	t, err := readNPY(r, -1, false)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return t, nil
}

// readNPY reads an array from a source of the given length, header included (-1: unknown). A real length is one that is
// known not to be a mere claim.
func readNPY(r io.Reader, length int64, real bool) (*Tensor, error) {
	h, n, err := readNPYHeader(r)
	if err != nil {
		return nil, err
	}
	if err := checkType(h.typ); err != nil {
		return nil, err
	}
	total := h.typ.Bytes()
	if have := length - n; length >= 0 && have != total {
		if have < total {
			return nil, fmt.Errorf("%s takes %d bytes, only %d follow the header: %w", h.typ, total, have, io.ErrUnexpectedEOF)
		}
		return nil, fmt.Errorf("%s takes %d bytes, but %d follow the header", h.typ, total, have)
	}
	raw, err := readData(r, int(total), real)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.typ, err)
	}
	size := h.typ.DType.Size()
	if h.bigEndian != hostBigEndian {
		swapBytes(raw, size)
	}
	if h.typ.DType == types.Bool {
		for i, b := range raw {
			if b > 1 {
				raw[i] = 1 // as NumPy reads it
			}
		}
	}
	if h.fortran {
		raw = rowMajor(raw, h.typ)
	}
	return wrap(h.typ, raw), nil
}

// readNPYHeader also returns the bytes read.
func readNPYHeader(r io.Reader) (h npyHeader, n int64, err error) {
	var start [12]byte
	pre := start[:10]
	if got, err := io.ReadFull(r, pre); err != nil {
		if got == 0 && errors.Is(err, io.EOF) {
			return h, 0, fmt.Errorf("no data: %w", err)
		}
		return h, 0, fmt.Errorf("header: %w", err)
	}
	if string(pre[:6]) != npyMagic {
		return h, 0, fmt.Errorf("not an npy file: it begins with %q, not %q", pre[:6], npyMagic)
	}
	var size uint32
	switch major, minor := pre[6], pre[7]; {
	case major == 1 && minor == 0:
		size = uint32(binary.LittleEndian.Uint16(pre[8:]))
	case (major == 2 || major == 3) && minor == 0:
		pre = start[:12]
		if _, err := io.ReadFull(r, pre[10:]); err != nil {
			return h, 0, fmt.Errorf("header: %w", noEOF(err))
		}
		size = binary.LittleEndian.Uint32(pre[8:])
	default:
		return h, 0, fmt.Errorf("npy version %d.%d is unknown (known: 1.0, 2.0, 3.0)", major, minor)
	}
	if size > npyMaxHeader {
		return h, 0, fmt.Errorf("header of %d bytes is too long (at most %d)", size, npyMaxHeader)
	}
	dict := make([]byte, size)
	if _, err := io.ReadFull(r, dict); err != nil {
		return h, 0, fmt.Errorf("header: %w", noEOF(err))
	}
	if h, err = parseHeader(string(dict)); err != nil {
		return h, 0, fmt.Errorf("header: %w", err)
	}
	return h, int64(len(pre)) + int64(size), nil
}

// readData reads total bytes, at once if the total is real, or else into memory that grows with what has come.
func readData(r io.Reader, total int, real bool) ([]byte, error) {
	size := total
	if !real {
		size = min(total, readChunk)
	}
	raw, have := alloc(size), 0
	for {
		n, err := io.ReadFull(r, raw[have:])
		have += n
		if err != nil {
			return nil, fmt.Errorf("data end after %d of %d bytes: %w", have, total, noEOF(err))
		}
		if have == total {
			return raw, nil
		}
		grown := alloc(min(total, 2*have))
		copy(grown, raw)
		raw = grown
	}
}

// noEOF turns the end of a source at a place where more must come into an unexpected one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// WriteNPY writes t in npy format version 1.0, little-endian and row-major: the bytes that NumPy's save writes; bf16 goes as
// <V2, as NumPy writes ml_dtypes.bfloat16: there .view(ml_dtypes.bfloat16) makes numbers of it again. It returns an
// error for more than 64 dimensions, which NumPy could not read, and those of w.
func WriteNPY(w io.Writer, t *Tensor) error {
	if err := writeNPY(w, t); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

func writeNPY(w io.Writer, t *Tensor) error {
	switch {
	case t == nil || !t.typ.DType.Public():
		return errors.New("no tensor to write")
	case len(t.typ.Shape) > npyMaxRank:
		return fmt.Errorf("%d dimensions are more than the %d that NumPy reads", len(t.typ.Shape), npyMaxRank)
	}
	dict := formatHeader(t.typ)
	used := len(npyMagic) + 4 + len(dict) + 1
	pad := npyAlign - used%npyAlign
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(dict)+pad+1))
	head = append(head, dict...)
	for range pad {
		head = append(head, ' ')
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return err
	}
	return writeData(w, t.raw, t.typ.DType.Size(), hostBigEndian)
}

// writeData writes raw, with each element's bytes reversed if asked.
func writeData(w io.Writer, raw []byte, size int, swap bool) error {
	if !swap || size == 1 {
		_, err := w.Write(raw)
		return err
	}
	for chunk := range slices.Chunk(raw, readChunk) {
		chunk = slices.Clone(chunk)
		swapBytes(chunk, size)
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

// swapBytes reverses the bytes of each element in place.
func swapBytes(raw []byte, size int) {
	switch size {
	case 2:
		for ; len(raw) >= 2; raw = raw[2:] {
			binary.LittleEndian.PutUint16(raw, binary.BigEndian.Uint16(raw))
		}
	case 4:
		for ; len(raw) >= 4; raw = raw[4:] {
			binary.LittleEndian.PutUint32(raw, binary.BigEndian.Uint32(raw))
		}
	case 8:
		for ; len(raw) >= 8; raw = raw[8:] {
			binary.LittleEndian.PutUint64(raw, binary.BigEndian.Uint64(raw))
		}
	}
}

// rowMajor returns column-major data in row-major order.
func rowMajor(raw []byte, typ types.Type) []byte {
	if len(raw) == 0 || len(typ.Shape) < 2 {
		return raw
	}
	out := alloc(len(raw))
	sh, size := typ.Shape, typ.DType.Size()
	strides := make([]int, len(sh)) // of the source, in bytes
	for i, n := 0, size; i < len(sh); i++ {
		strides[i] = n
		n *= sh[i]
	}
	index, src := make([]int, len(sh)), 0
	for dst := 0; dst < len(out); dst += size {
		copy(out[dst:dst+size], raw[src:src+size])
		for i := len(sh) - 1; i >= 0; i-- {
			index[i]++
			src += strides[i]
			if index[i] < sh[i] {
				break
			}
			src -= index[i] * strides[i]
			index[i] = 0
		}
	}
	return out
}

package tensor

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// DefaultMaxBytes is the most that the arrays of an npz archive may unpack to, unless [WithMaxBytes] says otherwise or the
// archive itself is larger: one that is not compressed passes whatever its size.
const DefaultMaxBytes = 4 << 30

// ReadOption changes how an npz archive is read.
type ReadOption func(*readOptions)

type readOptions struct{ maxBytes int64 }

// WithMaxBytes sets the most bytes that all arrays of an archive together may unpack to, npy headers included.
func WithMaxBytes(n int64) ReadOption { return func(o *readOptions) { o.maxBytes = n } }

// ReadNPZ reads every array of an npz archive: a zip file whose entry "w.npy" is the array "w" in npy format, stored or
// deflated. Checksums are verified. Entries that are not npy, that share a name or are encrypted are errors. Sizes that the
// archive announces are held against its limit ([DefaultMaxBytes]; the error wraps [ErrTooLarge]) and against what arrives.
// Errors name the file and the entry.
func ReadNPZ(path string, opts ...ReadOption) (map[string]*Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m, err := ReadNPZFrom(f, info.Size(), opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ReadNPZFrom is [ReadNPZ] for an archive of the given size in bytes that is not in a file.
func ReadNPZFrom(r io.ReaderAt, size int64, opts ...ReadOption) (map[string]*Tensor, error) {
	o := readOptions{maxBytes: max(DefaultMaxBytes, size)}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // names are keys here, never paths
		return nil, fmt.Errorf("npz: %w", err)
	}
	if err := checkEntries(z.File, o.maxBytes); err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	m := make(map[string]*Tensor, len(z.File))
	for _, f := range z.File {
		t, err := readEntry(f, size)
		if err != nil {
			return nil, fmt.Errorf("npz: entry %q: %w", f.Name, err)
		}
		m[strings.TrimSuffix(f.Name, ".npy")] = t
	}
	return m, nil
}

// checkEntries looks at the directory of an archive before anything is unpacked.
func checkEntries(files []*zip.File, limit int64) error {
	const encrypted = 1
	seen := make(map[string]bool, len(files))
	left := uint64(max(limit, 0))
	for _, f := range files {
		switch {
		case !strings.HasSuffix(f.Name, ".npy"):
			return fmt.Errorf("entry %q is not an npy file", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("entry %q occurs twice", f.Name)
		case f.Flags&encrypted != 0:
			return fmt.Errorf("entry %q is encrypted", f.Name)
		case f.UncompressedSize64 > left:
			return fmt.Errorf("the arrays up to entry %q unpack to more than the limit of %s (tensor.WithMaxBytes raises it): %w",
				f.Name, FormatBytes(limit), ErrTooLarge)
		}
		seen[f.Name] = true
		left -= f.UncompressedSize64
	}
	return nil
}

func readEntry(f *zip.File, archive int64) (*Tensor, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	length := int64(f.UncompressedSize64)
	t, err := readNPY(r, length, f.Method == zip.Store && length <= archive)
	if err != nil {
		return nil, err
	}
	// The checksum is verified when the end is seen.
	var end [1]byte
	switch n, err := io.ReadFull(r, end[:]); {
	case n > 0:
		return nil, errors.New("it holds more than it announces")
	case err != io.EOF:
		return nil, err
	}
	return t, nil
}

// Named is an array of an archive.
type Named struct {
	Name   string
	Tensor *Tensor
}

// SortByName returns the arrays of a map in the order of their names, for [WriteNPZ].
func SortByName(m map[string]*Tensor) []Named {
	list := make([]Named, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, Named{name, m[name]})
	}
	return list
}

// WriteOption changes how an npz archive is written.
type WriteOption func(*writeOptions)

type writeOptions struct{ method uint16 }

// WithDeflate compresses the arrays, as NumPy's savez_compressed does.
func WithDeflate() WriteOption { return func(o *writeOptions) { o.method = zip.Deflate } }

// WriteNPZ writes arrays to an npz archive in the given order, uncompressed unless asked, through [WriteFileAtomic]. The same
// arrays give the same bytes: entries carry no time but the start of 1980. Empty names, names that hold a NUL byte and
// names that occur twice are errors.
func WriteNPZ(path string, arrays []Named, opts ...WriteOption) error {
	err := WriteFileAtomic(path, func(w io.Writer) error { return WriteNPZTo(w, arrays, opts...) })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteNPZTo is [WriteNPZ] to a stream.
func WriteNPZTo(w io.Writer, arrays []Named, opts ...WriteOption) error {
	o := writeOptions{method: zip.Store}
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	z := zip.NewWriter(w)
	seen := make(map[string]bool, len(arrays))
	for _, a := range arrays {
		if a.Name == "" || strings.ContainsRune(a.Name, 0) || seen[a.Name] {
			return fmt.Errorf("npz: array name %q is empty, occurs twice or holds a NUL byte", a.Name)
		}
		seen[a.Name] = true
		e, err := z.CreateHeader(&zip.FileHeader{
			Name:     a.Name + ".npy",
			Method:   o.method,
			Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
		})
		if err == nil {
			err = writeNPY(e, a.Tensor)
		}
		if err != nil {
			return fmt.Errorf("npz: entry %q: %w", a.Name+".npy", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("npz: %w", err)
	}
	return nil
}

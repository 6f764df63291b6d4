package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// ErrClosed is wrapped by the errors of a [File] after Close.
var ErrClosed = errors.New("the file is closed")

// hostLittleEndian says that the data of files need no swap.
var hostLittleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// File is an open file. Any number of goroutines may use it at once.
type File struct {
	path   string // for errors; empty where there is none
	header *header
	byName map[string]Array
	source

	mu     sync.Mutex
	users  int
	closed bool
}

// source is where the data are: in memory, or in a file that is not mapped.
type source struct {
	data   []byte      // nil: not in memory
	mapped bool        // data are a file, which others may cut short
	r      io.ReaderAt // where data is nil
	offset int64       // of the data in r
	free   func() error
}

// Open opens a file and reads its header. Close it after use. The errors name the file; they are those of the system and of a
// header that does not fit the format or the size of the file.
func Open(path string) (*File, error) { return open(path, mapFile) }

// open is Open with the system's way to map a file: it returns nil memory where there is none.
func open(path string, mapFile func(*os.File, int64) (data []byte, unmap func() error)) (_ *File, err error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if !done {
			r.Close()
		}
	}()
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("is not a regular file")}
	}
	size := info.Size()
	f, err := newFile(path, r, size)
	if err != nil {
		return nil, err
	}
	done = true
	f.free = r.Close
	if all, unmap := mapFile(r, size); all != nil {
		f.data, f.mapped = all[f.offset:], true
		f.free = func() error { return errors.Join(unmap(), r.Close()) }
	}
	return f, nil
}

// Parse reads a file that is in memory, as go:embed gives it. It keeps file, which must not change before Close.
func Parse(file []byte) (*File, error) {
	f, err := newFile("", readerAt(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	f.data, f.r = file[f.offset:], nil
	return f, nil
}

// readerAt reads from memory.
type readerAt []byte

func (b readerAt) ReadAt(p []byte, off int64) (int, error) {
	if n := copy(p, b[min(off, int64(len(b))):]); n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return len(p), nil
}

// newFile reads the header of a file of the given size.
func newFile(path string, r io.ReaderAt, size int64) (*File, error) {
	f := &File{path: path, source: source{r: r, free: func() error { return nil }}}
	var length [8]byte
	if size < int64(len(length)) {
		return nil, f.wrap(fmt.Errorf("not a safetensors file: it has %d bytes, fewer than the 8 of the header's length", size))
	}
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, f.wrap(err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	switch {
	case n > maxHeader:
		return nil, f.wrap(fmt.Errorf("not a safetensors file: its header would have %d bytes, more than the %d allowed", n, maxHeader))
	case int64(n) > size-8:
		return nil, f.wrap(fmt.Errorf("the header has %d bytes, and only %d follow its length: %w", n, size-8, io.ErrUnexpectedEOF))
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil {
		return nil, f.wrap(err)
	}
	f.offset = 8 + int64(n)
	var err error
	if f.header, err = parseHeader(text, size-f.offset); err != nil {
		return nil, f.wrap(fmt.Errorf("header: %w", err))
	}
	f.byName = make(map[string]Array, len(f.header.arrays))
	for _, a := range f.header.arrays {
		f.byName[a.Name] = a
	}
	return f, nil
}

func (f *File) wrap(err error) error {
	if f.path == "" {
		return fmt.Errorf("safetensors: %w", err)
	}
	return fmt.Errorf("%s: safetensors: %w", f.path, err)
}

// Arrays returns the arrays in the order of their data.
func (f *File) Arrays() []Array { return slices.Clone(f.header.arrays) }

// Array returns the array of a name.
func (f *File) Array(name string) (Array, bool) {
	a, ok := f.byName[name]
	return a, ok
}

// Metadata returns the file's own key-value pairs; nil if it has none.
func (f *File) Metadata() map[string]string { return maps.Clone(f.header.metadata) }

// Close gives the file back, once calls that are under way have ended. Closing twice is fine.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	if f.users > 0 {
		return nil // the last one frees
	}
	return f.free()
}

// enter counts a user of the data.
func (f *File) enter() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return f.wrap(ErrClosed)
	}
	f.users++
	return nil
}

func (f *File) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 && f.closed {
		f.free() // nobody is left to hear of an error
	}
}

// raw calls use with the bytes of an array, which are its during the call only. Memory that is mapped may turn out not to be
// there, where the file was cut short meanwhile or its disk fails: that is an error too.
func (f *File) raw(name string, use func(Array, []byte) error) (err error) {
	a, ok := f.byName[name]
	if !ok {
		return f.wrap(fmt.Errorf("there is no array %q", name))
	}
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()
	fail := func(err error) error { return f.wrap(fmt.Errorf("%q: %w", name, err)) }
	if f.data == nil {
		buf, err := tensor.New(types.Of(types.U8, int(a.size)))
		if err != nil {
			return fail(err)
		}
		if _, err := f.r.ReadAt(buf.Bytes(), f.offset+a.start); err != nil {
			return fail(err)
		}
		return use(a, buf.Bytes())
	}
	if f.mapped {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if r := recover(); r != nil {
				if !f.faultOf(r) {
					panic(r)
				}
				err = fail(errors.New("its data cannot be read: the file was changed meanwhile, or the disk failed"))
			}
		}()
	}
	return use(a, f.data[a.start:a.start+a.size:a.start+a.size])
}

// View calls use with an array as a tensor of the type that [Array.Type] tells. Where the file is mapped, the tensor is the
// mapping itself, and nothing is copied; writing to it changes neither the file nor, for others, what they read from it later
// on. The tensor must not be used after the call.
//
// Errors: those of use, a name that does not exist, values that no tensor can hold, [ErrClosed], and data that cannot be read.
func (f *File) View(name string, use func(*tensor.Tensor) error) error {
	return f.raw(name, func(a Array, raw []byte) error {
		t, err := a.tensor(raw)
		if err != nil {
			return f.wrap(fmt.Errorf("%q: %w", name, err))
		}
		return use(t)
	})
}

// Read returns a copy of an array as a tensor of the type that [Array.Type] tells. Errors: those of [File.View].
func (f *File) Read(name string) (t *tensor.Tensor, err error) {
	err = f.View(name, func(v *tensor.Tensor) error {
		t = v.Clone()
		return nil
	})
	return t, err
}

// ReadRaw returns a copy of the bytes of an array as they are in the file. Errors: those of [File.View].
func (f *File) ReadRaw(name string) (b []byte, err error) {
	err = f.raw(name, func(_ Array, raw []byte) error {
		b = slices.Clone(raw)
		return nil
	})
	return b, err
}

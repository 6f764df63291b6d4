package tensor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

const tempPrefix = ".tmp-"

// TempName returns a name for a temporary file as [WriteFileAtomic] chooses them: hidden, and of random digits.
func TempName() string { return fmt.Sprintf("%s%016x", tempPrefix, rand.Uint64()) }

// IsTempName reports whether a name is one of [TempName]: in a folder where nobody writes, such a file is what a process that
// was killed has left.
func IsTempName(name string) bool {
	digits, ok := strings.CutPrefix(name, tempPrefix)
	return ok && len(digits) == 16 && strings.Trim(digits, "0123456789abcdef") == ""
}

// WriteFileAtomic makes or replaces a file with what write puts out, buffered. The bytes go to a hidden temporary file in the
// same folder, which is synced and then renamed, so that the path holds either the old content or all of the new, even after a
// crash. On any error, and if write panics, the temporary file is removed and the old file is left as it was. A replaced
// file keeps its permissions; a symbolic link to a file stays and that file is replaced; a path that is neither a file
// nor a folder (a device, a pipe) is written directly.
func WriteFileAtomic(path string, write func(io.Writer) error) error {
	perm := fs.FileMode(0)
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return &fs.PathError{Op: "write", Path: path, Err: errors.New("is a folder")}
	case err == nil && !info.Mode().IsRegular():
		return writeDirect(path, write)
	case err == nil:
		perm = info.Mode().Perm()
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	f, err := createTemp(filepath.Dir(path))
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := buffered(f, write); err != nil {
		return err
	}
	if perm != 0 {
		if err := f.Chmod(perm); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	done = true
	syncDir(filepath.Dir(path))
	return nil
}

// createTemp makes a new file with the permissions of any new file, which os.CreateTemp does not.
func createTemp(dir string) (*os.File, error) {
	for {
		f, err := os.OpenFile(filepath.Join(dir, TempName()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// syncDir makes a rename durable where the system can; the file is whole either way.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

func writeDirect(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := buffered(f, write); err != nil {
		return err
	}
	return f.Close()
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<18)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// ReadNPYFile reads a file that holds one array in npy format, as [ReadNPY] does. Bytes after the array are an error. Errors
// name the file.
func ReadNPYFile(path string) (*Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	length, real := int64(-1), false
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		length, real = info.Size(), true
	}
	t, err := readNPY(f, length, real)
	if err != nil {
		return nil, fmt.Errorf("%s: npy: %w", path, err)
	}
	return t, nil
}

// WriteNPYFile writes t to a file in npy format, through [WriteFileAtomic].
func WriteNPYFile(path string, t *Tensor) error {
	err := WriteFileAtomic(path, func(w io.Writer) error { return WriteNPY(w, t) })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

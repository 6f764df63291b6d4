package tensor

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

var errWrite = errors.New("write failed")

func put(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWriteFileAtomicReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFileAtomic(path, put("one")))
	require.Equal(t, "one", string(must(os.ReadFile(path))))
	require.NoError(t, WriteFileAtomic(path, func(w io.Writer) error {
		require.Equal(t, "one", string(must(os.ReadFile(path))), "the old file stands until the new one is whole")
		return put("two")(w)
	}))
	require.Equal(t, "two", string(must(os.ReadFile(path))))
	require.Len(t, must(os.ReadDir(dir)), 1)
}

func TestWriteFileAtomicKeepsTheOldFileOnFailure(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, WriteFileAtomic(path, put("old")))
	check := func() {
		require.Equal(t, "old", string(must(os.ReadFile(path))))
		require.Len(t, must(os.ReadDir(dir)), 1)
	}
	err := WriteFileAtomic(path, func(w io.Writer) error {
		must(w.Write(make([]byte, 1<<20)))
		return errWrite
	})
	require.ErrorIs(t, err, errWrite)
	check()
	require.Panics(t, func() { WriteFileAtomic(path, func(io.Writer) error { panic("in the writer") }) })
	check()
}

func TestWriteFileAtomicPermissions(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	dir := t.TempDir()
	path, plain := filepath.Join(dir, "f"), filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o666))
	require.NoError(t, WriteFileAtomic(path, put("new")))
	require.Equal(t, must(os.Stat(plain)).Mode(), must(os.Stat(path)).Mode(), "as any new file")
	require.NoError(t, os.Chmod(path, 0o640))
	require.NoError(t, WriteFileAtomic(path, put("again")))
	require.Equal(t, os.FileMode(0o640), must(os.Stat(path)).Mode())
}

func TestWriteFileAtomicFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	require.NoError(t, WriteFileAtomic(path, put("old")))
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	require.NoError(t, WriteFileAtomic(link, put("new")))
	require.Equal(t, "new", string(must(os.ReadFile(path))))
	require.Equal(t, os.ModeSymlink, must(os.Lstat(link)).Mode().Type())
}

func TestWriteFileAtomicSpecialPaths(t *testing.T) {
	dir := t.TempDir()
	require.ErrorContains(t, WriteFileAtomic(dir, put("x")), "is a folder")
	require.ErrorIs(t, WriteFileAtomic(filepath.Join(dir, "none", "f"), put("x")), os.ErrNotExist)
}

func TestWriteNPYFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	x := vec(1.0, 2)
	require.NoError(t, WriteNPYFile(path, x))
	require.True(t, Equal(x, must(ReadNPYFile(path))))
	require.EqualError(t, WriteNPYFile(path, nil), "write "+path+": npy: no tensor to write")
	require.True(t, Equal(x, must(ReadNPYFile(path))))
}

func TestTempName(t *testing.T) {
	require.True(t, IsTempName(TempName()))
	require.NotEqual(t, TempName(), TempName())
	for _, name := range []string{"", ".tmp-", ".tmp-0123456789abcde", ".tmp-0123456789abcdeg", ".tmp-0123456789ABCDEF", "tmp-0123456789abcdef"} {
		require.False(t, IsTempName(name), name)
	}
}

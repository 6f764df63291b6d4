package data

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

// tiny writes a small data set of MNIST's form: 3 training and 2 test images,
// half of the files packed.
func tiny(t *testing.T) string {
	dir := t.TempDir()
	images := func(n uint32) []byte {
		body := make([]byte, n*784)
		for i := range body {
			body[i] = byte(i / 784)
		}
		return idx(8, []uint32{n, 28, 28}, body...)
	}
	write(t, dir, "train-images-idx3-ubyte", images(3))
	write(t, dir, "train-labels-idx1-ubyte.gz", zip(idx(8, []uint32{3}, 9, 0, 4)))
	write(t, dir, "t10k-images-idx3-ubyte.gz", zip(images(2)))
	write(t, dir, "t10k-labels-idx1-ubyte", idx(8, []uint32{2}, 1, 2))
	return dir
}

func write(t *testing.T, dir, name string, b []byte) {
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
}

func TestMNIST(t *testing.T) {
	train, test, err := MNIST(tiny(t))
	require.NoError(t, err)
	require.Equal(t, 3, train.Len())
	require.Equal(t, 2, test.Len())
	require.Equal(t, []int{9, 0, 4}, []int{train.Label(0), train.Label(1), train.Label(2)})
	require.Equal(t, types.Of(types.F32, 28, 28), train.Fields()[0].Type)
	require.Equal(t, uint8(2), train.Pixels().Bytes()[2*784])
}

func TestMNISTErrors(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    string
	}{
		"magic":      {"train-images-idx3-ubyte", []byte("hello"), "train-images-idx3-ubyte: not an IDX file: wrong magic number 0x68656c6c"},
		"kind":       {"train-images-idx3-ubyte", idx(8, []uint32{3}, 1, 2, 3), "train-images-idx3-ubyte: wrong kind of file: the header says u8[3], not u8[n,28,28]"},
		"side":       {"train-images-idx3-ubyte", idx(8, []uint32{1, 2, 2}, 1, 2, 3, 4), "train-images-idx3-ubyte: wrong kind of file: the header says u8[1,2,2], not u8[n,28,28]"},
		"type":       {"t10k-labels-idx1-ubyte", idx(12, []uint32{1}, 0, 0, 0, 1), "t10k-labels-idx1-ubyte: wrong kind of file: the header says i32[1], not u8[n]"},
		"truncated":  {"t10k-labels-idx1-ubyte", idx(8, []uint32{2}, 1), "t10k-labels-idx1-ubyte: the header says u8[2], 2 bytes, of which 1 are there: truncated"},
		"count":      {"t10k-labels-idx1-ubyte", idx(8, []uint32{3}, 1, 2, 3), "t10k-images-idx3-ubyte.gz has 2 images and "},
		"label":      {"t10k-labels-idx1-ubyte", idx(8, []uint32{2}, 1, 10), "t10k-labels-idx1-ubyte: label 1 is 10, outside 0 to 9"},
		"packed one": {"train-labels-idx1-ubyte.gz", zip(idx(8, []uint32{3}, 1, 2, 3))[:20], "train-labels-idx1-ubyte.gz: "},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tiny(t)
			write(t, dir, c.file, c.content)
			_, _, err := MNIST(dir)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, dir)
		})
	}
	dir := t.TempDir()
	write(t, dir, "train-images-idx3-ubyte", idx(8, []uint32{0, 28, 28}))
	write(t, dir, "train-labels-idx1-ubyte", idx(8, []uint32{0}))
	_, _, err := MNIST(dir)
	require.EqualError(t, err, "data: the MNIST files t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (plain or .gz) are missing in "+dir+"; -download fetches them")
	write(t, dir, "t10k-images-idx3-ubyte", nil)
	write(t, dir, "t10k-labels-idx1-ubyte", nil)
	_, _, err = MNIST(dir)
	require.ErrorContains(t, err, "has no images")
}

func TestMNISTDir(t *testing.T) {
	base := t.TempDir()
	for _, v := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(v, base)
	}
	dir, err := MNISTDir()
	require.NoError(t, err)
	require.Equal(t, "mnist", filepath.Base(dir))
	rel, err := filepath.Rel(base, dir)
	require.NoError(t, err)
	require.True(t, filepath.IsLocal(rel), dir)
}

// realMNIST is where a developer may keep the four files.
const realMNIST = "../../../shared/data/mnist"

func TestRealMNIST(t *testing.T) {
	if _, err := os.Stat(realMNIST); err != nil {
		t.Skip("the real MNIST files are not there: ", err)
	}
	train, test, err := MNIST(realMNIST)
	require.NoError(t, err)
	require.Equal(t, 60000, train.Len())
	require.Equal(t, 10000, test.Len())
	require.Equal(t, []int{5, 0, 4, 1, 9}, []int{train.Label(0), train.Label(1), train.Label(2), train.Label(3), train.Label(4)})
	var sum, squares float64
	for _, p := range train.Pixels().Bytes() {
		v := float64(p) / 255
		sum += v
		squares += v * v
	}
	n := float64(len(train.Pixels().Bytes()))
	require.InDelta(t, MNISTMean, sum/n, 5e-5)
	require.InDelta(t, MNISTStd*MNISTStd, squares/n-sum/n*sum/n, 1e-4)
	for _, f := range mnistFiles {
		p, err := findFile(realMNIST, f.name)
		require.NoError(t, err)
		require.NoError(t, f.verify(p))
	}
}

func TestMNISTFileSizes(t *testing.T) {
	for i, n := range []int64{60000, 60000, 10000, 10000} {
		header := int64(len(binary.BigEndian.AppendUint64(nil, 0)))
		if i%2 == 0 {
			n, header = n*784, 2*header
		}
		require.Equal(t, header+n, mnistFiles[i].size)
	}
}

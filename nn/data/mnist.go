package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// MNISTMean and MNISTStd are the mean and the standard deviation of the pixels
// of MNIST's training images, from 0 to 1: for [Images.Normalize].
const (
	MNISTMean = 0.1307
	MNISTStd  = 0.3081
)

// mnistSide and mnistClasses are MNIST's image size and number of digits.
const (
	mnistSide    = 28
	mnistClasses = 10
)

// mnistFile is one of the four files of the data set.
type mnistFile struct {
	name   string // without .gz
	size   int64  // unpacked
	sha256 string // of the unpacked file
}

// mnistFiles are the training images and labels, then the test images and
// labels. The checksums are of the canonical IDX files, unpacked: so a mirror
// may have compressed them anew, and a plain file can be checked as well.
var mnistFiles = [4]mnistFile{
	{"train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
	{"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
	{"t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
	{"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
}

// MNISTDir returns the folder where [Download] keeps MNIST by default:
// dumbtorch/mnist in the user's cache folder.
func MNISTDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("data: no cache folder for MNIST: %w", err)
	}
	return filepath.Join(dir, "dumbtorch", "mnist"), nil
}

// MNIST reads the data set of handwritten digits by LeCun, Cortes and Burges
// from its four IDX files in dir, plain or with .gz behind their names: images
// f32[28,28] from 0 to 1 and labels i32[]. Data sets of the same form, such as
// Fashion-MNIST or a smaller MNIST, are read too. Errors name the file and say
// what is wrong with it.
func MNIST(dir string) (train, test *Images, err error) {
	var paths [4]string
	var missing []string
	for i, f := range mnistFiles {
		p, err := findFile(dir, f.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, f.name)
		case err != nil:
			return nil, nil, fmt.Errorf("data: %w", err)
		}
		paths[i] = p
	}
	if missing != nil {
		return nil, nil, fmt.Errorf("data: the MNIST files %s (plain or .gz) are missing in %s; -download fetches them", strings.Join(missing, ", "), dir)
	}
	if train, err = readImages(paths[0], paths[1]); err != nil {
		return nil, nil, err
	}
	if test, err = readImages(paths[2], paths[3]); err != nil {
		return nil, nil, err
	}
	return train, test, nil
}

// findFile returns the path of the named file in dir, plain or else packed.
func findFile(dir, name string) (string, error) {
	plain := filepath.Join(dir, name)
	for _, p := range []string{plain, plain + ".gz"} {
		_, err := os.Stat(p)
		if !errors.Is(err, fs.ErrNotExist) {
			return p, err
		}
	}
	return "", &fs.PathError{Op: "open", Path: plain, Err: fs.ErrNotExist}
}

// readImages reads one pair of files and checks what MNIST promises of them.
func readImages(imagesPath, labelsPath string) (*Images, error) {
	images, err := readTyped(imagesPath, mnistSide, mnistSide)
	if err != nil {
		return nil, err
	}
	labels, err := readTyped(labelsPath)
	if err != nil {
		return nil, err
	}
	if n, m := images.Shape()[0], labels.Shape()[0]; n != m {
		return nil, fmt.Errorf("data: wrong count: %s has %d images and %s has %d labels", imagesPath, n, labelsPath, m)
	}
	if images.Shape()[0] == 0 {
		return nil, fmt.Errorf("data: %s has no images", imagesPath)
	}
	for i, l := range labels.Bytes() {
		if l >= mnistClasses {
			return nil, fmt.Errorf("data: %s: label %d is %d, outside 0 to %d", labelsPath, i, l, mnistClasses-1)
		}
	}
	return NewImages(images, labels, mnistClasses)
}

// readTyped reads an IDX file of bytes whose samples have the given shape. A
// file of another kind is told by its header, before its elements are read.
func readTyped(path string, sample ...int) (*tensor.Tensor, error) {
	return readIDXFile(path, func(t types.Type) error {
		if t.DType == types.U8 && len(t.Shape) == 1+len(sample) && t.Shape[1:].Equal(types.Shape(sample)) {
			return nil
		}
		want := "u8[n]"
		if len(sample) > 0 {
			want = fmt.Sprintf("u8[n,%d,%d]", sample[0], sample[1])
		}
		return fmt.Errorf("wrong kind of file: the header says %s, not %s", t, want)
	})
}

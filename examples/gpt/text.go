package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"dumbtorch/ir/types"
	"dumbtorch/nn/data"
	"dumbtorch/runtime/tensor"
)

// opticks is the default text: the first part of Book One of Isaac Newton's
// "Opticks", fourth edition, London 1730, in plain ASCII.
//
//go:embed opticks.txt
var opticks string

// A vocabulary numbers characters: token i is the i-th of them.
type vocabulary []rune

// maxText bounds a file of text, in bytes.
const maxText = 1 << 30

// readText returns the text of a file, which must be UTF-8.
func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "", fmt.Errorf("%s: a folder, not a file of text", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxText:
		return "", fmt.Errorf("%s: more than %d bytes", path, maxText)
	case !utf8.Valid(b):
		return "", fmt.Errorf("%s: not text in UTF-8", path)
	}
	return string(b), nil
}

// newVocabulary returns the characters of a text in order.
func newVocabulary(text string) vocabulary {
	seen := map[rune]bool{}
	var v vocabulary
	for _, r := range text {
		if !seen[r] {
			seen[r] = true
			v = append(v, r)
		}
	}
	slices.Sort(v)
	return v
}

// encode returns the tokens of a text.
func (v vocabulary) encode(text string) ([]int32, error) {
	number := make(map[rune]int32, len(v))
	for i, r := range v {
		number[r] = int32(i)
	}
	ids := make([]int32, 0, len(text))
	for _, r := range text {
		n, ok := number[r]
		if !ok {
			return nil, fmt.Errorf("the character %q is not among the %d that the model knows: %s", r, len(v), v)
		}
		ids = append(ids, n)
	}
	return ids, nil
}

// String returns the characters, quoted.
func (v vocabulary) String() string {
	var b strings.Builder
	for _, r := range v {
		b.WriteRune(r)
	}
	return fmt.Sprintf("%q", b.String())
}

// windows is the data set of the parts of a text, of context tokens each, that
// follow each other: the field "ids" is the part, "labels" the tokens that
// follow those.
type windows struct {
	ids     []int32
	context int
}

// split cuts a text into parts to train on and, its last tenth, to test on.
func split(ids []int32, context int) (training, test windows, err error) {
	cut := len(ids) - len(ids)/10
	training, test = windows{ids[:cut], context}, windows{ids[cut:], context}
	if test.Len() < 1 || training.Len() < 1 {
		return training, test, fmt.Errorf("a text of %d characters is too short: the last tenth of it must be longer than the context, %d", len(ids), context)
	}
	return training, test, nil
}

// Len returns the number of parts.
func (w windows) Len() int { return max(0, len(w.ids)-1) / w.context }

// Fields returns "ids" and "labels".
func (w windows) Fields() []data.Field {
	t := types.Of(types.I32, w.context)
	return []data.Field{{Name: "ids", Type: t}, {Name: "labels", Type: t}}
}

// Read writes part i.
func (w windows) Read(i int, dst []*tensor.Tensor, row int) error {
	if len(dst) != 2 {
		return errors.New("windows: there are two fields")
	}
	for k, x := range dst {
		v, err := tensor.Data[int32](x)
		if err != nil {
			return err
		}
		copy(v[row*w.context:(row+1)*w.context], w.ids[i*w.context+k:])
	}
	return nil
}

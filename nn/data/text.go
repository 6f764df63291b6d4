package data

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// maxText is the most bytes that ReadText reads.
const maxText = 1 << 30

// ReadText returns the content of a file of UTF-8 text, at most 1 GiB, without a
// byte order mark. Errors name the file, and the place of what is not UTF-8.
func ReadText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("data: %w", err)
	case len(b) > maxText:
		return "", fmt.Errorf("data: %s: it has more than %d bytes", path, maxText)
	}
	text := strings.TrimPrefix(string(b), "\ufeff")
	if err := checkUTF8(text); err != nil {
		return "", fmt.Errorf("data: %s: %w", path, err)
	}
	return text, nil
}

func checkUTF8(text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	for i, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
			return fmt.Errorf("%s: the text is not UTF-8: byte %#02x", place(text, i), text[i])
		}
	}
	return nil
}

// place returns line and column of a byte for people, counted from 1, columns in
// characters.
func place(text string, at int) string {
	before := text[:at]
	start := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", 1+strings.Count(before, "\n"), 1+utf8.RuneCountInString(before[start:]))
}

// Vocabulary maps characters to tokens: the n-th of its characters, counted from
// 0, is the token n.
type Vocabulary struct {
	chars  []rune
	tokens map[rune]int32
}

// NewVocabulary returns the vocabulary of the characters that occur in a text, in
// the order of their code points. The text of [Vocabulary.String] gives the same
// vocabulary. The error is that of a text that is empty or not UTF-8.
func NewVocabulary(text string) (*Vocabulary, error) {
	if text == "" {
		return nil, errors.New("data: an empty text has no vocabulary")
	}
	if err := checkUTF8(text); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	v := &Vocabulary{tokens: map[rune]int32{}}
	for _, r := range text {
		v.tokens[r] = 0
	}
	for r := range v.tokens {
		v.chars = append(v.chars, r)
	}
	slices.Sort(v.chars)
	for i, r := range v.chars {
		v.tokens[r] = int32(i)
	}
	return v, nil
}

// Len returns the number of tokens.
func (v *Vocabulary) Len() int { return len(v.chars) }

// String returns all characters in the order of their tokens.
func (v *Vocabulary) String() string { return string(v.chars) }

// Encode returns the tokens of a text. The error tells the place of a character
// that is not in the vocabulary, or of what is not UTF-8.
func (v *Vocabulary) Encode(text string) ([]int32, error) {
	if err := checkUTF8(text); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	tokens := make([]int32, 0, len(text))
	for i, r := range text {
		t, ok := v.tokens[r]
		if !ok {
			return nil, fmt.Errorf("data: %s: character %q is not among the %d of the vocabulary", place(text, i), r, len(v.chars))
		}
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// Decode is the inverse of [Vocabulary.Encode]. The error is that of a token that
// the vocabulary does not have.
func (v *Vocabulary) Decode(tokens []int32) (string, error) {
	var b strings.Builder
	for i, t := range tokens {
		if t < 0 || int(t) >= len(v.chars) {
			return "", fmt.Errorf("data: token %d is %d, outside the vocabulary of %d", i, t, len(v.chars))
		}
		b.WriteRune(v.chars[t])
	}
	return b.String(), nil
}

// SplitTokens divides a sequence into its beginning, for training, and the given
// fraction, rounded down, at its end, for validation, as language models have it:
// samples drawn at random would overlap. The parts share memory with the whole. The error is
// that of a fraction outside 0 to 1.
func SplitTokens(tokens []int32, validation float64) (train, valid []int32, err error) {
	if !(validation >= 0 && validation <= 1) {
		return nil, nil, fmt.Errorf("data: the fraction %v for validation is not from 0 to 1", validation)
	}
	n := len(tokens) - int(float64(len(tokens))*validation)
	return tokens[:n:n], tokens[n:], nil
}

// Windows is the [Dataset] of a language model: stretches of a sequence of tokens.
// Sample i has the fields x, i32[length], which begins at token i*stride, and y,
// i32[length], which holds for every token of x the one that follows it.
type Windows struct {
	tokens         []int32
	length, stride int
	n              int
	fields         []Field
}

// NewWindows returns the windows of the given length whose beginnings are stride
// tokens apart: with stride 1 all that there are, with stride length those that
// do not overlap. What is left at the end is not used. The tokens are not copied.
// The error is that of a length or a stride below 1, or of fewer than length+1
// tokens.
func NewWindows(tokens []int32, length, stride int) (*Windows, error) {
	switch {
	case length < 1 || stride < 1:
		return nil, fmt.Errorf("data: windows of %d tokens every %d tokens: both must be at least 1", length, stride)
	case len(tokens)-1 < length:
		return nil, fmt.Errorf("data: a window of %d tokens and the one after them need %d, the sequence has %d", length, length+1, len(tokens))
	}
	t := types.Of(types.I32, length)
	return &Windows{tokens, length, stride, 1 + (len(tokens)-1-length)/stride, []Field{{"x", t}, {"y", t}}}, nil
}

// Len returns the number of windows.
func (w *Windows) Len() int { return w.n }

// Fields returns x and y.
func (w *Windows) Fields() []Field { return w.fields }

// Read copies a window.
func (w *Windows) Read(i int, dst []*tensor.Tensor, row int) error {
	for k, t := range dst[:2] {
		to, err := tensor.Data[int32](t)
		if err != nil {
			return err
		}
		from := i*w.stride + k
		copy(to[row*w.length:(row+1)*w.length], w.tokens[from:from+w.length])
	}
	return nil
}

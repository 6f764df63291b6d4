package data

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/tensor"
)

func TestVocabulary(t *testing.T) {
	v, err := NewVocabulary("hällo\n wörld 🙂")
	require.NoError(t, err)
	require.Equal(t, "\n dhlorwäö🙂", v.String())
	require.Equal(t, 11, v.Len())
	tokens, err := v.Encode("🙂 old\nworld")
	require.NoError(t, err)
	require.Equal(t, []int32{10, 1, 5, 4, 2, 0, 7, 5, 6, 4, 2}, tokens)
	text, err := v.Decode(tokens)
	require.NoError(t, err)
	require.Equal(t, "🙂 old\nworld", text)
	again, err := NewVocabulary(v.String())
	require.NoError(t, err)
	require.Equal(t, v, again)

	_, err = v.Encode("old\nwörzd")
	require.EqualError(t, err, `data: line 2, column 4: character 'z' is not among the 11 of the vocabulary`)
	_, err = v.Encode("o\xff")
	require.EqualError(t, err, "data: line 1, column 2: the text is not UTF-8: byte 0xff")
	_, err = v.Decode([]int32{0, 11})
	require.EqualError(t, err, "data: token 1 is 11, outside the vocabulary of 11")
	_, err = v.Decode([]int32{-1})
	require.EqualError(t, err, "data: token 0 is -1, outside the vocabulary of 11")
	_, err = NewVocabulary("")
	require.EqualError(t, err, "data: an empty text has no vocabulary")
	_, err = NewVocabulary("ä\nö\xff")
	require.EqualError(t, err, "data: line 2, column 2: the text is not UTF-8: byte 0xff")
	_, err = NewVocabulary("a\ufffdb")
	require.NoError(t, err, "the replacement character itself is text")
}

func TestReadText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, os.WriteFile(path, []byte("\ufeffone\r\ntwo"), 0o644))
	text, err := ReadText(path)
	require.NoError(t, err)
	require.Equal(t, "one\r\ntwo", text)
	require.NoError(t, os.WriteFile(path, []byte("a\n\n\x80"), 0o644))
	_, err = ReadText(path)
	require.EqualError(t, err, "data: "+path+": line 3, column 1: the text is not UTF-8: byte 0x80")
	_, err = ReadText(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSplitTokens(t *testing.T) {
	tokens := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	train, valid, err := SplitTokens(tokens, 0.25)
	require.NoError(t, err)
	require.Equal(t, []int32{0, 1, 2, 3, 4, 5, 6, 7}, train)
	require.Equal(t, []int32{8, 9}, valid)
	require.Equal(t, 8, cap(train), "appending to one part does not write into the other")
	for _, bad := range []float64{-0.1, 1.5, math.NaN()} {
		_, _, err = SplitTokens(tokens, bad)
		require.ErrorContains(t, err, "for validation is not from 0 to 1")
	}
	train, valid, err = SplitTokens(nil, 0)
	require.NoError(t, err)
	require.Empty(t, train)
	require.Empty(t, valid)
}

func TestWindows(t *testing.T) {
	tokens := []int32{10, 11, 12, 13, 14, 15, 16, 17}
	for _, c := range []struct{ length, stride, n int }{{3, 1, 5}, {3, 3, 2}, {7, 1, 1}, {2, 2, 3}, {1, 7, 1}, {1, 6, 2}, {3, 100, 1}} {
		w, err := NewWindows(tokens, c.length, c.stride)
		require.NoError(t, err)
		require.Equal(t, c.n, w.Len())
		var dst []*tensor.Tensor
		for _, f := range w.Fields() {
			x, err := tensor.New(f.batched(2))
			require.NoError(t, err)
			dst = append(dst, x)
		}
		for i := range w.Len() {
			require.NoError(t, w.Read(i, dst, 1))
			at := i * c.stride
			for k, x := range dst {
				d, err := tensor.Data[int32](x)
				require.NoError(t, err)
				require.Equal(t, tokens[at+k:at+k+c.length], d[c.length:])
				require.Equal(t, make([]int32, c.length), d[:c.length], "only its row is written")
			}
		}
	}
	_, err := NewWindows(tokens, 8, 1)
	require.EqualError(t, err, "data: a window of 8 tokens and the one after them need 9, the sequence has 8")
	_, err = NewWindows(nil, 1, 1)
	require.ErrorContains(t, err, "need 2, the sequence has 0")
	_, err = NewWindows(tokens, math.MaxInt, 1)
	require.ErrorContains(t, err, "the sequence has 8")
	for _, c := range [][2]int{{0, 1}, {1, 0}, {-1, 1}} {
		_, err = NewWindows(tokens, c[0], c[1])
		require.ErrorContains(t, err, "both must be at least 1")
	}
}

// Batches of windows are shuffled by the seed, and every window comes once.
func TestWindowsInALoader(t *testing.T) {
	tokens := make([]int32, 101)
	for i := range tokens {
		tokens[i] = int32(i)
	}
	w, err := NewWindows(tokens, 10, 10)
	require.NoError(t, err)
	firsts := func(seed uint64) (list []int32) {
		l, err := NewLoader(w, Options{Batch: 4, Shuffle: true, Seed: seed})
		require.NoError(t, err)
		defer l.Close()
		for b, err := range l.Epoch(t.Context()) {
			require.NoError(t, err)
			x, err := tensor.Data[int32](b.Tensor("x"))
			require.NoError(t, err)
			y, err := tensor.Data[int32](b.Tensor("y"))
			require.NoError(t, err)
			for row := range b.Len {
				require.Equal(t, x[row*10]+1, y[row*10])
				list = append(list, x[row*10])
			}
		}
		return list
	}
	a := firsts(1)
	require.Equal(t, a, firsts(1))
	require.NotEqual(t, a, firsts(2))
	require.ElementsMatch(t, []int32{0, 10, 20, 30, 40, 50, 60, 70, 80, 90}, a)
}

func FuzzVocabulary(f *testing.F) {
	for _, s := range []string{"", "abc", "a\xffb", "\ufeff\ufffd", "日本語\x00", "\xed\xa0\x80"} {
		f.Add(s, "xyz")
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		v, err := NewVocabulary(text)
		if err != nil {
			require.True(t, text == "" || !utf8.ValidString(text))
			return
		}
		tokens, err := v.Encode(text)
		require.NoError(t, err)
		back, err := v.Decode(tokens)
		require.NoError(t, err)
		require.Equal(t, text, back)
		if tokens, err := v.Encode(other); err == nil {
			back, err := v.Decode(tokens)
			require.NoError(t, err)
			require.Equal(t, other, back)
		}
	})
}

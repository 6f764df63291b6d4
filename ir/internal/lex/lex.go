// Package lex splits the text forms of graphs and kernels into tokens and
// reports mistakes in them by line and column. It knows no grammar and imports
// nothing of ours.
package lex

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An Error is a mistake in a text.
type Error struct {
	Line, Col int // from 1; columns count characters
	Msg       string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg) }

// Kind is the kind of a token.
type Kind uint8

// The kinds of tokens.
const (
	EOF     Kind = iota
	Ident        // f32, k784.0
	Value        // %12; Text is what follows the sign
	Number       // 12, 1.5e-07, 0x1f
	String       // a quoted string; Text is its value
	Comment      // // mnist.go:31; Text is what follows the slashes, trimmed
	Punct        // one character, or ->
)

// A Token is a piece of text.
type Token struct {
	Kind Kind
	Text string
	Off  int // in bytes from the start of the text
}

// Is reports whether the token is the punctuation or the word s.
func (t Token) Is(s string) bool { return (t.Kind == Punct || t.Kind == Ident) && t.Text == s }

// maxFound bounds what an error shows of an unexpected token.
const maxFound = 30

// cut shortens text for an error.
func cut(s string) string {
	if len(s) > maxFound {
		return strings.ToValidUTF8(s[:maxFound], "") + "..."
	}
	return s
}

// String describes the token in an error.
func (t Token) String() string {
	s := cut(t.Text)
	switch t.Kind {
	case EOF:
		return "the end of the text"
	case Value:
		return "%" + s
	case String:
		return "the string " + strconv.Quote(s)
	case Comment:
		return "a comment"
	}
	return strconv.Quote(s)
}

// A Scanner walks over the tokens of a text. Its methods fail by a panic with an
// [*Error], which [Catch] turns into a returned error.
type Scanner struct {
	Tok Token // the current token
	src string
	off int
	end int // of the token before the current one
}

// New returns a scanner before the first token of src; [Scanner.Next] moves to
// it.
func New(src string) *Scanner { return &Scanner{src: src} }

// Catch recovers a mistake that a scanner reported into err. Every other panic
// goes on.
func Catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

// ErrorAt returns a mistake at a place of the text.
func (s *Scanner) ErrorAt(off int, format string, args ...any) *Error {
	before := s.src[:min(off, len(s.src))]
	line := strings.Count(before, "\n")
	col := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &Error{Line: line + 1, Col: col + 1, Msg: fmt.Sprintf(format, args...)}
}

// FailAt reports a mistake at a place of the text.
func (s *Scanner) FailAt(off int, format string, args ...any) {
	panic(s.ErrorAt(off, format, args...))
}

// Fail reports a mistake at the current token.
func (s *Scanner) Fail(format string, args ...any) { s.FailAt(s.Tok.Off, format, args...) }

// SameLine reports whether the current token is on the line on which the one
// before it ended.
func (s *Scanner) SameLine() bool { return !strings.Contains(s.src[s.end:s.Tok.Off], "\n") }

// Next moves to the next token and returns the one left.
func (s *Scanner) Next() Token {
	t := s.Tok
	s.end = s.off
	s.space()
	s.Tok = Token{Off: s.off}
	if s.off == len(s.src) {
		return t
	}
	switch c := s.src[s.off]; {
	case letter(c):
		s.token(Ident, s.word(s.off))
	case digit(c):
		s.token(Number, s.number())
	case c == '%':
		end := s.word(s.off + 1)
		if end == s.off+1 {
			s.Fail("expected a number or a name after %%")
		}
		s.token(Value, end)
		s.Tok.Text = s.Tok.Text[1:]
	case c == '"':
		s.quoted()
	case strings.HasPrefix(s.src[s.off:], "//"):
		end := s.line()
		s.token(Comment, end)
		s.Tok.Text = strings.TrimSpace(s.Tok.Text[2:])
	case strings.HasPrefix(s.src[s.off:], "->"):
		s.token(Punct, s.off+2)
	default:
		r, n := utf8.DecodeRuneInString(s.src[s.off:])
		if r == utf8.RuneError || r < ' ' || r > '~' {
			s.Fail("unexpected character %q", s.src[s.off:s.off+n])
		}
		s.token(Punct, s.off+n)
	}
	return t
}

func (s *Scanner) token(k Kind, end int) {
	s.Tok = Token{k, s.src[s.off:end], s.off}
	s.off = end
}

// space skips white space and comments that begin with #.
func (s *Scanner) space() {
	for ; s.off < len(s.src); s.off++ {
		switch s.src[s.off] {
		case ' ', '\t', '\r', '\n':
		case '#':
			s.off = s.line() - 1
		default:
			return
		}
	}
}

// line returns the end of the current line.
func (s *Scanner) line() int {
	if i := strings.IndexByte(s.src[s.off:], '\n'); i >= 0 {
		return s.off + i
	}
	return len(s.src)
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

func (s *Scanner) word(end int) int {
	for end < len(s.src) && (letter(s.src[end]) || digit(s.src[end]) || s.src[end] == '.') {
		end++
	}
	return end
}

// number returns the end of a number: any letters, digits and points, and the
// sign of an exponent; its reader finds what is wrong with it.
func (s *Scanner) number() int {
	end := s.word(s.off)
	last := s.src[end-1]
	exponent := (last == 'e' || last == 'E') && !strings.HasPrefix(s.src[s.off:], "0x")
	if exponent && end+1 < len(s.src) && (s.src[end] == '-' || s.src[end] == '+') && digit(s.src[end+1]) {
		end = s.word(end + 1)
	}
	return end
}

func (s *Scanner) quoted() {
	rest := s.src[s.off:s.line()]
	q, err := strconv.QuotedPrefix(rest)
	if err != nil {
		s.Fail("string is not closed or has a wrong escape")
	}
	v, err := strconv.Unquote(q)
	if err != nil {
		s.Fail("string %s is malformed", cut(q))
	}
	s.Tok = Token{String, v, s.off}
	s.off += len(q)
}

// Quote returns a name as [Scanner.Name] reads it: bare where it is a word.
func Quote(name string) string {
	if name == "" || !letter(name[0]) {
		return strconv.Quote(name)
	}
	for i := range len(name) {
		if c := name[i]; !letter(c) && !digit(c) && c != '.' {
			return strconv.Quote(name)
		}
	}
	return name
}

package lex

import (
	"math"
	"strconv"
	"strings"
)

// Got reports whether the current token is the punctuation or word s, and moves
// on if so.
func (s *Scanner) Got(text string) bool {
	if !s.Tok.Is(text) {
		return false
	}
	s.Next()
	return true
}

// Expect moves past the punctuation or word text, or fails. where tells in the
// error what was being read.
func (s *Scanner) Expect(text, where string) {
	if !s.Got(text) {
		s.Fail("expected %q %s, found %v", text, where, s.Tok)
	}
}

// Want moves past a token of the kind and returns its text, or fails. what
// names it in the error.
func (s *Scanner) Want(k Kind, what string) string {
	if s.Tok.Kind != k {
		s.Fail("expected %s, found %v", what, s.Tok)
	}
	return s.Next().Text
}

// Name reads a word or a quoted string.
func (s *Scanner) Name(what string) string {
	if s.Tok.Kind == String {
		return s.Next().Text
	}
	return s.Want(Ident, what)
}

// Int reads a decimal integer with an optional sign from lo to hi.
func (s *Scanner) Int(what string, lo, hi int64) int64 {
	at := s.Tok.Off
	neg := s.Got("-")
	if s.Tok.Kind != Number {
		s.Fail("expected %s, found %v", what, s.Tok)
	}
	text := s.Tok.Text
	if neg {
		text = "-" + text
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v < lo || v > hi {
		if err != nil && err.(*strconv.NumError).Err == strconv.ErrSyntax {
			s.FailAt(at, "expected %s, found %v", what, s.Tok)
		}
		s.FailAt(at, "%s is %s, not from %d to %d", what, cut(text), lo, hi)
	}
	s.Next()
	return v
}

// Float reads a floating-point number that is rounded to the given bits, 32 or
// 64: decimal, inf, nan (the one of [math.NaN]), or nan(0x7ff8000000000002)
// with the bits of a float64.
func (s *Scanner) Float(what string, bits int) float64 {
	at := s.Tok.Off
	neg := s.Got("-")
	switch {
	case !neg && s.Got("nan"):
		if !s.Got("(") {
			return math.NaN()
		}
		at := s.Tok.Off
		text := s.Want(Number, "the bits of a NaN")
		v, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
		if f := math.Float64frombits(v); err != nil || !strings.HasPrefix(text, "0x") || f == f {
			s.FailAt(at, "%s are not the bits of a NaN", cut(text))
		}
		s.Expect(")", "after the bits of a NaN")
		return math.Float64frombits(v)
	case s.Got("inf"):
		if neg {
			return math.Inf(-1)
		}
		return math.Inf(1)
	case s.Tok.Kind != Number:
		s.Fail("expected %s, found %v", what, s.Tok)
	}
	text := s.Tok.Text
	v, err := strconv.ParseFloat(text, bits)
	if err != nil || strings.ContainsAny(text, "xXpP_") {
		s.FailAt(at, "expected %s, found %v", what, s.Tok)
	}
	s.Next()
	if neg {
		return math.Copysign(v, -1)
	}
	return v
}

// FormatFloat returns the shortest text from which [Scanner.Float] reads f back
// at the given bits.
func FormatFloat(f float64, bits int) string {
	switch {
	case f != f:
		if b := math.Float64bits(f); b != math.Float64bits(math.NaN()) {
			return "nan(0x" + strconv.FormatUint(b, 16) + ")"
		}
		return "nan"
	case math.IsInf(f, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'g', -1, bits), "+"))
	}
	s := strconv.FormatFloat(f, 'g', -1, bits)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

package ir

import "strings"

// SplitLabels splits "mk,kn->mn" into the labels of the two operands and of
// the result. Malformed text gives empty parts.
func SplitLabels(s string) (a, b, out string) {
	in, out, _ := strings.Cut(s, "->")
	a, b, _ = strings.Cut(in, ",")
	return a, b, out
}

// Package spell finds the name that was meant where an unknown one was written. It imports nothing of ours.
package spell

import (
	"fmt"
	"slices"
	"strings"
)

// maxLength bounds the names that are looked at: the search takes the product of the lengths.
const maxLength = 64

// Nearest returns the known name that differs least from name, case apart, the first of several, or "" if all differ
// by more than a third of its length and one.
func Nearest(name string, known []string) string {
	if len(name) > maxLength {
		return ""
	}
	best, at := "", len(name)/3+2
	lower := strings.ToLower(name)
	for _, k := range known {
		if len(k) > 2*maxLength {
			continue
		}
		if d := distance(lower, strings.ToLower(k)); d < at && d < max(len(name), len(k)) {
			best, at = k, d
		}
	}
	return best
}

// DidYouMean returns `: did you mean "x"?` for an unknown name, or "" if no known name is near or name is known.
func DidYouMean(name string, known []string) string {
	if slices.Contains(known, name) {
		return ""
	}
	if n := Nearest(name, known); n != "" {
		return fmt.Sprintf(": did you mean %q?", n)
	}
	return ""
}

// distance is the number of characters to insert, delete or replace to turn a into b (Levenshtein 1966).
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		diag := row[0]
		row[0] = i + 1
		for j := range t {
			d := diag
			if s[i] != t[j] {
				d = min(diag, row[j], row[j+1]) + 1
			}
			diag, row[j+1] = row[j+1], d
		}
	}
	return row[len(t)]
}

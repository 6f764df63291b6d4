package session

import (
	"errors"
	"slices"
)

var (
	// ErrClosed says that a session or a step was used after Close.
	ErrClosed = errors.New("used after Close")
	// ErrReleased says that results were used after Release, or before a run filled them.
	ErrReleased = errors.New("used after Release")
	// ErrNeedsReload says that a step failed after it had begun to update variables, whose values are therefore undefined.
	// Setting all of them ([Session.Set], [Session.SetState], [Session.Load]) or [Session.Reinit] makes the session usable.
	ErrNeedsReload = errors.New("variables are half updated by a step that failed: set or load them, or call Reinit")
	// ErrFeed is wrapped by every error about what was fed to a step.
	ErrFeed = errors.New("wrong feeds")
	// ErrMemoryLimit says that a step needs more memory than there is. It is found before any of it is taken.
	ErrMemoryLimit = errors.New("more memory than there is")
)

// tagged is an error whose text is its own and whose kind is for errors.Is.
type tagged struct {
	kind error
	text string
}

func (e *tagged) Error() string { return e.text }
func (e *tagged) Unwrap() error { return e.kind }

// nearest returns the known name that differs least from name, or "" if all differ by more than a third of its length.
func nearest(name string, known []string) string {
	best, at := "", len(name)/3+2
	for _, k := range known {
		if d := distance(name, k); d < at {
			best, at = k, d
		}
	}
	return best
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
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(diag+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(t)]
}

// didYouMean returns `: did you mean "x"?`, or "" if no known name is near.
func didYouMean(name string, known []string) string {
	if slices.Contains(known, name) {
		return ""
	}
	if n := nearest(name, known); n != "" {
		return `: did you mean "` + n + `"?`
	}
	return ""
}

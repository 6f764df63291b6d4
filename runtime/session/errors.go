package session

import "errors"

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

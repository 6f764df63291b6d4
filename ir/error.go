package ir

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// A Pos is a line of a model's source. The zero value is unknown.
type Pos struct {
	File string // base name
	Line int
}

// String returns "mnist.go:31", or "" when unknown.
func (p Pos) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// An Error is a mistake in a model: it names the operation, the types and the
// source line.
type Error struct {
	Pos Pos
	Op  string
	Err error
}

func (e *Error) Error() string {
	s := e.Err.Error()
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if p := e.Pos.String(); p != "" {
		s = p + ": " + s
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ownPackages are the packages whose frames are skipped in the search for the
// model's source line. Examples and tests share the module, so the prefix of
// the module's name does not tell.
var ownPackages = []string{
	"dumbtorch/ir.", "dumbtorch/ir/", "dumbtorch/autodiff.", "dumbtorch/autodiff/", "dumbtorch/passes.", "dumbtorch/graph.",
	"dumbtorch/nn.", "dumbtorch/nn/", "dumbtorch/runtime/", "runtime.", "reflect.", "iter.", "slices.", "maps.", "sort.",
}

// Caller returns the innermost source line outside our own packages.
func Caller() Pos {
	var pcs [64]uintptr
	n := runtime.Callers(2, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	for {
		f, more := frames.Next()
		if f.Function != "" && (!own(f.Function) || strings.HasSuffix(f.File, "_test.go")) {
			return Pos{filepath.Base(f.File), f.Line}
		}
		if !more {
			return Pos{}
		}
	}
}

func own(fn string) bool {
	for _, p := range ownPackages {
		if strings.HasPrefix(fn, p) {
			return true
		}
	}
	return false
}

// Fail panics with an [*Error] at the caller's source line. Only model
// mistakes are raised this way; graph.Build recovers them.
func Fail(op string, format string, args ...any) {
	panic(&Error{Pos: Caller(), Op: op, Err: fmt.Errorf(format, args...)})
}

package graph

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"dumbtorch/ir"
)

// An Error is a mistake in a model: the source line, the operation and what is
// wrong.
type Error = ir.Error

// Fail panics with an [*Error] at the innermost source line outside the
// framework. Layers and losses raise mistakes in their use with it.
func Fail(op, format string, args ...any) { ir.Fail(op, format, args...) }

// recoverError turns a model error, or a bug of the framework, into an error. A
// panic of the model's own code goes on.
func (g *Graph) recoverError(out **Graph, err *error) {
	r := recover()
	if r == nil {
		return
	}
	switch e := r.(type) {
	case *Error:
		*out, *err = nil, g.dims.nameSizes(e)
	default:
		where, ours := panicOrigin()
		if !ours {
			panic(r)
		}
		*out, *err = nil, &Error{Pos: ir.Caller(), Op: "build", Err: fmt.Errorf("bug in %s: %v", where, r)}
	}
	g.closed = true
}

// library are packages that the framework calls into; a panic in one is laid to
// its caller.
var library = []string{"runtime.", "internal/", "slices.", "strings.", "maps.", "sort.", "regexp.", "fmt.", "reflect."}

// panicOrigin returns the function that panicked and whether it is the
// framework's. It must be called by a deferred function of the framework.
func panicOrigin() (string, bool) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !slices.ContainsFunc(library, func(p string) bool { return strings.HasPrefix(f.Function, p) }):
			return f.Function, ir.Own(f)
		}
		if !more {
			return "", false
		}
	}
}

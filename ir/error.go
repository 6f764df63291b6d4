package ir

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
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

// ownRooms are the folders of the framework, whose frames are skipped in the
// search for the model's source line. Examples and tests share the module, so
// being in it does not tell; nor does the name of a function, since a closure of
// ours that is inlined into a model bears the name of the model's function.
var ownRooms = map[string]bool{"ir": true, "autodiff": true, "passes": true, "graph": true, "nn": true, "runtime": true}

// standard are the packages of the standard library that stand between a model
// and the framework.
var standard = []string{"runtime.", "reflect.", "iter.", "slices.", "maps.", "sort."}

// root is the folder of the module, as the names of source files begin.
var root = sync.OnceValue(func() string {
	_, file, _, _ := runtime.Caller(0)
	return strings.TrimSuffix(file, "ir/error.go")
})

// Caller returns the innermost source line outside our own packages.
func Caller() Pos {
	var pcs [64]uintptr
	n := runtime.Callers(2, pcs[:])
	for i := range pcs[:n] {
		if p := modelLine(pcs[i : i+1]); p.Line != 0 {
			return p
		}
	}
	return Pos{}
}

// modelLines holds what modelLine found, by program counter.
var modelLines sync.Map

// modelLine returns the innermost source line outside our own packages among
// the frames, several with inlining, of one program counter; none has line 0.
func modelLine(pc []uintptr) Pos {
	if p, ok := modelLines.Load(pc[0]); ok {
		return p.(Pos)
	}
	p := Pos{}
	frames := runtime.CallersFrames(pc)
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); f.Function != "" && !Own(f) && !hasPrefix(standard, f.Function) {
			p = Pos{filepath.Base(f.File), f.Line}
			break
		}
	}
	modelLines.Store(pc[0], p)
	return p
}

// Own reports whether a frame is of the framework: of its packages, but not of
// their tests, which are models to them.
func Own(f runtime.Frame) bool {
	path, ok := strings.CutPrefix(f.File, root())
	room, _, _ := strings.Cut(path, "/")
	return ok && ownRooms[room] && !strings.HasSuffix(path, "_test.go")
}

func hasPrefix(list []string, s string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(s, p) })
}

// Fail panics with an [*Error] at the caller's source line. Only model
// mistakes are raised this way; graph.Build recovers them.
func Fail(op string, format string, args ...any) {
	panic(&Error{Pos: Caller(), Op: op, Err: fmt.Errorf(format, args...)})
}

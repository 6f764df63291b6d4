// Package device is the contract between the runtime and the machines that run
// programs. It knows kernels, not graphs: it must not import ir, graph, passes
// or runtime/session.
package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"dumbtorch/ir/kernel"
)

// A Device compiles programs and owns memory. All methods may be called from
// any goroutine.
type Device interface {
	// Name returns the name with which [Open] finds the device: "cpu", "cuda:0".
	Name() string
	// Target describes the machine to the scheduler.
	Target() kernel.Target
	// Alloc returns a buffer of at least the given bytes from the device's pool,
	// aligned to 64. The content is undefined. It fails with [ErrOutOfMemory].
	Alloc(bytes int64) (Buffer, error)
	// Compile makes a program executable. The program must not change afterwards.
	// Programs that were compiled one after the other may share kernels, which a
	// device need compile only once.
	Compile(*kernel.Program) (Executable, error)
	// Synchronize waits for all work that was started.
	Synchronize() error
	// Close gives everything back. Buffers and executables become unusable.
	Close() error
}

// A Buffer is device memory. Release gives it back to the pool; using it
// afterwards is an error ([ErrReleased]), never silent.
type Buffer interface {
	Bytes() int64
	// CopyFrom copies host bytes (little-endian elements) to the start of the
	// buffer; CopyTo copies from its start.
	CopyFrom(src []byte) error
	CopyTo(dst []byte) error
	Release()
}

// An Executable is a compiled program.
type Executable interface {
	// Run executes the program once. in holds the buffers of the program's
	// inputs, then of its variables (which are updated in place); out those of
	// its outputs; each in the program's order. Run is safe for concurrent use as
	// long as calls that write variables do not overlap with calls that use them.
	// The context is honoured until the first launch that writes a variable. A
	// failed run-time check is a [*CheckError].
	Run(ctx context.Context, in, out []Buffer) error
	// Source returns the generated code (or a listing of it) for people.
	Source() string
	Close() error
}

// A Tracer is an executable that can stop after every launch; debugging tools
// use it. visit gets the number of the launch and access to a buffer of the
// program by its number; returning an error ends the run.
type Tracer interface {
	Trace(ctx context.Context, in, out []Buffer, visit func(launch int, read func(buffer int) []byte) error) error
}

var (
	// ErrUnavailable says that the machine for a device is not there.
	ErrUnavailable = errors.New("device unavailable")
	// ErrOutOfMemory says that a device has no room for an allocation.
	ErrOutOfMemory = errors.New("out of device memory")
	// ErrReleased says that a buffer was used after its release.
	ErrReleased = errors.New("buffer used after release")
	// ErrClosed says that a device or executable was used after Close.
	ErrClosed = errors.New("used after close")
)

// A CheckError is a failed run-time check: an index outside its range.
type CheckError struct {
	Pos   string // the model's source line and op
	Value int64  // the index found
	Limit int64  // indices must lie in [0, Limit)
	// VariablesWritten tells that the step had begun to update variables.
	VariablesWritten bool
}

func (e *CheckError) Error() string {
	return fmt.Sprintf("%s: index %d is out of range [0,%d)", e.Pos, e.Value, e.Limit)
}

// An Opener makes a device; arg is what follows the colon in its name.
type Opener func(arg string) (Device, error)

var registry struct {
	sync.Mutex
	open map[string]Opener
}

// Register makes a kind of device known to [Open]. It panics if the kind is
// registered already: two packages claim one name.
func Register(kind string, open Opener) {
	registry.Lock()
	defer registry.Unlock()
	if registry.open == nil {
		registry.open = map[string]Opener{}
	}
	if registry.open[kind] != nil {
		panic("device: " + kind + " registered twice")
	}
	registry.open[kind] = open
}

// Kinds returns the registered kinds, sorted.
func Kinds() []string {
	registry.Lock()
	defer registry.Unlock()
	var ks []string
	for k := range registry.open {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// Open returns the device of the given name: a registered kind, with an
// argument after a colon where the kind takes one ("cuda:0").
func Open(name string) (Device, error) {
	kind, arg, _ := strings.Cut(name, ":")
	registry.Lock()
	open := registry.open[kind]
	registry.Unlock()
	if open == nil {
		return nil, fmt.Errorf("unknown device %q (known: %s)", name, strings.Join(Kinds(), ", "))
	}
	return open(arg)
}

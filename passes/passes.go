// Package passes turns a graph into a program that a device can run: local
// rewrites, fusion into kernels, lowering to kernel IR, scheduling, and the
// memory plan. It must not import graph, autodiff, nn or runtime.
package passes

import (
	"io"

	"dumbtorch/ir/kernel"
)

// Config tells a compilation what to do; the zero value compiles for a scalar
// CPU with every pass on.
type Config struct {
	Target kernel.Target
	// Off names passes to leave out; a required one cannot be.
	Off map[string]bool
	// Check verifies after every pass and shuffles the order of independent
	// nodes, so that no pass comes to depend on it.
	Check bool
	// Seed of the shuffle.
	Seed uint64
	// Dump, when not nil, is called after every pass that DumpAfter selects.
	Dump func(pass, text string)
	// DumpAfter selects passes by name; nil selects all.
	DumpAfter map[string]bool
	// Log gets the passes' times when Time is set.
	Log  io.Writer
	Time bool

	fusion *fusion // from the fuse pass to lowering
}

// A Pass is one step over a graph or a program.
type Pass[T any] struct {
	Name, Doc string
	Run       func(*Config, T) error
	Required  bool
}

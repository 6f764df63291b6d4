// Package passes turns a graph into a program that a device can run: local
// rewrites, fusion into kernels, lowering to kernel IR, scheduling, and the
// memory plan. [Compile] is the driver. The package must not import graph,
// autodiff, nn or runtime.
package passes

import (
	"io"
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// Config tells a compilation what to do; the zero value compiles for a scalar
// CPU with every pass on. A compilation does not change it.
type Config struct {
	Target kernel.Target
	// Off names what to leave out: passes that are not required, and switches;
	// see [Passes].
	Off map[string]bool
	// Check verifies after every pass and proves the memory plan.
	Check bool
	// Seed, when not 0 and Check is set, shuffles the order of independent nodes
	// before every pass, so that no pass comes to depend on it.
	Seed uint64
	// Dump, when not nil, is called after every pass that DumpAfter selects.
	Dump func(pass, text string)
	// DumpAfter selects passes by name; nil selects all.
	DumpAfter map[string]bool
	// Log gets the passes' times when Time is set.
	Log  io.Writer
	Time bool
	// FindNaN asks whoever runs the program to look for the first launch that
	// makes a NaN. It does not change the program.
	FindNaN bool

	fusion *fusion  // from the fuse pass to lowering
	at     *ir.Node // the node that a pass is working on, for error messages
}

// A Pass is one step over a graph or a program.
type Pass[T any] struct {
	Name, Doc string
	Run       func(*Config, T) error
	Required  bool
}

// graphPasses run first, in this order; then lower makes a program of the
// graph; then kernelPasses run.
var graphPasses = []Pass[*ir.Graph]{
	{"canonicalize", "Brings nodes into one of several equal forms: operand order, composed views, no views without effect.", canonicalize, false},
	{"constfold", "Computes what depends on constants only.", constfold, false},
	{"simplify", "Replaces nodes by cheaper ones with the same bits.", simplify, false},
	{"cse", "Merges nodes that compute the same value.", cse, false},
	{"dce", "Removes nodes that no output and no effect needs.", dce, false},
	{"fuse", "Groups nodes into clusters, one kernel each.", fuse, true},
}

const lowerName, lowerDoc = "lower", "Makes a kernel of every cluster, and a launch of it."

var kernelPasses = []Pass[*kernel.Program]{
	{"horizontal", "Merges independent small launches of one structure into one.", horizontal, false},
	{"tile", "Makes launches that hand large temporaries on, block by block, the stages of one kernel.", tile, false},
	{"order", "Orders the launches so that values die early and updates can be done in place.", orderLaunches, false},
	{"memplan", "Gives every temporary its place in the arena and writes updates into their variables.", memplan, true},
}

// switches are the names in [Config.Off] that are no passes, or that change a
// required pass instead of leaving it out.
var switches = []struct{ name, doc string }{
	{"fuse", "every node becomes a kernel of its own"},
	{offReuse, "every temporary gets memory of its own, and updates are copies"},
}

// order says which passes must come before which others, and why.
var order = []struct{ before, after, why string }{
	{"canonicalize", "cse", "equal nodes are found by their form"},
	{"canonicalize", "simplify", "rules look for constants on the right and for composed views"},
	{"constfold", "simplify", "rules look for constants, not for what computes to one"},
	{"simplify", "cse", "rules expose equal nodes"},
	{"cse", "dce", "the merged nodes are dead afterwards"},
	{"dce", "fuse", "a dead reader would keep a value in memory"},
	{"horizontal", "tile", "small launches are merged as they are, not as stages"},
	{"tile", "order", "a tiled kernel is one launch"},
	{"tile", "memplan", "what is local to a tiled kernel has no place in the arena"},
	{"horizontal", "order", "merging moves launches to the place of the last one"},
	{"order", "memplan", "lifetimes and in-place updates depend on the order of launches"},
	{"horizontal", "memplan", "a merged launch reads and writes at one time"},
}

// Info describes a pass or a switch.
type Info struct {
	Name, Doc string
	Stage     string // "graph", "kernel" or "switch"
	CanBeOff  bool   // may stand in [Config.Off]
}

// Passes returns all passes in the order in which they run, then the switches.
func Passes() []Info {
	isSwitch := map[string]bool{}
	for _, s := range switches {
		isSwitch[s.name] = true
	}
	var is []Info
	for _, p := range graphPasses {
		is = append(is, Info{p.Name, p.Doc, "graph", !p.Required || isSwitch[p.Name]})
	}
	is = append(is, Info{lowerName, lowerDoc, "kernel", false})
	for _, p := range kernelPasses {
		is = append(is, Info{p.Name, p.Doc, "kernel", !p.Required || isSwitch[p.Name]})
	}
	for _, s := range switches {
		is = append(is, Info{s.name, s.doc, "switch", true})
	}
	return is
}

// passNames lists all names for error messages.
func passNames() string {
	var names []string
	for _, i := range Passes() {
		if !slices.Contains(names, i.Name) {
			names = append(names, i.Name)
		}
	}
	return "passes and switches are " + strings.Join(names, ", ")
}

package kernel

import "dumbtorch/ir/types"

// A Kernel is a set of stores. Its meaning: every value of every store is
// computed from the parameters as they were before the kernel ran; then all
// are stored. Two stores never write the same element.
type Kernel struct {
	Name   string // from its structure, unique within a program: "row1"
	Params []Param
	Axes   []*Axis // all axes in the expressions, in order of creation
	Stores []Store
	Sites  []string // run-time checks: what is checked at each CheckIndex site: "gather"
	Sched  Schedule

	// Form Tiles: kernels in the place of stores, and values that live from one
	// to another; see [Tiles].
	Stages []Stage
	Locals []Param
}

// A Param is a buffer that a launch binds. Parameters that are written come
// after all that are read. A written one may be bound to the buffer of a read
// one only where the launch says so; see [Launch].
type Param struct {
	DType types.DType
	Len   int // elements
	Out   bool
}

// A Store gives parameter Param, at element Index, the value Value for every
// point of Axes (outermost first). Index is injective over the axes; with no
// axes one element is stored.
type Store struct {
	Axes  []*Axis
	Param int
	Index *Expr
	Value *Expr
}

// Form is the structure that a schedule exploits.
type Form uint8

// The forms.
const (
	// General: each store by itself, folds evaluated where they stand.
	General Form = iota
	// Pointwise: no folds. Stores over equal axes run together, point by point;
	// groups over different axes are independent of each other and share no
	// written buffer. Outer holds the axes where there is one group.
	Pointwise
	// Rows: for every point of Outer a row over Inner. Stores over Outer and
	// Inner are full values; stores over Outer alone are row values, with folds
	// over Inner; stores whose value is a fold over (some of) Outer are sinks,
	// accumulated while the rows pass. A column sum is a sink without row folds.
	Rows
	// Contract: Contraction describes the fold over a product; every store runs
	// over its batch, M and N axes and uses the fold's value at that point.
	Contract
	// Tiles: the kernel is its Stages, one after the other, which may use Locals
	// beside the parameters; a stage may read what an earlier one wrote. They can
	// run block by block: each stage has block axes that number the blocks, and
	// whatever one stage hands to another lies in one part of equal length for
	// each block. So a device takes all stages for one block before the next, or
	// blocks in parallel, and has memory for one part of each local per block
	// at work.
	Tiles
)

var formNames = [...]string{"general", "pointwise", "rows", "contract", "tiles"}

// String returns the name in text form.
func (f Form) String() string { return formNames[f] }

// ParseForm returns the form of the given name.
func ParseForm(s string) (Form, bool) {
	for i, n := range formNames {
		if n == s {
			return Form(i), true
		}
	}
	return General, false
}

// A Schedule tells how to run a kernel. It changes speed, never meaning.
type Schedule struct {
	Form         Form
	Outer, Inner []*Axis      // outermost first
	Contract     *Contraction // Form Contract
	Blocks       int          // Form Tiles
	Block        []*Axis      // of a stage of form Tiles: the axes that number the blocks, outermost first
}

// A Contraction is a Fold with Add of the product of two operands. Every axis
// of the stores and of the fold is in one list: batch axes are in both operands
// and the result (those that number the blocks of a tiled kernel may be in one
// operand alone), M in A and the result, N in B and the result, K in both
// operands and folded. Missing roles are empty lists (M or N never both).
type Contraction struct {
	Fold           *Expr // the fold in the stores' values
	A, B           *Expr // the factors: a Load, or any expression without folds
	Batch, M, N, K []*Axis
}

// BufferKind is the role of a program's buffer.
type BufferKind uint8

// The roles.
const (
	TempBuffer     BufferKind = iota // lives in the arena at Offset
	InputBuffer                      // fed by the caller
	OutputBuffer                     // given to the caller
	VariableBuffer                   // resident; may be read and written
	ConstBuffer                      // Data
)

var bufferKinds = [...]string{"temp", "input", "output", "variable", "const"}

// String returns the role in text form.
func (k BufferKind) String() string { return bufferKinds[k] }

// A Buffer is one value in memory.
type Buffer struct {
	Name   string // of an input, output or variable
	Kind   BufferKind
	DType  types.DType
	Len    int    // elements
	Offset int64  // TempBuffer: bytes from the start of the arena, a multiple of 64
	Data   []byte // ConstBuffer: little-endian elements
}

// Bytes returns the size of the buffer.
func (b *Buffer) Bytes() int64 { return int64(b.Len) * int64(b.DType.Size()) }

// A Launch runs a kernel on buffers.
type Launch struct {
	Kernel *Kernel
	Args   []int    // per parameter: the number of the program's buffer
	Pos    []string // per site: the model's source line and op, for errors
	Label  string   // the ops and the source line, for people
	// Nodes counts the graph nodes computed.
	Nodes int
	// Clusters holds the numbers of the graph's clusters that it computes, for
	// tools.
	Clusters []int
}

// A Program is what a device compiles: buffers, and launches in order. A
// launch's written buffer may share memory with a buffer that it reads (the
// same variable, or temporaries at one offset) only where every element is
// read at the very index at which it is then stored, in the order of any
// schedule (in form [Rows]: in the row in which it is stored), and by stores
// over the same axes only; the memory plan sees to it.
type Program struct {
	Name      string
	Buffers   []Buffer
	Launches  []Launch
	ArenaSize int64 // bytes
	// Updates are assignments that the memory plan has yet to turn into writes
	// of the variables; it leaves none.
	Updates []Update
}

// An Update makes the value of one buffer, as it is at the end of the program,
// the next value of a variable.
type Update struct{ Variable, Value int }

// Of returns the numbers of the buffers of the given kind in order. Inputs and
// variables are passed to [device.Executable] in this order, inputs first.
func (p *Program) Of(kind BufferKind) []int {
	var out []int
	for i := range p.Buffers {
		if p.Buffers[i].Kind == kind {
			out = append(out, i)
		}
	}
	return out
}

// FirstWrite returns the number of the first launch that writes a variable, or
// the number of launches.
func (p *Program) FirstWrite() int {
	for i := range p.Launches {
		l := &p.Launches[i]
		for j, q := range l.Kernel.Params {
			if q.Out && p.Buffers[l.Args[j]].Kind == VariableBuffer {
				return i
			}
		}
	}
	return len(p.Launches)
}

// Target describes the machine a schedule is chosen for.
type Target struct {
	Name        string
	VectorBytes int   // width of a vector register; 0 for scalar code
	CacheBytes  int64 // fast memory per worker
	FMA         bool  // fused multiply-add is to be used
	GPU         bool
}

// Roots returns the values and indices of all stores.
func (k *Kernel) Roots() []*Expr {
	var rs []*Expr
	for _, s := range k.Stores {
		rs = append(rs, s.Index, s.Value)
	}
	return rs
}

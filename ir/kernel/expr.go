// Package kernel is the loop-level intermediate representation, the wall
// between the compiler and the devices. A [Kernel] is a set of stores over
// axes; the value of each is a pure scalar expression ([Expr]) that loads from
// the kernel's parameters and folds over axes. What a kernel computes is told
// by its stores alone; its [Schedule] tells how to run it well. A [Program] is
// buffers and an ordered list of launches.
//
// The package knows no tensors, no op names and no shapes beyond extents. It
// must not import ir, graph, passes or runtime.
package kernel

import (
	"fmt"
	"math"

	"dumbtorch/ir/types"
)

// Kind is the kind of an expression. Expressions have one of three sorts:
// index (a 64-bit integer that never overflows), predicate (a truth value over
// indices), and data (a scalar of an element type).
type Kind uint8

// The kinds of expressions.
const (
	BadKind Kind = iota
	// Index.
	Int        // the constant Int
	Var        // the axis Axes[0]
	Affine     // Int + sum Coef[i]*Args[i]; Args are Var, FloorDiv, FloorMod or CheckIndex
	FloorDiv   // floor(Args[0] / Int), Int >= 2
	FloorMod   // Args[0] - Int*floor(Args[0]/Int), Int >= 2
	CheckIndex // integer data Args[0] as an index in [0, Int); outside: reported with Site, and 0
	// Predicate.
	True
	False
	Ge0   // Args[0] >= 0
	Eq0   // Args[0] == 0
	AllOf // all of Args, each of them evaluated
	// Data.
	Const     // the constant Value()
	Call      // Op of Args
	Cast      // Args[0] converted to DType
	Select    // Args[0] (bool data) ? Args[1] : Args[2]; both are evaluated
	If        // Args[0] (predicate) ? Args[1] : Args[2]; the other one is never evaluated
	FromIndex // the index Args[0] as DType; its range fits
	FromPred  // the predicate Args[0] as bool
	Load      // element Args[0] of parameter Param
	Fold      // Op (Add, Mul, Max, Min) over Axes of Args[0], last axis fastest
	kindEnd
)

// An Axis is a loop variable that runs from 0 to Extent-1.
type Axis struct {
	Name   string
	Extent int
	bit    uint8 // position in the builder's list
}

// Bit returns the axis as a set for [Expr.Free].
func (a *Axis) Bit() AxisSet { return 1 << a.bit }

// AxisSet is a set of axes of one kernel.
type AxisSet uint64

// Has reports whether the set holds the axis.
func (s AxisSet) Has(a *Axis) bool { return s&a.Bit() != 0 }

// SetOf returns the set of the given axes.
func SetOf(axes []*Axis) AxisSet {
	var s AxisSet
	for _, a := range axes {
		s |= a.Bit()
	}
	return s
}

// MaxAxes bounds the axes of one kernel.
const MaxAxes = 64

// An Expr is an immutable scalar expression. Expressions are made by a
// [Builder], which keeps one object for equal expressions: within one builder
// pointer equality is structural equality.
type Expr struct {
	Kind  Kind
	Op    Op          // Call, Fold
	DType types.DType // data only
	Args  []*Expr
	Coef  []int64 // Affine
	Int   int64   // Int, Affine, FloorDiv, FloorMod, CheckIndex
	bits  uint64  // Const
	Axes  []*Axis // Var, Fold
	Param int     // Load: parameter number
	Site  int     // CheckIndex: site number

	id     int32
	lo, hi int64 // range of an index
	free   AxisSet
	folds  bool
	loads  uint64 // parameters that are loaded, by [paramBit]
}

// ID numbers the expressions of one builder in the order of creation: operands
// have smaller numbers than their users.
func (e *Expr) ID() int { return int(e.id) }

// Free returns the axes that the value depends on.
func (e *Expr) Free() AxisSet { return e.free }

// HasFold reports whether the expression contains a fold.
func (e *Expr) HasFold() bool { return e.folds }

// HasLoad reports whether the expression contains a load.
func (e *Expr) HasLoad() bool { return e.loads != 0 }

// paramBit stands for a parameter in a set; parameters 64 apart share a bit.
func paramBit(param int) uint64 { return 1 << (uint(param) % 64) }

// Range returns bounds of an index expression, both inclusive.
func (e *Expr) Range() (lo, hi int64) { return e.lo, e.hi }

// IsIndex reports whether the expression is an index.
func (e *Expr) IsIndex() bool { return e.Kind >= Int && e.Kind <= CheckIndex }

// IsPred reports whether the expression is a predicate.
func (e *Expr) IsPred() bool { return e.Kind >= True && e.Kind <= AllOf }

// IsData reports whether the expression is data.
func (e *Expr) IsData() bool { return e.Kind >= Const && e.Kind < kindEnd }

// Value returns the value of a Const.
func (e *Expr) Value() Scalar { return Scalar{e.DType, e.bits} }

// IsConst reports whether e is a constant equal to v.
func (e *Expr) IsConst(v float64) bool {
	return e.Kind == Const && e.Value().Float() == v && (v != 0 || !math.Signbit(e.Value().Float()))
}

// Scalar is one value of an element type. Floating-point values are held as
// float64 (values of the narrower types are exactly representable), all others as int64.
type Scalar struct {
	DType types.DType
	bits  uint64
}

// Float returns the value as a float64.
func (s Scalar) Float() float64 {
	if s.DType.IsFloat() {
		return math.Float64frombits(s.bits)
	}
	return float64(int64(s.bits))
}

// Int returns the value as an int64; floating-point values are truncated
// towards zero, NaN gives 0, and values out of range saturate.
func (s Scalar) Int() int64 {
	if s.DType.IsFloat() {
		return floatToInt(math.Float64frombits(s.bits))
	}
	return int64(s.bits)
}

func floatToInt(f float64) int64 {
	switch {
	case f != f:
		return 0
	case f >= 1<<63:
		return math.MaxInt64
	case f < -1<<63:
		return math.MinInt64
	}
	return int64(f)
}

// FloatScalar returns f as a scalar of type d, rounded to it.
func FloatScalar(d types.DType, f float64) Scalar {
	switch {
	case d.IsFloat():
		return Scalar{d, math.Float64bits(d.Round(f))}
	case d == types.Bool:
		if f != 0 {
			return Scalar{d, 1}
		}
		return Scalar{d, 0}
	}
	return IntScalar(d, floatToInt(f))
}

// IntScalar returns i as a scalar of type d, wrapped to its width.
func IntScalar(d types.DType, i int64) Scalar {
	switch d {
	case types.Bool:
		if i != 0 {
			i = 1
		}
	case types.U8:
		i = int64(uint8(i))
	case types.U32:
		i = int64(uint32(i))
	case types.I32:
		i = int64(int32(i))
	case types.I64:
	default:
		return FloatScalar(d, float64(i))
	}
	return Scalar{d, uint64(i)}
}

// String returns the value as it is written in text form.
func (s Scalar) String() string {
	if s.DType == types.Bool {
		return fmt.Sprint(s.bits != 0)
	}
	if !s.DType.IsFloat() {
		return fmt.Sprint(int64(s.bits))
	}
	return FormatFloat(s.DType, s.Float())
}

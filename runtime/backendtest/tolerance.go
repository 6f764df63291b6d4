package backendtest

import (
	"fmt"
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A Tolerance says how far a device's result may lie from the interpreter's.
// A NaN must be a NaN, an infinity the same infinity within Ulps of the largest
// number, and a zero must have the interpreter's sign.
type Tolerance struct {
	Ulps     int64   // units in the last place of the result's type
	Absolute float64 // or this distance
}

// Exact asks for the interpreter's bits.
var Exact = Tolerance{}

// opUlps are the tolerances of operations on floats; all others are exact, on
// all integers too. The interpreter computes f32 operations in f64 and rounds
// once, so its f32 results are correctly rounded in all but rare cases and the
// bound is one against the true value. On f64 the interpreter is itself within
// 1 ulp of it.
var opUlps = map[kernel.Op]int64{
	kernel.Exp:     4,
	kernel.Expm1:   4,
	kernel.Log:     4,
	kernel.Log1p:   4,
	kernel.Rsqrt:   4,
	kernel.Sin:     4,
	kernel.Cos:     4,
	kernel.Tanh:    4,
	kernel.Sigmoid: 4,
	kernel.Erf:     4,
	kernel.Pow:     4,
}

// ToleranceOf returns the tolerance of one operation on elements of type d.
func ToleranceOf(op kernel.Op, d types.DType) Tolerance {
	if !d.IsFloat() {
		return Exact
	}
	tol := Tolerance{Ulps: opUlps[op]}
	if d.IsHalf() {
		tol.Ulps = min(tol.Ulps, 1) // an f32 result that is a little off may round to the neighbour
	}
	if d == types.F64 && (op == kernel.Sin || op == kernel.Cos) {
		tol.Absolute = 0x1p-52 // near their zeros the interpreter's own error is that large
	}
	return tol
}

func (tol Tolerance) compare(got, want array) error {
	for i := range want.len() {
		if g, w := got.at(i), want.at(i); !tol.near(g, w) {
			return fmt.Errorf("element %d of %s[%d] is %s, want %s (within %d ulp or %g)", i, want.d, want.len(), g, w, tol.Ulps, tol.Absolute)
		}
	}
	return nil
}

func (tol Tolerance) near(got, want kernel.Scalar) bool {
	if !want.DType.IsFloat() {
		return got.Int() == want.Int()
	}
	g, w := got.Float(), want.Float()
	switch {
	case w != w || g != g:
		return w != w && g != g
	case g == 0 && w == 0:
		return math.Signbit(g) == math.Signbit(w) || tol.Absolute > 0
	}
	return ulps(want.DType, g, w) <= tol.Ulps || math.Abs(g-w) <= tol.Absolute
}

// ulps returns how many numbers of the type lie between x and y.
func ulps(d types.DType, x, y float64) int64 {
	order := func(f float64) int64 {
		v := int64(kernel.FloatScalar(d, math.Abs(f)).Bits())
		if f < 0 {
			return -v
		}
		return v
	}
	a, b := order(x), order(y)
	if (a < 0) != (b < 0) && max(a, -a, b, -b) > math.MaxInt64/2 {
		return math.MaxInt64
	}
	return max(a-b, b-a)
}

package tensor

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"dumbtorch/ir/types"
)

// Equal reports whether two tensors have the same type and the same bits: a NaN equals a NaN of the same payload, and 0 is not
// -0.
func Equal(a, b *Tensor) bool { return a.typ.Equal(b.typ) && bytes.Equal(a.raw, b.raw) }

// CloseOption changes what [AllClose] accepts.
type CloseOption func(*closeOptions)

type closeOptions struct{ nanEqual bool }

// NaNEqual makes a NaN close to a NaN.
func NaNEqual() CloseOption { return func(o *closeOptions) { o.nanEqual = true } }

// AllClose returns nil if both tensors have the same type and every element of got is close to that of want:
// |got - want| <= atol + rtol*|want|, NumPy's rule. An infinity is close to itself only; a NaN is close to nothing, unless
// [NaNEqual] is given. Integers are compared without rounding. Otherwise the error says how many elements differ and shows
// the worst: the one furthest outside its tolerance, the first of equals.
func AllClose(got, want *Tensor, rtol, atol float64, opts ...CloseOption) error {
	var o closeOptions
	for _, opt := range opts {
		if opt != nil {
			opt(&o)
		}
	}
	if !(rtol >= 0 && atol >= 0) {
		return fmt.Errorf("tensor: tolerances rtol %v and atol %v must not be negative or NaN", rtol, atol)
	}
	if got == nil || want == nil {
		return errors.New("tensor: there is no tensor to compare")
	}
	if !got.typ.Equal(want.typ) {
		return fmt.Errorf("tensor: types differ: got %s, want %s", got.typ, want.typ)
	}
	far, worst, excess := 0, 0, math.Inf(-1)
	var worstDiff, worstTol float64
	for i := range got.n {
		diff, tol := got.difference(want, i), atol+rtol*math.Abs(want.load(i))
		switch {
		case o.nanEqual && math.IsNaN(got.load(i)) && math.IsNaN(want.load(i)):
			continue
		case math.IsNaN(diff), math.IsInf(diff, 0) && math.IsInf(tol, 0):
			diff, tol = math.Inf(1), atol // rtol times an infinity must not excuse an infinite difference
		case diff == 0, diff <= tol: // the tolerance of an infinity may be NaN
			continue
		}
		far++
		e := diff - tol
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		if e > excess {
			worst, excess, worstDiff, worstTol = i, e, diff, tol
		}
	}
	if far == 0 {
		return nil
	}
	return fmt.Errorf("tensor: %d of %d elements of %s differ, worst at %v: got %s, want %s (difference %.3g, tolerance %.3g)",
		far, got.n, got.typ, types.Shape(got.unravel(worst)), got.exact(worst), want.exact(worst), worstDiff, worstTol)
}

// difference returns |a[i] - b[i]|: 0 for equal infinities, NaN if either is NaN.
func (t *Tensor) difference(u *Tensor, i int) float64 {
	if t.typ.DType == types.I64 {
		a, b := view[int64](t)[i], view[int64](u)[i]
		return float64(uint64(max(a, b)) - uint64(min(a, b)))
	}
	a, b := t.load(i), u.load(i)
	if a == b {
		return 0
	}
	return math.Abs(a - b)
}

package main

import (
	"fmt"
	"math"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// A difference is the worst deviation of values from a reference.
type difference struct {
	err   float64 // relative, or absolute for integers; +Inf for a NaN that only one of them has
	where string  // the value and the element
	bad   bool    // beyond the tolerance
}

func (d difference) String() string {
	if d.err == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1e", d.err)
}

// smallest is the size below which differences count in absolute terms.
const smallest = 1e-5

// worst compares values with a reference of the same names and types. The error
// of a floating-point element is relative to the element or to the root mean
// square of its tensor, whichever is larger: a sum in another order differs in
// proportion to its terms. Integers and truth values must be equal.
func worst(got, want []tensor.Named, tolerance func(i int, d types.DType) float64) (difference, error) {
	var w difference
	for i, g := range got {
		d, err := compare(g.Tensor, want[i].Tensor)
		if err != nil {
			return w, fmt.Errorf("%s: %w", g.Name, err)
		}
		d.bad = d.err > tolerance(i, g.Tensor.DType())
		if d.bad && !w.bad || d.bad == w.bad && d.err > w.err {
			d.where = g.Name + d.where
			w = d
		}
	}
	return w, nil
}

// differentBits returns the worst difference of the first value that does not
// have the bits of the reference.
func differentBits(got, want []tensor.Named) (difference, error) {
	for i, g := range got {
		if tensor.Equal(g.Tensor, want[i].Tensor) {
			continue
		}
		d, err := compare(g.Tensor, want[i].Tensor)
		if err != nil {
			return d, fmt.Errorf("%s: %w", g.Name, err)
		}
		d.where, d.bad = g.Name+d.where, true
		return d, nil
	}
	return difference{}, nil
}

func compare(got, want *tensor.Tensor) (difference, error) {
	var w difference
	if !got.Type().Equal(want.Type()) {
		return w, fmt.Errorf("is %s, and %s in the reference", got.Type(), want.Type())
	}
	if tensor.Equal(got, want) {
		return w, nil
	}
	if got.DType() == types.I64 {
		return compareInts(got, want)
	}
	g, err := float64s(got)
	if err != nil {
		return w, err
	}
	r, err := float64s(want)
	if err != nil {
		return w, err
	}
	scale := 0.0
	if got.DType().IsFloat() {
		scale = max(rms(r), smallest)
	}
	for i := range g {
		if e := deviation(g[i], r[i], scale); e > w.err {
			w = difference{err: e, where: types.Shape(unravel(i, got.Shape())).String()}
		}
	}
	return w, nil
}

// compareInts is compare for integers that a float64 does not hold.
func compareInts(got, want *tensor.Tensor) (difference, error) {
	var w difference
	g, err := tensor.Data[int64](got)
	if err != nil {
		return w, err
	}
	r, err := tensor.Data[int64](want)
	if err != nil {
		return w, err
	}
	for i := range g {
		if e := float64(uint64(max(g[i], r[i])) - uint64(min(g[i], r[i]))); e > w.err {
			w = difference{err: e, where: types.Shape(unravel(i, got.Shape())).String()}
		}
	}
	return w, nil
}

// deviation returns |a-b|, relative to b or scale if that is not 0.
func deviation(a, b, scale float64) float64 {
	switch {
	case a == b || a != a && b != b:
		return 0
	case a != a || b != b || math.IsInf(a, 0) || math.IsInf(b, 0):
		return math.Inf(1)
	case scale == 0:
		return math.Abs(a - b)
	}
	return math.Abs(a-b) / max(math.Abs(b), scale)
}

// rms returns the root mean square of the finite elements.
func rms(v []float64) float64 {
	sum, n := 0.0, 0
	for _, x := range v {
		if x-x == 0 {
			sum += x * x
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(sum / float64(n))
}

func float64s(t *tensor.Tensor) ([]float64, error) {
	v, err := t.Convert(types.F64)
	if err != nil {
		return nil, err
	}
	return tensor.Data[float64](v)
}

func unravel(i int, shape types.Shape) []int {
	index := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = i % shape[d]
		i /= shape[d]
	}
	return index
}

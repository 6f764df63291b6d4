package proof

import (
	"fmt"
	"math"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// A tolerance bounds |got-want| by (ulps*|want| + sums*scale) * eps, where eps
// is the distance from 1 to the next number of the element type and scale the
// largest finite magnitude among the wanted elements: what is a sum of terms of
// that size may be small itself.
type tolerance struct {
	ulps, sums float64
	why        string
}

var (
	exact = tolerance{0, 0, "one correctly rounded operation, or none: the same bits"}
	// The sign of a zero is free; else as exact.
	selects = tolerance{0, 0, "one of the operands; which of 0 and -0 is not defined"}
	library = tolerance{4, 0, "functions of another mathematical library"}
	rounded = tolerance{8, 0, "a few rounded operations in another order"}
	sums    = tolerance{8, 16, "sums of at most a few hundred terms in another order"}
	chains  = tolerance{32, 64, "sums of values of functions, and their gradients"}
)

func eps(d types.DType) float64 {
	switch d {
	case types.BF16:
		return 0x1p-7
	case types.F16:
		return 0x1p-10
	case types.F32:
		return 0x1p-23
	}
	return 0x1p-52
}

// compare returns an error unless got is want within the tolerance. NaN equals
// NaN; an infinity equals itself only. Under the exact tolerance 0 is not -0.
func (tol tolerance) compare(got, want *tensor.Tensor) error {
	if !got.Type().Equal(want.Type()) {
		return fmt.Errorf("is %v, wants %v", got.Type(), want.Type())
	}
	if !want.DType().IsFloat() {
		if !tensor.Equal(got, want) {
			return fmt.Errorf("got %v\nwant %v", got, want)
		}
		return nil
	}
	g, w := floats(got), floats(want)
	scale := 0.0
	for _, v := range w {
		if a := math.Abs(v); a > scale && !math.IsInf(a, 0) {
			scale = a
		}
	}
	e := eps(want.DType())
	smallest := 0x1p-126
	switch want.DType() {
	case types.F16:
		smallest = 0x1p-14
	case types.F64:
		smallest = 0x1p-1022
	}
	for i := range w {
		if w[i] != w[i] && g[i] != g[i] {
			continue
		}
		bound := (tol.ulps*math.Abs(w[i]) + tol.sums*scale) * e
		if tol != exact && tol != selects {
			bound += smallest // vector code of PyTorch flushes subnormal numbers
		}
		if g[i] == w[i] && (tol != exact || math.Signbit(g[i]) == math.Signbit(w[i])) || math.Abs(g[i]-w[i]) <= bound && bound > 0 {
			continue
		}
		return fmt.Errorf("element %d is %v, wants %v: %.3g apart, allowed %.3g (%s)\ngot %v\nwant %v",
			i, g[i], w[i], math.Abs(g[i]-w[i]), bound, tol.why, got, want)
	}
	return nil
}

// floats returns the elements of a floating-point tensor.
func floats(t *tensor.Tensor) []float64 {
	if d, err := tensor.Data[float64](t); err == nil {
		return d
	}
	wide, err := t.Convert(types.F64)
	if err != nil {
		panic(err)
	}
	d, err := tensor.Data[float64](wide)
	if err != nil {
		panic(err)
	}
	return d
}

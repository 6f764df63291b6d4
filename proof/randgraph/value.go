package randgraph

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// A value is a node and what is known of its elements.
type value struct {
	x *graph.Node
	// exact: the elements are the same whatever the order of operations.
	exact bool
	// All finite elements are at most bound in magnitude; exact ones are
	// multiples of grain, a power of two.
	bound, grain float64
}

// maxBits bounds exact values, in units of their grain: sums of two fit the
// type's significand.
func maxBits(d types.DType) float64 {
	switch d {
	case types.BF16:
		return 1 << 6
	case types.F16:
		return 1 << 9
	}
	return 1 << 22
}

// No value is above maxBound, so that nothing overflows but in f16.
const (
	maxBound = 1e6
	maxSize  = 1 << 11
	maxRank  = 5
)

func (v value) float() bool { return v.x.DType().IsFloat() }
func (v value) bool() bool  { return v.x.DType() == types.Bool }
func (v value) rank() int   { return v.x.Rank() }

// whole reports whether v is of integers.
func (v value) whole() bool { return !v.float() && !v.bool() }

// derived returns x with the exactness of the values that it is made of.
func derived(x *graph.Node, bound, grain float64, from ...value) value {
	v := value{x, true, bound, grain}
	for _, f := range from {
		v.exact = v.exact && f.exact
	}
	if x.DType().IsFloat() {
		v.exact = v.exact && bound/grain <= maxBits(x.DType())
	} else {
		v.exact = true
	}
	return v
}

// smooth returns x as a value that rounding changes.
func smooth(x *graph.Node, bound float64) value { return value{x, false, bound, 0} }

// moved returns x, the elements of v in other places.
func moved(x *graph.Node, v value) value { return value{x, v.exact, v.bound, v.grain} }

// either returns x, elements of one of the values each.
func either(x *graph.Node, vs ...value) value {
	bound, grain := 0.0, math.Inf(1)
	for _, v := range vs {
		bound, grain = max(bound, v.bound), min(grain, v.grain)
	}
	return derived(x, bound, grain, vs...)
}

package graph

import (
	"math"
	"slices"

	"dumbtorch/ir/types"
)

// LayerNorm brings x, over its last dimensions, which are shape, to mean 0 and
// variance 1, times weight plus bias, each of that shape or nil for none:
//
//	d = x - mean(x)
//	y = d / sqrt(mean(d*d) + eps) * weight + bias
//
// It is torch.nn.functional.layer_norm (Ba, Kiros and Hinton, "Layer
// normalization", 2016).
func (x *Node) LayerNorm(shape []int, weight, bias *Node, eps float64) *Node {
	const op = "layer_norm"
	axes := x.normalized(op, shape, eps, weight, bias)
	y := x.whiten(axes, eps)
	return y.affineBy(weight, bias)
}

// RMSNorm divides x, over its last dimensions, which are shape, by the root of
// the mean of its squares, then multiplies by weight, of that shape or nil for
// none:
//
//	y = x / sqrt(mean(x*x) + eps) * weight
//
// An eps of 0 is the distance from 1 to the next number of x's element type. It
// is torch.nn.functional.rms_norm (Zhang and Sennrich, "Root mean square layer
// normalization", 2019).
func (x *Node) RMSNorm(shape []int, weight *Node, eps float64) *Node {
	const op = "rms_norm"
	axes := x.normalized(op, shape, eps, weight)
	if eps == 0 {
		eps = epsilon(x.n.DType())
	}
	y := x.Mul(x.Mul(x).Mean(append(axes, KeepDims)...).AddScalar(eps).Rsqrt())
	return y.affineBy(weight, nil)
}

// epsilon is the distance from 1 to the next number.
func epsilon(d types.DType) float64 {
	if d.Size() < 8 {
		return float64(math.Nextafter32(1, 2) - 1)
	}
	return math.Nextafter(1, 2) - 1
}

// normalized checks the arguments of a norm over last dimensions and returns
// these.
func (x *Node) normalized(op string, shape []int, eps float64, params ...*Node) []int {
	g := x.use(op)
	x.wantFloat(op)
	checkEps(op, eps)
	s := g.shape(op, shape)
	in := x.n.Shape()
	k := len(in) - len(s)
	if len(s) == 0 || k < 0 || !in[k:].Equal(s) {
		Fail(op, "the last dimensions of %v are not those normalised, %v", x.n.Type, s)
	}
	for i, p := range params {
		if p == nil {
			continue
		}
		g.own(op, p)
		p.wantFloat(op)
		if !p.n.Shape().Equal(s) {
			Fail(op, "%s %v is not of the dimensions normalised, %v", []string{"weight", "bias"}[i], p.n.Type, s)
		}
	}
	var axes []int
	for a := k; a < len(in); a++ {
		axes = append(axes, a)
	}
	return slices.Clip(axes)
}

func checkEps(op string, eps float64) {
	if !(eps >= 0) || math.IsInf(eps, 1) {
		Fail(op, "eps %v is negative or not finite", eps)
	}
}

// whiten brings x to mean 0 and variance 1 over the given dimensions.
func (x *Node) whiten(axes []int, eps float64) *Node {
	axes = append(axes, KeepDims)
	d := x.Sub(x.Mean(axes...))
	return d.Mul(d.Mul(d).Mean(axes...).AddScalar(eps).Rsqrt())
}

// affineBy returns x*weight + bias, where nil is 1 and 0.
func (x *Node) affineBy(weight, bias *Node) *Node {
	if weight != nil {
		x = x.Mul(weight)
	}
	if bias != nil {
		x = x.Add(bias)
	}
	return x
}

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
	if y, ok := x.inF32(func(x *Node) *Node { return x.LayerNorm(shape, weight, bias, eps) }); ok {
		return y
	}
	if y, ok := x.inF32(func(x *Node) *Node { return x.LayerNorm(shape, weight, bias, eps) }); ok {
		return y
	}
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
// An eps of 0 is the distance from 1 to the next number of x's element type, of f32
// for halves. It
// is torch.nn.functional.rms_norm (Zhang and Sennrich, "Root mean square layer
// normalization", 2019).
func (x *Node) RMSNorm(shape []int, weight *Node, eps float64) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.RMSNorm(shape, weight, eps) }); ok {
		return y
	}
	if y, ok := x.inF32(func(x *Node) *Node { return x.RMSNorm(shape, weight, eps) }); ok {
		return y
	}
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

// GroupNorm splits the channels of x [batch,channels,...] into groups, brings
// each group of every item to mean 0 and variance 1, then multiplies channels by
// weight and adds bias, each [channels] or nil for none. It is
// torch.nn.functional.group_norm (Wu and He, "Group normalization", 2018).
func (x *Node) GroupNorm(groups int, weight, bias *Node, eps float64) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.GroupNorm(groups, weight, bias, eps) }); ok {
		return y
	}
	if y, ok := x.inF32(func(x *Node) *Node { return x.GroupNorm(groups, weight, bias, eps) }); ok {
		return y
	}
	const op = "group_norm"
	x.checkChannels(op, eps, weight, bias)
	s := x.n.Shape()
	if groups < 1 || s[1]%groups != 0 {
		Fail(op, "%d groups do not divide the channels of %v", groups, x.n.Type)
	}
	if s[1] == 0 || s[2:].Size() == 0 {
		Fail(op, "of no elements: %v", x.n.Type)
	}
	y := x.Reshape(s[0], groups, s[1]/groups*s[2:].Size()).whiten([]int{2}, eps).Reshape(s...)
	return y.affineBy(y.perChannel(weight), y.perChannel(bias))
}

// BatchStatistics returns the mean and the variance, with n for n elements, of
// every channel of x [batch,channels,...]: two values [channels], in f32 if x is
// f16 or bf16.
func (x *Node) BatchStatistics() (mean, variance *Node) {
	const op = "batch_statistics"
	x.checkChannels(op, 0)
	if x.n.DType().IsHalf() {
		return x.Cast(F32).BatchStatistics()
	}
	axes := []int{0}
	for a := 2; a < len(x.n.Shape()); a++ {
		axes = append(axes, a)
	}
	mean = x.Mean(axes...)
	d := x.Sub(x.perChannel(mean))
	return mean, d.Mul(d).Mean(axes...)
}

// BatchNorm returns (x-mean)/sqrt(variance+eps)*weight + bias for the channels of
// x [batch,channels,...]. The others are [channels]; weight and bias are nil for
// none. With the running statistics it is torch.nn.functional.batch_norm, with
// [Node.BatchStatistics] that of training.
func (x *Node) BatchNorm(mean, variance, weight, bias *Node, eps float64) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.BatchNorm(mean, variance, weight, bias, eps) }); ok {
		return y
	}
	if y, ok := x.inF32(func(x *Node) *Node { return x.BatchNorm(mean, variance, weight, bias, eps) }); ok {
		return y
	}
	const op = "batch_norm"
	x.use(op, mean, variance)
	x.checkChannels(op, eps, weight, bias, mean, variance)
	y := x.Sub(x.perChannel(mean)).Mul(x.perChannel(variance.AddScalar(eps).Rsqrt()))
	return y.affineBy(x.perChannel(weight), x.perChannel(bias))
}

// checkChannels checks the arguments of a norm of channels.
func (x *Node) checkChannels(op string, eps float64, params ...*Node) {
	g := x.use(op)
	x.wantFloat(op)
	checkEps(op, eps)
	s := x.n.Shape()
	if len(s) < 2 {
		Fail(op, "wants [batch,channels,...], got %v", x.n.Type)
	}
	for i, p := range params {
		if p == nil {
			continue
		}
		g.own(op, p)
		p.wantFloat(op)
		if !p.n.Shape().Equal(s[1:2]) {
			Fail(op, "%s %v does not have the channels of %v", []string{"weight", "bias", "mean", "variance"}[i], p.n.Type, x.n.Type)
		}
	}
}

// perChannel makes v [channels] broadcast over x [batch,channels,...].
func (x *Node) perChannel(v *Node) *Node {
	if v == nil {
		return nil
	}
	shape := filled(len(x.n.Shape())-1, 1)
	shape[0] = v.n.Shape()[0]
	return v.Reshape(shape...)
}

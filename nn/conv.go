package nn

import (
	"fmt"
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// Conv is a convolution with a bias for every output channel: torch.nn.Conv1d
// and torch.nn.Conv2d, see [graph.Node.Conv]. Padding is with zeros; other modes
// are paddings of x. Weight has shape [out,in/groups,kernel...], Bias [out]; Bias
// is nil for a layer without.
type Conv struct {
	Weight, Bias *graph.Variable
	graph.Conv
	Same bool // pad so that there are as many positions as elements

	mistake string // of the options
}

// NewConv1d returns a convolution over one dimension, from in to out channels;
// see [NewConv2d].
func NewConv1d(in, out, kernel int, opts ...ConvOption) *Conv {
	return newConv(1, in, out, kernel, opts)
}

// NewConv2d returns a convolution over two dimensions, from in to out channels,
// with kernels of size kernel in both ([KernelSize] for others), of f32
// parameters with PyTorch's default initialisation: weight and bias uniform in
// +-1/sqrt(in/groups*kernel*kernel). A mistake in the options is reported where
// the layer is used.
func NewConv2d(in, out, kernel int, opts ...ConvOption) *Conv {
	return newConv(2, in, out, kernel, opts)
}

func newConv(dims, in, out, kernel int, opts []ConvOption) *Conv {
	o := collect(opts)
	c := &Conv{Same: o.same}
	c.Stride, c.Dilation, c.Low, c.Groups = perDim(dims, o.stride), perDim(dims, o.dilation), perDim(dims, o.padding), o.groups
	c.High = c.Low
	if o.size == nil {
		o.size = []int{kernel}
	}
	size := perDim(dims, o.size)
	fan := 1.0
	for _, k := range size {
		fan *= float64(k)
	}
	switch {
	case in < 1 || out < 1 || o.groups < 1 || in%o.groups != 0 || out%o.groups != 0:
		c.mistake = fmt.Sprintf("%d input and %d output channels in %d groups: wants groups that divide both", in, out, o.groups)
	case len(size) != dims || fan < 1:
		c.mistake = fmt.Sprintf("kernel size %v: wants %d numbers of at least 1", size, dims)
	case o.same && o.padding != nil:
		c.mistake = fmt.Sprintf("padding %v, and the padding that keeps the size: wants one of them", o.padding)
	}
	if c.mistake != "" {
		in, out, o.groups, size, fan = 1, 1, 1, perDim(dims, []int{1}), 1
	}
	bound := 1 / math.Sqrt(fan*float64(in/o.groups))
	shape := append([]int{out, in / o.groups}, size...)
	c.Weight = graph.NewVariable("weight", types.Of(o.dtype, shape...), Uniform(-bound, bound))
	if o.bias {
		c.Bias = graph.NewVariable("bias", types.Of(o.dtype, out), Uniform(-bound, bound))
	}
	return c
}

// perDim repeats a lone number for every dimension.
func perDim(dims int, list []int) []int {
	if len(list) != 1 {
		return list
	}
	out := make([]int, dims)
	for i := range out {
		out[i] = list[0]
	}
	return out
}

// Forward applies the layer to x [batch,in,...] or [in,...].
func (c *Conv) Forward(x *graph.Node) *graph.Node {
	op := "conv"
	if c == nil || c.Weight == nil {
		graph.Fail(op, "the layer has no weight: layers are made by NewConv1d and NewConv2d")
	}
	w := c.Weight.Type()
	dims := len(w.Shape) - 2
	op = fmt.Sprintf("conv%dd", dims)
	if c.mistake != "" {
		graph.Fail(op, "%s", c.mistake)
	}
	if r := x.Rank(); dims < 1 || r != dims+1 && r != dims+2 || x.Dim(r-dims-1) != w.Shape[1]*max(c.Groups, 1) {
		graph.Fail(op, "%s is not [batch,%d,...] or [%[2]d,...], which weight %s %v in %d groups wants",
			x.TypeString(), w.Shape[1]*max(c.Groups, 1), c.Weight.Name(), w, max(c.Groups, 1))
	}
	y := x.Conv(variable(x, c.Weight), c.padded(op, w.Shape[2:]))
	if c.Bias == nil {
		return y
	}
	shape := []int{c.Bias.Type().Shape.Size()}
	for range dims {
		shape = append(shape, 1)
	}
	return y.Add(variable(x, c.Bias).Reshape(shape...))
}

// padded returns the convolution with the padding that [PaddingSame] asks for:
// where it is odd, the larger part after.
func (c *Conv) padded(op string, size []int) graph.Conv {
	v := c.Conv
	if !c.Same {
		return v
	}
	v.Low, v.High = nil, nil
	for i, k := range size {
		d := 1
		if i < len(c.Dilation) {
			d = c.Dilation[i]
		}
		if i < len(c.Stride) && c.Stride[i] != 1 {
			graph.Fail(op, "stride %v: padding keeps the size of a convolution of stride 1 only", c.Stride)
		}
		total := d * (k - 1)
		v.Low, v.High = append(v.Low, total/2), append(v.High, total-total/2)
	}
	return v
}

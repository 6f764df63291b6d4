package nn

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// Activations as layers, for [Sequential]. Each is torch.nn's module of the same
// name and the method of [graph.Node] of the same name. A parameter that is 0
// stands for PyTorch's default.
type (
	ReLU        struct{} // max(x, 0)
	ReLU6       struct{} // min(max(x, 0), 6)
	Sigmoid     struct{} // 1/(1+exp(-x))
	LogSigmoid  struct{} // log(1/(1+exp(-x)))
	Tanh        struct{} // tanh x
	SiLU        struct{} // x*sigmoid(x)
	Mish        struct{} // x*tanh(softplus(x))
	SELU        struct{} // ELU with the constants that keep activations normal
	HardSigmoid struct{} // min(max(x/6+1/2, 0), 1)
	HardSwish   struct{} // x*hardsigmoid(x)
	Softsign    struct{} // x/(1+|x|)

	// LeakyReLU is x or, where that is not positive, Slope*x; 0 stands for 0.01.
	LeakyReLU struct{ Slope float64 }
	// ELU is x or, where that is not positive, Alpha*(exp(x)-1); 0 stands for 1.
	ELU struct{ Alpha float64 }
	// GELU is x times the distribution function of the normal distribution at x,
	// or its approximation by tanh.
	GELU struct{ Tanh bool }
	// Softplus is log(1+exp(Beta*x))/Beta; 0 stands for 1.
	Softplus struct{ Beta float64 }
	// HardTanh is x limited to [Min, Max]; both 0 stand for -1 and 1.
	HardTanh struct{ Min, Max float64 }

	// Softmax is exp(x)/sum(exp(x)) over dimension Dim; a negative one counts
	// from the end. As in PyTorch there is no good default: say Dim: -1.
	Softmax struct{ Dim int }
	// LogSoftmax is the logarithm of the softmax over dimension Dim; see
	// [Softmax].
	LogSoftmax struct{ Dim int }
	// GLU is the first half along dimension Dim times the sigmoid of the second;
	// PyTorch's default is Dim: -1.
	GLU struct{ Dim int }
)

// Forward applies the activation.
func (ReLU) Forward(x *graph.Node) *graph.Node { return x.ReLU() }

// Forward applies the activation.
func (ReLU6) Forward(x *graph.Node) *graph.Node { return x.ReLU6() }

// Forward applies the activation.
func (Sigmoid) Forward(x *graph.Node) *graph.Node { return x.Sigmoid() }

// Forward applies the activation.
func (LogSigmoid) Forward(x *graph.Node) *graph.Node { return x.LogSigmoid() }

// Forward applies the activation.
func (Tanh) Forward(x *graph.Node) *graph.Node { return x.Tanh() }

// Forward applies the activation.
func (SiLU) Forward(x *graph.Node) *graph.Node { return x.SiLU() }

// Forward applies the activation.
func (Mish) Forward(x *graph.Node) *graph.Node { return x.Mish() }

// Forward applies the activation.
func (SELU) Forward(x *graph.Node) *graph.Node { return x.SELU() }

// Forward applies the activation.
func (HardSigmoid) Forward(x *graph.Node) *graph.Node { return x.HardSigmoid() }

// Forward applies the activation.
func (HardSwish) Forward(x *graph.Node) *graph.Node { return x.HardSwish() }

// Forward applies the activation.
func (Softsign) Forward(x *graph.Node) *graph.Node { return x.Softsign() }

// Forward applies the activation.
func (l LeakyReLU) Forward(x *graph.Node) *graph.Node { return x.LeakyReLU(or(l.Slope, 0.01)) }

// Forward applies the activation.
func (l ELU) Forward(x *graph.Node) *graph.Node { return x.ELU(or(l.Alpha, 1)) }

// Forward applies the activation.
func (l GELU) Forward(x *graph.Node) *graph.Node {
	if l.Tanh {
		return x.GELUTanh()
	}
	return x.GELU()
}

// Forward applies the activation.
func (l Softplus) Forward(x *graph.Node) *graph.Node { return x.Softplus(or(l.Beta, 1)) }

// Forward applies the activation.
func (l HardTanh) Forward(x *graph.Node) *graph.Node {
	if l == (HardTanh{}) {
		l = HardTanh{-1, 1}
	}
	return x.HardTanh(l.Min, l.Max)
}

// Forward applies the softmax.
func (l Softmax) Forward(x *graph.Node) *graph.Node { return x.Softmax(l.Dim) }

// Forward applies the logarithm of the softmax.
func (l LogSoftmax) Forward(x *graph.Node) *graph.Node { return x.LogSoftmax(l.Dim) }

// Forward applies the gate.
func (l GLU) Forward(x *graph.Node) *graph.Node { return x.GLU(l.Dim) }

// or returns v, or the default for 0.
func or(v, unset float64) float64 {
	if v == 0 {
		return unset
	}
	return v
}

// PReLU is a leaky ReLU whose slopes are learnt: torch.nn.PReLU (He and others,
// "Delving deep into rectifiers", 2015). Weight has shape [1], or [channels],
// which are dimension 1 of the input.
type PReLU struct {
	Weight *graph.Variable
}

// NewPReLU returns a layer of f32 slopes 0.25, one for each channel or one for
// all.
func NewPReLU(channels int) *PReLU {
	return &PReLU{graph.NewVariable("weight", types.Of(types.F32, channels), Constant(0.25))}
}

// Forward applies the activation.
func (l *PReLU) Forward(x *graph.Node) *graph.Node {
	const op = "prelu"
	if l == nil || l.Weight == nil {
		graph.Fail(op, "the layer has no weight: layers are made by NewPReLU")
	}
	s := l.Weight.Type().Shape
	w := x.Graph().Var(l.Weight)
	switch {
	case len(s) == 1 && s[0] == 1:
		w = w.Squeeze(0)
	case len(s) != 1 || x.Rank() < 2 || x.Dim(1) != s[0]:
		graph.Fail(op, "slopes %v are not those of the channels, dimension 1, of %s", l.Weight.Type(), x.TypeString())
	default:
		for range x.Rank() - 2 {
			w = w.Unsqueeze(-1)
		}
	}
	return x.PReLU(w)
}

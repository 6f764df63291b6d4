package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

// The zero value of an activation is PyTorch's module without arguments.
func TestActivationDefaults(t *testing.T) {
	in := []float64{-4, -1.5, -0.25, 0, 0.5, 2, 7}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	softplus := func(x float64) float64 { return math.Log1p(math.Exp(x)) }
	elu := func(a float64) func(float64) float64 {
		return func(x float64) float64 { return max(x, 0) + a*math.Expm1(min(x, 0)) }
	}
	clamp := func(x, lo, hi float64) float64 { return min(max(x, lo), hi) }
	for _, c := range []struct {
		name  string
		layer nn.Layer
		want  func(x float64) float64
	}{
		{"relu6", nn.ReLU6{}, func(x float64) float64 { return clamp(x, 0, 6) }},
		{"log sigmoid", nn.LogSigmoid{}, func(x float64) float64 { return math.Log(sigmoid(x)) }},
		{"silu", nn.SiLU{}, func(x float64) float64 { return x * sigmoid(x) }},
		{"mish", nn.Mish{}, func(x float64) float64 { return x * math.Tanh(softplus(x)) }},
		{"selu", nn.SELU{}, func(x float64) float64 { return 1.0507009873554805 * elu(1.6732632423543772)(x) }},
		{"hard sigmoid", nn.HardSigmoid{}, func(x float64) float64 { return clamp(x/6+0.5, 0, 1) }},
		{"hard swish", nn.HardSwish{}, func(x float64) float64 { return x * clamp(x/6+0.5, 0, 1) }},
		{"softsign", nn.Softsign{}, func(x float64) float64 { return x / (1 + math.Abs(x)) }},
		{"leaky relu", nn.LeakyReLU{}, func(x float64) float64 { return max(x, 0.01*x) }},
		{"leaky relu of a slope", nn.LeakyReLU{0.3}, func(x float64) float64 { return max(x, 0.3*x) }},
		{"elu", nn.ELU{}, elu(1)},
		{"elu of an alpha", nn.ELU{0.5}, elu(0.5)},
		{"gelu", nn.GELU{}, func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }},
		{"gelu by tanh", nn.GELU{Tanh: true}, func(x float64) float64 {
			return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}},
		{"softplus", nn.Softplus{}, softplus},
		{"softplus of a beta", nn.Softplus{2}, func(x float64) float64 { return softplus(2*x) / 2 }},
		{"hardtanh", nn.HardTanh{}, func(x float64) float64 { return clamp(x, -1, 1) }},
		{"hardtanh of bounds", nn.HardTanh{0, 3}, func(x float64) float64 { return clamp(x, 0, 3) }},
		{"prelu", nn.NewPReLU(1), func(x float64) float64 { return max(x, 0.25*x) }},
	} {
		got := eval(t, nil, func(g *graph.Graph) { g.Output("y", c.layer.Forward(graph.Constant(g, in, len(in)))) })
		for i, x := range in {
			require.InDelta(t, c.want(x), value[float64](t, got["y"])[i], 1e-14, "%s of %v", c.name, x)
		}
	}
}

func TestGatesAndRows(t *testing.T) {
	got := eval(t, nil, func(g *graph.Graph) {
		x := graph.Constant(g, []float64{3, 5, 0, 0}, 2, 2)
		g.Output("glu", nn.GLU{Dim: 0}.Forward(x))
		g.Output("log", nn.LogSoftmax{Dim: 1}.Forward(x).Exp())
		l := nn.NewPReLU(2)
		g.Output("channels", l.Forward(x.Neg()))
	})
	require.Equal(t, []float64{1.5, 2.5}, value[float64](t, got["glu"]))
	require.InDelta(t, 1/(1+math.Exp(2)), value[float64](t, got["log"])[0], 1e-15)
	require.Equal(t, []float64{-0.75, -1.25, 0, 0}, value[float64](t, got["channels"]))
}

func TestPReLUMistakes(t *testing.T) {
	require.Equal(t, "prelu: slopes f32[3] are not those of the channels, dimension 1, of f32[4,2]", mistake(t, func(g *graph.Graph) {
		nn.NewPReLU(3).Forward(g.Input("x", graph.F32, 4, 2))
	}))
	require.Equal(t, "prelu: the layer has no weight: layers are made by NewPReLU", mistake(t, func(g *graph.Graph) {
		(&nn.PReLU{}).Forward(g.Input("x", graph.F32, 4, 2))
	}))
}

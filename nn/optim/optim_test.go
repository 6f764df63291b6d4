package optim_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// bowl is a training problem in f64: the loss is sum(c*p*p)/2 + sum(d*q), so
// that the gradients are c*p and d, for coefficients c and d that are fed.
type bowl struct {
	P, Q *graph.Variable
	s    *session.Session
	step *session.Step
}

var (
	startP = []float64{1, -2, 3}
	startQ = []float64{0.5, 4}
)

func variable(t testing.TB, v []float64) *graph.Variable {
	x, err := tensor.From(append([]float64{}, v...), len(v))
	require.NoError(t, err)
	return graph.NewVariable("", x.Type(), graph.InitialValue(x))
}

func (b *bowl) model(o optim.Optimizer, opts ...optim.Option) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		c, d := g.Input("c", graph.F64, 3), g.Input("d", graph.F64, 2)
		params := nn.Params(b)
		p, q := g.Var(b.P), g.Var(b.Q)
		loss := c.Mul(p).Mul(p).Sum().MulScalar(0.5).Add(d.Mul(q).Sum())
		o.Minimize(loss, params, opts...)
		g.Output("loss", loss)
	}
}

func newBowl(t testing.TB, o optim.Optimizer, opts ...optim.Option) *bowl {
	b := &bowl{P: variable(t, startP), Q: variable(t, startQ)}
	g, err := graph.Build("bowl", b.model(o, opts...), graph.Training())
	require.NoError(t, err)
	b.s = session.New(interp.New())
	t.Cleanup(func() { require.NoError(t, b.s.Close()) })
	b.step, err = b.s.Compile(g)
	require.NoError(t, err)
	return b
}

func (b *bowl) run(t testing.TB, c, d []float64) {
	tc, err := tensor.From(c, 3)
	require.NoError(t, err)
	td, err := tensor.From(d, 2)
	require.NoError(t, err)
	out, err := b.step.Run(t.Context(), session.Feeds{"c": tc, "d": td})
	require.NoError(t, err)
	out.Release()
}

func (b *bowl) get(t testing.TB, name string) []float64 {
	x, err := b.s.Get(name)
	require.NoError(t, err)
	x, err = x.Convert(graph.F64)
	require.NoError(t, err)
	v, err := tensor.Data[float64](x)
	require.NoError(t, err)
	return v
}

// coefficients of step i.
func coefficients(i int) (c, d []float64) {
	x := float64(i)
	return []float64{1 + x, 0.5, math.Sin(x)}, []float64{x - 2, 1}
}

// reference is torch.optim.SGD as its documentation gives it.
type reference struct {
	lr, momentum, dampening, decay float64
	nesterov                       bool
	buf                            map[int][]float64
}

func (r *reference) update(k int, p, grad []float64) {
	first := r.buf[k] == nil
	if first {
		r.buf[k] = make([]float64, len(p))
	}
	for i := range p {
		d := grad[i] + r.decay*p[i]
		if r.momentum != 0 {
			b := &r.buf[k][i]
			if first {
				*b = d
			} else {
				*b = r.momentum**b + (1-r.dampening)*d
			}
			if r.nesterov {
				d += r.momentum * *b
			} else {
				d = *b
			}
		}
		p[i] -= r.lr * d
	}
}

func TestSGD(t *testing.T) {
	for name, o := range map[string]optim.SGD{
		"plain":        {LR: 0.1},
		"decay":        {LR: 0.1, WeightDecay: 0.2},
		"momentum":     {LR: 0.1, Momentum: 0.9},
		"dampening":    {LR: 0.1, Momentum: 0.9, Dampening: 0.5},
		"nesterov":     {LR: 0.05, Momentum: 0.8, Nesterov: true},
		"everything":   {LR: 0.05, Momentum: 0.8, Dampening: 0.3, WeightDecay: 0.01},
		"all nesterov": {LR: 0.05, Momentum: 0.8, WeightDecay: 0.01, Nesterov: true, Name: "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &reference{o.LR, o.Momentum, o.Dampening, o.WeightDecay, o.Nesterov, map[int][]float64{}}
			b := newBowl(t, o)
			p, q := append([]float64{}, startP...), append([]float64{}, startQ...)
			for i := range 6 {
				c, d := coefficients(i)
				b.run(t, c, d)
				grad := make([]float64, 3)
				for j := range grad {
					grad[j] = c[j] * p[j]
				}
				r.update(0, p, grad)
				r.update(1, q, d)
				require.InDeltaSlice(t, p, b.get(t, "p"), 1e-12, "step %d", i)
				require.InDeltaSlice(t, q, b.get(t, "q"), 1e-12, "step %d", i)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	o := optim.SGD{LR: 0.1, Momentum: 0.9, Dampening: 0.5}
	b := newBowl(t, o)
	require.Equal(t, []string{"optim.lr", "optim.updates", "p", "p.momentum_buffer", "q", "q.momentum_buffer"}, b.s.Names())
	rate := o.Rate(nn.Params(b))
	require.Equal(t, "optim.lr", rate.Name())
	require.Equal(t, graph.F64, rate.Type().DType, "as the parameters")
	require.False(t, rate.Trainable())
	require.Same(t, rate, o.Rate(nn.Params(b)))
	o.LR = 0.2
	require.NotSame(t, rate, o.Rate(nn.Params(b)), "another rate is another variable")

	// Without momentum there is no buffer.
	b = newBowl(t, optim.SGD{LR: 0.1, Name: "second"})
	require.Equal(t, []string{"p", "q", "second.lr"}, b.s.Names())
}

// The rate changes between steps, without compiling anew.
func TestRate(t *testing.T) {
	b := newBowl(t, optim.SGD{LR: 0.1})
	require.NoError(t, b.s.Set("optim.lr", tensor.Scalar(0.5)))
	b.run(t, []float64{0, 0, 0}, []float64{1, 2})
	require.InDeltaSlice(t, []float64{0, 3}, b.get(t, "q"), 1e-15)
	require.NoError(t, b.s.Set("optim.lr", tensor.Scalar(0.0)))
	b.run(t, []float64{0, 0, 0}, []float64{1, 2})
	require.InDeltaSlice(t, []float64{0, 3}, b.get(t, "q"), 1e-15)
}

func TestFrozen(t *testing.T) {
	b := &bowl{P: variable(t, startP), Q: variable(t, startQ)}
	b.P.Freeze()
	g, err := graph.Build("bowl", b.model(optim.SGD{LR: 1, Momentum: 0.9, WeightDecay: 1}))
	require.NoError(t, err)
	b.s = session.New(interp.New())
	defer b.s.Close()
	b.step, err = b.s.Compile(g)
	require.NoError(t, err)
	b.run(t, []float64{1, 1, 1}, []float64{1, 1})
	require.Equal(t, startP, b.get(t, "p"))
	require.NotEqual(t, startQ, b.get(t, "q"))
	require.Equal(t, []string{"optim.lr", "p", "q", "q.momentum_buffer"}, b.s.Names())
}

// Sums of three steps make one update; between updates nothing changes.
func TestAccumulate(t *testing.T) {
	o := optim.SGD{LR: 0.1, Momentum: 0.9, Dampening: 0.5}
	whole, parts := newBowl(t, optim.SGD{LR: 0.1, Momentum: 0.9, Dampening: 0.5}), newBowl(t, o, optim.Accumulate(3))
	for i := range 12 {
		before := parts.get(t, "p")
		parts.run(t, []float64{1, 2, float64(i % 3)}, []float64{1, float64(i)})
		require.Equal(t, float64((i+1)%3), parts.get(t, "optim.accumulated")[0])
		if i%3 != 2 {
			require.Equal(t, before, parts.get(t, "p"))
			continue
		}
		whole.run(t, []float64{3, 6, 3}, []float64{3, float64(3*i - 3)})
		for _, name := range []string{"p", "q", "p.momentum_buffer", "q.momentum_buffer", "optim.updates"} {
			require.InDeltaSlice(t, whole.get(t, name), parts.get(t, name), 1e-12, "%s after step %d", name, i)
		}
		require.Equal(t, []float64{0, 0, 0}, parts.get(t, "p.accumulator"))
	}
}

// A gradient that is not finite is gone when the accumulators are zeroed.
func TestAccumulatorsForgetNaN(t *testing.T) {
	b := newBowl(t, optim.SGD{LR: 0.1}, optim.Accumulate(2))
	b.run(t, []float64{1, 1, 1}, []float64{math.NaN(), math.Inf(1)})
	b.run(t, []float64{1, 1, 1}, []float64{1, 1})
	require.Equal(t, []float64{0, 0}, b.get(t, "q.accumulator"))
}

func TestZeroGrad(t *testing.T) {
	o := optim.SGD{LR: 1}
	b := newBowl(t, o, optim.Accumulate(2))
	g, err := graph.Build("zero", func(g *graph.Graph) { o.ZeroGrad(g, nn.Params(b)) })
	require.NoError(t, err)
	zero, err := b.s.Compile(g)
	require.NoError(t, err)
	b.run(t, []float64{0, 0, 0}, []float64{100, 100})
	out, err := zero.Run(t.Context(), nil)
	require.NoError(t, err)
	out.Release()
	require.Zero(t, b.get(t, "optim.accumulated")[0])
	for range 2 {
		b.run(t, []float64{0, 0, 0}, []float64{1, 0})
	}
	require.Equal(t, []float64{startQ[0] - 2, startQ[1]}, b.get(t, "q"), "what was before is dropped")

	_, err = graph.Build("zero", func(g *graph.Graph) { optim.SGD{LR: 1, Name: "other"}.ZeroGrad(g, nn.Params(b)) })
	require.ErrorContains(t, err, "zero_grad: nothing is accumulated: build a training step with Accumulate first")
}

func TestClipNorm(t *testing.T) {
	// The gradients of the first step are c*p = (3,0,0) and d = (0,4): norm 5.
	for _, c := range []struct{ limit, scale float64 }{{1, 1 / (5 + 1e-6)}, {4.9, 4.9 / (5 + 1e-6)}, {5.1, 1}, {0, 0}} {
		b := newBowl(t, optim.SGD{LR: 1}, optim.ClipNorm(c.limit))
		b.run(t, []float64{3, 0, 0}, []float64{0, 4})
		require.InDeltaSlice(t, []float64{1 - 3*c.scale, -2, 3}, b.get(t, "p"), 1e-12)
		require.InDeltaSlice(t, []float64{0.5, 4 - 4*c.scale}, b.get(t, "q"), 1e-12)
	}
}

func TestClipValue(t *testing.T) {
	b := newBowl(t, optim.SGD{LR: 1}, optim.ClipValue(2))
	b.run(t, []float64{3, 0.5, -7}, []float64{-1, -4})
	require.InDeltaSlice(t, []float64{1 - 2, -2 + 1, 3 + 2}, b.get(t, "p"), 1e-12)
	require.InDeltaSlice(t, []float64{0.5 + 1, 4 + 2}, b.get(t, "q"), 1e-12)

	// Clipping is done in the order of the options, on the sum of what is
	// accumulated.
	b = newBowl(t, optim.SGD{LR: 1}, optim.ClipValue(4), optim.ClipNorm(1), optim.Accumulate(2))
	for range 2 {
		b.run(t, []float64{1.5, 0, 0}, []float64{0, 100})
	}
	require.InDeltaSlice(t, []float64{1 - 3./5, -2, 3}, b.get(t, "p"), 1e-6)
	require.InDeltaSlice(t, []float64{0.5, 4 - 4./5}, b.get(t, "q"), 1e-6)
}

// Models may mix f32 and f64 parameters.
func TestMixedTypes(t *testing.T) {
	m := nn.Sequential{nn.NewLinear(2, 3), nn.Tanh{}, nn.NewLinear(3, 2, nn.WithDType(graph.F64))}
	o := optim.SGD{LR: 0.5, Momentum: 0.9, Dampening: 0.1, WeightDecay: 0.01}
	g, err := graph.Build("mixed", func(g *graph.Graph) {
		loss := nn.CrossEntropy(m.Forward(graph.Ones(g, graph.F32, 1, 2)), graph.Zeros(g, graph.I32, 1))
		o.Minimize(loss, nn.Params(m), optim.ClipNorm(1), optim.ClipValue(0.5), optim.Accumulate(2))
		g.Output("loss", loss)
	})
	require.NoError(t, err)
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	var losses []float64
	for range 20 {
		out, err := step.Run(t.Context(), nil)
		require.NoError(t, err)
		loss, err := out.Scalar("loss")
		require.NoError(t, err)
		losses = append(losses, loss)
		out.Release()
	}
	require.Less(t, losses[19], losses[0]/4)
}

func TestMistakes(t *testing.T) {
	inf := math.Inf(1)
	for want, c := range map[string]struct {
		o    optim.SGD
		opts []optim.Option
	}{
		"sgd: the learning rate -1 is not a finite number of at least 0":  {optim.SGD{LR: -1}, nil},
		"sgd: the learning rate NaN is not a finite number of at least 0": {optim.SGD{LR: math.NaN()}, nil},
		"sgd: the momentum -0.5 is not a finite number of at least 0":     {optim.SGD{LR: 1, Momentum: -0.5}, nil},
		"sgd: the weight decay +Inf is not a finite number of at least 0": {optim.SGD{LR: 1, WeightDecay: inf}, nil},
		"sgd: dampening +Inf must be finite":                              {optim.SGD{LR: 1, Dampening: inf}, nil},
		"sgd: Nesterov momentum needs a momentum and no dampening":        {optim.SGD{LR: 1, Nesterov: true}, nil},
		"accumulate: 0 steps: wants at least 1":                           {optim.SGD{LR: 1}, []optim.Option{optim.Accumulate(0)}},
		"clip_norm: the limit -1 is not a finite number of at least 0":    {optim.SGD{LR: 1}, []optim.Option{optim.ClipNorm(-1)}},
		"clip_value: the limit NaN is not a finite number of at least 0":  {optim.SGD{LR: 1}, []optim.Option{optim.ClipValue(math.NaN())}},
	} {
		b := &bowl{P: variable(t, startP), Q: variable(t, startQ)}
		_, err := graph.Build("bowl", b.model(c.o, c.opts...))
		var e *graph.Error
		require.ErrorAs(t, err, &e, want)
		require.Equal(t, want, e.Op+": "+e.Err.Error())
		require.Equal(t, "optim_test.go", e.Pos.File)
	}
}

// An optimizer has no state: it may be made in a model whose batch size is bound
// later, which is built several times.
func TestMadeInTheModel(t *testing.T) {
	m := nn.Sequential{nn.NewLinear(1, 1)}
	g, err := graph.Build("line", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, graph.Dim("batch"), 1)
		loss := nn.MSE(m.Forward(x), x)
		optim.SGD{LR: 0.1, Momentum: 0.5, Dampening: 0.5}.Minimize(loss, nn.Params(m), optim.Accumulate(2))
		g.Output("loss", loss)
	}, graph.Training())
	require.NoError(t, err)
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	var last float64
	for i := range 60 {
		x, err := tensor.Full[float32](1, 2+i%3, 1)
		require.NoError(t, err)
		out, err := step.Run(t.Context(), session.Feeds{"x": x})
		require.NoError(t, err)
		last, err = out.Scalar("loss")
		require.NoError(t, err)
		out.Release()
	}
	require.Less(t, last, 1e-4)
	require.Len(t, step.Bindings(), 3)
	require.Equal(t, []string{
		"0.bias", "0.bias.accumulator", "0.bias.momentum_buffer", "0.weight", "0.weight.accumulator", "0.weight.momentum_buffer",
		"optim.accumulated", "optim.lr", "optim.updates",
	}, s.Names())
}

func TestParameterMistakes(t *testing.T) {
	for want, minimize := range map[string]func(loss *graph.Node, p, q *graph.Variable){
		"minimize: parameter p is given twice": func(loss *graph.Node, p, _ *graph.Variable) {
			optim.SGD{}.Minimize(loss, []*graph.Variable{p, p})
		},
		"minimize: parameter 1 is nil": func(loss *graph.Node, p, _ *graph.Variable) {
			optim.SGD{}.Minimize(loss, []*graph.Variable{p, nil})
		},
		"minimize: there are no parameters": func(loss *graph.Node, _, _ *graph.Variable) { optim.SGD{}.Minimize(loss, nil) },
		"minimize: there are no trainable parameters among 1": func(loss *graph.Node, p, _ *graph.Variable) {
			p.Freeze()
			optim.SGD{}.Minimize(loss, []*graph.Variable{p})
		},
		"grad: parameter q does not reach the loss": func(loss *graph.Node, p, q *graph.Variable) {
			optim.SGD{}.Minimize(loss, []*graph.Variable{p, q})
		},
		"scalar": func(loss *graph.Node, p, _ *graph.Variable) {
			optim.SGD{}.Minimize(loss.Unsqueeze(0), []*graph.Variable{p})
		},
	} {
		_, err := graph.Build("m", func(g *graph.Graph) {
			p, q := variable(t, startP), variable(t, startQ)
			p.SetName("p")
			q.SetName("q")
			minimize(g.Var(p).Sum(), p, q)
		})
		require.ErrorContains(t, err, want)
	}
}

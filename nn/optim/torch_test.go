package optim_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// pytorch is what testdata/trajectories.py wrote.
var pytorch struct {
	Optimizers map[string][]struct {
		Step int
		P, Q []float32
	}
	Schedules map[string][]float64
	Scaler    struct {
		Scales []float64
		P      [][]float32
	}
}

func TestMain(m *testing.M) {
	b, err := os.ReadFile("testdata/trajectories.json")
	if err == nil {
		err = json.Unmarshal(b, &pytorch)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// uniform returns n numbers in [-1, 1), each times a size: uniform of
// testdata/trajectories.py.
func uniform(seed uint32, n int, size ...float32) []float32 {
	xs := make([]float32, n)
	for i := range xs {
		h := uint32(i) + seed*0x9E3779B9
		h *= 2654435761
		h ^= h >> 16
		h *= 0x85EBCA6B
		h ^= h >> 13
		xs[i] = float32(float64(h>>8)/(1<<23) - 1)
		if size != nil {
			xs[i] *= size[i]
		}
	}
	return xs
}

// linear is a loss whose gradients are fed.
type linear struct {
	P, Q *graph.Variable
	s    *session.Session
	step *session.Step
}

func f32s(t testing.TB, v []float32, dims ...int) *tensor.Tensor {
	x, err := tensor.From(v, dims...)
	require.NoError(t, err)
	return x
}

func newLinear(t testing.TB, o optim.Optimizer, opts ...optim.Option) *linear {
	return newLinearOn(t, interp.New(), o, opts...)
}

func newLinearOn(t testing.TB, dev device.Device, o optim.Optimizer, opts ...optim.Option) *linear {
	p, q := f32s(t, uniform(1, 3), 3), f32s(t, uniform(2, 4), 2, 2)
	l := &linear{
		P: graph.NewVariable("", p.Type(), graph.InitialValue(p)),
		Q: graph.NewVariable("", q.Type(), graph.InitialValue(q)),
	}
	g, err := graph.Build("linear", func(g *graph.Graph) {
		c, d := g.Input("c", graph.F32, 3), g.Input("d", graph.F32, 2, 2)
		params := nn.Params(l)
		loss := c.Mul(g.Var(l.P)).Sum().Add(d.Mul(g.Var(l.Q)).Sum())
		o.Minimize(loss, params, opts...)
		g.Output("loss", loss)
	}, graph.Training())
	require.NoError(t, err)
	l.s = session.New(dev, session.WithDebug("check"))
	t.Cleanup(func() { require.NoError(t, l.s.Close()) })
	l.step, err = l.s.Compile(g)
	require.NoError(t, err)
	return l
}

func (l *linear) run(t testing.TB, c, d []float32) {
	out, err := l.step.Run(t.Context(), session.Feeds{"c": f32s(t, c, 3), "d": f32s(t, d, 2, 2)})
	require.NoError(t, err)
	out.Release()
}

func (l *linear) get(t testing.TB, name string) []float32 {
	x, err := l.s.Get(name)
	require.NoError(t, err)
	v, err := tensor.Data[float32](x)
	require.NoError(t, err)
	return v
}

var sizeP, sizeQ = []float32{1, 1e-3, 30}, []float32{1, 0.01, 5, 0}

type setting struct {
	o    optim.Optimizer
	opts []optim.Option
}

func settings() map[string]setting {
	isQ := optim.Named("q")
	return map[string]setting{
		"sgd":              {optim.SGD{LR: 0.1}, nil},
		"sgd everything":   {optim.SGD{LR: 0.05, Momentum: 0.8, Dampening: 0.3, WeightDecay: 0.01}, nil},
		"sgd nesterov":     {optim.SGD{LR: 0.05, Momentum: 0.9, Nesterov: true}, nil},
		"adam":             {optim.Adam{LR: 0.01}, nil},
		"adam betas":       {optim.Adam{LR: 0.01, Betas: [2]float64{0.8, 0.95}, Eps: 1e-4}, nil},
		"adam small betas": {optim.Adam{LR: 0.01, Betas: [2]float64{0, 0.3}}, nil},
		"adam decay":       {optim.Adam{LR: 0.01, WeightDecay: 0.1}, nil},
		"adam amsgrad":     {optim.Adam{LR: 0.01, AMSGrad: true}, nil},
		"adamw":            {optim.AdamW{LR: 0.01, WeightDecay: 0.1}, nil},
		"adamw amsgrad":    {optim.AdamW{LR: 0.01, WeightDecay: 0.3, AMSGrad: true}, nil},
		"adamw no decay of vectors": {optim.AdamW{LR: 0.01, WeightDecay: 0.3},
			[]optim.Option{optim.GroupDecay(0, optim.Vectors)}},
		"adamw slow q": {optim.AdamW{LR: 0.01, WeightDecay: 0.1}, []optim.Option{optim.GroupRate(0.25, isQ)}},
		"adamw cosine": {optim.AdamW{LR: 0.01, WeightDecay: 0.1},
			[]optim.Option{optim.Scheduled(optim.Linear(10, 0.1, 1).Then(10, optim.Cosine(40, 0.1)))}},
		"rmsprop":            {optim.RMSprop{LR: 0.01}, nil},
		"rmsprop centered":   {optim.RMSprop{LR: 0.01, Alpha: 0.9, Centered: true}, nil},
		"rmsprop momentum":   {optim.RMSprop{LR: 0.01, Alpha: 0.95, Eps: 1e-5, Momentum: 0.7, WeightDecay: 0.05}, nil},
		"rmsprop everything": {optim.RMSprop{LR: 0.01, Alpha: 0.95, Momentum: 0.7, WeightDecay: 0.05, Centered: true}, nil},
		"lion":               {optim.Lion{LR: 0.003}, nil},
		"lion decay":         {optim.Lion{LR: 0.003, Betas: [2]float64{0.8, 0.95}, WeightDecay: 0.2}, nil},
	}
}

// Every optimizer makes PyTorch's updates.
func TestTrajectories(t *testing.T) {
	all := settings()
	require.Len(t, all, len(pytorch.Optimizers))
	for name, c := range all {
		for _, dev := range []device.Device{interp.New(), cpu.New(cpu.WithThreads(1))} {
			t.Run(name+"/"+dev.Name(), func(t *testing.T) {
				want := pytorch.Optimizers[name]
				require.NotEmpty(t, want)
				l := newLinearOn(t, dev, c.o, c.opts...)
				for i := uint32(1); i <= 50; i++ {
					l.run(t, uniform(100+i, 3, sizeP...), uniform(200+i, 4, sizeQ...))
					if want[0].Step != int(i) {
						continue
					}
					closeTo(t, want[0].P, l.get(t, "p"), "p after step %d", i)
					closeTo(t, want[0].Q, l.get(t, "q"), "q after step %d", i)
					want = want[1:]
				}
				require.Empty(t, want)
			})
		}
	}
}

// Parameters of 16 bits are updated in f32 and rounded once.
func TestHalves(t *testing.T) {
	for name, c := range settings() {
		for _, d := range []types.DType{graph.F16, graph.BF16} {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				start, err := f32s(t, uniform(2, 4), 4).Convert(d)
				require.NoError(t, err)
				grad, err := f32s(t, uniform(201, 4), 4).Convert(d)
				require.NoError(t, err)
				step := func(d types.DType) *tensor.Tensor {
					first, err := start.Convert(d)
					require.NoError(t, err)
					feed, err := grad.Convert(d)
					require.NoError(t, err)
					q := graph.NewVariable("q", first.Type(), graph.InitialValue(first))
					opts := append(slices.Clone(c.opts), optim.ClipNorm(0.5), optim.ScaleLoss(optim.GradScaler{InitScale: 4}))
					if name == "adamw no decay of vectors" {
						opts = opts[1:]
					}
					g, err := graph.Build("half", func(g *graph.Graph) {
						c.o.Minimize(g.Input("d", d, 4).Mul(g.Var(q)).Sum(), []*graph.Variable{q}, opts...)
					}, graph.Training())
					require.NoError(t, err)
					s := session.New(interp.New())
					defer s.Close()
					st, err := s.Compile(g)
					require.NoError(t, err)
					out, err := st.Run(t.Context(), session.Feeds{"d": feed})
					require.NoError(t, err)
					out.Release()
					got, err := s.Get("q")
					require.NoError(t, err)
					return got
				}
				want, err := step(graph.F32).Convert(d)
				require.NoError(t, err)
				require.True(t, tensor.Equal(want, step(d)))
			})
		}
	}
}

// closeTo compares with a tolerance of some roundings.
func closeTo(t *testing.T, want, got []float32, msg string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.InDelta(t, want[i], got[i], 1e-6*math.Max(1, math.Abs(float64(want[i]))), append([]any{msg}, args...)...)
	}
}

// A step that is skipped or waits for a complete sum leaves no trace, with any
// optimizer, and sums and scales of gradients are undone exactly.
func TestOptionsAgree(t *testing.T) {
	for name, c := range settings() {
		t.Run(name, func(t *testing.T) {
			plain := newLinear(t, c.o, c.opts...)
			guarded := newLinear(t, c.o, append(slices.Clone(c.opts), optim.Accumulate(2), optim.ScaleLoss(optim.GradScaler{}))...)
			names := plain.s.Names()
			zero := make([]float32, 4)
			for i := uint32(1); i <= 8; i++ {
				p, q := uniform(100+i, 3, sizeP...), uniform(200+i, 4, sizeQ...)
				if i == 5 {
					nan := slices.Clone(p)
					nan[1] = float32(math.Inf(1))
					guarded.run(t, nan, zero)
					guarded.run(t, p, q)
				}
				plain.run(t, p, q)
				guarded.run(t, p, zero)
				guarded.run(t, zero[:3], q)
				for _, n := range names {
					want, err := plain.s.Get(n)
					require.NoError(t, err)
					got, err := guarded.s.Get(n)
					require.NoError(t, err)
					require.True(t, tensor.Equal(want, got), "%s after update %d: %v, not %v", n, i, got, want)
				}
			}
		})
	}
}

func TestSchedules(t *testing.T) {
	for name, f := range map[string]optim.Schedule{
		"linear":             optim.Linear(20, 0.25, 0.75),
		"step":               optim.Step(7, 0.5),
		"cosine":             optim.Cosine(50, 0.1),
		"warm-up and cosine": optim.Linear(10, 0.01, 1).Then(10, optim.Cosine(40, 0.1)),
		"three parts":        optim.Linear(5, 0.5, 1).Then(5, optim.Step(10, 0.1).Then(25, optim.Linear(15, 1, 0.2))),
		"one cycle":          optim.OneCycle(optim.Cycle{Updates: 50}),
		"one cycle linear":   optim.OneCycle(optim.Cycle{Updates: 50, Rise: 0.4, First: 0.1, Last: 0.1 / 50, Linear: true}),
		"constant":           optim.Constant(),
		"beyond":             optim.Cosine(10, 0.25),
	} {
		t.Run(name, func(t *testing.T) {
			want := pytorch.Schedules[name]
			switch name {
			case "constant":
				want = slices.Repeat([]float64{1}, 20)
			case "beyond":
				want = append(make([]float64, 10), 0.25, 0.25, 0.25)
				for i := range 10 {
					want[i] = 0.25 + 0.75*(1+math.Cos(math.Pi*float64(i)/10))/2
				}
			}
			require.NotEmpty(t, want)
			require.InDeltaSlice(t, want, factors(t, f, len(want)), 1e-12)
		})
	}
}

// factors returns the rates of n steps with a rate of 1.
func factors(t *testing.T, f optim.Schedule, n int) []float64 {
	v := graph.NewVariable("v", types.Of(graph.F64), nil)
	g, err := graph.Build("schedule", func(g *graph.Graph) {
		optim.SGD{LR: 1}.Minimize(g.Var(v), []*graph.Variable{v}, optim.Scheduled(f), optim.OutputRate("rate"))
	}, graph.Training())
	require.NoError(t, err)
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	require.NoError(t, err)
	var out []float64
	for range n {
		r, err := step.Run(t.Context(), nil)
		require.NoError(t, err)
		x, err := r.Scalar("rate")
		require.NoError(t, err)
		out = append(out, x)
		r.Release()
	}
	return out
}

// The scale of the loss goes PyTorch's way.
func TestGradScaler(t *testing.T) {
	scaler := optim.GradScaler{InitScale: 1024, GrowthFactor: 4, BackoffFactor: 0.25, GrowthInterval: 5}
	l := newLinear(t, optim.SGD{LR: 0.1, Momentum: 0.9}, optim.ScaleLoss(scaler))
	bad := []int{2, 3, 9, 17, 30}
	for i, want := range pytorch.Scaler.Scales {
		c := uniform(uint32(300+i), 3)
		if slices.Contains(bad, i) {
			c[i%3] = float32(math.NaN())
			if i%2 == 1 {
				c[i%3] = float32(math.Inf(1))
			}
		}
		l.run(t, c, make([]float32, 4))
		require.Equal(t, float32(want), l.get(t, "optim.loss_scale")[0], "step %d", i)
		closeTo(t, pytorch.Scaler.P[i], l.get(t, "p"), "step %d", i)
	}
}

// The defaults are those of torch.amp.GradScaler.
func TestGradScalerDefaults(t *testing.T) {
	l := newLinear(t, optim.SGD{LR: 0.1}, optim.ScaleLoss(optim.GradScaler{}))
	scaleAfter := func(steps int, c float64) float32 {
		for range steps {
			l.run(t, []float32{float32(c), 1, 1}, make([]float32, 4))
		}
		return l.get(t, "optim.loss_scale")[0]
	}
	require.Equal(t, float32(65536), scaleAfter(1, 1))
	require.Equal(t, float32(32768), scaleAfter(1, math.NaN()))
	require.Equal(t, float32(32768), scaleAfter(1999, 1))
	require.Equal(t, float32(65536), scaleAfter(1, 1))
}

// The scale neither becomes infinite nor so small that its inverse would be.
func TestGradScalerLimits(t *testing.T) {
	up := newLinear(t, optim.SGD{LR: 0.1}, optim.ScaleLoss(optim.GradScaler{InitScale: 1e38, GrowthFactor: 3, GrowthInterval: 1}))
	up.run(t, make([]float32, 3), make([]float32, 4))
	require.Equal(t, float32(3e38), up.get(t, "optim.loss_scale")[0])
	up.run(t, make([]float32, 3), make([]float32, 4))
	require.Equal(t, float32(3e38), up.get(t, "optim.loss_scale")[0])
	up.run(t, []float32{1e3, 0, 0}, make([]float32, 4))
	require.Equal(t, float32(1.5e38), up.get(t, "optim.loss_scale")[0], "the scaled gradient overflowed")
	require.Equal(t, uniform(1, 3), up.get(t, "p"))

	down := newLinear(t, optim.SGD{LR: 0.1}, optim.ScaleLoss(optim.GradScaler{InitScale: 1e-37, BackoffFactor: 0.1}))
	nan := float32(math.NaN())
	for range 3 {
		down.run(t, []float32{nan, 0, 0}, make([]float32, 4))
	}
	require.Equal(t, float32(0x1p-126), down.get(t, "optim.loss_scale")[0])
	down.run(t, []float32{1, 1, 1}, make([]float32, 4))
	require.InDelta(t, uniform(1, 1)[0]-0.1, down.get(t, "p")[0], 1e-6)
}

func TestSkipNonFinite(t *testing.T) {
	l := newLinear(t, optim.AdamW{LR: 0.1}, optim.SkipNonFinite(), optim.ClipNorm(1))
	before := l.get(t, "p")
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		l.run(t, []float32{1, float32(v), 1}, []float32{1, 1, 1, 1})
		require.Equal(t, before, l.get(t, "p"))
		require.Equal(t, make([]float32, 3), l.get(t, "p.exp_avg"))
	}
	l.run(t, []float32{1, 1, 1}, []float32{1, 1, 1, 1})
	require.NotEqual(t, before, l.get(t, "p"))
}

func TestNamed(t *testing.T) {
	named := func(name string) *graph.Variable { return graph.NewVariable(name, types.Of(graph.F32), nil) }
	which := optim.Named("head.*", "*.bias")
	require.True(t, which(named("head.weight")))
	require.True(t, which(named("h.0.fc1.bias")))
	require.False(t, which(named("h.0.fc1.weight")))
}

func TestOptionMistakes(t *testing.T) {
	inf := math.Inf(1)
	for want, make := range map[string]func() setting{
		"minimize: option 0 is nil":                      func() setting { return setting{optim.Adam{}, []optim.Option{nil}} },
		"adam: beta 2 is 1: wants a number":              func() setting { return setting{optim.Adam{Betas: [2]float64{0.9, 1}}, nil} },
		"adamw: beta 1 is -1: wants a number":            func() setting { return setting{optim.AdamW{Betas: [2]float64{-1, 0}}, nil} },
		"adam: the eps -1 is not":                        func() setting { return setting{optim.Adam{Eps: -1}, nil} },
		"adamw: the weight decay +Inf is not":            func() setting { return setting{optim.AdamW{WeightDecay: inf}, nil} },
		"rmsprop: alpha 1 is not below 1":                func() setting { return setting{optim.RMSprop{Alpha: 1}, nil} },
		"rmsprop: the momentum -1 is not":                func() setting { return setting{optim.RMSprop{Momentum: -1}, nil} },
		"lion: the learning rate NaN is not":             func() setting { return setting{optim.Lion{LR: math.NaN()}, nil} },
		"lion: beta 1 is NaN: wants":                     func() setting { return setting{optim.Lion{Betas: [2]float64{math.NaN(), 0}}, nil} },
		"none of the 2 trainable parameters is selected": func() setting { return with(optim.GroupRate(2, optim.Named("x"))) },
		"group_decay: the weight decay -1 is not":        func() setting { return with(optim.GroupDecay(-1, optim.Vectors)) },
		"group_rate: the selection is nil":               func() setting { return with(optim.GroupRate(1, nil)) },
		`named: the pattern "["`:                         func() setting { return with(optim.GroupRate(1, optim.Named("["))) },
		"scheduled: the schedule is nil":                 func() setting { return with(optim.Scheduled(nil)) },
		"not a floating-point scalar": func() setting {
			return with(optim.Scheduled(func(n *graph.Node) *graph.Node { return n.Unsqueeze(0) }))
		},
		"the schedule returns":                             func() setting { return with(optim.Scheduled(func(n *graph.Node) *graph.Node { return nil })) },
		"cosine: 0 updates: wants at least 1":              func() setting { return with(optim.Scheduled(optim.Cosine(0, 0))) },
		"linear: the last factor -1 is not":                func() setting { return with(optim.Scheduled(optim.Linear(3, 0, -1))) },
		"step: the factor NaN is not":                      func() setting { return with(optim.Scheduled(optim.Step(3, math.NaN()))) },
		"then: a schedule is nil":                          func() setting { return with(optim.Scheduled(optim.Constant().Then(3, nil))) },
		"one_cycle: a rise in the fraction 0.3 of 3":       func() setting { return with(optim.Scheduled(optim.OneCycle(optim.Cycle{Updates: 3}))) },
		"scale_loss: the first scale 1e-40 is outside":     func() setting { return with(optim.ScaleLoss(optim.GradScaler{InitScale: 1e-40})) },
		"scale_loss: growth factor 0.5 must be at least 1": func() setting { return with(optim.ScaleLoss(optim.GradScaler{GrowthFactor: 0.5})) },
		"scale_loss: the growth interval -1 is not":        func() setting { return with(optim.ScaleLoss(optim.GradScaler{GrowthInterval: -1})) },
		"output_rate: the output has no name":              func() setting { return with(optim.OutputRate("")) },
	} {
		b := &bowl{P: variable(t, startP), Q: variable(t, startQ)}
		_, err := graph.Build("bowl", func(g *graph.Graph) {
			s := make()
			b.model(s.o, s.opts...)(g)
		})
		var e *graph.Error
		require.ErrorAs(t, err, &e, want)
		require.ErrorContains(t, err, want)
		require.Contains(t, e.Pos.File, "_test.go", want)
	}
}

func with(o optim.Option) setting { return setting{optim.SGD{}, []optim.Option{o}} }

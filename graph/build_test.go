package graph_test

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

func TestBuildRecoversOnlyModelErrors(t *testing.T) {
	boom := errors.New("boom")
	require.PanicsWithError(t, "boom", func() {
		_, _ = graph.Build("m", func(*graph.Graph) { panic(boom) })
	})
	require.Panics(t, func() {
		_, _ = graph.Build("m", func(*graph.Graph) { _ = slices.Repeat([]int{1}, -1) })
	})
	require.Panics(t, func() {
		_, _ = graph.Build("m", func(g *graph.Graph) {
			var s []int
			g.Output("y", graph.Zeros(g, graph.F32, s[1]))
		})
	})
}

func TestBuildNamesBugs(t *testing.T) {
	saved := ir.OpSin.Def().Infer
	defer func() { ir.OpSin.Def().Infer = saved }()
	ir.OpSin.Def().Infer = nil
	_, err := graph.Build("m", func(g *graph.Graph) { g.Output("y", g.Input("x", graph.F32).Sin()) })
	require.ErrorContains(t, err, "bug in dumbtorch/ir.")
	require.ErrorContains(t, err, ": runtime error")
}

func TestBuildChecksTheWhole(t *testing.T) {
	v := func(name string) *graph.Variable { return graph.NewVariable(name, types.Of(graph.F32), nil) }
	for _, c := range []struct {
		want  string
		model func(g *graph.Graph)
		opts  []graph.Option
	}{
		{`build: the model function of graph "m" is nil`, nil, nil},
		{"build: an option is nil", func(g *graph.Graph) {}, []graph.Option{nil}},
		{`build: graph "m" has no output and assigns no variable`, func(g *graph.Graph) {}, nil},
		{`build: two variables are named "w"`, func(g *graph.Graph) { g.Output("y", g.Var(v("w")).Add(g.Var(v("w")))) }, nil},
		{"build: no input has dimension batch: nothing tells its size", func(g *graph.Graph) {
			g.Output("y", graph.Zeros(g, graph.F32, graph.Dim("batch")))
		}, nil},
	} {
		g, err := graph.Build("m", c.model, c.opts...)
		require.Nil(t, g)
		require.ErrorContains(t, err, c.want)
		require.Regexp(t, `^build_test\.go:\d+: `, err.Error())
	}
}

func TestModes(t *testing.T) {
	var training bool
	model := func(g *graph.Graph) {
		training = g.Training()
		g.Output("y", g.Input("x", graph.F32, graph.Dim("n")))
	}
	for _, c := range []struct {
		opts []graph.Option
		want bool
	}{{nil, false}, {[]graph.Option{graph.Training()}, true}, {[]graph.Option{graph.Training(), graph.Eval()}, false}} {
		g, err := graph.Build("m", model, c.opts...)
		require.NoError(t, err)
		require.Equal(t, c.want, training)
		require.Equal(t, c.want, g.Training())
		training = !c.want
		_, err = g.Bind(map[string]int{"n": 3})
		require.NoError(t, err)
		require.Equal(t, c.want, training)
	}
}

func TestNamedDimensions(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F64, graph.Dim("batch"), 4)
		y := g.Input("y", graph.F64, graph.Dim("seq"), graph.Dim("batch"))
		require.Contains(t, []string{"f64[batch,4]", "f64[3,4]"}, x.TypeString())
		z := x.Reshape(graph.Dim("batch"), 2, -1).Sum(1, 2).Mul(y)
		require.Contains(t, []string{"f64[seq,batch]", "f64[5,3]"}, z.TypeString())
		g.Output("z", z.Sum(0))
		half := x.Reshape(-1, 2).Slice(0, 0, x.Dim(0), 1)
		require.Contains(t, []string{"f64[batch,2]", "f64[3,2]"}, half.TypeString())
		g.Output("half", half.Sum())
	})
	bound, err := g.Bind(map[string]int{"batch": 3, "seq": 5})
	require.NoError(t, err)
	require.Equal(t, types.Of(graph.F64, 3), bound.Outputs[0].Node.Type)
	require.Equal(t, []string{"batch", "seq"}, g.DimNames())
	require.Equal(t, "f64[batch,4] f64[seq,batch]", g.Inputs()[0].String()+" "+g.Inputs()[1].String())
}

func TestBind(t *testing.T) {
	w := graph.NewVariable("w", types.Of(graph.F64, 2), nil)
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F64, graph.Dim("batch"), 2)
		y := g.Input("y", graph.F64, graph.Dim("seq"), graph.Dim("batch"))
		g.Output("z", y.MatMul(x.Mul(g.Var(w))).Sum(0))
		require.Contains(t, []string{"f64[batch,2]", "f64[1,2]", "f64[0,2]"}, x.TypeString())
	})
	require.Equal(t, []string{"batch", "seq"}, g.DimNames())
	in := g.Inputs()
	require.Equal(t, "f64[batch,2]", in[0].String())
	require.Equal(t, graph.InputSpec{Name: "y", DType: graph.F64, Dims: []int{-1, -1}, DimNames: []string{"seq", "batch"}, MaxDims: []int{0, 0}}, in[1])
	names := []string{}
	for _, n := range g.IR().Inputs()[1].Shape() {
		names = append(names, g.IR().Dims[n])
	}
	require.Equal(t, []string{"seq", "batch"}, names)

	bound, err := g.Bind(map[string]int{"batch": 1, "seq": 2})
	require.NoError(t, err)
	require.Empty(t, bound.Dims)
	out := run(t, bound, map[string][]float64{"x": {3, 4}, "y": {1, 10}, "w": {1, 2}})
	require.Equal(t, []float64{33, 88}, out["z"])
	bound, err = g.Bind(map[string]int{"batch": 0, "seq": 2})
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0}, run(t, bound, map[string][]float64{"x": {}, "y": {}, "w": {1, 2}})["z"])

	for _, c := range []struct {
		sizes map[string]int
		want  string
	}{
		{map[string]int{"batch": 1}, `graph "test": dimension seq is not bound`},
		{nil, `graph "test": dimension batch is not bound`},
		{map[string]int{"batch": -1, "seq": 1}, `graph "test": dimension batch cannot have size -1`},
		{map[string]int{"batch": 1, "seq": 1, "time": 1}, `graph "test" has no dimension "time" (it has [batch seq])`},
		{map[string]int{"batch": 1 << 40, "seq": 1 << 40}, "build_test.go"},
	} {
		_, err := g.Bind(c.sizes)
		require.ErrorContains(t, err, c.want)
	}
}

func TestBindWithoutNames(t *testing.T) {
	runs := 0
	g := build(t, func(g *graph.Graph) {
		runs++
		g.Output("y", g.Input("x", graph.F32))
	})
	bound, err := g.Bind(nil)
	require.NoError(t, err)
	require.Same(t, g.IR(), bound)
	require.Equal(t, 1, runs)
}

func TestBindReportsModelErrors(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F32, graph.Dim("batch"))
		g.Output("y", x.Reshape(-1, 4))
	})
	_, err := g.Bind(map[string]int{"batch": 6})
	var e *graph.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "reshape", e.Op)
	require.Regexp(t, `^graph "test" with batch=6: build_test\.go:\d+: reshape: f32\[6\] has 6 elements, which \[-1,4\] does not divide$`, err.Error())
}

func TestBindNoticesAnImpureModel(t *testing.T) {
	for _, c := range []struct {
		what string
		odd  func(g *graph.Graph, x *graph.Node)
	}{
		{"inputs", func(g *graph.Graph, x *graph.Node) { g.Input("other", graph.F32) }},
		{"outputs", func(g *graph.Graph, x *graph.Node) { g.Output("other", x) }},
		{"variables", func(g *graph.Graph, x *graph.Node) { g.Var(graph.NewVariable("v", types.Of(graph.F32), nil)) }},
	} {
		again := false
		g := build(t, func(g *graph.Graph) {
			x := g.Input("x", graph.F32, graph.Dim("batch"))
			g.Output("y", x)
			if again {
				c.odd(g, x)
			}
			again = true
		})
		_, err := g.Bind(map[string]int{"batch": 6})
		require.ErrorContains(t, err, "the model used other "+c.what+" than when it was first run")
	}
}

func TestBoundedDim(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", graph.F64, graph.BoundedDim("tokens", 10), 2)
		table := graph.Zeros(g, graph.F64, 10, 2)
		g.Output("y", x.Add(table.Slice(0, 0, x.Dim(0), 1)))
		require.Contains(t, []string{"f64[tokens,2]", "f64[7,2]"}, x.TypeString())
	})
	require.Equal(t, []int{10, 0}, g.Inputs()[0].MaxDims)
	_, err := g.Bind(map[string]int{"tokens": 7})
	require.NoError(t, err)
	_, err = g.Bind(map[string]int{"tokens": 11})
	require.EqualError(t, err, `graph "test": dimension tokens has size 11, more than its bound 10`)
}

func TestVariables(t *testing.T) {
	init := func(dst *tensor.Tensor, seed uint64) error { return dst.Set(float64(seed%1000), 0) }
	a := graph.NewVariable("weight", types.Of(graph.F64, 2), init)
	b := graph.NewVariable("weight", types.Of(graph.F64, 2), nil)
	require.True(t, a.Trainable())
	a.Freeze()
	require.False(t, a.Trainable())
	a.Unfreeze()
	require.True(t, a.Trainable())

	g := build(t, func(g *graph.Graph) {
		sum := g.Var(a).Add(g.Var(b)).Add(g.Var(a))
		g.Assign(b, sum)
		require.Same(t, g.Var(b).IR(), g.IR().Assigns()[0].Args[0])
		a.SetName("fc1.weight") // as nn.Params does after the layers were used
		b.SetName("fc2.weight")
		g.Output("sum", sum)
	})
	require.Equal(t, []*graph.Variable{a, b}, g.Variables())
	require.Same(t, a, g.VariableByName("fc1.weight"))
	require.Nil(t, g.VariableByName("weight"))
	require.Len(t, g.IR().Variables(), 2)
	require.Equal(t, []float64{12, 25}, run(t, g.IR(), map[string][]float64{"fc1.weight": {1, 2}, "fc2.weight": {10, 21}})["sum"])

	x, err := tensor.New(a.Type())
	require.NoError(t, err)
	require.NoError(t, a.Initialize(x, 1))
	first, _ := x.At(0)
	require.NoError(t, a.Initialize(x, 1))
	again, _ := x.At(0)
	require.Equal(t, first, again)
	a.SetName("other")
	require.NoError(t, a.Initialize(x, 1))
	other, _ := x.At(0)
	require.NotEqual(t, first, other)
	require.NoError(t, b.Initialize(x, 1))
	require.Equal(t, make([]byte, 16), x.Bytes())

	y, err := tensor.From([]float64{3, 4}, 2)
	require.NoError(t, err)
	c := graph.NewVariable("c", types.Of(graph.F64, 2), graph.InitialValue(y))
	require.NoError(t, c.Initialize(x, 0))
	require.Equal(t, y.Bytes(), x.Bytes())
	wrong, err := tensor.New(types.Of(graph.F64, 3))
	require.NoError(t, err)
	require.EqualError(t, c.Initialize(wrong, 0), "initialise variable c: the tensor is f64[3], the variable f64[2]")
	require.EqualError(t, graph.NewVariable("d", wrong.Type(), graph.InitialValue(y)).Initialize(wrong, 0),
		"initialise variable d: the initial value is f64[2], the variable f64[3]")
}

func TestUnreachedParameterHasItsFinalName(t *testing.T) {
	w := graph.NewVariable("weight", types.Of(graph.F32), nil)
	_, err := graph.Build("m", func(g *graph.Graph) {
		x, p := g.Input("x", graph.F32), g.Var(w)
		w.SetName("fc1.weight")
		g.Grad(x.Exp(), p)
	})
	require.ErrorContains(t, err, "grad: parameter fc1.weight does not reach the loss")
}

func TestRandom(t *testing.T) {
	g := build(t, func(g *graph.Graph) {
		g.Output("a", graph.Uniform(g, graph.F64, 2, 4, 500))
		g.Output("b", graph.Uniform(g, graph.F64, 2, 4, 500))
		g.Output("n", graph.Normal(g, graph.F64, 1, 2, 500))
	})
	require.Len(t, g.Variables(), 1)
	state := g.Variables()[0]
	require.Equal(t, "rng.state", state.Name())
	require.False(t, state.Trainable())
	h := build(t, func(g *graph.Graph) { g.Output("a", graph.Uniform(g, graph.F32, 0, 1)) })
	require.Same(t, state, h.Variables()[0])

	at := map[string][]float64{"rng.state": {7, 0}}
	one := run(t, g.IR(), at)
	require.Equal(t, one, run(t, g.IR(), at))
	require.NotEqual(t, one["a"], one["b"])
	mean, spread := 0.0, 0.0
	for _, v := range one["a"] {
		require.True(t, 2 <= v && v < 4)
		mean += v / 500
	}
	require.InDelta(t, 3, mean, 0.1)
	mean = 0
	for _, v := range one["n"] {
		mean += v / 500
		spread += (v - 1) * (v - 1) / 500
	}
	require.InDelta(t, 1, mean, 0.3)
	require.InDelta(t, 2, math.Sqrt(spread), 0.3)

	require.Equal(t, []float64{7, 1}, one["rng.state"], "the next step draws other numbers")
	at["rng.state"][1] = 1
	require.NotEqual(t, one["a"], run(t, g.IR(), at)["a"])
}

func TestBuildsAtOnce(t *testing.T) {
	w := graph.NewVariable("w", types.Of(graph.F32, 3), nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			g, err := graph.Build("m", func(g *graph.Graph) {
				w.SetName("fc.w")
				x := g.Input("x", graph.F32, graph.Dim("n"), 3)
				loss := x.Mul(g.Var(w)).Sum()
				g.Assign(w, g.Grad(loss, g.Var(w))[0])
			})
			if err == nil {
				_, err = g.Bind(map[string]int{"n": 5})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

package graph_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// show builds a graph whose outputs are the values of a model, runs it and
// prints them.
func show(model func(g *graph.Graph) []*graph.Node) {
	g, err := graph.Build("example", func(g *graph.Graph) {
		for i, x := range model(g) {
			g.Output(fmt.Sprint(i), x)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	if err != nil {
		log.Fatal(err)
	}
	out, err := step.Run(context.Background(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer out.Release()
	for _, name := range out.Names() {
		t, err := out.Tensor(name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(t)
	}
}

// A model is a function that Build runs once; types are known while it runs.
func ExampleBuild() {
	weight := graph.NewVariable("weight", types.Of(graph.F32, 10, 784), nil)
	g, err := graph.Build("classify", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 64, 784)
		logits := x.MatMul(g.Var(weight).T())
		fmt.Println(logits.TypeString())
		g.Output("class", logits.ArgMax(-1))
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, in := range g.Inputs() {
		fmt.Println(in.Name, in)
	}
	// Output:
	// f32[64,10]
	// x f32[64,784]
}

// A mistake in a model is an error with the line of the model, not a panic.
func ExampleError() {
	_, err := graph.Build("classify", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, graph.Dim("batch"), 784)
		w := g.Input("w", graph.F32, 10, 128)
		g.Output("y", x.MatMul(w))
	})
	var mistake *graph.Error
	if errors.As(err, &mistake) {
		fmt.Println(mistake.Pos.File)
		fmt.Printf("%s: %v\n", mistake.Op, mistake.Err)
	}
	// Output:
	// example_test.go
	// matmul: inner dimensions differ: f32[batch,784] x f32[10,128]
}

// Named dimensions are bound later; a session does it at the first feed.
func ExampleDim() {
	g, err := graph.Build("mean", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, graph.Dim("batch"), 3)
		g.Output("y", x.Sum(0).DivScalar(float64(x.Dim(0))))
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.DimNames(), g.Inputs()[0])
	bound, err := g.Bind(map[string]int{"batch": 8})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bound.Inputs()[0].Type)
	// Output:
	// [batch] f32[batch,3]
	// f32[8,3]
}

// Gradients are nodes as any other and can be differentiated again.
func ExampleGraph_Grad() {
	show(func(g *graph.Graph) []*graph.Node {
		x := graph.Scalar(g, graph.F64, 3)
		y := x.Mul(x).Mul(x)
		dy := g.Grad(y, x)[0]
		return []*graph.Node{y, dy, g.Grad(dy, x)[0]}
	})
	// Output:
	// f64[] 27
	// f64[] 27
	// f64[] 18
}

// The gradient of rounding is zero; a custom one passes it through.
func ExampleCustomVJP() {
	show(func(g *graph.Graph) []*graph.Node {
		x := graph.Constant(g, []float32{0.4, 1.6}, 2)
		y := graph.CustomVJP(
			func(xs []*graph.Node) *graph.Node { return xs[0].Round() },
			func(xs []*graph.Node, y, ct *graph.Node) []*graph.Node { return []*graph.Node{ct} },
			x)
		return append(g.Grad(y.MulScalar(3).Sum(), x), g.Grad(x.Round().MulScalar(3).Sum(), x)...)
	})
	// Output:
	// f32[2] [3 3]
	// f32[2] [0 0]
}

// Labels that the result lacks are summed over.
func ExampleEinsum() {
	show(func(g *graph.Graph) []*graph.Node {
		x := graph.Arange(g, graph.F32, 0, 6, 1).Reshape(2, 3)
		return []*graph.Node{
			graph.Einsum("ij,kj->ik", x, x), // x times its transpose
			graph.Einsum("ij->j", x),        // sums of columns
		}
	})
	// Output:
	// f32[2,2]
	// [[ 5 14]
	//  [14 50]]
	// f32[3] [3 5 7]
}

// Slices follow Python.
func ExampleNode_Slice() {
	show(func(g *graph.Graph) []*graph.Node {
		x := graph.Arange(g, graph.I32, 0, 6, 1)
		return []*graph.Node{
			x.Slice(0, 1, graph.End, 2),          // x[1::2]
			x.Slice(0, -2, graph.End, 1),         // x[-2:]
			x.Slice(0, graph.End, graph.End, -1), // x[::-1]
		}
	})
	// Output:
	// i32[3] [1 3 5]
	// i32[2] [4 5]
	// i32[6] [5 4 3 2 1 0]
}

// Reductions take any axes, and KeepDims among them.
func ExampleNode_Sum() {
	show(func(g *graph.Graph) []*graph.Node {
		x := graph.Arange(g, graph.F32, 0, 6, 1).Reshape(2, 3)
		return []*graph.Node{x.Sum(), x.Sum(0), x.Sum(-1, graph.KeepDims)}
	})
	// Output:
	// f32[] 15
	// f32[3] [3 5 7]
	// f32[2,1]
	// [[ 3]
	//  [12]]
}

// Sliding windows of size 3, two apart, and the sums of what they overlap.
func ExampleNode_Window() {
	show(func(g *graph.Graph) []*graph.Node {
		w := graph.Window{Axes: []int{0}, Size: []int{3}, Stride: []int{2}}
		x := graph.Arange(g, graph.F32, 0, 7, 1)
		windows := x.Window(w)
		return []*graph.Node{windows, graph.Ones(g, graph.F32, 3, 3).Unwindow(w, 7)}
	})
	// Output:
	// f32[3,3]
	// [[0 1 2]
	//  [2 3 4]
	//  [4 5 6]]
	// f32[7] [1 1 2 1 2 1 1]
}

// Random numbers are a function of the session's seed, the step and the call.
func ExampleUniform() {
	show(func(g *graph.Graph) []*graph.Node {
		x := graph.Uniform(g, graph.F32, 2, 3, 1000)
		return []*graph.Node{x.Amin().GreaterEqual(graph.Scalar(g, graph.F32, 2)), x.Mean().MulScalar(10).Round()}
	})
	// Output:
	// bool[] true
	// f32[] 25
}

// A variable's first value may be given.
func ExampleInitialValue() {
	first, err := tensor.From([]float32{1, 2, 3}, 3)
	if err != nil {
		log.Fatal(err)
	}
	v := graph.NewVariable("v", first.Type(), graph.InitialValue(first))
	show(func(g *graph.Graph) []*graph.Node { return []*graph.Node{g.Var(v).Mul(g.Var(v))} })
	// Output:
	// f32[3] [1 4 9]
}

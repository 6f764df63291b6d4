package session_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// line is the model y = slope*x + offset, and a step of gradient descent on the mean squared error.
func line() (*graph.Graph, error) {
	slope := graph.NewVariable("slope", types.Of(graph.F32), nil)
	offset := graph.NewVariable("offset", types.Of(graph.F32), nil)
	return graph.Build("line", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, graph.Dim("n")), g.Input("y", graph.F32, graph.Dim("n"))
		d := x.Mul(g.Var(slope)).Add(g.Var(offset)).Sub(y)
		loss := d.Mul(d).Mean()
		g.Output("loss", loss)
		for i, grad := range g.Grad(loss, g.Var(slope), g.Var(offset)) {
			v := []*graph.Variable{slope, offset}[i]
			g.Assign(v, g.Var(v).Sub(grad.MulScalar(0.1)))
		}
	}, graph.Training())
}

// feed returns points of the line y = 2x + 1.
func feed() session.Feeds {
	x, errX := tensor.From([]float32{-1, 0, 1, 2}, 4)
	y, errY := tensor.From([]float32{-1, 1, 3, 5}, 4)
	if err := errors.Join(errX, errY); err != nil {
		log.Fatal(err)
	}
	return session.Feeds{"x": x, "y": y}
}

// A session keeps variables from step to step.
func Example() {
	g, err := line()
	if err != nil {
		log.Fatal(err)
	}
	dev := interp.New()
	defer dev.Close()
	s := session.New(dev)
	defer s.Close()
	step, err := s.Compile(g)
	if err != nil {
		log.Fatal(err)
	}
	var out session.Results // reused by every step
	feeds := feed()
	for range 200 {
		if err := step.RunInto(context.Background(), feeds, &out); err != nil {
			log.Fatal(err)
		}
	}
	loss, err := out.Scalar("loss")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("loss below 1e-6: %t\n", loss < 1e-6)
	for _, name := range s.Names() {
		t, err := s.Get(name)
		if err != nil {
			log.Fatal(err)
		}
		v, err := t.At()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %.2f\n", name, v)
	}
	// Output:
	// loss below 1e-6: true
	// offset 1.00
	// slope 2.00
}

// What is wrong with a feed is an error that says what was expected.
func ExampleStep_Run() {
	g, err := line()
	if err != nil {
		log.Fatal(err)
	}
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	if err != nil {
		log.Fatal(err)
	}
	feeds := feed()
	feeds["y"] = tensor.Scalar(float32(1))
	_, err = step.Run(context.Background(), feeds)
	fmt.Println(err)
	fmt.Println(errors.Is(err, session.ErrFeed))
	// Output:
	// line: feed "y": expected f32[n], got f32[]
	// true
}

// Variables are saved to a file in NumPy's format, and loaded into another session by name.
func ExampleSession_Save() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "line.npz")

	g, err := line()
	if err != nil {
		log.Fatal(err)
	}
	dev := interp.New()
	first, second := session.New(dev), session.New(dev)
	defer first.Close()
	defer second.Close()
	for _, s := range []*session.Session{first, second} {
		if _, err := s.Compile(g); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(first.Set("slope", tensor.Scalar(float32(3))), first.Save(path), second.Load(path)); err != nil {
		log.Fatal(err)
	}
	slope, err := second.Get("slope")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(slope)
	// Output:
	// f32[] 3
}

// Debug settings leave out passes, check the compiler's work, or look for the first NaN.
func ExampleWithDebug() {
	g, err := line()
	if err != nil {
		log.Fatal(err)
	}
	s := session.New(interp.New(), session.WithDebug("check,nan"))
	defer s.Close()
	step, err := s.Compile(g)
	if err != nil {
		log.Fatal(err)
	}
	feeds := feed()
	if err := feeds["x"].Set(math.NaN(), 2); err != nil {
		log.Fatal(err)
	}
	_, err = step.Run(context.Background(), feeds)
	fmt.Println(err)
	// Output:
	// line: feed "x" holds a NaN: element 2 of 4
}

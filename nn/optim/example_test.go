package optim_test

import (
	"context"
	"fmt"
	"log"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// The update is part of the training step; the learning rate is a variable.
func ExampleSGD() {
	x := graph.NewVariable("x", types.Of(graph.F32), nil)
	params := []*graph.Variable{x}
	sgd := optim.SGD{LR: 0.1, Momentum: 0.5}
	g, err := graph.Build("train", func(g *graph.Graph) {
		d := g.Var(x).SubScalar(3)
		sgd.Minimize(d.Mul(d), params, optim.ClipNorm(10))
	}, graph.Training())
	if err != nil {
		log.Fatal(err)
	}
	s := session.New(interp.New())
	defer s.Close()
	step, err := s.Compile(g)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Names())
	for i := range 40 {
		if i == 20 {
			if err := s.Set(sgd.Rate(params).Name(), tensor.Scalar(float32(0.05))); err != nil {
				log.Fatal(err)
			}
		}
		out, err := step.Run(context.Background(), nil)
		if err != nil {
			log.Fatal(err)
		}
		out.Release()
	}
	t, err := s.Get("x")
	if err != nil {
		log.Fatal(err)
	}
	v, err := t.At()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f\n", v)
	// Output:
	// [optim.lr x x.momentum_buffer]
	// 3.000
}

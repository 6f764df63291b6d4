package optim_test

import (
	"context"
	"fmt"
	"log"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
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

// Biases and norms do not decay, the head learns at half the rate, and the rate
// rises for three updates, then falls along a cosine. All of it is part of the
// graph.
func ExampleAdamW() {
	type model struct {
		Body, Head *nn.Linear
	}
	m := &model{nn.NewLinear(4, 8), nn.NewLinear(8, 2)}
	g, err := graph.Build("train", func(g *graph.Graph) {
		x := graph.Ones(g, graph.F32, 3, 4)
		y := m.Head.Forward(m.Body.Forward(x).Tanh())
		optim.AdamW{LR: 0.01, WeightDecay: 0.1}.Minimize(y.Mul(y).Mean(), nn.Params(m),
			optim.GroupDecay(0, optim.Vectors),
			optim.GroupRate(0.5, optim.Named("head.*")),
			optim.ClipNorm(1),
			optim.Scheduled(optim.Linear(3, 0.25, 1).Then(3, optim.Cosine(4, 0.1))),
			optim.OutputRate("rate"))
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
	for range 9 {
		out, err := step.Run(context.Background(), nil)
		if err != nil {
			log.Fatal(err)
		}
		rate, err := out.Scalar("rate")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.4f ", rate)
		out.Release()
	}
	// Output:
	// 0.0025 0.0050 0.0075 0.0100 0.0087 0.0055 0.0023 0.0010 0.0010
}

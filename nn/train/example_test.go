package train_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/data"
	"dumbtorch/nn/optim"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// Training is a step that was compiled, and data whose fields have the names of
// the step's inputs.
func ExampleRun() {
	model := nn.Sequential{nn.NewLinear(1, 1)}
	g, err := graph.Build("train", func(g *graph.Graph) {
		batch := graph.Dim("batch")
		x, y := g.Input("x", graph.F32, batch, 1), g.Input("y", graph.F32, batch, 1)
		loss := nn.MSE(model.Forward(x), y)
		optim.SGD{LR: 0.5}.Minimize(loss, nn.Params(model))
		g.Output("loss", loss)
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
	x, errX := tensor.From([]float32{-1, 0, 1, 2}, 4, 1)
	y, errY := tensor.From([]float32{-1, 1, 3, 5}, 4, 1) // y = 2x + 1
	points, errP := data.FromTensors(data.Column{Name: "x", Tensor: x}, data.Column{Name: "y", Tensor: y})
	if err := errors.Join(errX, errY, errP); err != nil {
		log.Fatal(err)
	}
	loader, err := data.NewLoader(points, data.Options{Batch: 3, Shuffle: true})
	if err != nil {
		log.Fatal(err)
	}
	defer loader.Close()

	report, err := train.Run(context.Background(), train.Config{
		Session: s, Step: step, Data: loader, Epochs: 50,
		Rate: func(step int) float64 { return 0.2 * (1 - float64(step)/100) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report)
	loss, _ := report.Epochs[49].Metrics.Get("loss")
	fmt.Printf("loss below 1e-4: %t\n", loss < 1e-4)
	// Output:
	// finished after 100 steps: 50 complete epochs
	// loss below 1e-4: true
}

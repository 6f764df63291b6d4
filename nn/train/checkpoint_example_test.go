package train_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/data"
	"dumbtorch/nn/optim"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// fit is a program that trains a line through points and can be stopped after any
// step; it returns what the run did and the slope.
func fit(dir string, stop int) (*train.Report, float64, error) {
	s := session.New(interp.New())
	defer s.Close()
	model := &struct{ FC *nn.Linear }{nn.NewLinear(1, 1)}
	g, err := graph.Build("train", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, graph.Dim("batch"), 1), g.Input("y", graph.F32, graph.Dim("batch"), 1)
		loss := nn.MSE(model.FC.Forward(x), y)
		optim.AdamW{LR: 0.1}.Minimize(loss, nn.Params(model))
		g.Output("loss", loss)
	}, graph.Training())
	if err != nil {
		return nil, 0, err
	}
	step, err := s.Compile(g)
	if err != nil {
		return nil, 0, err
	}
	x, errX := tensor.From([]float32{-1, 0, 1, 2}, 4, 1)
	y, errY := tensor.From([]float32{-1, 1, 3, 5}, 4, 1)
	points, errP := data.FromTensors(data.Column{Name: "x", Tensor: x}, data.Column{Name: "y", Tensor: y})
	if err := errors.Join(errX, errY, errP); err != nil {
		return nil, 0, err
	}
	loader, err := data.NewLoader(points, data.Options{Batch: 3, Shuffle: true})
	if err != nil {
		return nil, 0, err
	}
	defer loader.Close()
	report, err := train.Run(context.Background(), train.Config{
		Session: s, Step: step, Data: loader, Epochs: 10,
		Checkpoints: train.Checkpoints{Dir: dir, Every: 5, Resume: true},
		OnStep: func(s *train.Step) error {
			if s.Number == stop {
				return train.ErrStop
			}
			return nil
		},
	})
	if err != nil {
		return nil, 0, err
	}
	w, err := s.Get("fc.weight")
	if err != nil {
		return nil, 0, err
	}
	slope, err := w.At(0, 0)
	return report, slope, err
}

// A run that was stopped goes on where it was and ends with the same bits.
func ExampleCheckpoints() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	_, straight, err := fit(filepath.Join(dir, "straight"), -1)
	if err != nil {
		log.Fatal(err)
	}
	stopped := filepath.Join(dir, "stopped")
	report, _, err := fit(stopped, 7)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report)
	report, slope, err := fit(stopped, -1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report)
	fmt.Println("the same slope:", slope == straight)
	c, err := train.FindCheckpoint(stopped)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(c.Path))
	// Output:
	// stopped by a callback after 7 steps: 3 complete epochs and 1 batches of epoch 4
	// finished after 20 steps: 10 complete epochs
	// the same slope: true
	// step-00000020.safetensors
}

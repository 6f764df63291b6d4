package main

import (
	"context"
	"errors"
	"fmt"

	"dumbtorch/examples/models"
	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/data"
	"dumbtorch/nn/optim"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/session"
)

// linear is a classifier of one layer.
type linear struct{ FC *nn.Linear }

// Forward returns logits.
func (m *linear) Forward(x *graph.Node) *graph.Node { return m.FC.Forward(x) }

// newModel returns the classifier that -model asks for.
func (o *options) newModel() nn.Layer {
	switch o.model {
	case "linear":
		return &linear{nn.NewLinear(models.MNISTPixels, models.MNISTClasses)}
	case "cnn":
		return models.NewMNISTCNN()
	}
	return models.NewMNIST()
}

// evalBatch is the size of a batch in the test.
const evalBatch = 500

// job loads the data, trains or not, and tests.
func (o *options) job(ctx context.Context) (err error) {
	for _, path := range []string{o.save, o.plot, o.log} {
		if err := writable(path); err != nil {
			return err
		}
	}
	dev, err := o.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	training, test, err := o.datasets(ctx)
	if err != nil {
		return err
	}
	s := session.New(dev, session.WithSeed(o.seed))
	defer func() { err = errors.Join(err, s.Close()) }()

	model := o.newModel()
	g, err := models.EvalClassifier("mnist", model, models.MNISTPixels)
	if err != nil {
		return err
	}
	eval, err := s.Compile(g)
	if err != nil {
		return err
	}
	if o.load != "" {
		if err := train.LoadWeights(o.load, s, nn.Params(model)); err != nil {
			return err
		}
	}
	testLoader, err := data.NewLoader(test, data.Options{Batch: evalBatch})
	if err != nil {
		return err
	}
	defer testLoader.Close()
	fmt.Fprintf(o.stdout, "%d digits to train on, %d to test on; device %s\n%s\n", training.Len(), test.Len(), dev.Name(), nn.Summary(model))
	if !o.eval {
		if err := o.train(ctx, s, model, training, eval, testLoader); err != nil {
			return err
		}
	}
	m, _, err := train.Evaluate(ctx, eval, testLoader, nil)
	if err != nil {
		return err
	}
	accuracy, _ := m.Get("accuracy")
	fmt.Fprintf(o.stdout, "test accuracy %.2f%%\n", 100*accuracy)
	return nil
}

// train trains the model, and saves and draws what is asked for.
func (o *options) train(ctx context.Context, s *session.Session, model nn.Layer, training data.Dataset, eval *session.Step, test *data.Loader) error {
	loader, err := data.NewLoader(training, data.Options{Batch: o.batch, Shuffle: true, Seed: o.seed})
	if err != nil {
		return err
	}
	defer loader.Close()
	sgd := optim.SGD{LR: o.lr, Momentum: 0.9}
	g, err := models.TrainClassifier("mnist:train", model, models.MNISTPixels, sgd)
	if err != nil {
		return err
	}
	step, err := s.Compile(g)
	if err != nil {
		return err
	}
	logs, err := o.loggers()
	if err != nil {
		return err
	}
	curves := &curves{perEpoch: loader.Batches()}
	steps := float64(o.epochs * loader.Batches())
	saved := 0
	report, err := train.Run(ctx, train.Config{
		Session: s, Step: step, Data: loader, Epochs: o.epochs,
		Eval: eval, EvalData: test, EvalName: "test",
		Rate:     func(step int) float64 { return o.lr * (1 - float64(step)/steps) },
		Progress: o.stdout, Unit: "images",
		Loggers: logs, Checkpoints: o.checkpointing(), EarlyStop: train.EarlyStop{Metric: "accuracy", Larger: true},
		OnStep: curves.step,
		OnEpoch: func(e *train.Epoch) error {
			curves.epoch(e)
			if o.save == "" {
				return nil
			}
			saved = e.Number
			return train.SaveWeights(o.save, s, nn.Params(model))
		},
	})
	for _, l := range logs {
		err = errors.Join(err, l.Close())
	}
	if report.Reason == train.Cancelled {
		fmt.Fprintln(o.stdout, report)
		if saved > 0 {
			fmt.Fprintf(o.stdout, "%s holds the weights of epoch %d\n", o.save, saved)
		}
		if o.checkpoints != "" {
			fmt.Fprintf(o.stdout, "%s holds the run: -resume goes on\n", o.checkpoints)
		}
	}
	if o.plot != "" && report.Steps > 0 {
		// Also of a run that was interrupted or failed.
		err = errors.Join(err, curves.write(o.plot))
	}
	return err
}

// checkpointing says how the run is kept. The metric of the best epoch is the
// accuracy.
func (o *options) checkpointing() train.Checkpoints {
	if o.checkpoints == "" {
		return train.Checkpoints{}
	}
	return train.Checkpoints{Dir: o.checkpoints, Every: 50, Resume: o.resume, Meta: map[string]string{"model": o.model}}
}

// loggers returns the logs that are asked for.
func (o *options) loggers() (list []train.Logger, err error) {
	if o.log != "" {
		l, err := train.NewCSVLog(o.log, 0)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	if o.board != "" {
		l, err := train.NewTensorBoard(o.board, 10)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}

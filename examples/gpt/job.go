package main

import (
	"context"
	"encoding/json"
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

// The keys of a checkpoint's metadata: what it takes to build the model again.
const (
	metaSizes      = "gpt.sizes"
	metaCharacters = "gpt.characters"
)

// A job is a model in a session, and the text that it is for.
type job struct {
	*options
	s          *session.Session
	m          *models.GPT
	characters *data.Vocabulary
	text       []int32 // nil: only to generate
	gen        *generator
	start      []int32 // the prompt
}

// job trains or only writes.
func (o *options) job(ctx context.Context) (err error) {
	for _, path := range []string{o.save, o.plot, o.log} {
		if err := writable(path); err != nil {
			return err
		}
	}
	j := &job{options: o}
	weights, err := j.find()
	if err != nil {
		return err
	}
	if j.start, err = j.characters.Encode(o.prompt); err != nil {
		return fmt.Errorf("-prompt: %w", err)
	}
	dev, err := o.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	j.s = session.New(dev, session.WithSeed(o.seed))
	defer func() { err = errors.Join(err, j.s.Close()) }()
	j.m = models.NewGPT(o.model)
	if j.gen, err = newGenerator(j.s, j.m, j.characters, o.temperature, o.top); err != nil {
		return err
	}
	defer j.gen.close()
	if weights != "" {
		if err := train.LoadWeights(weights, j.s, nn.Params(j.m)); err != nil {
			return err
		}
	}
	if o.explicitGenerate {
		return j.gen.write(ctx, o.stdout, j.start, o.generate)
	}
	fmt.Fprintf(o.stdout, "%d characters of %d kinds; device %s\n%s\n", len(j.text), j.characters.Len(), dev.Name(), nn.Summary(j.m))
	return j.train(ctx)
}

// find finds the text, or what a checkpoint tells of it, and returns the file of
// the first weights, if there is one.
func (j *job) find() (weights string, err error) {
	if j.explicitGenerate && j.checkpoints != "" {
		c, err := train.FindCheckpoint(j.checkpoints)
		if err != nil {
			return "", err
		}
		j.characters, err = data.NewVocabulary(c.Meta[metaCharacters])
		if err == nil {
			err = json.Unmarshal([]byte(c.Meta[metaSizes]), &j.model)
		}
		if err != nil || j.model.Vocabulary != j.characters.Len() {
			return "", fmt.Errorf("%s: not a checkpoint of this program", c.Path)
		}
		return c.Path, nil
	}
	text := opticks
	if j.data != "" {
		if text, err = data.ReadText(j.data); err != nil {
			return "", err
		}
	}
	if text == "" {
		return "", fmt.Errorf("%s: the text is empty", j.data)
	}
	if j.characters, err = data.NewVocabulary(text); err != nil {
		return "", err
	}
	j.model.Vocabulary = j.characters.Len()
	j.text, err = j.characters.Encode(text)
	return j.load, err
}

// evalBatch is the number of parts in a step of validation.
const evalBatch = 32

// train trains the model, and saves and draws what is asked for.
func (j *job) train(ctx context.Context) error {
	training, test, err := split(j.text, j.model.Context)
	if err != nil {
		return err
	}
	loader, err := data.NewLoader(training, data.Options{Batch: j.batch, Shuffle: true, Seed: j.seed, DropLast: true})
	if err != nil {
		return err
	}
	defer loader.Close()
	validation, err := data.NewLoader(test, data.Options{Batch: evalBatch})
	if err != nil {
		return err
	}
	defer validation.Close()
	steps := j.epochs * loader.Batches()
	opts := models.GPTOptions(min(100, max(1, steps/10)), max(1, steps))
	step, err := j.compile("gpt:train", models.TrainGPT(j.m, j.batch, optim.AdamW{LR: j.lr, WeightDecay: 0.1}, opts...), graph.Training())
	if err != nil {
		return err
	}
	eval, err := j.compile("gpt", models.EvalGPT(j.m, graph.Dim("batch")))
	if err != nil {
		return err
	}
	logs, err := j.loggers()
	if err != nil {
		return err
	}
	keep, err := j.checkpointing()
	if err != nil {
		return err
	}
	curves := &curves{}
	report, err := train.Run(ctx, train.Config{
		Session: j.s, Step: step, Data: loader, Epochs: j.epochs, Inputs: inputs, Eval: eval, EvalData: validation,
		Progress: j.stdout, Unit: "parts", Loggers: logs, Checkpoints: keep, EarlyStop: train.EarlyStop{Metric: "loss"},
		OnStep: curves.step,
		OnEpoch: func(e *train.Epoch) error {
			curves.epoch(e)
			// A text is completed even if the context ends meanwhile: drawing it moves
			// the state of random numbers on, and a checkpoint stands between epochs.
			if err := j.show(context.WithoutCancel(ctx)); err != nil || j.save == "" {
				return err
			}
			return train.SaveWeights(j.save, j.s, nn.Params(j.m))
		},
	})
	for _, l := range logs {
		err = errors.Join(err, l.Close())
	}
	if err == nil && j.epochs == 0 && j.save != "" {
		err = train.SaveWeights(j.save, j.s, nn.Params(j.m))
	}
	if report.Reason == train.Cancelled {
		fmt.Fprintln(j.stdout, report)
		if j.checkpoints != "" {
			fmt.Fprintf(j.stdout, "%s holds the run: -resume goes on\n", j.checkpoints)
		}
	}
	if j.plot != "" && len(curves.loss) > 0 {
		// Also of a run that was interrupted or failed.
		err = errors.Join(err, curves.write(j.plot, j.compare))
	}
	return err
}

func (j *job) compile(name string, model func(*graph.Graph), opts ...graph.Option) (*session.Step, error) {
	g, err := graph.Build(name, model, opts...)
	if err != nil {
		return nil, err
	}
	return j.s.Compile(g)
}

// show writes some text between two lines.
func (j *job) show(ctx context.Context) error {
	if j.sample == 0 {
		return nil
	}
	fmt.Fprintln(j.stdout, "----")
	if err := j.gen.write(ctx, j.stdout, j.start, j.sample); err != nil {
		return err
	}
	fmt.Fprintln(j.stdout, "----")
	return nil
}

// checkpointing says how the run is kept.
func (j *job) checkpointing() (train.Checkpoints, error) {
	if j.checkpoints == "" {
		return train.Checkpoints{}, nil
	}
	sizes, err := json.Marshal(j.model)
	if err != nil {
		return train.Checkpoints{}, err
	}
	meta := map[string]string{metaSizes: string(sizes), metaCharacters: j.characters.String()}
	return train.Checkpoints{Dir: j.checkpoints, Every: 100, Resume: j.resume, Meta: meta}, nil
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

// Package train is the training loop: epochs over a loader, metrics, validation,
// early stop, a learning rate that changes from step to step, progress, logs for
// people and dashboards, files of weights, and checkpoints from which a run goes
// on to the bit. What a step does is built into its graph ([optim]); how it
// runs is the session's. A step of the loop allocates nothing.
//
// The package must not import passes.
package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"dumbtorch/nn/data"
	"dumbtorch/runtime/session"
)

// Config says what [Run] does. Session, Step, Data and Epochs are needed.
type Config struct {
	// Session is where the steps were compiled.
	Session *session.Session
	// Step is the training step. Its outputs of one element are metrics, which are
	// averaged over the samples of an epoch. A metric "loss" that becomes NaN ends
	// the run with an error.
	Step *session.Step
	// Data makes the batches. It stays the caller's to close.
	Data *data.Loader
	// Epochs is the number of passes over the data. They are counted by the
	// loader's position: a loader that starts later has fewer to go.
	Epochs int
	// Inputs maps the fields of the data to the steps' inputs; one that is missing
	// feeds the input of its name, one mapped to "" is not fed.
	Inputs map[string]string

	// Eval, if not nil, runs over all of EvalData after every epoch.
	Eval     *session.Step
	EvalData *data.Loader
	// EvalName is how lines of progress call that data; "valid" by default.
	EvalName string

	// Rate, if not nil, gives the learning rate of each step, counted from 0 over
	// all epochs. It is written to the variable RateVariable, "optim.lr" by
	// default, where it changes.
	Rate         func(step int) float64
	RateVariable string

	// Zero, if not nil, is a step without inputs that runs before every epoch: the
	// graph of Optimizer.ZeroGrad, where gradients are accumulated and the rest of
	// an epoch shall be dropped.
	Zero *session.Step

	// EarlyStop ends the run when a metric has not become better for some epochs.
	EarlyStop EarlyStop

	// Checkpoints saves the run, so that it can be resumed.
	Checkpoints Checkpoints

	// Loggers record steps and epochs. They stay the caller's to close.
	Loggers []Logger

	// OnStep and OnEpoch are called after every step and epoch. An error ends the
	// run and is returned, but for [ErrStop], which ends it as if it were finished.
	// What they are given is theirs only during the call.
	OnStep  func(*Step) error
	OnEpoch func(*Epoch) error

	// Progress, if not nil, gets a line for every epoch, and on a terminal a bar
	// while it runs. Unit names the samples there; "samples" by default.
	Progress io.Writer
	Unit     string
}

// ErrStop is returned by a callback to end the run without an error.
var ErrStop = errors.New("stop")

// ErrDiverged is wrapped by the error of a run whose loss became NaN.
var ErrDiverged = errors.New("training diverged")

// Step describes a step that was made.
type Step struct {
	Number  int           // from 1, over all epochs
	Place   data.Position // of its batch
	Batches int           // of the epoch
	Samples int           // of the batch
	Metrics Metrics       // of the batch
	Rate    float64       // of learning; 0 without Config.Rate
}

// Epoch describes an epoch that was made.
type Epoch struct {
	Number  int // from 1
	Steps   int
	Samples int
	Time    time.Duration // of training, without evaluation and OnEpoch
	Metrics Metrics       // averages over the samples
	Eval    Metrics       // nil without Config.Eval
}

// SamplesPerSecond returns the speed of training.
func (e *Epoch) SamplesPerSecond() float64 {
	if e.Time <= 0 {
		return 0
	}
	return float64(e.Samples) / e.Time.Seconds()
}

// Reason tells why a run ended.
type Reason uint8

// The reasons.
const (
	Finished          Reason = iota // all epochs were made
	StoppedEarly                    // by Config.EarlyStop
	StoppedByCallback               // by a callback that returned ErrStop
	Cancelled                       // by the context
	Failed                          // by an error
)

// String returns the reason in words.
func (r Reason) String() string {
	return [...]string{"finished", "stopped early", "stopped by a callback", "cancelled", "failed"}[r]
}

// Report tells what a run did, also one that was cancelled or failed; of one that
// was resumed, from its very start.
type Report struct {
	Reason Reason
	Epochs []Epoch // those that are complete
	Steps  int
	// Position is where the data goes on.
	Position data.Position
	// Best is the number of the epoch whose watched metric was best; 0 without
	// early stop and checkpoints.
	Best int
}

// String returns the report in words.
func (r *Report) String() string {
	s := fmt.Sprintf("%s after %d steps: %d complete epochs", r.Reason, r.Steps, len(r.Epochs))
	if r.Position.Batch > 0 {
		s += fmt.Sprintf(" and %d batches of epoch %d", r.Position.Batch, r.Position.Epoch+1)
	}
	return s
}

// Run trains. The report is never nil. The context is looked at between steps:
// when it ends, the step that runs is completed, and the error wraps the
// context's. Other errors are those of the data, of the steps, of callbacks, of a
// wrong configuration, and [ErrDiverged].
func Run(ctx context.Context, c Config) (*Report, error) {
	l := &loop{Config: c, report: &Report{}}
	err := l.check()
	if err == nil {
		defer l.release()
		err = l.run(ctx)
	}
	if c.Data != nil {
		l.report.Position = c.Data.Position()
	}
	if err == nil {
		return l.report, nil
	}
	l.report.Reason = Failed
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		l.report.Reason = Cancelled
	}
	return l.report, fmt.Errorf("train: %w", err)
}

// Evaluate runs a step over all batches of an epoch, from the first, and returns
// its metrics, averaged over the samples, and the number of samples. inputs is
// that of [Config].
func Evaluate(ctx context.Context, step *session.Step, from *data.Loader, inputs map[string]string) (Metrics, int, error) {
	if step == nil || from == nil {
		return nil, 0, errors.New("evaluate: there is no step or no data")
	}
	r := newRunner(step, inputs)
	defer r.out.Release()
	if err := r.epoch(ctx, from); err != nil {
		return nil, 0, fmt.Errorf("evaluate: %w", err)
	}
	return r.averages(), r.samples, nil
}

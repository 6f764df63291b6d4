package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"dumbtorch/nn/data"
	"dumbtorch/runtime/session"
)

// loop is a run.
type loop struct {
	Config
	report   *Report
	train    *runner
	eval     *runner
	rate     *rate
	watch    *watch
	progress progress
	none     session.Results // of Zero
}

// check completes the configuration.
func (l *loop) check() error {
	switch {
	case l.Session == nil, l.Step == nil, l.Data == nil:
		return errors.New("the session, the step or the data is missing")
	case l.Epochs < 0:
		return fmt.Errorf("%d epochs are wanted", l.Epochs)
	case (l.Eval == nil) != (l.EvalData == nil):
		return errors.New("a step for evaluation needs data for evaluation, and the reverse")
	}
	if l.EvalName == "" {
		l.EvalName = "valid"
	}
	if l.Unit == "" {
		l.Unit = "samples"
	}
	l.train = newRunner(l.Step, l.Inputs)
	if l.Eval != nil {
		l.eval = newRunner(l.Eval, l.Inputs)
	}
	var err error
	if l.rate, err = newRate(&l.Config); err != nil {
		return err
	}
	if l.watch, err = newWatch(&l.Config); err != nil {
		return err
	}
	l.progress = newProgress(&l.Config)
	return nil
}

func (l *loop) release() {
	l.train.out.Release()
	l.none.Release()
	if l.eval != nil {
		l.eval.out.Release()
	}
}

// run makes the epochs.
func (l *loop) run(ctx context.Context) error {
	for at := l.Data.Position(); at.Epoch < l.Epochs; at = l.Data.Position() {
		e, err := l.epoch(ctx)
		if err == nil && e.Steps > 0 {
			l.report.Epochs = append(l.report.Epochs, *e)
			err = l.afterEpoch(&l.report.Epochs[len(l.report.Epochs)-1])
		}
		switch {
		case errors.Is(err, errEarly):
			l.report.Reason = StoppedEarly
			return l.watch.restore(l.Session)
		case errors.Is(err, ErrStop):
			l.report.Reason = StoppedByCallback
			return nil
		case err != nil:
			return err
		}
	}
	return l.watch.restore(l.Session)
}

// epoch makes the steps of an epoch and evaluates.
func (l *loop) epoch(ctx context.Context) (*Epoch, error) {
	at := l.Data.Position()
	// A step is completed even if the context ends meanwhile.
	whole := context.WithoutCancel(ctx)
	if l.Zero != nil && at.Batch == 0 {
		if err := l.Zero.RunInto(whole, nil, &l.none); err != nil {
			return nil, err
		}
	}
	e := &Epoch{Number: at.Epoch + 1}
	l.train.reset()
	l.progress.begin(e.Number, at.Batch, l.Data.Batches())
	defer l.progress.end()
	start := time.Now()
	var s Step
	for {
		b, err := l.Data.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := l.step(whole, b, &s); err != nil {
			return nil, fmt.Errorf("epoch %d, batch %d: %w", e.Number, b.Position.Batch+1, err)
		}
		e.Steps++
	}
	e.Time = time.Since(start)
	if e.Samples = l.train.samples; e.Steps > 0 {
		e.Metrics = l.train.averages()
	}
	if l.eval != nil && e.Steps > 0 {
		if err := l.eval.epoch(ctx, l.EvalData); err != nil {
			return nil, fmt.Errorf("epoch %d, evaluation: %w", e.Number, err)
		}
		e.Eval = l.eval.averages()
	}
	return e, nil
}

// step makes one step.
func (l *loop) step(ctx context.Context, b *data.Batch, s *Step) error {
	rate, err := l.rate.set(l.report.Steps)
	if err != nil {
		return err
	}
	if err := l.train.run(ctx, b); err != nil {
		return err
	}
	l.report.Steps++
	*s = Step{l.report.Steps, b.Position, l.Data.Batches(), b.Len, l.train.last, rate}
	if loss, ok := s.Metrics.Get("loss"); ok && math.IsNaN(loss) {
		return fmt.Errorf("%w: the loss is NaN at step %d; a smaller learning rate may help, and the debug setting nan finds where it arises", ErrDiverged, s.Number)
	}
	l.progress.step(s)
	if l.OnStep != nil {
		return l.OnStep(s)
	}
	return nil
}

// afterEpoch tells everybody of a complete epoch.
func (l *loop) afterEpoch(e *Epoch) error {
	l.progress.epoch(e)
	stop, err := l.watch.see(l.Session, e)
	if err != nil {
		return err
	}
	l.report.Best = l.watch.best
	if l.OnEpoch != nil {
		if err := l.OnEpoch(e); err != nil {
			return err
		}
	}
	if stop {
		return errEarly
	}
	return nil
}

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
	keeper   *keeper         // nil: nothing is saved
	none     session.Results // of Zero

	at   data.Position // after all that has been done; an epoch is over once it is evaluated
	part savedEpoch    // done of the epoch at l.at before the run was resumed
	now  Epoch         // the epoch under way
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
	l.at = l.Data.Position()
	if l.keeper, err = newKeeper(l.Checkpoints); err != nil {
		return err
	}
	l.watch.always = l.keeper != nil
	if l.Checkpoints.Resume {
		if err := l.resume(); err != nil {
			return err
		}
	}
	info := RunInfo{l.report.Steps, l.EvalName, l.Config.Rate != nil}
	return l.log(func(g Logger) error { return g.Begin(info) })
}

// log tells all loggers.
func (l *loop) log(tell func(Logger) error) error {
	for _, g := range l.Loggers {
		if err := tell(g); err != nil {
			return err
		}
	}
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
	err := l.epochs(ctx)
	if failed := l.log(Logger.Flush); failed != nil {
		return errors.Join(err, failed)
	}
	if l.keeper != nil && (errors.Is(err, ErrStop) || ctx.Err() != nil && errors.Is(err, ctx.Err())) {
		if failed := l.save(); failed != nil {
			return errors.Join(err, failed)
		}
	}
	switch {
	case errors.Is(err, errEarly):
		l.report.Reason = StoppedEarly
	case errors.Is(err, ErrStop):
		l.report.Reason = StoppedByCallback
		return nil
	case err != nil:
		return err
	}
	return l.watch.restore(l.Session)
}

func (l *loop) epochs(ctx context.Context) error {
	if l.watch.over() {
		return errEarly
	}
	for l.at.Epoch < l.Epochs {
		if err := l.epoch(ctx); err != nil {
			return err
		}
		if l.now.Steps == 0 {
			l.at = l.Data.Position()
			continue
		}
		if err := l.afterEpoch(); err != nil {
			return err
		}
	}
	return nil
}

// epoch makes the steps of an epoch and evaluates.
func (l *loop) epoch(ctx context.Context) error {
	// A step is completed even if the context ends meanwhile.
	whole := context.WithoutCancel(ctx)
	if l.Zero != nil && l.at.Batch == 0 {
		if err := l.Zero.RunInto(whole, nil, &l.none); err != nil {
			return err
		}
	}
	e := &l.now
	*e = Epoch{Number: l.at.Epoch + 1}
	l.train.reset()
	if l.part.Steps > 0 {
		*e = l.part.load()
		l.train.restore(e.Metrics, e.Samples)
		l.part = savedEpoch{}
	}
	l.progress.begin(e.Number, l.at.Batch, l.Data.Batches())
	defer l.progress.end()
	before, start := e.Time, time.Now()
	var s Step
	for {
		b, err := l.Data.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := l.step(whole, b, &s); err != nil {
			return fmt.Errorf("epoch %d, batch %d: %w", e.Number, b.Position.Batch+1, err)
		}
		e.Time = before + time.Since(start)
		if l.keeper.due(l.report.Steps) && b.Position.Batch+1 < l.Data.Batches() {
			if err := l.save(); err != nil {
				return err
			}
			start = time.Now().Add(before - e.Time) // saving is not training
		}
	}
	if e.Steps == 0 {
		return nil
	}
	if e.Metrics = l.train.averages(); l.eval != nil {
		if err := l.eval.epoch(ctx, l.EvalData); err != nil {
			return fmt.Errorf("epoch %d, evaluation: %w", e.Number, err)
		}
		e.Eval = l.eval.averages()
	}
	return nil
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
	l.now.Steps++
	l.now.Samples = l.train.samples
	l.at = data.Position{Epoch: b.Position.Epoch, Batch: b.Position.Batch + 1}
	*s = Step{l.report.Steps, b.Position, l.Data.Batches(), b.Len, l.train.last, rate}
	if loss, ok := s.Metrics.Get("loss"); ok && math.IsNaN(loss) {
		return fmt.Errorf("%w: the loss is NaN at step %d; a smaller learning rate may help, and the debug setting nan finds where it arises", ErrDiverged, s.Number)
	}
	l.progress.step(s)
	for _, g := range l.Loggers { // without a closure: a step allocates nothing
		if err := g.Step(s); err != nil {
			return err
		}
	}
	if l.OnStep != nil {
		return l.OnStep(s)
	}
	return nil
}

// afterEpoch tells everybody of a complete epoch.
func (l *loop) afterEpoch() error {
	e := l.now
	l.progress.epoch(&e)
	stop, err := l.watch.see(l.Session, &e)
	if err != nil {
		return err
	}
	l.report.Epochs = append(l.report.Epochs, e)
	l.report.Best = l.watch.best
	l.at, l.now = data.Position{Epoch: l.at.Epoch + 1}, Epoch{}
	if err := l.log(func(g Logger) error { return g.Epoch(&e) }); err != nil {
		return err
	}
	if l.OnEpoch != nil {
		if err := l.OnEpoch(&l.report.Epochs[len(l.report.Epochs)-1]); err != nil {
			return err
		}
	}
	if l.keeper != nil {
		if err := l.save(); err != nil {
			return err
		}
	}
	if stop {
		return errEarly
	}
	return nil
}

// save makes a checkpoint, unless the newest is of this place.
func (l *loop) save() error {
	p := saved{Steps: l.report.Steps, Position: l.at, Data: dataOf(l.Data)}
	if len(l.keeper.files) > 0 && l.keeper.newest.Steps == p.Steps && l.keeper.newest.Position == p.Position {
		return nil
	}
	if err := l.log(Logger.Flush); err != nil {
		return err
	}
	for i := range l.report.Epochs {
		p.Epochs = append(p.Epochs, saveEpoch(&l.report.Epochs[i]))
	}
	if l.now.Steps > 0 {
		part := l.now
		part.Metrics, part.Eval = l.train.total(), nil
		p.Part = saveEpoch(&part)
	}
	p.Best = savedBest{Epoch: l.watch.best, Worse: l.watch.worse, Value: exact(l.watch.value)}
	return l.keeper.save(l.Session, p)
}

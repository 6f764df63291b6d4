package train

import (
	"errors"
	"fmt"

	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// EarlyStop ends a run when a metric has not become better for Patience epochs;
// the zero value never does.
type EarlyStop struct {
	// Patience is the number of epochs; 0 turns early stop off.
	Patience int
	// Metric is watched: that of the evaluation where there is one, else that of
	// the training; "loss" by default.
	Metric string
	// Larger says that larger is better, as for an accuracy.
	Larger bool
	// MinDelta is by how much a value must be better than the best to count.
	MinDelta float64
	// KeepBest gives all variables, when the run ends without an error or a
	// callback's ErrStop, the values that they had after the best epoch.
	KeepBest bool
}

// errEarly ends a run.
var errEarly = errors.New("stopped early")

// watch follows the metric.
type watch struct {
	EarlyStop
	value float64
	best  int // number of the epoch; 0 before the first
	worse int // epochs since then
	state map[string]*tensor.Tensor
}

func newWatch(c *Config) (*watch, error) {
	w := &watch{EarlyStop: c.EarlyStop}
	if w.Patience < 0 || !(w.MinDelta >= 0) {
		return nil, fmt.Errorf("early stop: patience %d and minimal difference %v must not be negative", w.Patience, w.MinDelta)
	}
	if w.Metric == "" {
		w.Metric = "loss"
	}
	return w, nil
}

// see reports whether the run shall end after an epoch.
func (w *watch) see(s *session.Session, e *Epoch) (bool, error) {
	if w.Patience == 0 {
		return false, nil
	}
	from := e.Eval
	if from == nil {
		from = e.Metrics
	}
	v, ok := from.Get(w.Metric)
	if !ok {
		return false, fmt.Errorf("early stop: there is no metric %q, but %v", w.Metric, from.names())
	}
	gain := w.value - v
	if w.Larger {
		gain = -gain
	}
	if w.best != 0 && !(gain > w.MinDelta) {
		w.worse++
		return w.worse >= w.Patience, nil
	}
	w.value, w.best, w.worse = v, e.Number, 0
	if !w.KeepBest {
		return false, nil
	}
	var err error
	w.state, err = s.State()
	return false, err
}

// restore gives the variables the values of the best epoch, if they were kept.
func (w *watch) restore(s *session.Session) error {
	if w.state == nil {
		return nil
	}
	// A variable that was compiled since keeps its value.
	return s.SetState(w.state, session.KeepMissing())
}

func (m Metrics) names() []string {
	var names []string
	for _, x := range m {
		names = append(names, x.Name)
	}
	return names
}

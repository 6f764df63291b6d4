package train

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// EarlyStop ends a run when a metric has not become better for Patience epochs;
// the zero value never does.
type EarlyStop struct {
	// Patience is the number of epochs; 0 turns early stop off, and [Checkpoints]
	// still follow the metric.
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

	always bool // follow the metric also where early stop is off
}

// keeps reports whether the best state is kept.
func (w *watch) keeps() bool { return w.KeepBest && w.Patience > 0 }

// over reports whether a run that is resumed had been stopped.
func (w *watch) over() bool { return w.Patience > 0 && w.worse >= w.Patience }

func newWatch(c *Config) (*watch, error) {
	w := &watch{EarlyStop: c.EarlyStop}
	if w.Patience < 0 || !(w.MinDelta >= 0) {
		return nil, fmt.Errorf("early stop: patience %d and minimal difference %v must not be negative", w.Patience, w.MinDelta)
	}
	return w, nil
}

func (w *watch) metric() string { return cmp.Or(w.Metric, "loss") }

// see reports whether the run shall end after an epoch.
func (w *watch) see(s *session.Session, e *Epoch) (bool, error) {
	if w.Patience == 0 && !w.always {
		return false, nil
	}
	from := e.Eval
	if from == nil {
		from = e.Metrics
	}
	v, ok := from.Get(w.metric())
	if !ok && w.Patience == 0 && w.Metric == "" {
		return false, nil // nobody asked for it
	}
	if !ok {
		return false, fmt.Errorf("early stop: there is no metric %q, but %v", w.metric(), from.names())
	}
	gain := w.value - v
	if w.Larger {
		gain = -gain
	}
	if w.best != 0 && !(gain > w.MinDelta) || math.IsNaN(v) {
		w.worse++
		return w.over(), nil
	}
	w.value, w.best, w.worse = v, e.Number, 0
	if !w.keeps() {
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

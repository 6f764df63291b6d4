package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"dumbtorch/nn/data"
	"dumbtorch/runtime/session"
)

// Metric is an output of one element, or its average.
type Metric struct {
	Name  string
	Value float64
}

// Metrics are in the order of the step's outputs.
type Metrics []Metric

// Get returns the value of a metric, and whether there is one of that name.
func (m Metrics) Get(name string) (float64, bool) {
	i := slices.IndexFunc(m, func(x Metric) bool { return x.Name == name })
	if i < 0 {
		return 0, false
	}
	return m[i].Value, true
}

// runner feeds batches to a step and adds up its metrics.
type runner struct {
	step   *session.Step
	rename map[string]string
	inputs []string // by field; "" is not fed
	feeds  session.Feeds
	out    session.Results

	last    Metrics // of the last batch; nil before the first
	sums    []float64
	samples int
}

func newRunner(step *session.Step, rename map[string]string) *runner {
	return &runner{step: step, rename: rename, feeds: session.Feeds{}}
}

// reset begins new sums.
func (r *runner) reset() {
	clear(r.sums)
	r.samples = 0
}

// restore continues the sums of a run that was stopped.
func (r *runner) restore(sums Metrics, samples int) {
	r.last, r.sums, r.samples = slices.Clone(sums), nil, samples
	for _, m := range sums {
		r.sums = append(r.sums, m.Value)
	}
}

// total returns the sums over the samples since the last reset.
func (r *runner) total() Metrics {
	m := slices.Clone(r.last)
	for i := range m {
		m[i].Value = r.sums[i]
	}
	return m
}

// run feeds a batch.
func (r *runner) run(ctx context.Context, b *data.Batch) error {
	if r.inputs == nil {
		for _, f := range b.Fields {
			name, ok := r.rename[f.Name]
			if !ok {
				name = f.Name
			}
			r.inputs = append(r.inputs, name)
		}
	}
	for k, name := range r.inputs {
		if name != "" {
			r.feeds[name] = b.Tensors[k]
		}
	}
	if err := r.step.RunInto(ctx, r.feeds, &r.out); err != nil {
		return err
	}
	if r.last == nil {
		r.last = Metrics{}
		for _, name := range r.out.Names() {
			if _, err := r.out.Scalar(name); err == nil {
				r.last = append(r.last, Metric{Name: name})
			}
		}
		r.sums = make([]float64, len(r.last))
	}
	for i := range r.last {
		v, err := r.out.Scalar(r.last[i].Name)
		if err != nil {
			return err
		}
		r.last[i].Value = v
		r.sums[i] += v * float64(b.Len)
	}
	r.samples += b.Len
	return nil
}

// averages returns the metrics of all samples since the last reset.
func (r *runner) averages() Metrics {
	m := slices.Clone(r.last)
	for i := range m {
		m[i].Value = r.sums[i] / float64(r.samples)
	}
	return m
}

// epoch runs over all batches of an epoch.
func (r *runner) epoch(ctx context.Context, from *data.Loader) error {
	r.reset()
	if err := from.Seek(data.Position{}); err != nil {
		return err
	}
	for {
		b, err := from.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.run(ctx, b); err != nil {
			return fmt.Errorf("batch %d: %w", b.Position.Batch, err)
		}
	}
}

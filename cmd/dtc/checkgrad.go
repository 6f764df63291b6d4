package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"dumbtorch/ir"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/tensor"
)

// steps are the lengths of the central differences, of which the best counts:
// a long one is inexact where the function bends or passes a kink, of which models
// have many, a short one rounds.
var steps = []float64{1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8}

// gradient compares the gradients of all floating-point inputs and variables
// with finite differences: with respect to all at once, in one random
// direction, then, if they differ, one by one.
func (c *checker) gradient(ctx context.Context) error {
	start := time.Now()
	t, err := c.newGradTest(ctx)
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		c.row("interp", "gradients in f64", "", "", "skipped: "+err.Error(), 0)
		return nil
	}
	e, err := t.compare(ctx, t.names)
	if err != nil {
		return fmt.Errorf("gradients: %w", err)
	}
	verdict, where := "ok", fmt.Sprintf("of %d values", len(t.names))
	if !(e <= tolGrad) {
		verdict = "WRONG"
		c.failed++
	}
	c.row("interp", "gradients in f64", difference{err: e}.String(), where, verdict, time.Since(start))
	if verdict == "ok" {
		return nil
	}
	for _, name := range t.names {
		if e, err = t.compare(ctx, []string{name}); err != nil {
			return fmt.Errorf("gradients: %w", err)
		}
		verdict = "ok"
		if !(e <= tolGrad) {
			verdict = "WRONG"
		}
		c.row("interp", "  gradient", difference{err: e}.String(), name, verdict, 0)
	}
	return nil
}

// A gradTest is a function of several values and its gradient at one point.
type gradTest struct {
	dev       *interp.Device
	names     []string // of the values with gradients
	objective *ir.Graph
	at        map[string]*tensor.Tensor // the point
	grads     map[string][]float64
	direction map[string][]float64
	value     float64
}

const objectiveName = "objective"

// jitter is how far the point of the gradients is moved, relative to a value and
// to one.
const jitter = 1e-2

// newGradTest builds the function and computes its gradient; the error is the
// reason why there is none.
func (c *checker) newGradTest(ctx context.Context) (*gradTest, error) {
	g := c.p.graph
	d, err := double(g, func(*ir.Node) string { return "" })
	if err != nil {
		return nil, err
	}
	t := &gradTest{dev: interp.New(), at: map[string]*tensor.Tensor{}, grads: map[string][]float64{}, direction: map[string][]float64{}}
	loss := d.objective(g.Outputs)
	if loss == nil {
		return nil, errors.New("no output is a floating-point number")
	}
	reached := reaches(loss)
	r := rand.New(rand.NewPCG(c.seed, 0))
	var targets []*ir.Node
	for _, n := range append(g.Inputs(), g.Variables()...) {
		m := d.of[n]
		if err := t.setPoint(r, m.Attr.Name, c.valueOf(n)); err != nil {
			return nil, err
		}
		if m.DType().IsFloat() && m.Shape().Size() > 0 && reached[m] {
			targets = append(targets, m)
			t.names = append(t.names, m.Attr.Name)
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("no floating-point input or variable reaches an output")
	}
	grads, err := differentiate(d.b.G, loss, targets)
	if err != nil {
		return nil, err
	}
	d.b.G.Outputs = []ir.Output{{Name: objectiveName, Node: loss}}
	for i, n := range grads {
		d.b.G.Outputs = append(d.b.G.Outputs, ir.Output{Name: "gradient of " + t.names[i], Node: n})
	}
	// What passes no gradient on stays as it is at the point.
	frozen := map[*ir.Node]string{}
	for _, n := range g.Nodes {
		if n.Op == ir.OpStopGradient && n.DType().IsFloat() {
			frozen[n] = fmt.Sprintf("constant %d", n.ID)
			d.b.G.Outputs = append(d.b.G.Outputs, ir.Output{Name: frozen[n], Node: d.of[n]})
		}
	}
	outs, _, err := execute(ctx, t.dev, passes.Config{}, d.b.G, t.at, nil)
	if err != nil {
		return nil, err
	}
	return t, t.setGradients(r, g, outs, frozen)
}

// setGradients keeps what the first run gave, chooses the direction, and builds
// the function for the others.
func (t *gradTest) setGradients(r *rand.Rand, g *ir.Graph, outs []tensor.Named, frozen map[*ir.Node]string) error {
	v, err := float64s(outs[0].Tensor)
	if err != nil {
		return err
	}
	t.value = v[0]
	for i, name := range t.names {
		if t.grads[name], err = float64s(outs[1+i].Tensor); err != nil {
			return err
		}
		dir := make([]float64, len(t.grads[name]))
		for j := range dir {
			dir[j] = r.NormFloat64()
		}
		t.direction[name] = dir
	}
	for _, o := range outs[1+len(t.names):] {
		t.at[o.Name] = o.Tensor
	}
	d, err := double(g, func(n *ir.Node) string { return frozen[n] })
	if err != nil {
		return err
	}
	d.b.G.Outputs = []ir.Output{{Name: objectiveName, Node: d.objective(g.Outputs)}}
	t.objective = d.b.G
	return nil
}

// valueOf returns the value of an input or variable.
func (c *checker) valueOf(n *ir.Node) *tensor.Tensor {
	if n.Op == ir.OpVariable {
		return c.vars[n.Attr.Name]
	}
	return c.feeds[n.Attr.Name]
}

// setPoint sets a value of the point. Floating-point numbers are moved a little,
// away from where functions have kinks: zero, and equal numbers under a maximum.
// What is not negative stays so.
func (t *gradTest) setPoint(r *rand.Rand, name string, v *tensor.Tensor) error {
	w, err := v.Convert(wide(v.DType()))
	if err != nil {
		return err
	}
	t.at[name] = w
	if !w.DType().IsFloat() {
		return nil
	}
	data, err := tensor.Data[float64](w)
	for i := range data {
		data[i] = data[i]*(1+jitter*r.NormFloat64()) + jitter*math.Abs(r.NormFloat64())
	}
	return err
}

// compare returns the relative error of the derivative in the direction of the
// given values.
func (t *gradTest) compare(ctx context.Context, names []string) (float64, error) {
	exact, size := 0.0, 0.0
	for _, name := range names {
		for j, g := range t.grads[name] {
			exact += g * t.direction[name][j]
			size += g * g
		}
	}
	scale := max(math.Abs(exact), math.Sqrt(size), smallest*math.Abs(t.value), smallest*smallest)
	best := math.Inf(1)
	for _, h := range steps {
		up, err := t.eval(ctx, names, h)
		if err != nil {
			return 0, err
		}
		down, err := t.eval(ctx, names, -h)
		if err != nil {
			return 0, err
		}
		if e := math.Abs((up-down)/(2*h)-exact) / scale; e < best {
			best = e
		}
		if best <= tolGrad/10 {
			break
		}
	}
	return best, nil
}

// eval returns the function at the point moved by h in the direction.
func (t *gradTest) eval(ctx context.Context, names []string, h float64) (float64, error) {
	feeds := map[string]*tensor.Tensor{}
	for _, n := range t.objective.Inputs() {
		feeds[n.Attr.Name] = t.at[n.Attr.Name]
	}
	for _, name := range names {
		if feeds[name] == nil {
			continue
		}
		moved := feeds[name].Clone()
		data, err := tensor.Data[float64](moved)
		if err != nil {
			return 0, err
		}
		for j := range data {
			data[j] += h * t.direction[name][j]
		}
		feeds[name] = moved
	}
	outs, _, err := execute(ctx, t.dev, passes.Config{}, t.objective, feeds, nil)
	if err != nil {
		return 0, err
	}
	return tensor.Item[float64](outs[0].Tensor)
}

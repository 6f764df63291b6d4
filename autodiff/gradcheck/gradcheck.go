// Package gradcheck compares the gradients that package autodiff makes with
// central differences, in f64 on the interpreter. It is a helper of tests and
// stands above the session.
//
// One random direction tests all derivatives at once: for a scalar loss L and a
// direction v, the slope <grad L(x), v> must be (L(x+hv)-L(x-hv))/2h up to
// O(h*h), whatever wrong element the gradient has, since v has no zeros.
package gradcheck

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"dumbtorch/graph"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// A Func builds a value out of inputs. It must be smooth near them.
type Func func(g *graph.Graph, xs []*graph.Node) *graph.Node

// Options say how a gradient is checked; the zero value of each field stands for
// its default.
type Options struct {
	Step       float64 // h; 1e-5
	Tolerance  float64 // of the slope, relative to 1+|slope|+|L|; 1e-7
	Directions int     // how many are tried; 1
	Order      int     // 2 checks the gradient of the gradient as well, and so on; 1
	Seed       uint64  // of directions and weights; 0
}

// Check fails the test unless the gradient of f is that of central differences
// at the given inputs and in the trainable f64 variables that f uses.
// Floating-point inputs must be f64; others stay as they are. The result may
// have any shape; the loss is its sum with random weights.
func Check(t testing.TB, f Func, inputs ...*tensor.Tensor) {
	t.Helper()
	Options{}.Check(t, f, inputs...)
}

// Check is the function [Check] with options.
func (o Options) Check(t testing.TB, f Func, inputs ...*tensor.Tensor) {
	t.Helper()
	if err := o.Compare(f, inputs...); err != nil {
		t.Fatal(err)
	}
}

// Compare returns an error that names the operation, the direction and both
// slopes where the gradient of f differs from central differences; or the error
// of building or running f.
func (o Options) Compare(f Func, inputs ...*tensor.Tensor) error {
	if o.Step == 0 {
		o.Step = 1e-5
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-7
	}
	o.Directions, o.Order = max(1, o.Directions), max(1, o.Order)
	for i, x := range inputs {
		if x.DType() == graph.F32 {
			return fmt.Errorf("gradcheck: input %d is %v: wants f64, whose rounding leaves digits to compare", i, x.Type())
		}
	}
	for order := 1; order <= o.Order; order++ {
		if err := o.compare(f, order, inputs); err != nil {
			return err
		}
		f = o.derivative(f, order)
	}
	return nil
}

// derivative returns the derivative of the loss of f in a fixed direction.
func (o Options) derivative(f Func, order int) Func {
	return func(g *graph.Graph, xs []*graph.Node) *graph.Node {
		var sum *graph.Node
		r := o.random(order, 1000)
		ds := gradient(g, o.loss(g, f, order, xs), xs)
		for _, d := range ds {
			term := weighted(g, r, d)
			if sum == nil {
				sum = term
			} else {
				sum = sum.Add(term)
			}
		}
		return sum
	}
}

func (o Options) random(order, stream int) *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, uint64(order)<<32+uint64(stream)))
}

// numbers returns n numbers away from 0.
func numbers(r *rand.Rand, n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = math.Copysign(0.25+0.75*r.Float64(), r.Float64()-0.5)
	}
	return xs
}

// weighted returns the sum of x with random weights, in f64.
func weighted(g *graph.Graph, r *rand.Rand, x *graph.Node) *graph.Node {
	return x.Mul(graph.Constant(g, numbers(r, x.Size()), x.Shape()...)).Sum()
}

// loss is the weighted sum of f, and of the inputs, so that all are reached.
func (o Options) loss(g *graph.Graph, f Func, order int, xs []*graph.Node) *graph.Node {
	y := f(g, xs)
	if y == nil || !y.DType().IsFloat() {
		graph.Fail("gradcheck", "wants a function with a floating-point result, got %v", y)
	}
	r := o.random(order, 0)
	sum := weighted(g, r, y)
	for _, x := range variables(g, xs) {
		sum = sum.Add(weighted(g, r, x))
	}
	return sum
}

// variables returns what the gradient is taken of: the floating-point inputs,
// then the trainable f64 variables.
func variables(g *graph.Graph, xs []*graph.Node) []*graph.Node {
	var wrt []*graph.Node
	for _, x := range xs {
		if x.DType().IsFloat() {
			wrt = append(wrt, x)
		}
	}
	for _, v := range g.Variables() {
		if v.Trainable() && v.Type().DType == graph.F64 {
			wrt = append(wrt, g.Var(v))
		}
	}
	return wrt
}

func gradient(g *graph.Graph, loss *graph.Node, xs []*graph.Node) []*graph.Node {
	return g.Grad(loss, variables(g, xs)...)
}

// A check is f, compiled, at a point.
type check struct {
	Options
	session *session.Session
	step    *session.Step
	op      string
	order   int
	inputs  []*tensor.Tensor // all that are fed
	points  []point          // what is moved
	fed     session.Feeds
}

// A point is an input or a variable.
type point struct {
	name     string
	variable bool
	at       *tensor.Tensor
}

func (o Options) compare(f Func, order int, inputs []*tensor.Tensor) (err error) {
	dev := interp.New()
	c := &check{Options: o, session: session.New(dev, session.WithSeed(o.Seed)), order: order, inputs: inputs, fed: session.Feeds{}}
	defer func() { err = errors.Join(err, c.session.Close(), dev.Close()) }()
	if err := c.build(f); err != nil {
		return fmt.Errorf("gradcheck: %w", err)
	}
	for k := range o.Directions {
		if err := c.direction(k); err != nil {
			return err
		}
	}
	return nil
}

// build compiles the loss and its slope along a direction that is fed.
func (c *check) build(f Func) error {
	g, err := graph.Build("gradcheck", func(g *graph.Graph) {
		var xs []*graph.Node
		for i, x := range c.inputs {
			xs = append(xs, g.Input(fmt.Sprint("x", i), x.DType(), x.Shape()...))
		}
		y := c.loss(g, func(g *graph.Graph, xs []*graph.Node) *graph.Node {
			y := f(g, xs)
			c.op = y.IR().Op.String()
			return y
		}, c.order, xs)
		g.Output("loss", y)
		slope := graph.Scalar(g, graph.F64, 0)
		for i, d := range gradient(g, y, xs) {
			v := g.Input(fmt.Sprint("v", i), graph.F64, d.Shape()...)
			slope = slope.Add(d.Mul(v).Sum())
		}
		g.Output("slope", slope)
	})
	if err != nil {
		return err
	}
	if c.step, err = c.session.Compile(g); err != nil {
		return err
	}
	for i, x := range c.inputs {
		name := fmt.Sprint("x", i)
		c.fed[name] = x
		if x.DType().IsFloat() {
			c.points = append(c.points, point{name, false, x})
		}
	}
	for _, v := range g.Variables() {
		if !v.Trainable() || v.Type().DType != graph.F64 {
			continue
		}
		at, err := c.session.Get(v.Name())
		if err != nil {
			return err
		}
		c.points = append(c.points, point{v.Name(), true, at})
	}
	return nil
}

// direction compares the slopes in the k-th random direction, and names the
// inputs that differ.
func (c *check) direction(k int) error {
	r := c.random(c.order, k+1)
	var v [][]float64
	for _, p := range c.points {
		v = append(v, numbers(r, p.at.Len()))
	}
	difference, slope, ok, err := c.slopes(v)
	if err != nil || ok {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "gradcheck: the gradient of %s (order %d) differs in direction %d: slope %.12g, by central differences %.12g",
		c.op, c.order, k, slope, difference)
	for i, p := range c.points {
		only := make([][]float64, len(v))
		for j := range v {
			only[j] = make([]float64, len(v[j]))
		}
		only[i] = v[i]
		difference, slope, ok, err := c.slopes(only)
		if err == nil && !ok {
			fmt.Fprintf(&b, "\n\tin %s %v alone: slope %.12g, by central differences %.12g", p.name, p.at.Type(), slope, difference)
		}
	}
	return errors.New(b.String())
}

// slopes returns the slope in direction v by central differences and by the
// gradient, and whether they agree.
func (c *check) slopes(v [][]float64) (difference, slope float64, ok bool, err error) {
	up, _, err := c.at(v, c.Step)
	if err != nil {
		return 0, 0, false, err
	}
	down, _, err := c.at(v, -c.Step)
	if err != nil {
		return 0, 0, false, err
	}
	loss, slope, err := c.at(v, 0)
	difference = (up - down) / (2 * c.Step)
	ok = math.Abs(difference-slope) <= c.Tolerance*(1+math.Abs(difference)+math.Abs(loss))
	return difference, slope, ok, err
}

// at returns the loss and its slope along v at the points moved by h*v.
func (c *check) at(v [][]float64, h float64) (loss, slope float64, err error) {
	for i, p := range c.points {
		x := p.at.Clone()
		data, err := tensor.Data[float64](x)
		if err != nil {
			return 0, 0, err
		}
		for k := range data {
			data[k] += h * v[i][k]
		}
		dir, err := tensor.From(v[i], p.at.Shape()...)
		if err != nil {
			return 0, 0, err
		}
		c.fed[fmt.Sprint("v", i)] = dir
		if !p.variable {
			c.fed[p.name] = x
		} else if err := c.session.Set(p.name, x); err != nil {
			return 0, 0, err
		}
	}
	res, err := c.step.Run(context.Background(), c.fed)
	if err != nil {
		return 0, 0, err
	}
	defer res.Release()
	if loss, err = res.Scalar("loss"); err != nil {
		return 0, 0, err
	}
	slope, err = res.Scalar("slope")
	return loss, slope, err
}

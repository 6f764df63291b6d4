package main

import (
	"context"
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/tensor"
)

const (
	// inexactFactor is how much further from the reference than the reference is
	// from the values in f64 another order of roundings may be.
	inexactFactor = 4
	// hopeless is the inexactness from which on nothing can be told.
	hopeless = 1e-2
)

// inexact returns how far each of the reference's values is from the one that
// the program has in f64: what rounding alone does to a program that is badly
// conditioned. It is computed once, when a value is beyond the tolerance; nil if
// the program has no form in f64, and if a tolerance was asked for.
func (c *checker) inexact(ctx context.Context) []float64 {
	if !c.measured && !c.strict {
		c.measured = true
		c.rounding, _ = c.measure(ctx)
	}
	return c.rounding
}

func (c *checker) measure(ctx context.Context) ([]float64, error) {
	g := c.p.graph
	d, err := double(g, func(*ir.Node) string { return "" })
	if err != nil {
		return nil, err
	}
	next := map[string]*ir.Node{}
	for _, n := range g.Assigns() {
		next[n.Args[0].Attr.Name] = d.of[n.Args[1]]
	}
	d.b.G.Outputs = nil
	output := func(name string, n *ir.Node) {
		d.b.G.Outputs = append(d.b.G.Outputs, ir.Output{Name: name, Node: n})
	}
	for _, o := range g.Outputs {
		output("output "+o.Name, d.of[o.Node])
	}
	for _, n := range g.Variables() {
		if v := next[n.Attr.Name]; v != nil {
			output("variable "+n.Attr.Name, v)
		} else {
			output("variable "+n.Attr.Name, d.of[n])
		}
	}
	at := map[string]*tensor.Tensor{}
	for _, n := range append(g.Inputs(), g.Variables()...) {
		v := c.valueOf(n)
		if at[d.of[n].Attr.Name], err = v.Convert(wide(v.DType())); err != nil {
			return nil, err
		}
	}
	dev := interp.New()
	defer dev.Close()
	exact, _, err := execute(ctx, dev, passes.Config{}, d.b.G, at, nil)
	if err != nil {
		return nil, err
	}
	rounding := make([]float64, len(exact))
	for i, e := range exact {
		if !c.want[i].Tensor.DType().IsFloat() {
			continue
		}
		w, err := c.want[i].Tensor.Convert(types.F64)
		if err != nil {
			return nil, err
		}
		diff, err := compare(w, e.Tensor)
		if err != nil {
			return nil, err
		}
		rounding[i] = diff.err
	}
	return rounding, nil
}

// forgiving is the tolerance of value i as far as the reference itself is exact.
func forgiving(rounding []float64, tolerance func(int, types.DType) float64) func(int, types.DType) float64 {
	return func(i int, d types.DType) float64 {
		t := tolerance(i, d)
		if i < len(rounding) && d.IsFloat() && rounding[i] <= hopeless && !math.IsNaN(rounding[i]) {
			t = max(t, inexactFactor*rounding[i])
		}
		return t
	}
}

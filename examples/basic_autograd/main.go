// Command basic_autograd is the smallest lesson of symbolic differentiation:
// every section builds a graph, runs it, and compares values and gradients with
// those derived by hand. The last one shows a graph before and after its
// backward pass, and after fusion.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "basic_autograd:", err)
		os.Exit(1)
	}
}

// run gives the lesson.
func run(w io.Writer) error {
	dev := interp.New()
	defer dev.Close()
	s := session.New(dev)
	defer s.Close()
	l := &lesson{w: w, s: s}
	for _, part := range parts {
		l.section(part)
	}
	l.graphs()
	return l.err
}

// lesson prints sections until one fails.
type lesson struct {
	w      io.Writer
	s      *session.Session
	number int
	err    error
}

// part is a section: its model declares inputs, and shows nodes beside the
// values that they must have.
type part struct {
	title, text string
	model       func(m *model)
}

// model is a graph that is being built, with feeds for its inputs.
type model struct {
	*graph.Graph
	feeds session.Feeds
	shown []shown
}

type shown struct {
	name   string
	typ    types.Type
	byHand []float32
}

// in declares an input with a value.
func (m *model) in(name string, data []float32, dims ...int) *graph.Node {
	t, err := tensor.From(data, dims...)
	if err != nil {
		graph.Fail("in", "%w", err)
	}
	m.feeds[name] = t
	return m.Input(name, graph.F32, dims...)
}

// show makes x an output, whose elements must be those derived by hand.
func (m *model) show(name string, x *graph.Node, byHand ...float32) {
	m.Output(name, x)
	m.shown = append(m.shown, shown{name, types.Of(x.DType(), x.Shape()...), byHand})
}

// section builds and runs a part, and compares.
func (l *lesson) section(p part) {
	if l.err != nil {
		return
	}
	l.number++
	fmt.Fprintf(l.w, "== %d. %s\n%s\n\n", l.number, p.title, p.text)
	m := &model{feeds: session.Feeds{}}
	g, err := graph.Build(p.title, func(g *graph.Graph) {
		m.Graph = g
		p.model(m)
	})
	if err != nil {
		l.err = err
		return
	}
	out, err := l.run(g, m.feeds)
	if err != nil {
		l.err = err
		return
	}
	defer out.Release()
	for _, x := range m.shown {
		if err := l.compare(out, x); err != nil {
			l.err = fmt.Errorf("%s: %w", p.title, err)
			return
		}
	}
	fmt.Fprintln(l.w)
}

func (l *lesson) run(g *graph.Graph, feeds session.Feeds) (*session.Results, error) {
	step, err := l.s.Compile(g)
	if err != nil {
		return nil, err
	}
	defer step.Close()
	return step.Run(context.Background(), feeds)
}

// compare prints an output, and fails if it is not what was derived by hand.
func (l *lesson) compare(out *session.Results, x shown) error {
	got, err := out.Tensor(x.name)
	if err != nil {
		return err
	}
	want, err := tensor.From(x.byHand, x.typ.Shape...)
	if err != nil {
		return err
	}
	fmt.Fprintf(l.w, "%s: %v\n", x.name, got)
	if err := tensor.AllClose(got, want, 1e-6, 1e-6); err != nil {
		return fmt.Errorf("%s is not what was derived by hand: %w", x.name, err)
	}
	fmt.Fprintln(l.w, "  as derived by hand")
	return nil
}

package main

import (
	"fmt"

	"dumbtorch/examples/models"
	"dumbtorch/graph"
)

// The values of the first sections: x is a matrix, w a row, b a column.
var (
	x23 = []float32{1, 2, 3, 4, 5, 6}
	w3  = []float32{1, -1, 2}
	b21 = []float32{1, 0}
)

var parts = []part{
	{"An expression and its gradient",
		`y = x*w + b and loss = sum(y*y)/2. By hand: y = [[2,-1,7],[4,-5,12]], and since
dloss/dy = y, dloss/dx = y*w.`,
		func(m *model) {
			x, w, b := m.in("x", x23, 2, 3), m.in("w", w3, 3), m.in("b", b21, 2, 1)
			loss := models.HalfSquares(x, w, b)
			m.show("loss", loss, 119.5)
			m.show("dloss/dx", m.Grad(loss, x)[0], 2, 1, 14, 4, 5, 24)
		}},
	{"The gradient of broadcasting is a sum",
		`w was used in both rows, b in all three columns: their gradients add up over
those uses. dloss/dw = sum over rows of y*x, dloss/db = sum over columns of y.`,
		func(m *model) {
			x, w, b := m.in("x", x23, 2, 3), m.in("w", w3, 3), m.in("b", b21, 2, 1)
			d := m.Grad(models.HalfSquares(x, w, b), w, b)
			m.show("dloss/dw", d[0], 18, -27, 93)
			m.show("dloss/db", d[1], 8, 11)
		}},
	{"A view",
		`v is the transpose of x without its first row: nothing is copied. The gradient
goes back through the view; what the view left out has gradient 0.`,
		func(m *model) {
			x := m.in("x", x23, 2, 3)
			v := x.T().Slice(0, 1, graph.End, 1)
			m.show("v", v, 2, 5, 3, 6)
			m.show("dsum(v*v)/dx", m.Grad(v.Mul(v).Sum(), x)[0], 0, 4, 6, 0, 10, 12)
		}},
	{"Accumulation over two losses",
		`A value that is used twice gets the sum of both gradients: of sum(x*x) it is
2x, of sum(3x) it is 3, of both together 2x + 3.`,
		func(m *model) {
			x := m.in("x", []float32{1, 2}, 2)
			first, second := x.Mul(x).Sum(), x.MulScalar(3).Sum()
			m.show("of the first", m.Grad(first, x)[0], 2, 4)
			m.show("of the second", m.Grad(second, x)[0], 3, 3)
			m.show("of both", m.Grad(first.Add(second), x)[0], 5, 7)
		}},
	{"Stop-gradient",
		`x.StopGradient() has the value of x and is a constant to gradients (detach in
PyTorch): the gradient of sum(x*stop(x)) is x, not 2x.`,
		func(m *model) {
			x := m.in("x", []float32{1, 2, 3}, 3)
			loss := x.Mul(x.StopGradient()).Sum()
			m.show("loss", loss, 14)
			m.show("dloss/dx", m.Grad(loss, x)[0], 1, 2, 3)
		}},
	{"A region without gradients",
		`What is made inside NoGrad is a constant to gradients. With s = sum(x) made
there, the gradient of sum(x*s) is s = 6 everywhere; with gradients it would be 12.`,
		func(m *model) {
			x := m.in("x", []float32{1, 2, 3}, 3)
			var s *graph.Node
			m.NoGrad(func() { s = x.Sum() })
			m.show("dsum(x*s)/dx", m.Grad(x.Mul(s).Sum(), x)[0], 6, 6, 6)
			m.show("with gradients", m.Grad(x.Mul(x.Sum()).Sum(), x)[0], 12, 12, 12)
		}},
	{"The gradient of a gradient",
		`A gradient is a part of the graph as any other: it can be differentiated again.
Of sum(x*x*x) the first is 3x*x, the second 6x.`,
		func(m *model) {
			x := m.in("x", []float32{1, 2, 3}, 3)
			first := m.Grad(x.Mul(x).Mul(x).Sum(), x)[0]
			m.show("first", first, 3, 12, 27)
			m.show("second", m.Grad(first.Sum(), x)[0], 6, 12, 18)
		}},
}

// graphs shows the graph of the first two sections at three stages.
func (l *lesson) graphs() {
	if l.err != nil {
		return
	}
	l.number++
	fmt.Fprintf(l.w, "== %d. The graph\nBefore the backward pass:\n\n", l.number)
	forward, err := graph.Build("forward", func(g *graph.Graph) {
		x, w, b := g.Input("x", graph.F32, 2, 3), g.Input("w", graph.F32, 3), g.Input("b", graph.F32, 2, 1)
		g.Output("loss", models.HalfSquares(x, w, b))
	})
	if err != nil {
		l.err = err
		return
	}
	example, err := models.Get("basic_autograd")
	if err != nil {
		l.err = err
		return
	}
	both, err := example.Build()
	if err != nil {
		l.err = err
		return
	}
	step, err := l.s.Compile(both)
	if err != nil {
		l.err = err
		return
	}
	defer step.Close()
	compiled, err := step.Program(nil)
	if err != nil {
		l.err = err
		return
	}
	fmt.Fprintf(l.w, "%s\nAfter it, the gradients are nodes too:\n\n%s\n", forward.IR(), both.IR())
	fmt.Fprintf(l.w, "After fusion every node is in a cluster; each of the %d becomes one kernel:\n\n%s", len(compiled.Program.Launches), compiled.Graph)
}

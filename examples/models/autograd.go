package models

import "dumbtorch/graph"

// HalfSquares is the expression of the autograd lesson: half the sum of y*y with
// y = x*w + b. The gradients are y*w for x, the sums of y*x over the dimensions
// along which w was broadcast, and those of y for b.
func HalfSquares(x, w, b *graph.Node) *graph.Node {
	y := x.Mul(w).Add(b)
	return y.Mul(y).Sum().MulScalar(0.5)
}

var lessons = []definition{{
	name: "basic_autograd", doc: "An expression of broadcast values and its gradients.",
	full: []int{2, 3}, small: []int{2, 3},
	model: func(n []int) func(g *graph.Graph) {
		return func(g *graph.Graph) {
			in := declare(g, autogradInputs(n))
			loss := HalfSquares(in[0], in[1], in[2])
			g.Output("loss", loss)
			for i, d := range g.Grad(loss, in...) {
				g.Output([]string{"dx", "dw", "db"}[i], d)
			}
		}
	},
	option: graph.Eval(), inputs: autogradInputs,
}}

func autogradInputs(n []int) []input {
	return []input{{"x", []int{n[0], n[1]}, 0}, {"w", []int{n[1]}, 0}, {"b", []int{n[0], 1}, 0}}
}

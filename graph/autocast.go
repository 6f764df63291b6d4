package graph

import (
	"dumbtorch/ir"
	"dumbtorch/ir/transform"
	"dumbtorch/ir/types"
)

// mixed is the state of mixed precision in a graph.
type mixed struct {
	d    types.DType // the low type; Invalid: none
	done int         // nodes that are not to be looked at any more
	full map[*ir.Node]bool
	open int // first node of the FullPrecision region
	deep int // depth of such regions
}

// Autocast builds the graph in mixed precision: matrix products, convolutions
// and what lies between them compute in the type d, F16 or BF16, with sums in
// F32; functions, softmax, norms, reductions and losses compute in F32, and
// parameters stay F32: torch.autocast. The rule is [transform.Autocast]'s; it is
// applied before gradients are appended, which follow it. Types of nodes, inputs
// and outputs stay what they are without it.
//
// Gradients in F16 underflow below 6e-8: scale the loss as optim.ScaleLoss
// does. BF16 has the range of F32 and needs no scaling.
func Autocast(d types.DType) Option {
	return func(g *Graph) {
		if !d.IsHalf() {
			Fail("autocast", "the type is %v: mixed precision is f16 or bf16 beside f32", d)
		}
		g.mixed.d = d
	}
}

// FullPrecision runs f; what it computes is left as it is by [Autocast]:
// torch.autocast(enabled=False).
func (g *Graph) FullPrecision(f func()) {
	const op = "full_precision"
	g.open(op)
	if f == nil {
		Fail(op, "the function is nil")
	}
	m := &g.mixed
	if m.deep++; m.deep == 1 {
		m.open = len(g.b.G.Nodes)
	}
	defer func() {
		if m.deep--; m.deep == 0 {
			g.keepFull()
		}
	}()
	f()
}

// keepFull marks the nodes of the open FullPrecision region so far.
func (g *Graph) keepFull() {
	m := &g.mixed
	if m.full == nil {
		m.full = map[*ir.Node]bool{}
	}
	for _, n := range g.b.G.Nodes[m.open:] {
		m.full[n] = true
	}
}

// autocast applies mixed precision to the nodes that have come since the last
// time.
func (g *Graph) autocast() {
	m := &g.mixed
	if m.d == types.Invalid {
		return
	}
	if m.deep > 0 {
		g.keepFull()
	}
	if err := transform.Autocast(g.b.G, m.done, m.d, func(n *ir.Node) bool { return m.full[n] }); err != nil {
		Fail("autocast", "%w", err)
	}
	g.castUpToHere()
}

// castUpToHere takes the nodes so far, gradients among them, out of further
// casting.
func (g *Graph) castUpToHere() {
	g.mixed.done = len(g.b.G.Nodes)
	g.mixed.open = len(g.b.G.Nodes)
}

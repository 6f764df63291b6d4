package graph

import (
	"slices"

	"dumbtorch/autodiff"
	"dumbtorch/ir"
)

// Checkpoint returns f(xs), whose inner values are not kept for the gradient: the
// backward pass computes them again from xs when it comes to need them, which
// trades time for memory: torch.utils.checkpoint.checkpoint (Chen et al.,
// "Training deep nets with sublinear memory cost", 2016). Value and gradient
// are those of f; random numbers, as of dropout, are the same both times.
//
// f may use any other value and variable, and gradients reach these too. Values
// from outside of f are kept; what f computes from nothing but parameters is not
// computed again.
func Checkpoint(f func(xs ...*Node) *Node, xs ...*Node) *Node {
	const op = "checkpoint"
	g := common(op, xs)
	if f == nil {
		Fail(op, "the function is nil")
	}
	from := len(g.b.G.Nodes)
	y := f(xs...)
	g.own(op, y)
	if y.n.ID < from || !y.n.DType().IsFloat() {
		return y // nothing is computed that a gradient could need
	}
	return g.wrap(op, g.b.CustomVJP(y.n, recompute, outside(y.n, from)...))
}

// outside returns the nodes that y is computed from: those made before node
// number from, and leaves.
func outside(y *ir.Node, from int) []*ir.Node {
	var out []*ir.Node
	seen := map[*ir.Node]bool{y: true}
	for todo := []*ir.Node{y}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n.ID < from || n.Is(ir.Leaf) {
			out = append(out, n)
			continue
		}
		for _, a := range n.Args {
			if !seen[a] {
				seen[a] = true
				todo = append(todo, a)
			}
		}
	}
	slices.SortFunc(out, func(a, b *ir.Node) int { return a.ID - b.ID })
	return out
}

// recompute is the gradient of a checkpoint n: it appends the computation of its
// value again and differentiates that. Barriers after the cotangent ct keep the
// copy from being merged with the first computation, or done before its time.
// Only parameters have none: they lie in memory anyway.
func recompute(b *ir.Builder, n, ct *ir.Node) []*ir.Node {
	copies := map[*ir.Node]*ir.Node{}
	operands := n.Args[1:]
	again := make([]*ir.Node, len(operands))
	for i, x := range operands {
		again[i] = x
		if x.Op != ir.OpVariable || !x.DType().IsFloat() {
			again[i] = b.Barrier(x, ct)
		}
		copies[x] = again[i]
	}
	at := b.At
	y := replay(b, n.Args[0], copies)
	b.At = at

	var wrt []*ir.Node
	var place []int
	for i, x := range again {
		if x.DType().IsFloat() {
			wrt = append(wrt, x)
			place = append(place, i)
		}
	}
	cts := make([]*ir.Node, len(operands))
	if len(wrt) == 0 {
		return cts
	}
	grads, err := autodiff.VJP(b, []*ir.Node{y}, []*ir.Node{ct}, wrt)
	if e, ok := err.(*ir.Error); ok {
		panic(e)
	}
	if err != nil {
		Fail("checkpoint", "%w", err)
	}
	for i, d := range grads {
		cts[place[i]] = d
	}
	return cts
}

// replay appends y, and what it is computed from, once more, with the copies
// given in place of their originals.
func replay(b *ir.Builder, y *ir.Node, copies map[*ir.Node]*ir.Node) *ir.Node {
	for todo := []*ir.Node{y}; len(todo) > 0; {
		n := todo[len(todo)-1]
		waits := false
		for _, a := range n.Args {
			if copies[a] == nil {
				todo = append(todo, a)
				waits = true
			}
		}
		if waits {
			continue
		}
		todo = todo[:len(todo)-1]
		if copies[n] != nil {
			continue
		}
		args := make([]*ir.Node, len(n.Args))
		for i, a := range n.Args {
			args[i] = copies[a]
		}
		b.At = n.Pos
		m := b.New(n.Op, n.Attr, args...)
		m.Custom = n.Custom
		copies[n] = m
	}
	return copies[y]
}

// Package autodiff appends gradients to a graph: a reverse walk over its nodes
// that knows nothing of an operation but the VJP of its record
// ([dumbtorch/ir.OpDef]). What it appends are ordinary nodes, so gradients of
// gradients need nothing more.
//
// The method is reverse accumulation as in Griewank and Walther, "Evaluating
// Derivatives", chapter 3. The package must not import graph, passes or
// runtime.
package autodiff

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir"
)

// Grad appends the gradient of loss, a floating-point scalar, with respect to
// each node of wrt and returns one node of the same type for each. Errors are
// those of [VJP], or say that the loss is not a scalar.
func Grad(b *ir.Builder, loss *ir.Node, wrt []*ir.Node) ([]*ir.Node, error) {
	if loss == nil {
		return nil, fail("grad", "the loss is nil")
	}
	if !loss.DType().IsFloat() || len(loss.Shape()) != 0 {
		return nil, fail("grad", "the loss must be a floating-point scalar, got %v (Sum or Mean make one)", loss.Type)
	}
	if err := owned(b, "grad", []*ir.Node{loss}); err != nil {
		return nil, err
	}
	return pull(b, "grad", []*ir.Node{loss}, []*ir.Node{b.Like(loss, 1)}, wrt)
}

// VJP appends the product of cotangents, one for each node of outs and of its
// type, with the Jacobian of outs with respect to each node of wrt, and returns
// one node of the same type for each of those.
//
// Gradients through operations marked NoGrad (comparisons, floor,
// stop_gradient) are zero. A node of wrt from which no path at all leads to
// outs is an error, and so is an operation on a path that has no gradient. All
// errors are [*ir.Error]s. New nodes carry the source line of the node whose
// gradient they compute. After an error the graph holds unfinished nodes that
// nothing uses.
func VJP(b *ir.Builder, outs, cotangents, wrt []*ir.Node) ([]*ir.Node, error) {
	if len(outs) != len(cotangents) {
		return nil, fail("vjp", "%d outputs, but %d cotangents", len(outs), len(cotangents))
	}
	if err := owned(b, "vjp", outs, cotangents); err != nil {
		return nil, err
	}
	for i, o := range outs {
		if !o.DType().IsFloat() {
			return nil, fail("vjp", "output %d is %v: only floating-point values have gradients", i, o.Type)
		}
		if !o.Type.Equal(cotangents[i].Type) {
			return nil, fail("vjp", "the cotangent of output %d is %v, the output %v", i, cotangents[i].Type, o.Type)
		}
	}
	return pull(b, "vjp", outs, cotangents, wrt)
}

func fail(op, format string, args ...any) error {
	return &ir.Error{Pos: ir.Caller(), Op: op, Err: fmt.Errorf(format, args...)}
}

// owned checks that the nodes are part of the builder's graph.
func owned(b *ir.Builder, op string, lists ...[]*ir.Node) error {
	for _, n := range slices.Concat(lists...) {
		switch {
		case n == nil:
			return fail(op, "a node is nil")
		case n.ID < 0 || n.ID >= len(b.G.Nodes) || b.G.Nodes[n.ID] != n:
			return fail(op, "%s is not a node of graph %q", describe(n), b.G.Name)
		}
	}
	return nil
}

// pull walks the nodes in reverse and pulls the cotangents of outs back to wrt.
func pull(b *ir.Builder, op string, outs, cotangents, wrt []*ir.Node) ([]*ir.Node, error) {
	if err := checkTargets(b, op, outs, wrt); err != nil {
		return nil, err
	}
	w := &walk{b: b, varied: varied(b.G.Nodes, wrt), parts: map[*ir.Node][]*ir.Node{}}
	last := 0
	for i, o := range outs {
		w.add(o, cotangents[i])
		last = max(last, o.ID)
	}
	at := b.At
	defer func() { b.At = at }()
	stop := last
	for _, n := range wrt {
		stop = min(stop, n.ID)
	}
	sums := map[*ir.Node]*ir.Node{}
	targets := set(wrt)
	for id := last; id >= stop; id-- {
		n := b.G.Nodes[id]
		g := w.sum(n)
		if g == nil {
			continue
		}
		if targets[n] {
			sums[n] = g
		}
		if err := w.step(n, g); err != nil {
			return nil, err
		}
	}
	grads := make([]*ir.Node, len(wrt))
	for i, n := range wrt {
		if grads[i] = sums[n]; grads[i] == nil {
			b.At = n.Pos
			grads[i] = b.Like(n, 0)
			sums[n] = grads[i]
		}
	}
	return grads, nil
}

// checkTargets returns an error unless every node of wrt is of the graph, has a
// floating-point type, and reaches outs.
func checkTargets(b *ir.Builder, op string, outs, wrt []*ir.Node) error {
	if err := owned(b, op, wrt); err != nil {
		return err
	}
	reached := set(outs)
	for id := len(b.G.Nodes) - 1; id >= 0; id-- {
		if n := b.G.Nodes[id]; reached[n] {
			for _, a := range n.Args {
				reached[a] = true
			}
		}
	}
	var lost []string
	for _, n := range wrt {
		if !n.DType().IsFloat() {
			return fail(op, "%s is %v: only floating-point values have gradients", describe(n), n.Type)
		}
		if s := describe(n); !reached[n] && !slices.Contains(lost, s) {
			lost = append(lost, s)
		}
	}
	target := "loss"
	if op == "vjp" {
		target = "outputs"
	}
	switch len(lost) {
	case 0:
		return nil
	case 1:
		return fail(op, "%s does not reach the %s", lost[0], target)
	}
	return fail(op, "%s do not reach the %s", strings.Join(lost, ", "), target)
}

// varied returns the nodes whose value changes smoothly with one of wrt.
func varied(nodes, wrt []*ir.Node) map[*ir.Node]bool {
	v := set(wrt)
	for _, n := range nodes {
		if !n.DType().IsFloat() || n.Is(ir.NoGrad) {
			continue
		}
		if slices.ContainsFunc(n.Args, func(a *ir.Node) bool { return v[a] }) {
			v[n] = true
		}
	}
	return v
}

func set(ns []*ir.Node) map[*ir.Node]bool {
	m := make(map[*ir.Node]bool, len(ns))
	for _, n := range ns {
		m[n] = true
	}
	return m
}

// walk is one reverse walk.
type walk struct {
	b      *ir.Builder
	varied map[*ir.Node]bool
	parts  map[*ir.Node][]*ir.Node // cotangents that have arrived
}

func (w *walk) add(n, g *ir.Node) {
	if w.varied[n] {
		w.parts[n] = append(w.parts[n], g)
	}
}

// sum returns the cotangent of n, nil for zero.
func (w *walk) sum(n *ir.Node) *ir.Node {
	var g *ir.Node
	w.b.At = n.Pos
	for _, p := range w.parts[n] {
		if g == nil {
			g = p
		} else {
			g = w.b.Add(g, p)
		}
	}
	delete(w.parts, n)
	return g
}

// step hands the cotangent g of n on to its operands.
func (w *walk) step(n, g *ir.Node) (err error) {
	if n.Is(ir.NoGrad) || !slices.ContainsFunc(n.Args, func(a *ir.Node) bool { return w.varied[a] }) {
		return nil
	}
	vjp := n.Op.Def().VJP
	if vjp == nil {
		return &ir.Error{Pos: n.Pos, Op: n.Op.String(), Err: errors.New("the operation has no gradient")}
	}
	cts, err := w.call(vjp, n, g)
	if err != nil {
		return err
	}
	if len(cts) != len(n.Args) {
		return w.bug(n, "%d cotangents for %d operands", len(cts), len(n.Args))
	}
	for i, ct := range cts {
		a := n.Args[i]
		if ct == nil || !w.varied[a] {
			continue
		}
		if !ct.Type.Equal(a.Type) {
			return w.bug(n, "operand %d is %v, its cotangent %v", i, a.Type, ct.Type)
		}
		w.add(a, ct)
	}
	return nil
}

// call runs a gradient rule; the model errors that it raises become its result.
func (w *walk) call(vjp ir.VJPFunc, n, g *ir.Node) (cts []*ir.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*ir.Error)
			if !ok {
				panic(r)
			}
			cts, err = nil, e
			if n.Op != ir.OpCustomVJP {
				err = &ir.Error{Pos: n.Pos, Op: n.Op.String(), Err: fmt.Errorf("bug in the gradient: %w", e)}
			}
		}
	}()
	w.b.At = n.Pos
	return vjp(w.b, n, g), nil
}

func (w *walk) bug(n *ir.Node, format string, args ...any) error {
	return &ir.Error{Pos: n.Pos, Op: n.Op.String(), Err: fmt.Errorf("bug in the gradient: "+format, args...)}
}

// describe names a node for an error.
func describe(n *ir.Node) string {
	switch n.Op {
	case ir.OpVariable:
		return "parameter " + n.Attr.Name
	case ir.OpInput:
		return "input " + n.Attr.Name
	}
	s := fmt.Sprintf("%%%d (%v)", n.ID, n.Op)
	if p := n.Pos.String(); p != "" {
		s = fmt.Sprintf("the %v of %s", n.Op, p)
	}
	return s
}

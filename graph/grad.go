package graph

import (
	"dumbtorch/autodiff"
	"dumbtorch/ir"
)

// Grad appends the gradient of loss, a floating-point scalar, with respect to
// each of wrt, which may be any nodes of floating-point type, and returns one
// node of the same type for each. A node that the loss does not depend on at
// all is an error; through operations without gradient (comparisons, rounding,
// [Node.StopGradient]) it is zero. Gradients are nodes as any other and can be
// differentiated again: torch.autograd.grad with create_graph=True.
func (g *Graph) Grad(loss *Node, wrt ...*Node) []*Node {
	const op = "grad"
	g.open(op)
	g.own(op, loss)
	g.own(op, wrt...)
	g.nameVariables()
	g.autocast()
	grads, err := autodiff.Grad(g.b, loss.n, unwrap(wrt))
	return g.grads(op, grads, err)
}

// ValueAndGrad returns the value of f at xs, a floating-point scalar, and its
// gradient with respect to each of xs.
func ValueAndGrad(f func(xs ...*Node) *Node, xs ...*Node) (*Node, []*Node) {
	const op = "value_and_grad"
	g := common(op, xs)
	if f == nil {
		Fail(op, "the function is nil")
	}
	y := f(xs...)
	g.own(op, y)
	return y, g.Grad(y, xs...)
}

// VJP appends the product of cotangents, one for each of outs and of its type,
// with the Jacobian of outs with respect to each of wrt: torch.autograd.grad with
// grad_outputs. Errors are those of [Graph.Grad].
func VJP(outs, cotangents, wrt []*Node) []*Node {
	const op = "vjp"
	g := common(op, outs)
	g.own(op, cotangents...)
	g.own(op, wrt...)
	g.nameVariables()
	g.autocast()
	grads, err := autodiff.VJP(g.b, unwrap(outs), unwrap(cotangents), unwrap(wrt))
	return g.grads(op, grads, err)
}

func (g *Graph) grads(op string, ns []*ir.Node, err error) []*Node {
	if e, ok := err.(*ir.Error); ok {
		panic(e)
	}
	if err != nil {
		Fail(op, "%w", err)
	}
	g.castUpToHere()
	return g.wrapAll(op, ns)
}

// StopGradient returns x; no gradient passes: torch.Tensor.detach.
func (x *Node) StopGradient() *Node { return x.unary("stop_gradient", ir.OpStopGradient) }

// NoGrad runs f; no gradient passes through the values that it makes:
// torch.no_grad.
func (g *Graph) NoGrad(f func()) {
	g.open("no_grad")
	if f == nil {
		Fail("no_grad", "the function is nil")
	}
	g.noGrad++
	defer func() { g.noGrad-- }()
	f()
}

// Barrier returns x, computed by no earlier time than after; common
// subexpressions are not merged across it.
func (x *Node) Barrier(after *Node) *Node {
	const op = "barrier"
	g := x.use(op, after)
	return g.wrap(op, g.b.Barrier(x.n, after.n))
}

// CustomVJP returns forward(xs) with a gradient of its own: backward returns
// one cotangent for each of xs, of its type, given xs, the result y and its
// cotangent ct; nil is zero. Gradients do not pass through forward. It is
// torch.autograd.Function.
func CustomVJP(forward func(xs []*Node) *Node, backward func(xs []*Node, y, ct *Node) []*Node, xs ...*Node) *Node {
	const op = "custom_vjp"
	g := common(op, xs)
	if forward == nil || backward == nil {
		Fail(op, "a function is nil")
	}
	y := forward(xs)
	g.own(op, y)
	vjp := func(b *ir.Builder, n, ct *ir.Node) []*ir.Node {
		h := g
		if b != g.b { // differentiated after the graph was built
			h = &Graph{name: g.name, b: b, dims: newDims(nil)}
		}
		args := h.wrapAll(op, n.Args[1:])
		cts := backward(args, &Node{h, n}, &Node{h, ct})
		if len(cts) != len(args) {
			Fail(op, "the gradient returned %d cotangents for %d operands", len(cts), len(args))
		}
		out := make([]*ir.Node, len(cts))
		for i, c := range cts {
			if c == nil {
				continue
			}
			h.own(op, c)
			if !c.n.Type.Equal(args[i].n.Type) {
				Fail(op, "the cotangent of operand %d is %v, the operand %v", i, c.n.Type, args[i].n.Type)
			}
			out[i] = c.n
		}
		return out
	}
	return g.wrap(op, g.b.CustomVJP(y.n, vjp, unwrap(xs)...))
}

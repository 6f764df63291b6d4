package randgraph

import (
	"fmt"
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// rebuild copies the nodes that outputs and assignments need, each made by f of
// the operands' copies.
func rebuild(g *ir.Graph, outputs []ir.Output, assigns []*ir.Node, f func(b *ir.Builder, n *ir.Node, args []*ir.Node) *ir.Node) *ir.Graph {
	b := ir.NewBuilder(g.Name)
	copies := map[*ir.Node]*ir.Node{}
	var visit func(n *ir.Node) *ir.Node
	visit = func(n *ir.Node) *ir.Node {
		if c := copies[n]; c != nil {
			return c
		}
		args := make([]*ir.Node, len(n.Args))
		for i, a := range n.Args {
			args[i] = visit(a)
		}
		b.At = n.Pos
		copies[n] = f(b, n, args)
		return copies[n]
	}
	for _, o := range outputs {
		b.G.Outputs = append(b.G.Outputs, ir.Output{Name: o.Name, Node: visit(o.Node)})
	}
	for _, n := range assigns {
		visit(n)
	}
	return b.G
}

func same(b *ir.Builder, n *ir.Node, args []*ir.Node) *ir.Node { return b.New(n.Op, n.Attr, args...) }

// Widen returns the graph with f64 for every floating-point type.
func Widen(g *ir.Graph) *ir.Graph {
	return rebuild(g, g.Outputs, g.Assigns(), func(b *ir.Builder, n *ir.Node, args []*ir.Node) *ir.Node {
		a := n.Attr
		if n.DType().IsFloat() && a.Mode == n.DType().String() {
			a.Mode = types.F64.String()
		}
		if d := n.DType(); n.Op == ir.OpLiteral && d.IsFloat() {
			a.Data = make([]byte, 8*n.Shape().Size())
			for i := range n.Shape().Size() {
				v := kernel.ReadScalar(d, n.Attr.Data[i*d.Size():])
				kernel.FloatScalar(types.F64, v.Float()).Write(a.Data[8*i:])
			}
		}
		return b.New(n.Op, a, args...)
	})
}

// Reduce returns a graph as small as it finds for which fails still holds: with
// fewer outputs and assignments, and inputs in the place of computations.
func Reduce(g *ir.Graph, fails func(*ir.Graph) bool) *ir.Graph {
	for {
		next := smaller(g, fails)
		if next == nil {
			return g
		}
		g = next
	}
}

// unused returns a name that no input has.
func unused(g *ir.Graph) string {
	for i := 0; ; i++ {
		name := fmt.Sprint("r", i)
		if !slices.ContainsFunc(g.Inputs(), func(n *ir.Node) bool { return n.Attr.Name == name }) {
			return name
		}
	}
}

func smaller(g *ir.Graph, fails func(*ir.Graph) bool) *ir.Graph {
	name := unused(g)
	try := func(outputs []ir.Output, assigns []*ir.Node, f func(b *ir.Builder, n *ir.Node, args []*ir.Node) *ir.Node) (h *ir.Graph) {
		defer func() {
			if recover() != nil { // the copy is not well typed
				h = nil
			}
		}()
		h = rebuild(g, outputs, assigns, f)
		if len(h.Nodes) == 0 || len(outputs)+len(assigns) == 0 || h.String() == g.String() || !fails(h) {
			return nil
		}
		return h
	}
	assigns := g.Assigns()
	for i := range g.Outputs {
		if h := try(slices.Delete(slices.Clone(g.Outputs), i, i+1), assigns, same); h != nil {
			return h
		}
	}
	for i := range assigns {
		if h := try(g.Outputs, slices.Delete(slices.Clone(assigns), i, i+1), same); h != nil {
			return h
		}
	}
	for _, cut := range slices.Backward(g.Nodes) {
		if cut.Is(ir.Leaf) || cut.Is(ir.Effect) || cut.Is(ir.Generator) {
			continue
		}
		// An operand in the place of the node, or an input.
		for i := range len(cut.Args) + 1 {
			h := try(g.Outputs, assigns, func(b *ir.Builder, n *ir.Node, args []*ir.Node) *ir.Node {
				switch {
				case n != cut:
					return same(b, n, args)
				case i < len(args):
					if !args[i].Type.Equal(n.Type) {
						panic("another type")
					}
					return args[i]
				}
				return b.Input(name, n.Type)
			})
			if h != nil {
				return h
			}
		}
	}
	return nil
}

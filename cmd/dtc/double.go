package main

import (
	"errors"
	"fmt"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A doubled graph is a program in f64, for finite differences: every narrower
// floating-point type is f64, variables are inputs, and nothing is assigned.
type doubled struct {
	b    *ir.Builder
	of   map[*ir.Node]*ir.Node // by the node of the program
	vars map[*ir.Node]string   // the names that variables have as inputs
}

// errCustom is the reason for which a gradient cannot be checked.
var errCustom = errors.New("the program has gradients of its own (custom_vjp), which are what their author says")

// double returns the graph in f64. Where freeze returns a name for a node, the
// node becomes an input of that name.
func double(g *ir.Graph, freeze func(n *ir.Node) string) (d *doubled, err error) {
	d = &doubled{b: ir.NewBuilder(g.Name), of: map[*ir.Node]*ir.Node{}, vars: map[*ir.Node]string{}}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*ir.Error)
			if !ok {
				panic(r)
			}
			d, err = nil, fmt.Errorf("in f64: %w", e)
		}
	}()
	for _, n := range g.Nodes {
		if n.Op == ir.OpCustomVJP {
			return nil, errCustom
		}
		if n.Op == ir.OpAssign {
			continue
		}
		d.b.At = n.Pos
		if n.Pos == (ir.Pos{}) {
			d.b.At = unplaced
		}
		d.of[n] = d.node(n, freeze(n))
	}
	return d, nil
}

// wide returns the type in which values of type d are computed.
func wide(d types.DType) types.DType {
	if d.IsFloat() {
		return types.F64
	}
	return d
}

func (d *doubled) node(n *ir.Node, frozen string) *ir.Node {
	t := types.Type{DType: wide(n.DType()), Shape: n.Shape()}
	switch {
	case frozen != "":
		return d.b.Input(frozen, t)
	case n.Op == ir.OpVariable:
		d.vars[n] = "variable " + n.Attr.Name
		return d.b.Input(d.vars[n], t)
	case n.Op == ir.OpCast:
		return d.b.Cast(d.of[n.Args[0]], t.DType)
	case n.Op == ir.OpLiteral && n.DType() != t.DType:
		return d.b.Literal(t, widen(n))
	}
	a := n.Attr
	if a.Mode == n.DType().String() {
		a.Mode = t.DType.String()
	}
	args := make([]*ir.Node, len(n.Args))
	for i, arg := range n.Args {
		args[i] = d.of[arg]
	}
	return d.b.New(n.Op, a, args...)
}

// widen returns the elements of a literal in f64.
func widen(n *ir.Node) []byte {
	size := n.DType().Size()
	out := make([]byte, 8*n.Shape().Size())
	for i := range n.Shape().Size() {
		v := kernel.ReadScalar(n.DType(), n.Attr.Data[i*size:])
		kernel.FloatScalar(types.F64, v.Float()).Write(out[8*i:])
	}
	return out
}

// objective appends the sum of all floating-point outputs, each times a
// constant that differs from element to element, so that no error cancels.
func (d *doubled) objective(outputs []ir.Output) *ir.Node {
	var total *ir.Node
	b := d.b
	b.At = unplaced
	for i, o := range outputs {
		x := d.of[o.Node]
		if !x.DType().IsFloat() || x.Shape().Size() == 0 {
			continue
		}
		flat := b.Reshape(x, x.Shape().Size())
		// sin(1 + i + 0.7 k) for element k.
		angle := b.Add(b.Scale(b.Iota(flat.Type, 0), 0.7), b.Like(flat, float64(1+i)))
		term := b.Sum(b.Mul(flat, b.Un(ir.OpSin, angle)), 0)
		if total == nil {
			total = term
		} else {
			total = b.Add(total, term)
		}
	}
	return total
}

// reaches returns the nodes on which n depends.
func reaches(n *ir.Node) map[*ir.Node]bool {
	seen := map[*ir.Node]bool{}
	list := []*ir.Node{n}
	for len(list) > 0 {
		m := list[len(list)-1]
		list = list[:len(list)-1]
		if seen[m] {
			continue
		}
		seen[m] = true
		list = append(list, m.Args...)
	}
	return seen
}

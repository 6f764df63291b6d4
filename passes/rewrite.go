package passes

import (
	"errors"
	"fmt"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A rule replaces a node by another one of the same value and type, or returns
// nil. It may make nodes with the rewriter; operands are in final form already.
// Rules change no bit of any result, NaN, infinities and signed zeros included,
// unless their line says so.
type rule struct {
	name  string
	op    ir.Op // OpInvalid: any
	apply func(r *rewriter, n *ir.Node) *ir.Node
}

// A rewriter walks a graph, operands before users, and replaces nodes by rules
// until none applies. New nodes get the position of the node that they replace
// and go through the rules themselves.
type rewriter struct {
	c     *Config
	b     *ir.Builder
	rules map[ir.Op][]rule
	out   []*ir.Node
	users map[*ir.Node]int // live readers of a node of the old graph, or of what took its place
	next  int              // ID of the next new node
	pos   ir.Pos
	fuel  int
}

// errNoFixpoint is the failure of rules that undo each other.
var errNoFixpoint = errors.New("rules find no end")

// rewrite brings g to a fixpoint of the rules.
func rewrite(c *Config, g *ir.Graph, rules []rule) error {
	const perNode = 64
	r := &rewriter{c: c, b: ir.NewBuilder(g.Name), rules: map[ir.Op][]rule{}, next: len(g.Nodes), fuel: perNode * (len(g.Nodes) + 16)}
	r.users = countUsers(g)
	r.b.At = ir.Pos{File: "?", Line: 1}
	for _, q := range rules {
		r.rules[q.op] = append(r.rules[q.op], q)
	}
	g.Renumber()
	to := map[*ir.Node]*ir.Node{}
	for _, n := range g.Nodes {
		c.at = n
		for i, a := range n.Args {
			if b := to[a]; b != nil {
				n.Args[i] = b
			}
		}
		r.pos = n.Pos
		m, err := r.settle(n)
		if err != nil {
			return err
		}
		if m != n {
			to[n] = m
			r.users[m] += r.users[n]
		}
	}
	c.at = nil
	for i, o := range g.Outputs {
		if m := to[o.Node]; m != nil {
			g.Outputs[i].Node = m
		}
	}
	g.Nodes = r.out
	g.Renumber()
	return nil
}

// countUsers counts, for every node, the reads by live nodes and outputs.
func countUsers(g *ir.Graph) map[*ir.Node]int {
	users := make(map[*ir.Node]int, len(g.Nodes))
	for _, n := range g.Live() {
		for _, a := range n.Args {
			users[a]++
		}
	}
	for _, o := range g.Outputs {
		users[o.Node]++
	}
	return users
}

// settle applies rules to n until none fits, and appends what remains.
func (r *rewriter) settle(n *ir.Node) (*ir.Node, error) {
	for _, rs := range [2][]rule{r.rules[n.Op], r.rules[ir.OpInvalid]} {
		for _, q := range rs {
			m := q.apply(r, n)
			if m == nil {
				continue
			}
			if r.fuel--; r.fuel < 0 {
				return nil, fmt.Errorf("%w: %s at %s", errNoFixpoint, q.name, n.Op)
			}
			if !m.Type.Equal(n.Type) {
				return nil, fmt.Errorf("rule %s made %v of %s of type %v", q.name, m.Type, n.Op, n.Type)
			}
			return m, nil // made by r, or an operand: settled already
		}
	}
	r.out = append(r.out, n)
	return n, nil
}

// new makes a node and settles it.
func (r *rewriter) new(op ir.Op, a ir.Attr, args ...*ir.Node) *ir.Node {
	n := r.b.New(op, a, args...)
	r.b.G.Nodes = r.b.G.Nodes[:0]
	n.ID, n.Pos = r.next, r.pos
	r.next++
	m, err := r.settle(n)
	if err != nil {
		panic(err)
	}
	return m
}

// scalar makes a constant of type t whose elements are all v.
func (r *rewriter) scalar(t types.Type, v kernel.Scalar) *ir.Node {
	a := ir.Attr{Dims: t.Shape.Clone(), Mode: t.DType.String()}
	if t.DType.IsFloat() {
		a.Value = v.Float()
	} else {
		a.Int = v.Int()
	}
	return r.new(ir.OpConst, a)
}

// number makes a constant of n's type; v is exact in it.
func (r *rewriter) number(n *ir.Node, v float64) *ir.Node {
	return r.scalar(n.Type, kernel.FloatScalar(n.DType(), v))
}

// splat returns the value of a constant.
func splat(n *ir.Node) (kernel.Scalar, bool) {
	if n.Op != ir.OpConst {
		return kernel.Scalar{}, false
	}
	if n.DType().IsFloat() {
		return kernel.FloatScalar(n.DType(), n.Attr.Value), true
	}
	return kernel.IntScalar(n.DType(), n.Attr.Int), true
}

// isNumber reports whether n is the constant v; zeros have a sign.
func isNumber(n *ir.Node, v float64) bool {
	s, ok := splat(n)
	return ok && s == kernel.FloatScalar(n.DType(), v)
}

package ir

import (
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir/types"
)

// A VerifyError is a graph that is not well formed: a mistake of who made it.
type VerifyError struct {
	Node *Node // the node at fault; nil for an output or the graph
	Err  error
	Near string // the text form around the node
}

func (e *VerifyError) Error() string {
	s := e.Err.Error()
	if e.Node != nil {
		s = e.Node.ref() + " = " + e.Node.Op.String() + ": " + s
		if p := e.Node.Pos.String(); p != "" {
			s = p + ": " + s
		}
	}
	if e.Near != "" {
		s += "\nnear\n" + e.Near
	}
	return s
}

// Unwrap returns the cause.
func (e *VerifyError) Unwrap() error { return e.Err }

// Verify checks that the graph is well formed: every node's number is its
// position and its operands come before it; operations exist, have as many
// operands as their records say and attributes that their records name, and
// infer the type that the node has; names of inputs, of variables and of
// outputs are there and unique; outputs are values of the graph; assignments go
// to variables, once each, and nothing uses their result; named dimensions have
// distinct names. The error is a [*VerifyError].
func (g *Graph) Verify() error {
	err := g.check()
	if err == nil {
		return nil
	}
	err.Near = g.around(err.Node)
	return err
}

// nearLines is how many lines of the graph an error shows before and after the
// node at fault.
const nearLines = 5

func (g *Graph) around(n *Node) string {
	at := max(0, slices.Index(g.Nodes, n))
	dims := g.dimNames()
	var b strings.Builder
	for _, m := range g.Nodes[max(0, at-nearLines):min(len(g.Nodes), at+nearLines)] {
		b.WriteString("  ")
		m.print(&b, dims)
		b.WriteByte('\n')
	}
	return b.String()
}

func (g *Graph) check() *VerifyError {
	v := verifier{g: g, inputs: map[string]bool{}, variables: map[string]bool{}, assigned: map[*Node]*Node{}}
	for i, n := range g.Nodes {
		if n == nil {
			return &VerifyError{Err: fmt.Errorf("node %d is nil", i)}
		}
		if err := v.node(i, n); err != nil {
			return &VerifyError{Node: n, Err: err}
		}
	}
	if err := v.outputs(); err != nil {
		return &VerifyError{Err: err}
	}
	return nil
}

type verifier struct {
	g                 *Graph
	inputs, variables map[string]bool
	assigned          map[*Node]*Node
}

// holds reports whether n is a node of the graph before position end.
func (v *verifier) holds(n *Node, end int) bool {
	return n != nil && n.ID >= 0 && n.ID < end && v.g.Nodes[n.ID] == n
}

func (v *verifier) node(i int, n *Node) error {
	d := opDef(n.Op)
	switch {
	case d == nil:
		return fmt.Errorf("operation %d does not exist", n.Op)
	case n.ID != i:
		return fmt.Errorf("node %d has the number %d", i, n.ID)
	case n.Cluster < -1:
		return fmt.Errorf("cluster %d", n.Cluster)
	}
	for j, a := range n.Args {
		switch {
		case !v.holds(a, i):
			return fmt.Errorf("operand %d, %s, is not a node before it", j, a.ref())
		case a.Op == OpAssign:
			return fmt.Errorf("operand %d, %s, is an assignment, which is no value", j, a.ref())
		}
	}
	if err := checkUnused(d, &n.Attr); err != nil {
		return err
	}
	t, err := infer(d, &n.Attr, n.Args)
	if err != nil {
		return err
	}
	if !t.Equal(n.Type) {
		return fmt.Errorf("has type %v, but its operands and attributes give %v", n.Type, t)
	}
	return v.names(n)
}

// names checks what is unique in a graph.
func (v *verifier) names(n *Node) error {
	taken := func(names map[string]bool) error {
		if names[n.Attr.Name] {
			return fmt.Errorf("another %s is called %q", n.Op, n.Attr.Name)
		}
		names[n.Attr.Name] = true
		return nil
	}
	switch n.Op {
	case OpInput:
		return taken(v.inputs)
	case OpVariable:
		return taken(v.variables)
	case OpAssign:
		x := n.Args[0]
		if x.Op != OpVariable {
			return fmt.Errorf("assigns to %s, which is %s and no variable", x.ref(), x.Op)
		}
		if first := v.assigned[x]; first != nil {
			return fmt.Errorf("variable %q is assigned by %s already", x.Attr.Name, first.ref())
		}
		v.assigned[x] = n
	}
	return nil
}

func (v *verifier) outputs() error {
	names := map[string]bool{}
	for _, o := range v.g.Outputs {
		switch {
		case o.Name == "":
			return fmt.Errorf("an output has no name")
		case names[o.Name]:
			return fmt.Errorf("two outputs are called %q", o.Name)
		case !v.holds(o.Node, len(v.g.Nodes)):
			return fmt.Errorf("output %q is %s, which is not in the graph", o.Name, o.Node.ref())
		case o.Node.Op == OpAssign:
			return fmt.Errorf("output %q is the assignment %s, which is no value", o.Name, o.Node.ref())
		}
		names[o.Name] = true
	}
	dims := map[string]bool{}
	for size, name := range v.g.Dims {
		if size < 0 || name == "" || dims[name] {
			return fmt.Errorf("dimension %q of size %d: wants a size of at least 0 and a name of its own", name, size)
		}
		dims[name] = true
	}
	return nil
}

// checkUnused checks that attributes that the record does not name are zero: two
// nodes that differ in nothing that matters are then equal.
func checkUnused(d *OpDef, a *Attr) error {
	for _, f := range attrFields {
		typed := d.Arity == 0 && (f.name == "dims" || f.name == "mode") // they carry a leaf's type
		if !typed && !slices.Contains(d.Attrs, f.name) && !isZero(f.field(a)) {
			return fmt.Errorf("has the attribute %s, which %s does not use", f.name, d.Name)
		}
	}
	return nil
}

// infer returns the type of an operation's result.
func infer(d *OpDef, a *Attr, args []*Node) (types.Type, error) {
	if d.Arity >= 0 && len(args) != d.Arity || d.Arity < 0 && len(args) == 0 {
		return types.Type{}, arityError(d, args)
	}
	ts := make([]types.Type, len(args))
	for i, n := range args {
		ts[i] = n.Type
	}
	t, err := d.Infer(ts, a)
	if err == nil {
		err = t.Shape.Check()
	}
	return t, err
}

func arityError(d *OpDef, args []*Node) error {
	want, got := "one or more operands", "none"
	switch {
	case d.Arity == 0:
		want = "no operands"
	case d.Arity == 1:
		want = "one operand"
	case d.Arity > 1:
		want = fmt.Sprintf("%d operands", d.Arity)
	}
	for i, n := range args {
		if i == 0 {
			got = fmt.Sprintf("%d: ", len(args))
		} else {
			got += ", "
		}
		got += n.Type.String()
	}
	return fmt.Errorf("takes %s, got %s", want, got)
}

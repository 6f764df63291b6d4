package ir

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"dumbtorch/internal/spell"
	"dumbtorch/ir/internal/lex"
	"dumbtorch/ir/types"
)

// A SyntaxError is a mistake in a text: its line and column, and what is wrong.
type SyntaxError = lex.Error

// Parse reads the text form of a graph; see README.md for the grammar. The
// types are inferred anew and the graph is verified. Nodes are numbered by
// their order, whatever their numbers in the text. The error is a
// [*SyntaxError].
func Parse(text string) (g *Graph, err error) {
	defer func() {
		if err != nil {
			g = nil
		}
	}()
	defer lex.Catch(&err)
	p := &parser{Scanner: lex.New(text), values: map[string]*Node{}, dims: map[string]int{}, outputs: map[string]bool{}}
	p.Next()
	p.graph()
	return p.g, nil
}

type parser struct {
	*lex.Scanner
	g       *Graph
	values  map[string]*Node
	offs    []int // where each node stands
	dims    map[string]int
	outputs map[string]bool
}

func (p *parser) graph() {
	p.Expect("graph", "at the beginning")
	p.g = &Graph{Name: p.Name("the graph's name")}
	p.Expect("version", "after the graph's name")
	p.Expect("=", "after version")
	at := p.Tok.Off
	if v := p.Int("the version", 0, math.MaxInt32); v != Version {
		p.FailAt(at, "version %d of the text form is not known; this one is %d", v, Version)
	}
	p.Expect("{", "after the version")
	for !p.Got("}") {
		switch {
		case p.Tok.Is("dim"):
			p.dim()
		case p.Tok.Is("output"):
			p.output()
		case p.Tok.Kind == lex.Value:
			p.node()
		default:
			p.Fail(`expected a node, "dim", "output" or "}", found %v`, p.Tok)
		}
	}
	if p.Tok.Kind != lex.EOF {
		p.Fail("expected the end of the text, found %v", p.Tok)
	}
	if v := p.g.check(); v != nil {
		at := p.Tok.Off
		if v.Node != nil {
			at = p.offs[v.Node.ID]
		}
		p.FailAt(at, "%v", v.Err)
	}
}

func (p *parser) dim() {
	if len(p.g.Nodes) > 0 {
		p.Fail("named dimensions come before all nodes")
	}
	p.Next()
	at := p.Tok.Off
	name := p.Name("the name of a dimension")
	if _, dup := p.dims[name]; dup {
		p.FailAt(at, "dimension %q has two sizes", name)
	}
	p.Expect("=", "after the dimension's name")
	at = p.Tok.Off
	size := int(p.Int("the size of a dimension", 0, types.MaxElements))
	if other, dup := p.g.Dims[size]; dup {
		p.FailAt(at, "dimensions %q and %q have the same size %d", other, name, size)
	}
	if p.g.Dims == nil {
		p.g.Dims = map[int]string{}
	}
	p.dims[name], p.g.Dims[size] = size, name
}

func (p *parser) output() {
	p.Next()
	at := p.Tok.Off
	name := p.Want(lex.String, "the output's name in quotes")
	switch {
	case name == "":
		p.FailAt(at, "an output has no name")
	case p.outputs[name]:
		p.FailAt(at, "two outputs are called %q", name)
	}
	p.outputs[name] = true
	p.Expect("=", "after the output's name")
	at = p.Tok.Off
	n := p.operand()
	if n.Op == OpAssign {
		p.FailAt(at, "an assignment is no value")
	}
	p.g.Outputs = append(p.g.Outputs, Output{name, n})
}

func (p *parser) operand() *Node {
	at := p.Tok.Off
	name := p.Want(lex.Value, "a value such as %0")
	n := p.values[name]
	if n == nil {
		p.FailAt(at, "value %%%s is not defined above", name)
	}
	return n
}

func (p *parser) node() {
	off := p.Tok.Off
	name := p.Next().Text
	if p.values[name] != nil {
		p.FailAt(off, "value %%%s is defined twice", name)
	}
	p.Expect("=", "after the value's name")
	d := p.op()
	n := &Node{ID: len(p.g.Nodes), Op: d.Op, Cluster: -1}
	if p.Tok.Kind == lex.Value {
		n.Args = append(n.Args, p.operand())
		for p.Got(",") {
			n.Args = append(n.Args, p.operand())
		}
	}
	given := p.attrs(n)
	p.Expect(":", "before the type")
	typeAt := p.Tok.Off
	declared := p.typ()
	n.Type = declared
	if d.Arity == 0 {
		n.Attr.Dims, n.Attr.Mode = declared.Shape, declared.DType.String()
	}
	if n.Op == OpConst && given["value"] && !declared.DType.IsFloat() {
		p.FailAt(off, "a constant of type %v has the attribute int, not value", declared)
	}
	if n.Op == OpConst && given["int"] && declared.DType.IsFloat() {
		p.FailAt(off, "a constant of type %v has the attribute value, not int", declared)
	}
	for _, attr := range n.written() {
		if !given[attr] {
			p.FailAt(off, "%s lacks the attribute %s", d.Name, attr)
		}
	}
	t, err := infer(d, &n.Attr, n.Args)
	if err != nil {
		p.FailAt(off, "%s: %v", d.Name, err)
	}
	if !t.Equal(declared) {
		p.FailAt(typeAt, "%s is declared as %v, but its operands and attributes give %v", d.Name, declared, t)
	}
	if p.Tok.Kind == lex.Comment && p.SameLine() {
		pos, ok := parsePos(p.Tok.Text)
		if !ok {
			p.Fail("expected a source position such as mnist.go:31 after //; other comments begin with #")
		}
		n.Pos = pos
		p.Next()
	}
	p.values[name] = n
	p.offs = append(p.offs, off)
	p.g.Nodes = append(p.g.Nodes, n)
}

func (p *parser) op() *OpDef {
	at := p.Tok.Off
	name := p.Want(lex.Ident, "an operation")
	op, ok := OpByName(name)
	if !ok {
		var names []string
		for _, d := range Ops() {
			names = append(names, d.Name)
		}
		hint := ""
		if near := spell.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		p.FailAt(at, "unknown operation %q%s", name, hint)
	}
	return op.Def()
}

// attrs reads the attributes in braces and returns the names of those given.
func (p *parser) attrs(n *Node) map[string]bool {
	given := map[string]bool{}
	if !p.Got("{") {
		return given
	}
	for first := true; !p.Got("}"); first = false {
		if !first {
			p.Expect(",", `or "}" after an attribute`)
		}
		at := p.Tok.Off
		name := p.Want(lex.Ident, "an attribute")
		if given[name] {
			p.FailAt(at, "attribute %s is given twice", name)
		}
		given[name] = true
		if name != "cluster" && !slices.Contains(n.Op.Def().Attrs, name) {
			p.FailAt(at, "%s has no attribute %q%s", n.Op, name, attrHint(n.Op))
		}
		p.Expect("=", "after the attribute's name")
		if name == "cluster" {
			n.Cluster = int(p.Int("the number of a cluster", 0, math.MaxInt32))
			continue
		}
		p.attr(name, n.Attr.field(name))
	}
	return given
}

func attrHint(op Op) string {
	if as := op.Def().Attrs; len(as) > 0 {
		return " (it has " + strings.Join(as, ", ") + ")"
	}
	return ""
}

func (p *parser) attr(name string, field any) {
	switch f := field.(type) {
	case *string:
		*f = p.Want(lex.String, "the "+name+" in quotes")
	case *[]int:
		var dims map[string]int
		if name == "dims" {
			dims = p.dims
		}
		*f = p.list("the list of "+name, "a number", math.MinInt64, dims)
	case *float64:
		*f = p.Float("a number", 64)
	case *int64:
		*f = p.Int("an integer", math.MinInt64, math.MaxInt64)
	case *[]byte:
		at := p.Tok.Off
		s := p.Want(lex.Number, "data such as 0x00ff")
		digits, ok := strings.CutPrefix(s, "0x")
		data, err := hex.DecodeString(digits)
		if !ok || err != nil {
			p.FailAt(at, "data are not 0x and two hexadecimal digits per byte")
		}
		*f = data
	}
}

// list reads sizes in brackets.
func (p *parser) list(what, element string, lo int64, dims map[string]int) []int {
	p.Expect("[", "to begin "+what)
	list := []int{}
	for first := true; !p.Got("]"); first = false {
		if !first {
			p.Expect(",", `or "]" in `+what)
		}
		if at := p.Tok.Off; dims != nil && (p.Tok.Kind == lex.Ident || p.Tok.Kind == lex.String) {
			name := p.Next().Text
			size, ok := dims[name]
			if !ok {
				p.FailAt(at, "dimension %q has no size; write dim %s = 64 before the nodes", name, lex.Quote(name))
			}
			list = append(list, size)
			continue
		}
		list = append(list, int(p.Int(element, lo, math.MaxInt64)))
	}
	return list
}

func (p *parser) typ() types.Type {
	at := p.Tok.Off
	d, err := types.ParseDType(p.Want(lex.Ident, "a type such as f32[64,784]"))
	if err != nil {
		p.FailAt(at, "%v", err)
	}
	t := types.Type{DType: d, Shape: p.list("the shape", "a size", 0, p.dims)}
	if err := t.Shape.Check(); err != nil {
		p.FailAt(at, "%v", err)
	}
	return t
}

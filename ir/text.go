package ir

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/ir/internal/lex"
)

// Version is the version of the text form of graphs.
const Version = 1

// String returns the text form of the graph, from which [Parse] makes an equal
// one; only custom gradients are lost. The grammar stands in README.md. A graph
// that is not well formed prints as far as it goes.
func (g *Graph) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graph %s version=%d {\n", lex.Quote(g.Name), Version)
	dims := g.dimNames()
	for _, size := range slices.Sorted(maps.Keys(dims)) {
		fmt.Fprintf(&b, "  dim %s = %d\n", lex.Quote(dims[size]), size)
	}
	for _, n := range g.Nodes {
		b.WriteString("  ")
		n.print(&b, dims)
		b.WriteByte('\n')
	}
	for _, o := range g.Outputs {
		fmt.Fprintf(&b, "  output %s = %s\n", strconv.Quote(o.Name), o.Node.ref())
	}
	b.WriteString("}\n")
	return b.String()
}

// dimNames returns the named sizes, each name once.
func (g *Graph) dimNames() map[int]string {
	names := map[int]string{}
	taken := map[string]bool{}
	for _, size := range slices.Sorted(maps.Keys(g.Dims)) {
		if name := g.Dims[size]; size >= 0 && !taken[name] {
			names[size], taken[name] = name, true
		}
	}
	return names
}

// String returns the node's line of the text form.
func (n *Node) String() string {
	var b strings.Builder
	n.print(&b, nil)
	return b.String()
}

func (n *Node) ref() string {
	if n == nil {
		return "%nil"
	}
	return "%" + strconv.Itoa(n.ID)
}

func (n *Node) print(b *strings.Builder, dims map[int]string) {
	if n == nil {
		b.WriteString("nil")
		return
	}
	b.WriteString(n.ref())
	b.WriteString(" = ")
	b.WriteString(n.Op.String())
	for i, a := range n.Args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte(' ')
		b.WriteString(a.ref())
	}
	var attrs []string
	for _, name := range n.written() {
		var names map[int]string
		if name == "dims" {
			names = dims
		}
		attrs = append(attrs, name+"="+attrText(n.Attr.field(name), names))
	}
	if n.Cluster >= 0 {
		attrs = append(attrs, "cluster="+strconv.Itoa(n.Cluster))
	}
	if len(attrs) > 0 {
		b.WriteString(" {")
		b.WriteString(strings.Join(attrs, ", "))
		b.WriteByte('}')
	}
	b.WriteString(" : ")
	b.WriteString(n.Type.DType.String())
	b.WriteString(listText(n.Type.Shape, dims))
	if n.Pos.Line > 0 {
		b.WriteString("   // ")
		b.WriteString(n.Pos.text())
	}
}

// text returns the position as a comment holds it.
func (p Pos) text() string {
	file := p.File
	if q := strconv.Quote(file); file == "" || q != `"`+file+`"` || strings.TrimSpace(file) != file {
		file = q
	}
	return file + ":" + strconv.Itoa(p.Line)
}

// parsePos reads what [Pos.text] writes.
func parsePos(s string) (Pos, bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Pos{}, false
	}
	line, err := strconv.Atoi(s[i+1:])
	if err != nil || line < 1 || strconv.Itoa(line) != s[i+1:] {
		return Pos{}, false
	}
	file := s[:i]
	if strings.HasPrefix(file, `"`) {
		if file, err = strconv.Unquote(file); err != nil {
			return Pos{}, false
		}
	} else if file == "" {
		return Pos{}, false
	}
	return Pos{file, line}, true
}

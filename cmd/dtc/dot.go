package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emicklei/dot"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/passes"
)

// draw returns a stage as a drawing for Graphviz. done is nil if a pass failed;
// else it tells which kernels became of the clusters.
func draw(s stage, done *passes.Compiled) (string, error) {
	if s.pass == lastGraphPass && done != nil {
		return drawGraph(done.Graph, done), nil
	}
	if s.isGraph() {
		g, err := s.graph()
		if err != nil {
			return "", err
		}
		return drawGraph(g, nil), nil
	}
	p, err := s.kernels()
	if err != nil {
		return "", err
	}
	return drawProgram(p), nil
}

// A title names the kernel that a cluster became.
type title struct {
	text string
	form kernel.Form
}

// titles returns the kernel of every cluster.
func titles(done *passes.Compiled) map[int]title {
	m := map[int]title{}
	for i := range done.Program.Launches {
		l := &done.Program.Launches[i]
		for _, c := range l.Clusters {
			m[c] = title{fmt.Sprintf("launch %d: %s", i, l.Kernel.Name), l.Kernel.Sched.Form}
		}
	}
	return m
}

// Colours by what a thing is.
var formColours = map[kernel.Form]string{
	kernel.General: "#eceff1", kernel.Pointwise: "#e3f2fd", kernel.Rows: "#e8f5e9", kernel.Contract: "#fff3e0", kernel.Tiles: "#f3e5f5",
}

const (
	leafColour   = "#bbdefb"
	stateColour  = "#ffe082"
	outputColour = "#c8e6c9"
)

func newDrawing(name string) *dot.Graph {
	d := dot.NewGraph(dot.Directed).ID("program")
	d.Attrs("label", name, "labelloc", "t", "fontname", "Helvetica", "fontsize", "12", "rankdir", "TB", "ranksep", "0.3", "nodesep", "0.2")
	d.NodeInitializer(func(n dot.Node) {
		n.Attrs("fontname", "Helvetica", "fontsize", "10", "shape", "box", "style", "rounded,filled", "fillcolor", "white", "margin", "0.08,0.04", "height", "0.25")
	})
	d.EdgeInitializer(func(e dot.Edge) {
		e.Attrs("fontname", "Helvetica", "fontsize", "8", "arrowsize", "0.6", "color", "#546e7a", "fontcolor", "#37474f")
	})
	return d
}

// A drawing is a graph on its way to Graphviz.
type drawing struct {
	d      *dot.Graph
	g      *ir.Graph
	done   *passes.Compiled // nil: not known what became of the graph
	titles map[int]title
	home   []int // per node: the cluster in which it is drawn; -1: outside
	nodes  map[*ir.Node]dot.Node
}

// drawGraph draws a graph, grouped by cluster where it has clusters; done, if it
// is not nil, is what became of it.
func drawGraph(g *ir.Graph, done *passes.Compiled) string {
	g.Renumber()
	w := &drawing{d: newDrawing(g.Name), g: g, done: done, home: homes(g), nodes: map[*ir.Node]dot.Node{}}
	if done != nil {
		w.titles = titles(done)
	}
	for _, n := range g.Nodes {
		if n.Op != ir.OpConst {
			w.node(n)
		}
	}
	for i, o := range g.Outputs {
		out := w.d.Node(fmt.Sprintf("output %05d", i)).Label(o.Name)
		out.Attrs("shape", "box", "fillcolor", outputColour, "tooltip", fmt.Sprintf("output %s = %%%d", o.Name, o.Node.ID))
		w.edge(o.Node, out, -1, fmt.Sprintf("output %d", i))
	}
	return w.d.String()
}

// homes finds a place for nodes that no kernel computes by itself: that of all
// their readers, if it is one, else that of the operand of a view.
func homes(g *ir.Graph) []int {
	const unset, outside = -2, -1
	home := make([]int, len(g.Nodes))
	for i := range home {
		home[i] = unset
	}
	for _, o := range g.Outputs {
		if o.Node.Cluster < 0 {
			home[o.Node.ID] = outside
		}
	}
	for _, n := range slices.Backward(g.Nodes) {
		h := &home[n.ID]
		switch {
		case n.Cluster >= 0:
			*h = n.Cluster
		case *h == unset || n.Is(ir.Leaf) && !n.Is(ir.Generator) || n.Is(ir.Effect):
			*h = outside
		}
		for _, a := range n.Args {
			switch {
			case home[a.ID] == unset:
				home[a.ID] = *h
			case home[a.ID] != *h:
				home[a.ID] = outside
			}
		}
	}
	for _, n := range g.Nodes {
		if home[n.ID] == outside && n.Is(ir.View) {
			home[n.ID] = home[n.Args[0].ID]
		}
	}
	return home
}

// place returns the part of the drawing for a cluster.
func (w *drawing) place(cluster int) *dot.Graph {
	if cluster < 0 {
		return w.d
	}
	id := fmt.Sprintf("cluster %05d", cluster)
	if s, ok := w.d.FindSubgraph(id); ok {
		return s
	}
	s := w.d.Subgraph(id, dot.ClusterOption{})
	s.Attrs("fontname", "Helvetica", "fontsize", "10", "labeljust", "l", "style", "rounded,filled", "color", "#90a4ae")
	t, ok := w.titles[cluster]
	switch {
	case ok:
		s.Attrs("label", t.text, "fillcolor", formColours[t.form])
	case len(w.titles) > 0:
		s.Attrs("label", "recomputed by its readers", "style", "rounded,dashed")
	default:
		s.Attrs("label", fmt.Sprintf("cluster %d", cluster), "fillcolor", formColours[kernel.General])
	}
	s.Attr("tooltip", w.lines(cluster))
	return s
}

// lines lists the source lines of a cluster.
func (w *drawing) lines(cluster int) string {
	var ss []string
	for _, n := range w.g.Nodes {
		if p := n.Pos.String(); n.Cluster == cluster && p != "" && !slices.Contains(ss, p) {
			ss = append(ss, p)
		}
	}
	if len(ss) == 0 {
		return "no source line is known"
	}
	return strings.Join(ss, "\n")
}

// node draws a node and the edges to it.
func (w *drawing) node(n *ir.Node) {
	d := w.place(w.home[n.ID]).Node(fmt.Sprintf("%%%06d", n.ID))
	w.nodes[n] = d
	label := n.Op.String()
	switch n.Op {
	case ir.OpInput:
		label = n.Attr.Name
		d.Attrs("shape", "ellipse", "fillcolor", leafColour, "style", "filled")
	case ir.OpVariable:
		label = n.Attr.Name
		d.Attrs("shape", "cylinder", "fillcolor", stateColour, "style", "filled")
	case ir.OpAssign:
		label = "next " + n.Args[0].Attr.Name
		d.Attrs("shape", "cylinder", "fillcolor", stateColour, "style", "filled")
	case ir.OpContract, ir.OpGather, ir.OpScatterAdd:
		label += "\n" + n.Attr.Labels
	case ir.OpSum, ir.OpProd, ir.OpReduceMax, ir.OpReduceMin, ir.OpTranspose, ir.OpConcat, ir.OpIota:
		label += " " + fmt.Sprint(n.Attr.Axes)
	}
	if n.Is(ir.View) {
		d.Attrs("style", "rounded,dashed", "fontcolor", "#546e7a")
	}
	d.Label(label)
	d.Attr("tooltip", tooltip(n))
	for i, a := range n.Args {
		if n.Op == ir.OpAssign && i == 0 {
			continue
		}
		w.edge(a, d, w.home[n.ID], fmt.Sprintf("%06d %d", n.ID, i))
	}
}

// tooltip is what a viewer shows when the pointer rests on a node.
func tooltip(n *ir.Node) string {
	s := fmt.Sprintf("%%%d = %s", n.ID, n.Op)
	for i, a := range n.Args {
		sep := ", "
		if i == 0 {
			sep = " "
		}
		s += fmt.Sprintf("%s%%%d", sep, a.ID)
	}
	s += " : " + n.Type.String()
	if p := n.Pos.String(); p != "" {
		s += "\n" + p
	}
	return s
}

// edge draws the way of a value to a reader in the given cluster: dashed where
// the reader computes the value again. A constant is drawn anew beside each
// reader; key tells them apart.
func (w *drawing) edge(from *ir.Node, to dot.Node, cluster int, key string) {
	if from.Op == ir.OpConst {
		c := w.place(cluster).Node("const " + key).Label(constText(from))
		c.Attrs("shape", "plaintext", "style", "solid", "margin", "0", "tooltip", tooltip(from))
		w.d.Edge(c, to)
		return
	}
	e := w.d.Edge(w.nodes[from], to, from.Type.String())
	if w.done != nil && w.home[from.ID] != cluster && w.done.Fate(from) == passes.Recomputed {
		e.Attrs("style", "dashed", "tooltip", "computed again, not read", "labeltooltip", "computed again, not read")
	}
}

func constText(n *ir.Node) string {
	if n.DType().IsFloat() {
		return kernel.FormatFloat(n.DType(), n.Attr.Value)
	}
	return kernel.IntScalar(n.DType(), n.Attr.Int).String()
}

// drawProgram draws the launches of a program and the buffers between them.
func drawProgram(p *kernel.Program) string {
	d := newDrawing(p.Name)
	buffers := map[int]dot.Node{}
	buffer := func(i int) dot.Node {
		if n, ok := buffers[i]; ok {
			return n
		}
		b := &p.Buffers[i]
		n := d.Node(fmt.Sprintf("b%05d", i))
		label, colour := b.Name, leafColour
		switch b.Kind {
		case kernel.TempBuffer:
			label, colour = fmt.Sprintf("b%d", i), "white"
		case kernel.ConstBuffer:
			label, colour = "const", "white"
		case kernel.VariableBuffer:
			colour = stateColour
		case kernel.OutputBuffer:
			colour = outputColour
		}
		n.Label(label)
		n.Attrs("shape", "ellipse", "style", "filled", "fillcolor", colour,
			"tooltip", fmt.Sprintf("b%d %s %s[%d], %d bytes", i, b.Kind, b.DType, b.Len, b.Bytes()))
		buffers[i] = n
		return n
	}
	for i := range p.Launches {
		l := &p.Launches[i]
		n := d.Node(fmt.Sprintf("launch %05d", i)).Label(fmt.Sprintf("%d: %s\n%s", i, l.Kernel.Name, l.Label))
		n.Attrs("fillcolor", formColours[l.Kernel.Sched.Form], "tooltip", l.Kernel.Name+" "+l.Kernel.Sched.Form.String())
		for j, q := range l.Kernel.Params {
			t := fmt.Sprintf("%s[%d]", q.DType, q.Len)
			if q.Out {
				d.Edge(n, buffer(l.Args[j]), t)
			} else {
				d.Edge(buffer(l.Args[j]), n, t)
			}
		}
	}
	for _, u := range p.Updates {
		e := d.Edge(buffer(u.Value), buffer(u.Variable), "next value")
		e.Attr("style", "dashed")
	}
	return d.String()
}

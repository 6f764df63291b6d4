package main

import (
	"encoding/json"
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// jsonVersion is raised when a field changes its meaning.
const jsonVersion = 1

// A graphJSON is a graph for other programs; README.md describes the fields.
type graphJSON struct {
	Version int          `json:"version"`
	Kind    string       `json:"kind"`
	Name    string       `json:"name"`
	After   string       `json:"after"`
	Nodes   []nodeJSON   `json:"nodes"`
	Outputs []outputJSON `json:"outputs"`
}

type nodeJSON struct {
	ID      int            `json:"id"`
	Op      string         `json:"op"`
	Args    []int          `json:"args"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	DType   string         `json:"dtype"`
	Shape   []int          `json:"shape"`
	Pos     string         `json:"pos,omitempty"`
	Cluster *int           `json:"cluster,omitempty"`
}

type outputJSON struct {
	Name string `json:"name"`
	Node int    `json:"node"`
}

// A programJSON is kernels and launches for other programs.
type programJSON struct {
	Version  int          `json:"version"`
	Kind     string       `json:"kind"`
	Name     string       `json:"name"`
	After    string       `json:"after"`
	Arena    int64        `json:"arena"`
	Buffers  []bufferJSON `json:"buffers"`
	Kernels  []kernelJSON `json:"kernels"`
	Launches []launchJSON `json:"launches"`
	Updates  []updateJSON `json:"updates,omitempty"`
}

type bufferJSON struct {
	ID     int    `json:"id"`
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	DType  string `json:"dtype"`
	Len    int    `json:"len"`
	Offset *int64 `json:"offset,omitempty"`
	Data   []byte `json:"data,omitempty"`
}

type kernelJSON struct {
	Name   string      `json:"name"`
	Form   string      `json:"form"`
	Params []paramJSON `json:"params"`
	Text   string      `json:"text"`
}

type paramJSON struct {
	DType string `json:"dtype"`
	Len   int    `json:"len"`
	Out   bool   `json:"out,omitempty"`
}

type launchJSON struct {
	Kernel   string `json:"kernel"`
	Args     []int  `json:"args"`
	Label    string `json:"label,omitempty"`
	Nodes    int    `json:"nodes"`
	Clusters []int  `json:"clusters,omitempty"`
}

type updateJSON struct {
	Variable int `json:"variable"`
	Value    int `json:"value"`
}

// printJSON prints one stage as an object, or a list of stages.
func (a *app) printJSON(list []stage, all bool) error {
	var objects []any
	for _, s := range list {
		o, err := s.json()
		if err != nil {
			return err
		}
		objects = append(objects, o)
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if all {
		return e.Encode(objects)
	}
	return e.Encode(objects[0])
}

func (s stage) json() (any, error) {
	if s.isGraph() {
		g, err := s.graph()
		if err != nil {
			return nil, err
		}
		return graphToJSON(g, s.pass), nil
	}
	p, err := s.kernels()
	if err != nil {
		return nil, err
	}
	return programToJSON(p, s.pass), nil
}

func graphToJSON(g *ir.Graph, after string) graphJSON {
	g.Renumber()
	j := graphJSON{Version: jsonVersion, Kind: "graph", Name: g.Name, After: after, Nodes: []nodeJSON{}, Outputs: []outputJSON{}}
	for _, n := range g.Nodes {
		nj := nodeJSON{
			ID: n.ID, Op: n.Op.String(), Args: []int{}, Attrs: attrsToJSON(n),
			DType: n.DType().String(), Shape: n.Shape().Clone(), Pos: n.Pos.String(),
		}
		for _, a := range n.Args {
			nj.Args = append(nj.Args, a.ID)
		}
		if n.Cluster >= 0 {
			nj.Cluster = &n.Cluster
		}
		j.Nodes = append(j.Nodes, nj)
	}
	for _, o := range g.Outputs {
		j.Outputs = append(j.Outputs, outputJSON{o.Name, o.Node.ID})
	}
	return j
}

// attrsToJSON returns the attributes that the operation's record names.
func attrsToJSON(n *ir.Node) map[string]any {
	m := map[string]any{}
	for _, name := range n.Op.Def().Attrs {
		a := &n.Attr
		switch name {
		case "name":
			m[name] = a.Name
		case "labels":
			m[name] = a.Labels
		case "mode":
			if a.Mode != "" {
				m[name] = a.Mode
			}
		case "axes":
			m[name] = notNil(a.Axes)
		case "dims":
			m[name] = notNil(a.Dims)
		case "start":
			m[name] = notNil(a.Start)
		case "step":
			m[name] = notNil(a.Step)
		case "size":
			m[name] = notNil(a.Size)
		case "data":
			m[name] = a.Data
		case "value":
			if n.Op != ir.OpConst || n.DType().IsFloat() {
				m[name] = number(n, a.Value)
			}
		case "int":
			if n.Op != ir.OpConst || !n.DType().IsFloat() {
				m[name] = a.Int
			}
		}
	}
	return m
}

func notNil(v []int) []int { return append([]int{}, v...) }

// number returns a float as JSON has it: what JSON has no number for is a
// string.
func number(n *ir.Node, v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return kernel.FormatFloat(n.DType(), v)
	}
	return v
}

func programToJSON(p *kernel.Program, after string) programJSON {
	j := programJSON{
		Version: jsonVersion, Kind: "program", Name: p.Name, After: after, Arena: p.ArenaSize,
		Buffers: []bufferJSON{}, Kernels: []kernelJSON{}, Launches: []launchJSON{},
	}
	for i := range p.Buffers {
		b := &p.Buffers[i]
		bj := bufferJSON{ID: i, Kind: b.Kind.String(), Name: b.Name, DType: b.DType.String(), Len: b.Len, Data: b.Data}
		if b.Kind == kernel.TempBuffer {
			bj.Offset = &b.Offset
		}
		j.Buffers = append(j.Buffers, bj)
	}
	seen := map[*kernel.Kernel]bool{}
	for _, l := range p.Launches {
		if k := l.Kernel; !seen[k] {
			seen[k] = true
			kj := kernelJSON{Name: k.Name, Form: k.Sched.Form.String(), Text: k.String()}
			for _, q := range k.Params {
				kj.Params = append(kj.Params, paramJSON{q.DType.String(), q.Len, q.Out})
			}
			j.Kernels = append(j.Kernels, kj)
		}
		j.Launches = append(j.Launches, launchJSON{l.Kernel.Name, notNil(l.Args), l.Label, l.Nodes, l.Clusters})
	}
	for _, u := range p.Updates {
		j.Updates = append(j.Updates, updateJSON{u.Variable, u.Value})
	}
	return j
}

package passes

import (
	"maps"
	"math/rand/v2"
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// cloneGraph copies a graph; attributes, which never change, are shared.
func cloneGraph(g *ir.Graph) *ir.Graph {
	to := make(map[*ir.Node]*ir.Node, len(g.Nodes))
	out := &ir.Graph{Name: g.Name, Dims: maps.Clone(g.Dims)}
	for i, n := range g.Nodes {
		m := *n
		m.ID, m.Cluster = i, -1
		m.Args = make([]*ir.Node, len(n.Args))
		for j, a := range n.Args {
			m.Args[j] = to[a]
		}
		to[n] = &m
		out.Nodes = append(out.Nodes, &m)
	}
	for _, o := range g.Outputs {
		out.Outputs = append(out.Outputs, ir.Output{Name: o.Name, Node: to[o.Node]})
	}
	return out
}

// shuffleNodes brings the nodes into a random order with operands first.
// Inputs, variables and assignments keep their order among themselves, which
// callers can see.
func shuffleNodes(g *ir.Graph, r *rand.Rand) {
	waits := map[*ir.Node]int{}
	next := map[*ir.Node][]*ir.Node{}
	before := func(a, b *ir.Node) {
		next[a] = append(next[a], b)
		waits[b]++
	}
	last := map[ir.Op]*ir.Node{}
	for _, n := range g.Nodes {
		for _, a := range n.Args {
			before(a, n)
		}
		switch n.Op {
		case ir.OpInput, ir.OpVariable, ir.OpAssign:
			if p := last[n.Op]; p != nil {
				before(p, n)
			}
			last[n.Op] = n
		}
	}
	var ready, out []*ir.Node
	for _, n := range g.Nodes {
		if waits[n] == 0 {
			ready = append(ready, n)
		}
	}
	for len(ready) > 0 {
		i := r.IntN(len(ready))
		n := ready[i]
		ready = slices.Delete(ready, i, i+1)
		out = append(out, n)
		for _, m := range next[n] {
			if waits[m]--; waits[m] == 0 {
				ready = append(ready, m)
			}
		}
	}
	g.Nodes = out
	g.Renumber()
}

// shuffleLaunches brings the launches of a program without shared memory into
// a random order with writers before readers.
func shuffleLaunches(p *kernel.Program, r *rand.Rand) {
	deps := dependences(p)
	done := make(bitset, len(p.Launches)/64+1)
	left := make([]int, len(p.Launches))
	for i := range left {
		left[i] = i
	}
	var out []kernel.Launch
	for len(left) > 0 {
		var ready []int
		for at, i := range left {
			free := true
			for w, d := range deps[i] {
				free = free && d&^done[w] == 0
			}
			if free {
				ready = append(ready, at)
			}
		}
		at := ready[r.IntN(len(ready))]
		i := left[at]
		left = slices.Delete(left, at, at+1)
		done.set(i)
		out = append(out, p.Launches[i])
	}
	p.Launches = out
}

package passes

import (
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// lower turns the clusters that fuse made into a program: one launch per
// cluster that stores something, kernels of equal structure shared, every
// temporary in memory of its own, assignments still pending as updates.
func lower(c *Config, g *ir.Graph) (*kernel.Program, error) {
	l := &lowering{
		f: c.fusion, p: &kernel.Program{Name: g.Name}, buffer: map[*ir.Node]int{}, shared: map[string]*kernel.Kernel{}, count: map[kernel.Form]int{},
	}
	built, err := l.f.kernels()
	if err != nil {
		return nil, err
	}
	l.buffers(g)
	for _, kb := range l.ordered(built) {
		l.launch(kb)
	}
	l.outputs(g)
	for _, a := range g.Assigns() {
		l.p.Updates = append(l.p.Updates, kernel.Update{Variable: l.buffer[a.Args[0]], Value: l.buffer[a.Args[1]]})
	}
	return l.p, nil
}

type lowering struct {
	f      *fusion
	p      *kernel.Program
	buffer map[*ir.Node]int
	shared map[string]*kernel.Kernel // by text without the name
	count  map[kernel.Form]int
}

// buffers makes the buffers of leaves, outputs and stored values.
func (l *lowering) buffers(g *ir.Graph) {
	add := func(n *ir.Node, kind kernel.BufferKind, name string) {
		l.buffer[n] = len(l.p.Buffers)
		l.p.Buffers = append(l.p.Buffers, kernel.Buffer{
			Name: name, Kind: kind, DType: n.DType(), Len: n.Shape().Size(), Data: n.Attr.Data,
		})
	}
	for _, n := range g.Nodes {
		switch n.Op {
		case ir.OpInput:
			add(n, kernel.InputBuffer, n.Attr.Name)
		case ir.OpVariable:
			add(n, kernel.VariableBuffer, n.Attr.Name)
		case ir.OpLiteral:
			add(n, kernel.ConstBuffer, "")
		}
	}
	for _, o := range g.Outputs {
		if _, ok := l.buffer[o.Node]; !ok {
			add(o.Node, kernel.OutputBuffer, o.Name)
		}
	}
	for _, n := range l.f.nodes {
		if _, ok := l.buffer[n]; !ok && l.f.stored[n] {
			add(n, kernel.TempBuffer, "")
		}
	}
}

// outputs copies values that have a buffer of another kind: leaves, and values
// that are outputs under several names.
func (l *lowering) outputs(g *ir.Graph) {
	for _, o := range g.Outputs {
		from := l.buffer[o.Node]
		if b := l.p.Buffers[from]; b.Kind == kernel.OutputBuffer && b.Name == o.Name {
			continue
		}
		to := len(l.p.Buffers)
		src := l.p.Buffers[from]
		l.p.Buffers = append(l.p.Buffers, kernel.Buffer{Name: o.Name, Kind: kernel.OutputBuffer, DType: src.DType, Len: src.Len})
		if src.Len > 0 {
			l.p.Launches = append(l.p.Launches, kernel.Launch{
				Kernel: l.share(CopyKernel(src.DType, src.Len)), Args: []int{from, to}, Label: "copy", Nodes: 1,
			})
		}
	}
	// The caller gets outputs in the graph's order.
	rank := map[string]int{}
	for i, o := range g.Outputs {
		rank[o.Name] = i
	}
	var at []int
	for i, b := range l.p.Buffers {
		if b.Kind == kernel.OutputBuffer {
			at = append(at, i)
		}
	}
	want := slices.Clone(at)
	slices.SortFunc(want, func(a, b int) int { return rank[l.p.Buffers[a].Name] - rank[l.p.Buffers[b].Name] })
	l.renumber(at, want)
}

// renumber moves buffer want[i] to number at[i].
func (l *lowering) renumber(at, want []int) {
	to := map[int]int{}
	bufs := slices.Clone(l.p.Buffers)
	for i := range at {
		bufs[at[i]] = l.p.Buffers[want[i]]
		to[want[i]] = at[i]
	}
	l.p.Buffers = bufs
	for i := range l.p.Launches {
		for j, a := range l.p.Launches[i].Args {
			if b, ok := to[a]; ok {
				l.p.Launches[i].Args[j] = b
			}
		}
	}
	for n, a := range l.buffer {
		if b, ok := to[a]; ok {
			l.buffer[n] = b
		}
	}
}

// CopyKernel returns a kernel that copies n elements.
func CopyKernel(d types.DType, n int) *kernel.Kernel {
	b := kernel.NewBuilder()
	dom := b.Domain("i", n)
	ix := b.Index(dom)
	return &kernel.Kernel{
		Params: []kernel.Param{{DType: d, Len: n}, {DType: d, Len: n, Out: true}},
		Axes:   b.Axes(),
		Stores: []kernel.Store{{Axes: dom.Axes, Param: 1, Index: ix, Value: b.Load(0, ix, d)}},
		Sched:  kernel.Schedule{Form: kernel.Pointwise, Outer: dom.Axes},
	}
}

// kernels builds the kernel of every cluster that stores something. A cluster
// that needs more axes than a kernel has is taken apart.
func (f *fusion) kernels() (map[*cluster]*kernelBuild, error) {
	built := map[*cluster]*kernelBuild{}
	for i := 0; i < len(f.clusters); i++ {
		k := f.clusters[i]
		outs := f.storedIn(k)
		if len(outs) == 0 {
			continue
		}
		kb, err := f.buildKernel(k, outs)
		switch {
		case err == nil:
			built[k] = kb
		case len(k.nodes) > 1:
			f.takeApart(k)
		default:
			return nil, fmt.Errorf("%s: %w", outs[0].Op, err)
		}
	}
	return built, nil
}

// takeApart gives every member of k a cluster of its own, at the end of the
// list, and stores it.
func (f *fusion) takeApart(k *cluster) {
	for _, n := range k.nodes {
		one, as := f.open(n)
		f.join(n, one, as)
		f.stored[n] = true
		n.Cluster = one.id
	}
	k.nodes, k.role = nil, nil
}

// ordered returns the kernels, each after those whose values it reads.
func (l *lowering) ordered(built map[*cluster]*kernelBuild) []*kernelBuild {
	var out []*kernelBuild
	done := map[*cluster]bool{}
	var visit func(k *cluster)
	visit = func(k *cluster) {
		if done[k] {
			return
		}
		done[k] = true
		kb := built[k]
		if kb == nil {
			return
		}
		for _, n := range kb.in.nodes {
			if q := l.f.of[n]; q != nil && q != k {
				visit(q)
			}
		}
		out = append(out, kb)
	}
	for _, k := range l.f.clusters {
		visit(k)
	}
	return out
}

// storedIn returns the members of k that go to memory, in order.
func (f *fusion) storedIn(k *cluster) []*ir.Node {
	var outs []*ir.Node
	for _, n := range k.nodes {
		if f.stored[n] && n.Shape().Size() > 0 {
			outs = append(outs, n)
		}
	}
	slices.SortFunc(outs, func(a, b *ir.Node) int { return a.ID - b.ID })
	return outs
}

// share returns the one kernel of k's structure, named.
func (l *lowering) share(k *kernel.Kernel) *kernel.Kernel {
	k.Name = "k"
	key := k.String()
	if s := l.shared[key]; s != nil {
		return s
	}
	k.Name = fmt.Sprintf("%s%d", k.Sched.Form, l.count[k.Sched.Form])
	l.count[k.Sched.Form]++
	l.shared[key] = k
	return k
}

// launch appends a launch of a built kernel.
func (l *lowering) launch(kb *kernelBuild) {
	la := kernel.Launch{Kernel: l.share(kb.kernel), Label: label(kb.k.nodes), Nodes: len(kb.k.nodes), Clusters: []int{kb.k.id}}
	for _, n := range kb.in.nodes {
		la.Args = append(la.Args, l.buffer[n])
	}
	for _, n := range kb.outs {
		la.Args = append(la.Args, l.buffer[n])
	}
	for _, s := range kb.in.b.Sites {
		n := s.(*ir.Node)
		la.Pos = append(la.Pos, strings.TrimPrefix(n.Pos.String()+": "+n.Op.String(), ": "))
	}
	l.p.Launches = append(l.p.Launches, la)
}

// maxLabel bounds the operations in a label.
const maxLabel = 6

// label names a cluster for people: its operations in order, runs shortened,
// and the source line of its first node that has one.
func label(nodes []*ir.Node) string {
	var ops, views []string
	pos := ""
	add := func(names []string, name string) []string {
		if m := len(names); m > 0 && names[m-1] == name {
			return names
		}
		return append(names, name)
	}
	nodes = slices.SortedFunc(slices.Values(nodes), func(a, b *ir.Node) int { return a.ID - b.ID })
	for _, n := range nodes {
		if pos == "" {
			pos = n.Pos.String()
		}
		if virtual(n) {
			views = add(views, n.Op.String())
		} else {
			ops = add(ops, n.Op.String())
		}
	}
	if len(ops) == 0 {
		ops = views
	}
	if len(ops) > maxLabel {
		ops = append(ops[:maxLabel-1], "...", ops[len(ops)-1])
	}
	return strings.TrimSpace(strings.Join(ops, " ") + " " + pos)
}

package passes

import (
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir/kernel"
)

// tile makes tiled kernels: launches that hand large temporaries from one to the
// next, block by block, become the stages of one kernel, and what no other
// launch reads becomes local to it. Attention is the instance that pays most: of
// the scores, one block per worker is in memory instead of all.
//
// A tiled kernel grows from a product that is larger than its operands, such as
// the scores, by launches that read or make what its members handle. The blocks
// are the points of the product's batch axes; where a block of the local values
// is larger than a cache, its rows are split too, if no member wants all of
// them. A member is cut into blocks by its indices alone, see [kernel.Tiles].
func tile(_ *Config, p *kernel.Program) error {
	t := newTiler(p)
	for i := range p.Launches {
		if t.taken[i] {
			continue
		}
		if g := t.best(i); g != nil {
			t.take(g)
		}
	}
	t.rebuild()
	return nil
}

const (
	// minLocal bounds the bytes of local values that are worth a tiled kernel.
	minLocal = 1 << 14
	// maxBlock bounds the bytes of a block's local values before rows are split.
	maxBlock = 256 << 10
	// minTileRows is the least number of rows of a block that is split.
	minTileRows = 16
)

// A tiler finds the tiled kernels of a program.
type tiler struct {
	p       *kernel.Program
	deps    []bitset
	writer  map[int]int
	readers map[int][]int
	kept    map[int]bool // buffers that must be in memory at the end
	taken   []bool
	groups  []*tileGroup
	cuts    map[cutKey]*kernel.Kernel // nil for one that cannot be cut so
}

// A tileGroup is launches that become one.
type tileGroup struct {
	blocks  int
	members []int                  // in order
	kernels map[int]*kernel.Kernel // cut into blocks
	locals  map[int]bool           // buffers
	bytes   int64                  // of all locals
	kernel  *kernel.Kernel
	args    []int
}

func newTiler(p *kernel.Program) *tiler {
	t := &tiler{p: p, deps: dependences(p), writer: map[int]int{}, readers: map[int][]int{}, kept: map[int]bool{}, taken: make([]bool, len(p.Launches)), cuts: map[cutKey]*kernel.Kernel{}}
	for i, l := range p.Launches {
		for j, q := range l.Kernel.Params {
			a := l.Args[j]
			if q.Out {
				t.writer[a] = i
			} else if !slices.Contains(t.readers[a], i) {
				t.readers[a] = append(t.readers[a], i)
			}
		}
	}
	for _, u := range p.Updates {
		t.kept[u.Value], t.kept[u.Variable] = true, true
	}
	return t
}

// take makes g one launch: what depends on one member now depends on all, and on
// all that they need, so that no later group closes a cycle.
func (t *tiler) take(g *tileGroup) {
	t.groups = append(t.groups, g)
	needs := make(bitset, len(t.deps[0]))
	for _, m := range g.members {
		t.taken[m] = true
		needs.or(t.deps[m])
	}
	for _, m := range g.members {
		needs.clear(m)
	}
	for n := range t.deps {
		if slices.Contains(g.members, n) {
			t.deps[n].or(needs)
		} else if slices.ContainsFunc(g.members, func(m int) bool { return t.deps[n].has(m) }) {
			t.deps[n].or(needs)
			for _, m := range g.members {
				t.deps[n].set(m)
			}
		}
	}
}

// best returns the tiled kernel that grows from launch i with the most local
// bytes, or nil.
func (t *tiler) best(i int) *tileGroup {
	l := &t.p.Launches[i]
	c := l.Kernel.Sched.Contract
	if c == nil || len(c.Batch) == 0 || len(l.Kernel.Stores) != 1 {
		return nil
	}
	m, n, k := axisPoints(c.M), axisPoints(c.N), axisPoints(c.K)
	if m*k >= m*n || k*n >= m*n {
		return nil
	}
	batch := axisPoints(c.Batch)
	g := t.grow(i, batch)
	if g == nil || g.bytes/int64(batch) <= maxBlock {
		return g
	}
	rows := axisPoints(c.M)
	for d := 2; d <= rows/minTileRows; d++ {
		if rows%d != 0 || g.bytes/int64(batch*d) > maxBlock && (d+1)*minTileRows <= rows {
			continue
		}
		// What is no longer local, such as keys that all rows read, is small.
		if s := t.grow(i, batch*d); s != nil && s.bytes >= g.bytes/4*3 {
			return s
		}
		break
	}
	return g
}

// grow returns the tiled kernel of the given number of blocks around launch
// seed, or nil if none is worth while.
func (t *tiler) grow(seed, blocks int) *tileGroup {
	if blocks < 2 {
		return nil
	}
	g := &tileGroup{blocks: blocks, members: []int{seed}}
	if !t.cut(g) {
		return nil
	}
	for grown := true; grown; {
		grown = false
		for i := range t.p.Launches {
			if t.taken[i] || slices.Contains(g.members, i) || !t.touches(g, i) {
				continue
			}
			h := &tileGroup{blocks: blocks, members: t.hull(append(slices.Clone(g.members), i))}
			if h.members != nil && t.cut(h) {
				g, grown = h, true
			}
		}
	}
	if t.findLocals(g); g.bytes < minLocal || !t.build(g) {
		return nil
	}
	return g
}

// touches reports whether launch i reads a large value that a member makes or
// reads, or makes nothing but what members alone read.
func (t *tiler) touches(g *tileGroup, i int) bool {
	l := &t.p.Launches[i]
	outside := func(r int) bool { return !slices.Contains(g.members, r) }
	feeds := true
	for j, q := range l.Kernel.Params {
		a := l.Args[j]
		switch {
		case q.Out:
			feeds = feeds && t.p.Buffers[a].Kind == kernel.TempBuffer && !t.kept[a] && len(t.readers[a]) > 0 && !slices.ContainsFunc(t.readers[a], outside)
		case t.p.Buffers[a].Kind != kernel.TempBuffer || !t.large(g, a):
		case slices.Contains(g.members, t.writer[a]) || slices.ContainsFunc(t.readers[a], func(r int) bool { return !outside(r) }):
			return true
		}
	}
	return feeds
}

// large reports whether buffer a is at least half as large as what the seed made.
func (t *tiler) large(g *tileGroup, a int) bool {
	most := int64(0)
	for _, m := range g.members {
		l := &t.p.Launches[m]
		for j, q := range l.Kernel.Params {
			if q.Out {
				most = max(most, t.p.Buffers[l.Args[j]].Bytes())
			}
		}
	}
	return 2*t.p.Buffers[a].Bytes() >= most
}

// hull returns the launches given and those that depend on one of them and are
// needed by another, which have to run in the middle of the tiled kernel, in
// order; nil if that takes launches of another tiled kernel.
func (t *tiler) hull(members []int) []int {
	slices.Sort(members)
	var out []int
	for n := range t.p.Launches {
		if !slices.Contains(members, n) {
			after := slices.ContainsFunc(members, func(m int) bool { return t.deps[n].has(m) })
			before := slices.ContainsFunc(members, func(m int) bool { return t.deps[m].has(n) })
			if !after || !before {
				continue
			}
		}
		if t.taken[n] {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// findLocals finds the temporaries that only members use.
func (t *tiler) findLocals(g *tileGroup) {
	g.locals, g.bytes = map[int]bool{}, 0
	for _, m := range g.members {
		l := &t.p.Launches[m]
		for j, q := range l.Kernel.Params {
			a := l.Args[j]
			if !q.Out || t.p.Buffers[a].Kind != kernel.TempBuffer || t.kept[a] || len(t.readers[a]) == 0 || t.p.Buffers[a].Len%g.blocks != 0 ||
				slices.ContainsFunc(t.readers[a], func(r int) bool { return !slices.Contains(g.members, r) }) {
				continue
			}
			g.locals[a] = true
			g.bytes += t.p.Buffers[a].Bytes()
		}
	}
}

// cut cuts the members' kernels into blocks; it reports false if one cannot be.
func (t *tiler) cut(g *tileGroup) bool {
	written := map[int]bool{}
	inside := map[int]bool{}
	for _, m := range g.members {
		l := &t.p.Launches[m]
		for j, q := range l.Kernel.Params {
			if q.Out {
				written[l.Args[j]] = true
			} else if written[l.Args[j]] {
				inside[l.Args[j]] = true
			}
		}
	}
	if len(g.members) == 1 {
		inside = written // the seed by itself
	}
	g.kernels = map[int]*kernel.Kernel{}
	for _, m := range g.members {
		l := &t.p.Launches[m]
		k := t.cutOnce(l, g.blocks, inside)
		if k == nil {
			return false
		}
		g.kernels[m] = k
	}
	return true
}

// A cutKey names a way to cut a kernel: the parameters inside are bytes of 1.
type cutKey struct {
	kernel *kernel.Kernel
	blocks int
	inside string
}

// cutOnce cuts the launch's kernel; equal ones, as in the layers of a network, are
// cut once.
func (t *tiler) cutOnce(l *kernel.Launch, blocks int, inside map[int]bool) *kernel.Kernel {
	params := make([]byte, len(l.Args))
	for j, a := range l.Args {
		if inside[a] {
			params[j] = 1
		}
	}
	key := cutKey{l.Kernel, blocks, string(params)}
	k, ok := t.cuts[key]
	if !ok {
		k = cutKernel(l.Kernel, blocks, func(param int) bool { return params[param] == 1 })
		t.cuts[key] = k
	}
	return k
}

// build makes the tiled kernel.
func (t *tiler) build(g *tileGroup) bool {
	k := &kernel.Kernel{Sched: kernel.Schedule{Form: kernel.Tiles, Blocks: g.blocks}}
	var reads, writes, locals []int
	for _, m := range g.members {
		l := &t.p.Launches[m]
		for j, q := range l.Kernel.Params {
			switch a := l.Args[j]; {
			case g.locals[a]:
				if q.Out {
					locals = append(locals, a)
				}
			case q.Out:
				writes = append(writes, a)
			case slices.Contains(writes, a), slices.Contains(reads, a):
			default:
				reads = append(reads, a)
			}
		}
	}
	number := map[int]int{}
	for i, a := range slices.Concat(reads, writes, locals) {
		number[a] = i
		b := &t.p.Buffers[a]
		q := kernel.Param{DType: b.DType, Len: b.Len, Out: i >= len(reads) && i < len(reads)+len(writes)}
		if i < len(reads)+len(writes) {
			k.Params = append(k.Params, q)
		} else {
			k.Locals = append(k.Locals, q)
		}
	}
	for _, m := range g.members {
		s := kernel.Stage{Kernel: g.kernels[m]}
		for _, a := range t.p.Launches[m].Args {
			s.Args = append(s.Args, number[a])
		}
		k.Stages = append(k.Stages, s)
	}
	g.kernel, g.args = k, append(reads, writes...)
	return k.Verify() == nil
}

// rebuild puts a launch in the place of each group: as soon as all that it
// depends on has run, or in the place of its first member.
func (t *tiler) rebuild() {
	if len(t.groups) == 0 {
		return
	}
	group := map[int]*tileGroup{}
	for _, g := range t.groups {
		for _, m := range g.members {
			group[m] = g
		}
	}
	var out []kernel.Launch
	done := make([]bool, len(t.p.Launches))
	shared := map[string]*kernel.Kernel{}
	var emit func(i int, early bool)
	emit = func(i int, early bool) {
		if done[i] {
			return
		}
		members := []int{i}
		g := group[i]
		if g != nil {
			members = g.members
		}
		if g != nil || early { // else all that it needs stands before it
			for n := range t.p.Launches {
				if !slices.Contains(members, n) && !done[n] && slices.ContainsFunc(members, func(m int) bool { return t.deps[m].has(n) }) {
					emit(n, true)
				}
			}
		}
		for _, m := range members {
			done[m] = true
		}
		if g == nil {
			out = append(out, t.p.Launches[i])
			return
		}
		l := kernel.Launch{Kernel: shareTile(g.kernel, shared), Args: g.args}
		var labels []string
		for _, m := range members {
			o := &t.p.Launches[m]
			labels = append(labels, o.Label)
			l.Nodes += o.Nodes
			l.Clusters = append(l.Clusters, o.Clusters...)
		}
		l.Label = tileLabel(labels)
		out = append(out, l)
	}
	for i := range t.p.Launches {
		emit(i, false)
	}
	t.p.Launches = out
}

// shareTile returns the one tiled kernel of k's structure, named.
func shareTile(k *kernel.Kernel, shared map[string]*kernel.Kernel) *kernel.Kernel {
	key := k.String()
	if s := shared[key]; s != nil {
		return s
	}
	k.Name = fmt.Sprintf("tiles%d", len(shared))
	shared[key] = k
	return k
}

// tileLabel joins the labels of the members: their operations, then the source
// line of the first.
func tileLabel(labels []string) string {
	var ops []string
	pos := ""
	for _, l := range labels {
		words := strings.Fields(l)
		if n := len(words); n > 0 && strings.Contains(words[n-1], ":") {
			if pos == "" {
				pos = words[n-1]
			}
			words = words[:n-1]
		}
		ops = append(ops, strings.Join(words, " "))
	}
	return strings.TrimSpace(strings.Join(ops, "; ") + " " + pos)
}

package passes

import (
	"math/bits"

	"dumbtorch/ir"
)

// Fusion puts every node that computes something into a cluster; a cluster
// becomes one kernel. Within a cluster a node has one of three roles:
//
//	full: one value per point of the cluster's loops
//	row:  one value per row; computed from full values by folds over the inner
//	      loops, and read by full values as a broadcast
//	sink: a fold over outer loops, accumulated while the rows pass; nothing in
//	      the cluster but scalars reads it
//
// A contraction heads a cluster of its own, joined by its pointwise consumers
// (the epilogue). The steps: greedy joining in graph order; moving nodes
// towards their only user; merging siblings that read the same large values;
// then deciding what is stored and what its readers recompute.

type role uint8

const (
	full role = iota
	row
	sink
)

type cluster struct {
	id       int
	contract *ir.Node // the contraction at its heart
	pull     bool     // the first value is a fold of its own at every point: only pointwise nodes join
	size     int      // points of the loops: elements of a full value
	space    space    // of the row folds; empty before there are any
	nodes    []*ir.Node
	role     map[*ir.Node]role
	anc      bitset // clusters it depends on
}

type bitset []uint64

func (b bitset) has(i int) bool { return b[i>>6]>>(i&63)&1 != 0 }
func (b bitset) set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b bitset) clear(i int)    { b[i>>6] &^= 1 << (i & 63) }

// or adds the members of o and reports whether there were new ones.
func (b bitset) or(o bitset) bool {
	grown := 0
	for i, w := range o {
		grown |= bits.Len64(w &^ b[i])
		b[i] |= w
	}
	return grown != 0
}

// fusion is the result of the fuse pass, which lowering reads.
type fusion struct {
	g        *ir.Graph
	nodes    []*ir.Node // computing nodes, in order
	info     map[*ir.Node]*nodeInfo
	users    map[*ir.Node][]*ir.Node // computing users, views looked through
	of       map[*ir.Node]*cluster
	clusters []*cluster
	stored   map[*ir.Node]bool
	// recomputed nodes live in their readers' kernels.
	recomputed map[*ir.Node]bool
	output     map[*ir.Node]bool
}

// Limits of recomputation: a value is computed again by its readers if that
// costs at most maxRecompute weighted operations (maxRecomputeInFold under a
// fold, where it is done many times) and at most maxLoads large loads.
const (
	maxRecompute       = 32
	maxRecomputeInFold = 8
	maxLoads           = 2
)

// maxCluster bounds the nodes of a cluster: kernels that are much larger gain
// nothing and are slow to compile.
const maxCluster = 256

// virtual reports whether a node is never computed by itself: its readers see
// through it.
func virtual(n *ir.Node) bool { return n.Is(ir.View) || n.Is(ir.Generator) }

// resident reports whether a node has a buffer without being computed.
func resident(n *ir.Node) bool { return n.Is(ir.Leaf) && !n.Is(ir.Generator) }

func fuse(c *Config, g *ir.Graph) error {
	f := &fusion{
		g: g, info: map[*ir.Node]*nodeInfo{}, users: map[*ir.Node][]*ir.Node{}, of: map[*ir.Node]*cluster{},
		stored: map[*ir.Node]bool{}, recomputed: map[*ir.Node]bool{}, output: map[*ir.Node]bool{},
	}
	for _, o := range g.Outputs {
		f.output[o.Node] = true
	}
	for _, n := range g.Assigns() {
		f.output[n.Args[1]] = true
	}
	an := newAnalyser(virtual)
	for _, n := range g.Live() {
		if resident(n) || n.Op == ir.OpAssign || virtual(n) && !f.output[n] {
			continue
		}
		info, err := an.analyse(n)
		if err != nil {
			return err
		}
		f.nodes = append(f.nodes, n)
		f.info[n] = info
		for _, r := range info.rels {
			f.users[r.producer] = append(f.users[r.producer], n)
		}
	}
	if c.Off["fuse"] {
		for _, n := range f.nodes {
			k, as := f.open(n)
			f.join(n, k, as)
			f.stored[n] = true
		}
	} else {
		f.cluster()
		f.sinkToUsers()
		f.closeAncestors()
		f.mergeSiblings()
		f.decideStores()
	}
	for _, n := range f.nodes {
		n.Cluster = f.of[n].id
	}
	c.fusion = f
	if c.Check {
		return f.check()
	}
	return nil
}

func (f *fusion) newCluster(n *ir.Node) *cluster {
	k := &cluster{id: len(f.clusters), size: n.Shape().Size(), role: map[*ir.Node]role{}}
	k.anc = make(bitset, (len(f.nodes)+63)/64+1)
	f.clusters = append(f.clusters, k)
	return k
}

func (f *fusion) join(n *ir.Node, k *cluster, r role) {
	f.of[n] = k
	k.nodes = append(k.nodes, n)
	k.role[n] = r
	if r == row && k.space.empty() {
		for _, q := range f.info[n].rels {
			if q.kind == folded || q.kind == picked {
				k.space = q.space
			}
		}
	}
}

// cluster joins nodes greedily in graph order.
func (f *fusion) cluster() {
	for _, n := range f.nodes {
		var best *cluster
		var as role
		for _, r := range f.info[n].rels {
			k := f.of[r.producer]
			if k == nil || k == best {
				continue
			}
			// An epilogue saves a pass over memory for sure; among others the
			// youngest cluster is the one whose values are still at hand.
			if c, ok := f.fits(n, k); ok && (best == nil || (k.contract != nil) != (best.contract != nil) && k.contract != nil ||
				(k.contract != nil) == (best.contract != nil) && k.id > best.id) {
				best, as = k, c
			}
		}
		if best == nil {
			best, as = f.open(n)
		}
		f.join(n, best, as)
		f.grow(best, n)
	}
}

// open starts a cluster for n.
func (f *fusion) open(n *ir.Node) (*cluster, role) {
	k := f.newCluster(n)
	switch {
	case isContraction(n):
		k.contract = n
		return k, full
	case !f.info[n].folds:
		return k, full
	}
	for _, r := range f.info[n].rels {
		if r.kind == folded {
			k.size = r.producer.Shape().Size()
			if r.space.foldsInner() {
				return k, row
			}
			return k, sink
		}
	}
	k.pull = true
	return k, full
}

// grow records that k now depends on what n reads.
func (f *fusion) grow(k *cluster, n *ir.Node) {
	changed := false
	for _, r := range f.info[n].rels {
		if q := f.of[r.producer]; q != nil && q != k {
			changed = changed || !k.anc.has(q.id)
			k.anc.set(q.id)
			changed = k.anc.or(q.anc) || changed
		}
	}
	if changed {
		for _, c := range f.clusters {
			if c.anc.has(k.id) {
				c.anc.or(k.anc)
			}
		}
	}
}

// closeAncestors computes all dependences anew.
func (f *fusion) closeAncestors() {
	done := make([]bool, len(f.clusters))
	for _, k := range f.clusters {
		clear(k.anc)
	}
	var visit func(k *cluster)
	visit = func(k *cluster) {
		if done[k.id] {
			return
		}
		done[k.id] = true
		for _, n := range k.nodes {
			for _, r := range f.info[n].rels {
				if q := f.of[r.producer]; q != nil && q != k {
					visit(q)
					k.anc.set(q.id)
					k.anc.or(q.anc)
				}
			}
		}
	}
	for _, k := range f.clusters {
		visit(k)
	}
}

// isContraction reports whether n is a contraction with both a side of its own
// in A and one in B: a matrix product, worth an engine.
func isContraction(n *ir.Node) bool {
	if n.Op != ir.OpContract || !n.DType().IsFloat() {
		return false
	}
	a, b, out := ir.SplitLabels(n.Attr.Labels)
	m, nn, k := 1, 1, 1
	for i, l := range a {
		inB, inOut := contains(b, l), contains(out, l)
		switch {
		case inOut && !inB:
			m *= n.Args[0].Shape()[i]
		case !inOut && inB:
			k *= n.Args[0].Shape()[i]
		case !inOut:
			return false
		}
	}
	for i, l := range b {
		inA, inOut := contains(a, l), contains(out, l)
		switch {
		case inOut && !inA:
			nn *= n.Args[1].Shape()[i]
		case !inOut && !inA:
			return false
		}
	}
	return m > 1 && nn > 1 && k > 1
}

func contains(ls string, l rune) bool {
	for _, x := range ls {
		if x == l {
			return true
		}
	}
	return false
}

// fits reports whether n may join cluster k, and as what.
func (f *fusion) fits(n *ir.Node, k *cluster) (role, bool) {
	info := f.info[n]
	if isContraction(n) || n.Op == ir.OpBarrier || n.Shape().Size() == 0 || len(k.nodes) >= maxCluster {
		return 0, false
	}
	as, found := full, false
	for _, r := range info.rels {
		if f.of[r.producer] != k {
			continue
		}
		c, ok := f.edgeRole(n, k, r)
		if !ok || found && c != as {
			return 0, false
		}
		as, found = c, true
	}
	if !found {
		return 0, false
	}
	switch as {
	case full:
		if n.Shape().Size() != k.size {
			return 0, false
		}
	case row:
		if n.Shape().Size() != f.rows(n, k) {
			return 0, false
		}
	}
	for _, r := range info.rels {
		if q := f.of[r.producer]; q != nil && q != k && q.anc.has(k.id) {
			return 0, false
		}
	}
	return as, true
}

// rows is the number of rows of k, as it is or as n's fold would make it.
func (f *fusion) rows(n *ir.Node, k *cluster) int {
	if !k.space.empty() {
		return k.space.kept()
	}
	for _, r := range f.info[n].rels {
		if r.kind == folded || r.kind == picked {
			return r.space.kept()
		}
	}
	return 1
}

// edgeRole tells what n would be in k by its read r of a member.
func (f *fusion) edgeRole(n *ir.Node, k *cluster, r relation) (role, bool) {
	info := f.info[n]
	pr := k.role[r.producer]
	scalar := n.Shape().Size() == 1
	switch {
	case pr == sink:
		return sink, r.kind == identity && !r.inFold && !info.folds && scalar
	case r.kind == identity && !r.inFold:
		return pr, !info.folds
	case r.kind == broadcast && pr == row && !r.inFold:
		return full, k.space.equal(r.space)
	case k.contract != nil || k.pull:
		return 0, false
	case r.kind == folded && pr == full:
		if r.space.foldsInner() && f.takesRow(k, r.space) {
			return row, true
		}
		return sink, f.takesSink(k, r.space)
	case r.kind == picked && pr == full && !info.folds:
		return row, f.takesRow(k, r.space)
	case r.kind == folded && pr == row:
		return sink, r.space.kept() == 1
	}
	return 0, false
}

package passes

import (
	"slices"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// readOutside reports whether n is an output or read by another cluster.
func (f *fusion) readOutside(n *ir.Node) bool {
	if f.output[n] {
		return true
	}
	for _, u := range f.users[n] {
		if f.of[u] != f.of[n] {
			return true
		}
	}
	return false
}

// sinkToUsers moves pointwise nodes out of the cluster that they joined first
// when all their users are in one other cluster: what only the backward pass
// reads must not be computed (and stored) by a forward kernel.
func (f *fusion) sinkToUsers() {
	for changed := true; changed; {
		changed = false
		for i := len(f.nodes) - 1; i >= 0; i-- {
			n := f.nodes[i]
			if k, to := f.of[n], f.moveTarget(n); to != nil {
				k.nodes = slices.DeleteFunc(k.nodes, func(q *ir.Node) bool { return q == n })
				delete(k.role, n)
				f.of[n] = to
				to.nodes = slices.Insert(to.nodes, 0, n)
				to.role[n] = full
				changed = true
			}
		}
	}
}

// moveTarget returns the cluster that n should move to, or nil.
func (f *fusion) moveTarget(n *ir.Node) *cluster {
	k := f.of[n]
	if f.output[n] || n == k.contract || f.info[n].folds || len(f.users[n]) == 0 || k.role[n] != full || n.Op == ir.OpBarrier {
		return nil
	}
	to := f.of[f.users[n][0]]
	if to == k || to.size != n.Shape().Size() || len(to.nodes) >= maxCluster {
		return nil
	}
	for _, u := range f.users[n] {
		if f.of[u] != to || u == to.contract {
			return nil
		}
		for _, r := range f.info[u].rels {
			if r.producer == n && r.kind != identity && (r.kind != folded || to.role[u] == full) {
				return nil
			}
		}
	}
	fresh := 0 // operands that the move would force into memory
	for _, r := range f.info[n].rels {
		if f.of[r.producer] != k {
			continue
		}
		if r.kind == general {
			return nil
		}
		if !f.readOutside(r.producer) && r.producer.Shape().Size() == n.Shape().Size() {
			fresh++
		}
	}
	if fresh > 1 || fresh == 1 && f.storesOnly(k, n) {
		return nil
	}
	return to
}

// storesOnly reports whether nothing but n leaves cluster k: a move would only
// put another value of its size in its place.
func (f *fusion) storesOnly(k *cluster, n *ir.Node) bool {
	for _, q := range k.nodes {
		if q != n && f.readOutside(q) {
			return false
		}
	}
	return true
}

// mergeSiblings joins clusters over the same loops that read a common large
// value, or one of which reads the other at the own index.
func (f *fusion) mergeSiblings() {
	for _, a := range f.clusters {
		for _, b := range f.clusters {
			if f.mergeable(a, b) {
				f.merge(a, b)
			}
		}
	}
}

func (f *fusion) mergeable(a, b *cluster) bool {
	if a == b || len(a.nodes) == 0 || len(b.nodes) == 0 || len(a.nodes)+len(b.nodes) > maxCluster || a.contract != nil || b.contract != nil || a.pull || b.pull || a.size != b.size || a.size <= 1 {
		return false
	}
	if !a.space.empty() && !b.space.empty() && !a.space.equal(b.space) {
		return false
	}
	if a.anc.has(b.id) || f.indirect(b, a) {
		return false
	}
	sp := a.space
	if sp.empty() {
		sp = b.space
	}
	large := map[*ir.Node]bool{}
	for _, n := range a.nodes {
		if n.Op == ir.OpBarrier || a.role[n] == full && n.Shape().Size() != a.size {
			return false
		}
		for _, r := range f.info[n].rels {
			if r.producer.Shape().Size() == a.size && (r.kind == identity || r.kind == folded) {
				large[r.producer] = true
			}
		}
	}
	shared := false
	for _, n := range b.nodes {
		if n.Op == ir.OpBarrier || b.role[n] == full && n.Shape().Size() != b.size {
			return false
		}
		for _, r := range f.info[n].rels {
			if (r.kind == identity || r.kind == folded) && large[r.producer] {
				shared = true
			}
			if f.of[r.producer] != a {
				continue
			}
			shared = true
			pr, nr := a.role[r.producer], b.role[n]
			legal := r.kind == identity && !r.inFold && pr == nr && pr != sink ||
				r.kind == broadcast && pr == row && nr == full && r.space.equal(sp) ||
				r.kind == folded && pr == full && (nr == sink || nr == row && r.space.equal(sp))
			if !legal {
				return false
			}
		}
	}
	if !shared {
		return false
	}
	_, ok := layoutOf(a.size, sp, append(f.sinks(a), f.sinks(b)...))
	return ok
}

// indirect reports whether from depends on to by way of a third cluster.
func (f *fusion) indirect(from, to *cluster) bool {
	for _, n := range from.nodes {
		for _, r := range f.info[n].rels {
			if q := f.of[r.producer]; q != nil && q != from && q != to && q.anc.has(to.id) {
				return true
			}
		}
	}
	return false
}

func (f *fusion) merge(a, b *cluster) {
	for _, n := range b.nodes {
		f.of[n] = a
		a.role[n] = b.role[n]
	}
	a.nodes = append(a.nodes, b.nodes...)
	slices.SortFunc(a.nodes, func(x, y *ir.Node) int { return x.ID - y.ID })
	if a.space.empty() {
		a.space = b.space
	}
	b.nodes, b.role = nil, nil
	a.anc.or(b.anc)
	a.anc.clear(a.id)
	a.anc.clear(b.id)
	for _, c := range f.clusters {
		if c != a && (c.anc.has(a.id) || c.anc.has(b.id)) {
			c.anc.or(a.anc)
			c.anc.set(a.id)
			c.anc.clear(b.id)
		}
	}
}

// decideStores decides which nodes go to memory: outputs, and what other
// clusters read, unless it is cheap to compute again from what is in memory.
func (f *fusion) decideStores() {
	for _, n := range f.nodes {
		switch {
		case f.output[n]:
			f.stored[n] = true
		case f.readOutside(n) || f.readByRecomputed(n):
			if !f.tryRecompute(n) {
				f.stored[n] = true
			}
		}
	}
	f.storeFrontier()
}

// readByRecomputed reports whether a recomputed node reads n.
func (f *fusion) readByRecomputed(n *ir.Node) bool {
	for _, u := range f.users[n] {
		if f.recomputed[u] {
			return true
		}
	}
	return false
}

// costAgain is the cost of another element of a value that is read already.
const costAgain = 12

// tryRecompute lets the readers of n compute it again where that is cheap.
func (f *fusion) tryRecompute(n *ir.Node) bool {
	k := f.of[n]
	if f.info[n].folds || k.role[n] != full || n.Op == ir.OpBarrier {
		return false
	}
	limit := maxRecompute
	for _, u := range f.users[n] {
		if f.of[u] == k {
			continue
		}
		if isContraction(u) || u.Op == ir.OpBarrier {
			return false
		}
		for _, r := range f.info[u].rels {
			if r.producer == n && r.kind == general && f.info[u].folds {
				limit = maxRecomputeInFold
			}
		}
	}
	var rows, cone []*ir.Node
	once := false // something in the cone, needed or not, must not be computed again
	in := newInliner(func(q *ir.Node) bool {
		if resident(q) || f.stored[q] && !virtual(q) {
			return false
		}
		if virtual(q) {
			return true
		}
		if f.of[q] == k && k.role[q] == row {
			rows = append(rows, q)
			return false
		}
		cone = append(cone, q)
		once = once || f.info[q].folds || q.Op == ir.OpBarrier
		return true
	})
	var e *kernel.Expr
	if err := in.build(func() {
		d := in.b.Domain("i", n.Shape().Size())
		e = in.value(n, in.b.Unravel(in.b.Index(d), n.Shape()))
	}); err != nil || once {
		return false
	}
	cost, large := 0, 0
	loads := map[int]bool{}
	kernel.Walk([]*kernel.Expr{e}, func(e *kernel.Expr) {
		switch e.Kind {
		case kernel.Call:
			cost += e.Op.Info().Cost
		case kernel.Select, kernel.If:
			cost++
		case kernel.FloorDiv, kernel.FloorMod:
			cost += 2
		case kernel.Load:
			switch full := in.nodes[e.Param].Shape().Size()*2 > n.Shape().Size(); {
			case full && loads[e.Param]:
				cost += costAgain
			case full:
				large++
			}
			loads[e.Param] = true
		}
	})
	if cost > limit || large > maxLoads {
		return false
	}
	f.recomputed[n] = true
	for _, q := range rows {
		f.stored[q] = true
	}
	for _, q := range cone {
		f.recomputed[q] = true
	}
	return true
}

// inlineIn tells what a kernel for cluster k sees through.
func (f *fusion) inlineIn(k *cluster) func(*ir.Node) bool {
	return func(q *ir.Node) bool {
		switch {
		case resident(q):
			return false
		case virtual(q), f.of[q] == k:
			return true
		}
		return f.recomputed[q] && !f.stored[q]
	}
}

// storeFrontier stores whatever a kernel would read from another cluster and
// is not recomputed.
func (f *fusion) storeFrontier() {
	for again := true; again; {
		again = false
		for _, k := range f.clusters {
			inline := f.inlineIn(k)
			seen := map[*ir.Node]bool{}
			var visit func(n *ir.Node)
			visit = func(n *ir.Node) {
				if seen[n] {
					return
				}
				seen[n] = true
				for _, a := range n.Args {
					switch {
					case resident(a):
					case inline(a):
						visit(a)
					case !f.stored[a]:
						f.stored[a] = true
						again = true
					}
				}
			}
			for _, n := range k.nodes {
				if f.stored[n] {
					visit(n)
				}
			}
		}
	}
}

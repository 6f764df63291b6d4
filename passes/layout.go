package passes

import (
	"maps"
	"slices"

	"dumbtorch/ir"
)

// A layout is a cluster's loops: dimensions that all its spaces are groups of,
// outermost first, and which of them are within a row.
type layout struct {
	dims  []int
	inner []bool
}

// layoutOf returns the loops of a cluster of the given size with row folds over
// the space rows, if there are any, and sinks over others. Where there are no
// rows, what all sinks fold, or else what any of them folds, is outside. There
// is none where the spaces cut the loops differently, or where a sink would
// fold within rows only.
func layoutOf(size int, rows space, sinks []space) (layout, bool) {
	all := sinks
	if !rows.empty() {
		all = append([]space{rows}, sinks...)
	}
	dims, ok := refine(all, size)
	if !ok {
		return layout{}, false
	}
	l := layout{dims: dims, inner: make([]bool, len(dims))}
	if !rows.empty() {
		l.inner = rows.over(dims)
	} else if len(sinks) > 0 {
		every, some := make([]bool, len(dims)), make([]bool, len(dims))
		for i := range dims {
			every[i] = true
		}
		for _, s := range sinks {
			for i, f := range s.over(dims) {
				every[i] = every[i] && f
				some[i] = some[i] || f
			}
		}
		outer := some
		if slices.Contains(every, true) {
			outer = every
		}
		for i, o := range outer {
			l.inner[i] = !o
		}
	}
	for _, s := range sinks {
		outside := false
		for i, f := range s.over(dims) {
			outside = outside || f && !l.inner[i]
		}
		if !outside {
			return layout{}, false
		}
	}
	return l, true
}

// over returns, per dimension of a refinement of the space, whether the space
// folds it.
func (s space) over(dims []int) []bool {
	out := make([]bool, len(dims))
	j, left := len(s.dims)-1, 1
	if j >= 0 {
		left = s.dims[j]
	}
	for i := len(dims) - 1; i >= 0 && j >= 0; i-- {
		out[i] = s.folded[j]
		if left /= max(1, dims[i]); left <= 1 {
			if j--; j >= 0 {
				left = s.dims[j]
			}
		}
	}
	return out
}

// refine returns the coarsest box of the given size of which all spaces are
// regroupings.
func refine(ss []space, size int) ([]int, bool) {
	if size == 0 {
		return nil, false
	}
	cuts := map[int]bool{1: true, size: true} // cumulative products from the inside
	for _, s := range ss {
		p := 1
		for i := len(s.dims) - 1; i >= 0; i-- {
			p *= s.dims[i]
			cuts[p] = true
		}
		if p != size {
			return nil, false
		}
	}
	sorted := slices.Sorted(maps.Keys(cuts))
	var dims []int
	for i := len(sorted) - 1; i > 0; i-- {
		if sorted[i]%sorted[i-1] != 0 {
			return nil, false
		}
		dims = append(dims, sorted[i]/sorted[i-1])
	}
	return dims, true
}

// takesRow reports whether k may hold row values over the space s.
func (f *fusion) takesRow(k *cluster, s space) bool {
	if !k.space.empty() {
		return k.space.equal(s)
	}
	_, ok := layoutOf(k.size, s, f.sinks(k))
	return ok
}

// takesSink reports whether k may hold a sink over the space s.
func (f *fusion) takesSink(k *cluster, s space) bool {
	_, ok := layoutOf(k.size, k.space, append(f.sinks(k), s))
	return ok
}

// sinks returns the spaces that the sinks of k fold.
func (f *fusion) sinks(k *cluster) []space {
	var ss []space
	for _, n := range k.nodes {
		if k.role[n] != sink {
			continue
		}
		if s, ok := f.sinkSpace(k, n); ok {
			ss = append(ss, s)
		}
	}
	return ss
}

// sinkSpace returns the space that a sink of k folds, if it folds full values.
func (f *fusion) sinkSpace(k *cluster, n *ir.Node) (space, bool) {
	for _, r := range f.info[n].rels {
		if r.kind == folded && f.fullIn(k, r.producer) {
			return r.space, true
		}
	}
	return space{}, false
}

// fullIn reports whether p, read by a fold in k, is as large as k's loops.
func (f *fusion) fullIn(k *cluster, p *ir.Node) bool {
	if f.of[p] == k {
		return k.role[p] == full
	}
	return p.Shape().Size() == k.size
}

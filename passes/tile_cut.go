package passes

import (
	"slices"

	"dumbtorch/ir/kernel"
)

// A cutAxis is one of the axes that number blocks: a whole axis, or its outer
// part, where inner points are of one block.
type cutAxis struct {
	axis  *kernel.Axis
	inner int // 1: the whole axis
}

// cutKernel returns k with block axes for the given number of blocks: those
// that the indices of the parameters inside tell, split where a block takes part
// of an axis, and leading everywhere. It returns nil if the indices do not tell,
// or not all the same, if a fold other than a plain product's runs over a block
// axis, or for a kernel of another structure than a product, rows without sinks,
// or points.
func cutKernel(k *kernel.Kernel, blocks int, inside func(param int) bool) *kernel.Kernel {
	if len(k.Sites) > 0 || len(k.Stores) == 0 {
		return nil
	}
	var cut []cutAxis
	found, ok := false, true
	at := func(param int, ix *kernel.Expr) {
		if !ok || !inside(param) {
			return
		}
		c, fits := blockAxes(ix, k.Params[param].Len, blocks)
		ok = fits && (!found || slices.Equal(c, cut))
		cut, found = c, true
	}
	inner := kernel.SetOf(k.Sched.Inner)
	var folded kernel.AxisSet
	kernel.Walk(k.Roots(), func(e *kernel.Expr) {
		switch e.Kind {
		case kernel.Load:
			at(e.Param, e.Args[0])
		case kernel.Fold:
			folded |= kernel.SetOf(e.Axes)
			ok = ok && (k.Sched.Form != kernel.Rows || kernel.SetOf(e.Axes) == inner)
		}
	})
	for _, s := range k.Stores {
		at(s.Param, s.Index)
	}
	if !ok || !found {
		return nil
	}
	switch k.Sched.Form {
	case kernel.Contract, kernel.Rows:
	case kernel.Pointwise:
		if len(k.Sched.Outer) == 0 {
			return nil
		}
	default:
		return nil
	}
	// The last block axes may be folded by a product that is stored as it is.
	sums := false
	for _, c := range cut {
		switch {
		case inner.Has(c.axis):
			return nil
		case folded.Has(c.axis):
			f := k.Sched.Contract
			if f == nil || len(k.Stores) != 1 || k.Stores[0].Value != f.Fold || inside(k.Stores[0].Param) {
				return nil
			}
			sums = true
		case sums || slices.ContainsFunc(k.Stores, func(s kernel.Store) bool { return !slices.Contains(s.Axes, c.axis) }):
			return nil
		}
	}
	return splitAxes(k, cut)
}

// blockAxes reads off an index of a value of n elements which axes number the
// blocks: those whose steps are whole parts, n/blocks elements, of the value.
func blockAxes(ix *kernel.Expr, n, blocks int) ([]cutAxis, bool) {
	if n%blocks != 0 {
		return nil, false
	}
	type digit struct {
		cutAxis
		coef   int64
		extent int
	}
	part := int64(n / blocks)
	var ds []digit
	ok := true
	lo := ix.Terms(func(c int64, arg *kernel.Expr) {
		if arg.Kind != kernel.Var || c < 0 {
			return
		}
		a := arg.Axes[0]
		switch {
		case a.Extent == 1 || c*int64(a.Extent) <= part:
		case c >= part:
			ds = append(ds, digit{cutAxis{a, 1}, c, a.Extent})
		case part%c != 0 || a.Extent%int(part/c) != 0:
			ok = false
		default:
			in := int(part / c)
			ds = append(ds, digit{cutAxis{a, in}, part, a.Extent / in})
		}
	})
	if !ok || lo < 0 {
		return nil, false
	}
	slices.SortFunc(ds, func(a, b digit) int { return int(min(max(b.coef-a.coef, -1), 1)) })
	var out []cutAxis
	want := part
	for i := len(ds) - 1; i >= 0; i-- {
		if ds[i].coef != want {
			return nil, false
		}
		want *= int64(ds[i].extent)
	}
	for _, d := range ds {
		out = append(out, d.cutAxis)
	}
	return out, want == int64(n)
}

// splitAxes returns k with the axes of cut leading everywhere as its block axes.
func splitAxes(k *kernel.Kernel, cut []cutAxis) *kernel.Kernel {
	if len(k.Axes)+len(cut) > kernel.MaxAxes {
		return nil
	}
	b := kernel.NewBuilder()
	out := &kernel.Kernel{Name: k.Name, Params: k.Params}
	out.Sched.Form = k.Sched.Form
	m := &kernel.Mapping{Axes: map[*kernel.Axis]*kernel.Axis{}, Split: map[*kernel.Axis][2]*kernel.Axis{}, Param: func(p int) int { return p }}
	block := map[*kernel.Axis]*kernel.Axis{}
	for _, a := range k.Axes {
		i := slices.IndexFunc(cut, func(c cutAxis) bool { return c.axis == a })
		switch {
		case i < 0:
			m.Axes[a] = b.NewAxis(a.Name, a.Extent)
		case cut[i].inner == 1:
			m.Axes[a] = b.NewAxis(a.Name, a.Extent)
			block[a] = m.Axes[a]
		default:
			block[a] = b.NewAxis(a.Name+".b", a.Extent/cut[i].inner)
			m.Split[a] = [2]*kernel.Axis{block[a], b.NewAxis(a.Name+".r", cut[i].inner)}
		}
	}
	for _, c := range cut {
		out.Sched.Block = append(out.Sched.Block, block[c.axis])
	}
	rest := func(as []*kernel.Axis) []*kernel.Axis {
		var list []*kernel.Axis
		for _, a := range as {
			if s, ok := m.Split[a]; ok {
				list = append(list, s[1])
			} else if block[a] == nil {
				list = append(list, m.Axes[a])
			}
		}
		return list
	}
	// lead puts the block axes that a list has, or that it gets from others, first.
	lead := func(as []*kernel.Axis, has func(a *kernel.Axis) bool) []*kernel.Axis {
		var list []*kernel.Axis
		for _, c := range cut {
			if has(c.axis) {
				list = append(list, block[c.axis])
			}
		}
		return append(list, rest(as)...)
	}
	for _, s := range k.Stores {
		out.Stores = append(out.Stores, kernel.Store{
			Axes: lead(s.Axes, func(a *kernel.Axis) bool { return slices.Contains(s.Axes, a) }), Param: s.Param, Index: b.Import(s.Index, m), Value: b.Import(s.Value, m),
		})
	}
	if c := k.Sched.Contract; c != nil {
		folded := func(a *kernel.Axis) bool { return slices.Contains(c.K, a) }
		out.Sched.Contract = &kernel.Contraction{
			Fold: b.Import(c.Fold, m), A: b.Import(c.A, m), B: b.Import(c.B, m),
			Batch: lead(c.Batch, func(a *kernel.Axis) bool { return !folded(a) }), M: rest(c.M), N: rest(c.N), K: lead(c.K, folded),
		}
	} else {
		all := func(*kernel.Axis) bool { return true }
		out.Sched.Outer, out.Sched.Inner = lead(k.Sched.Outer, all), rest(k.Sched.Inner)
	}
	out.Axes = b.Axes()
	return out
}

// axisPoints returns the number of points of the axes.
func axisPoints(axes []*kernel.Axis) int {
	n := 1
	for _, a := range axes {
		n *= a.Extent
	}
	return n
}

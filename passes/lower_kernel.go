package passes

import (
	"slices"
	"strconv"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// A kernelBuild is a cluster on its way to a kernel.
type kernelBuild struct {
	f      *fusion
	k      *cluster
	outs   []*ir.Node
	in     *inliner
	dims   []loopDim
	kernel *kernel.Kernel
}

// A loopDim is one dimension of the cluster's loops.
type loopDim struct {
	size  int
	inner bool // folded by the row folds
	d     *kernel.Domain
}

// buildKernel builds the kernel that computes outs, the stored members of k.
// Building is repeated with the loops split as the index arithmetic of
// reshapes asks for, until nothing is left to split.
func (f *fusion) buildKernel(k *cluster, outs []*ir.Node) (*kernelBuild, error) {
	kb := &kernelBuild{f: f, k: k, outs: outs, in: newInliner(f.inlineIn(k))}
	kb.in.prefer = kb.prefer
	kb.loops()
	const maxRounds = 8
	b := kernel.NewBuilder()
	for range maxRounds {
		var roots []*kernel.Expr
		err := kb.in.build(func() { roots = kb.stores(b) })
		if err != nil {
			return nil, err
		}
		next := b.Refine(roots)
		if next == nil {
			break
		}
		b = next
	}
	kb.finish()
	return kb, nil
}

// loops chooses the dimensions of the cluster's loops.
func (kb *kernelBuild) loops() {
	f, k := kb.f, kb.k
	if k.contract != nil {
		for _, d := range contractDims(k.contract) {
			kb.dims = append(kb.dims, loopDim{size: d})
		}
		return
	}
	ss := f.spaces(k)
	dims, ok := refine(ss, k.size)
	if !ok {
		dims = []int{k.size}
	}
	for _, d := range dims {
		kb.dims = append(kb.dims, loopDim{size: d})
	}
	switch {
	case !k.space.empty():
		kb.mark(k.space, true)
	case len(ss) > 0 && !ss[0].foldsInner():
		kb.mark(ss[0], false) // column folds: the kept dimensions are the row
	}
}

// contractDims returns the sizes of a contraction's result with those
// neighbours taken together that are neighbours in the operands, too.
func contractDims(n *ir.Node) []int {
	la, lb, out := ir.SplitLabels(n.Attr.Labels)
	together := func(labels, pair string) bool {
		return strings.Contains(labels, pair) || !strings.ContainsAny(labels, pair)
	}
	var dims []int
	for i, d := range n.Shape() {
		if i > 0 && together(la, out[i-1:i+1]) && together(lb, out[i-1:i+1]) {
			dims[len(dims)-1] *= d
		} else {
			dims = append(dims, d)
		}
	}
	return dims
}

// mark sets inner for the dimensions whose flag in s is folded.
func (kb *kernelBuild) mark(s space, folded bool) {
	for i, in := range kb.flags(s) {
		kb.dims[i].inner = in == folded
	}
}

// flags returns, per loop dimension, whether space s folds it.
func (kb *kernelBuild) flags(s space) []bool {
	out := make([]bool, len(kb.dims))
	j, left := len(s.dims)-1, 1
	if j >= 0 {
		left = s.dims[j]
	}
	for i := len(kb.dims) - 1; i >= 0 && j >= 0; i-- {
		out[i] = s.folded[j]
		if left /= max(1, kb.dims[i].size); left <= 1 {
			if j--; j >= 0 {
				left = s.dims[j]
			}
		}
	}
	return out
}

// select returns the domains of the dimensions for which keep holds.
func (kb *kernelBuild) domains(keep func(i int) bool) []*kernel.Domain {
	ds := []*kernel.Domain{}
	for i := range kb.dims {
		if keep(i) {
			ds = append(ds, kb.dims[i].d)
		}
	}
	return ds
}

// sinkSpace returns the space that a sink folds, if it folds full values.
func (kb *kernelBuild) sinkSpace(n *ir.Node) (space, bool) {
	for _, r := range kb.f.info[n].rels {
		if r.kind == folded && kb.f.fullIn(kb.k, r.producer) {
			return r.space, true
		}
	}
	return space{}, false
}

// over returns the domains over which member n is stored.
func (kb *kernelBuild) over(n *ir.Node) []*kernel.Domain {
	switch kb.k.role[n] {
	case row:
		return kb.domains(func(i int) bool { return !kb.dims[i].inner })
	case sink:
		if s, ok := kb.sinkSpace(n); ok {
			fl := kb.flags(s)
			return kb.domains(func(i int) bool { return !fl[i] })
		}
		return nil
	}
	return kb.domains(func(int) bool { return true })
}

// prefer returns the domains over which the folds of n run.
func (kb *kernelBuild) prefer(n *ir.Node) []*kernel.Domain {
	if kb.f.of[n] != kb.k || kb.k.contract != nil {
		return nil
	}
	switch kb.k.role[n] {
	case row:
		return kb.domains(func(i int) bool { return kb.dims[i].inner })
	case sink:
		if s, ok := kb.sinkSpace(n); ok {
			fl := kb.flags(s)
			return kb.domains(func(i int) bool { return fl[i] })
		}
		return kb.domains(func(i int) bool { return !kb.dims[i].inner })
	}
	return nil
}

// stores builds all stores with b and returns their expressions.
func (kb *kernelBuild) stores(b *kernel.Builder) []*kernel.Expr {
	kb.in.reset(b)
	for i := range kb.dims {
		kb.dims[i].d = b.Domain("i"+strconv.Itoa(i), kb.dims[i].size)
	}
	kk := &kernel.Kernel{}
	for _, n := range kb.outs {
		flat := b.Int(0)
		var axes []*kernel.Axis
		for _, d := range kb.over(n) {
			flat = b.IAdd(b.IMul(flat, int64(d.Extent)), b.Index(d))
			axes = append(axes, d.Axes...)
		}
		v := kb.in.value(n, b.Unravel(flat, n.Shape()))
		kk.Stores = append(kk.Stores, kernel.Store{Axes: axes, Index: flat, Value: v})
	}
	kb.kernel = kk
	return kk.Roots()
}

// finish fills in parameters and the schedule.
func (kb *kernelBuild) finish() {
	kk, b := kb.kernel, kb.in.b
	for _, n := range kb.in.nodes {
		kk.Params = append(kk.Params, kernel.Param{DType: n.DType(), Len: n.Shape().Size()})
	}
	for i, n := range kb.outs {
		kk.Stores[i].Param = len(kk.Params)
		kk.Params = append(kk.Params, kernel.Param{DType: n.DType(), Len: n.Shape().Size(), Out: true})
	}
	for _, s := range b.Sites {
		kk.Sites = append(kk.Sites, s.(*ir.Node).Op.String())
	}
	used := kernel.AxisSet(0)
	for _, s := range kk.Stores {
		used |= kernel.SetOf(s.Axes)
	}
	kernel.Walk(kk.Roots(), func(e *kernel.Expr) { used |= kernel.SetOf(e.Axes) })
	for _, a := range b.Axes() {
		if used.Has(a) {
			kk.Axes = append(kk.Axes, a)
		}
	}
	kk.Sched = kb.schedule(used)
}

func (kb *kernelBuild) schedule(used kernel.AxisSet) kernel.Schedule {
	kk := kb.kernel
	var s kernel.Schedule
	if kb.k.contract != nil {
		if c := contraction(kb.in.b, kk); c != nil {
			return kernel.Schedule{Form: kernel.Contract, Contract: c}
		}
		return s
	}
	folds := false
	for _, st := range kk.Stores {
		folds = folds || st.Value.HasFold()
	}
	rows := false
	for _, n := range kb.k.nodes {
		rows = rows || kb.k.role[n] != full
	}
	if folds && !rows {
		return s
	}
	for _, d := range kb.dims {
		for _, a := range d.d.Axes {
			switch {
			case !used.Has(a):
			case d.inner:
				s.Inner = append(s.Inner, a)
			default:
				s.Outer = append(s.Outer, a)
			}
		}
	}
	s.Form = kernel.Rows
	if !folds {
		s.Form = kernel.Pointwise
		s.Outer, s.Inner = nil, nil
		for _, st := range kk.Stores {
			if len(st.Axes) > len(s.Outer) {
				s.Outer = st.Axes
			}
		}
		for _, st := range kk.Stores {
			if !slices.Equal(st.Axes, s.Outer) {
				s.Form = kernel.General
				s.Outer = nil
				break
			}
		}
	}
	return s
}

// contraction describes the fold over a product in k's stores, or returns nil
// where the expression is not of that form.
func contraction(b *kernel.Builder, k *kernel.Kernel) *kernel.Contraction {
	var fold *kernel.Expr
	kernel.Walk(k.Roots(), func(e *kernel.Expr) {
		if e.Kind == kernel.Fold && e.Op == kernel.Add && fold == nil {
			fold = e
		}
	})
	if fold == nil {
		return nil
	}
	body := fold.Args[0]
	var guard *kernel.Expr
	if body.Kind == kernel.If && body.Args[2].IsConst(0) {
		guard, body = body.Args[0], body.Args[1]
	}
	if body.Kind != kernel.Call || body.Op != kernel.Mul {
		return nil
	}
	x, y := body.Args[0], body.Args[1]
	if guard != nil {
		zero := b.Const(fold.DType, 0)
		switch {
		case guard.Free()&^x.Free() == 0:
			x = b.If(guard, x, zero)
		case guard.Free()&^y.Free() == 0:
			y = b.If(guard, y, zero)
		default:
			return nil
		}
	}
	axes := k.Stores[0].Axes
	if len(axes) > 0 && x.Free().Has(axes[len(axes)-1]) && !y.Free().Has(axes[len(axes)-1]) {
		x, y = y, x // the innermost axis of the result is an N axis
	}
	c := &kernel.Contraction{Fold: fold, A: x, B: y, K: fold.Axes}
	for _, a := range axes {
		inA, inB := x.Free().Has(a), y.Free().Has(a)
		switch {
		case inA && inB:
			c.Batch = append(c.Batch, a)
		case inA:
			c.M = append(c.M, a)
		case inB:
			c.N = append(c.N, a)
		default:
			return nil
		}
	}
	for _, a := range fold.Axes {
		if !x.Free().Has(a) || !y.Free().Has(a) {
			return nil
		}
	}
	for _, s := range k.Stores {
		if !slices.Equal(s.Axes, axes) {
			return nil
		}
	}
	if x.HasFold() || y.HasFold() || len(c.M) == 0 || len(c.N) == 0 {
		return nil
	}
	return c
}

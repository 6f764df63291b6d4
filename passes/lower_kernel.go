package passes

import (
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
	l, ok := layoutOf(k.size, k.space, f.sinks(k))
	if !ok {
		l = layout{dims: []int{k.size}, inner: make([]bool, 1)}
	}
	for i, d := range l.dims {
		kb.dims = append(kb.dims, loopDim{size: d, inner: l.inner[i]})
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

// folds returns, per loop dimension, whether space s folds it.
func (kb *kernelBuild) folds(s space) []bool {
	dims := make([]int, len(kb.dims))
	for i, d := range kb.dims {
		dims[i] = d.size
	}
	return s.over(dims)
}

// domains returns the domains of the dimensions for which keep holds.
func (kb *kernelBuild) domains(keep func(i int) bool) []*kernel.Domain {
	ds := []*kernel.Domain{}
	for i := range kb.dims {
		if keep(i) {
			ds = append(ds, kb.dims[i].d)
		}
	}
	return ds
}

// over returns the domains over which member n is stored.
func (kb *kernelBuild) over(n *ir.Node) []*kernel.Domain {
	switch kb.k.role[n] {
	case row:
		return kb.domains(func(i int) bool { return !kb.dims[i].inner })
	case sink:
		if s, ok := kb.f.sinkSpace(kb.k, n); ok {
			fl := kb.folds(s)
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
		if s, ok := kb.f.sinkSpace(kb.k, n); ok {
			fl := kb.folds(s)
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

// dropUnloaded removes parameters of which no load is left: guards fold where
// whole operands lie outside, as in a slice of padding.
func (kb *kernelBuild) dropUnloaded() {
	kk, in := kb.kernel, kb.in
	loaded := map[int]bool{}
	kernel.Walk(kk.Roots(), func(e *kernel.Expr) {
		if e.Kind == kernel.Load {
			loaded[e.Param] = true
		}
	})
	if len(loaded) == len(in.nodes) {
		return
	}
	nodes := in.nodes
	in.nodes, in.param = nil, map[*ir.Node]int{}
	for i, n := range nodes {
		if loaded[i] {
			in.parameter(n)
		}
	}
	m := &kernel.Mapping{
		Axes:  map[*kernel.Axis]*kernel.Axis{},
		Param: func(i int) int { return in.param[nodes[i]] },
		Site:  func(i int) int { return i },
	}
	for _, a := range in.b.Axes() {
		m.Axes[a] = a
	}
	for i := range kk.Stores {
		kk.Stores[i].Value = in.b.Import(kk.Stores[i].Value, m)
		kk.Stores[i].Index = in.b.Import(kk.Stores[i].Index, m)
	}
}

// finish fills in parameters and the schedule.
func (kb *kernelBuild) finish() {
	kb.dropUnloaded()
	kk, b := kb.kernel, kb.in.b
	for _, n := range kb.k.nodes {
		for _, p := range kb.f.info[n].after {
			kb.in.parameter(p) // not loaded: it only has to be there
		}
	}
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
	kk.Sched = kb.schedule()
}

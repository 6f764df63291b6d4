package kernel

import (
	"fmt"
	"math"

	"dumbtorch/ir/types"
)

// A Domain is one logical loop dimension of a kernel: a single axis, or
// several where index arithmetic asked for a split (outermost first).
type Domain struct {
	Name   string
	Extent int
	Axes   []*Axis
}

type splitKey struct {
	name   string
	extent int
}

// Domain returns a new loop dimension, split as an earlier [Builder.Refine]
// asked. A dimension of extent 1 has no axes.
func (b *Builder) Domain(name string, extent int) *Domain {
	d := &Domain{Name: name, Extent: extent}
	if extent == 1 {
		return d
	}
	factors := b.splits[splitKey{name, extent}]
	if factors == nil {
		factors = []int{extent}
	}
	for i, f := range factors {
		n := name
		if len(factors) > 1 {
			n = fmt.Sprintf("%s_%d", name, i)
		}
		d.Axes = append(d.Axes, b.NewAxis(n, f))
	}
	b.domain = append(b.domain, d)
	return d
}

// Index returns the flat index over the dimension.
func (b *Builder) Index(d *Domain) *Expr {
	e := b.Int(0)
	for _, a := range d.Axes {
		e = b.IAdd(b.IMul(e, int64(a.Extent)), b.Var(a))
	}
	return e
}

// Prefer names the dimensions over which the next folds run where their
// extents match: the lowering knows which loop of the kernel a fold belongs
// to, extents alone do not tell. It returns the earlier preference.
func (b *Builder) Prefer(ds []*Domain) (old []*Domain) {
	old, b.prefer = b.prefer, ds
	return old
}

// foldDomains returns loop dimensions for a fold of the given total extent,
// none of them used by the indices at which the fold is built. Folds over the
// same row thus share their axes, and equal subexpressions under them are one
// object.
func (b *Builder) foldDomains(extent int, used AxisSet) []*Domain {
	free := func(ds []*Domain) bool {
		for _, d := range ds {
			if SetOf(d.Axes)&used != 0 {
				return false
			}
		}
		return true
	}
	product := func(ds []*Domain) int {
		n := 1
		for _, d := range ds {
			n *= d.Extent
		}
		return n
	}
	if b.prefer != nil && product(b.prefer) == extent && free(b.prefer) {
		return b.prefer
	}
	for _, d := range b.domain {
		if d.Extent == extent && free([]*Domain{d}) {
			return []*Domain{d}
		}
	}
	n := 0
	for _, d := range b.domain {
		if d.Extent == extent && d.Name[0] == 'k' {
			n++
		}
	}
	return []*Domain{b.Domain(fmt.Sprintf("k%d.%d", extent, n), extent)}
}

// Fold returns the fold with op over a box of the given sizes. body gets one
// index per size. used holds the axes of the indices at which the fold is
// built. The order is row-major over the box, from the operation's identity. The
// result is of type d; a half is folded in f32, which body may return, and rounded
// once.
func (b *Builder) Fold(op Op, d types.DType, dims []int, used AxisSet, body func(k []*Expr) *Expr) *Expr {
	total := types.Shape(dims).Size()
	if total == 0 {
		return b.ConstScalar(Identity(op, d))
	}
	if total == 1 {
		k := make([]*Expr, len(dims))
		for i := range k {
			k[i] = b.Int(0)
		}
		return b.Cast(body(k), d)
	}
	flat := b.Int(0)
	var axes []*Axis
	for _, dom := range b.foldDomains(total, used) {
		flat = b.IAdd(b.IMul(flat, int64(dom.Extent)), b.Index(dom))
		axes = append(axes, dom.Axes...)
	}
	return b.Cast(b.FoldAxes(op, axes, b.wide(body(b.Unravel(flat, dims)))), d)
}

// FoldAxes returns the fold with op over axes of e. Over axes that e does not
// depend on, a sum is a product and an extreme is e itself.
func (b *Builder) FoldAxes(op Op, axes []*Axis, e *Expr) *Expr {
	if e.DType.IsHalf() {
		return b.Cast(b.FoldAxes(op, axes, b.wide(e)), e.DType)
	}
	var keep []*Axis
	repeat := int64(1)
	for _, a := range axes {
		switch {
		case a.Extent == 0:
			return b.ConstScalar(Identity(op, e.DType))
		case a.Extent == 1:
		case op == Mul || e.free.Has(a):
			keep = append(keep, a)
		default:
			bounded(repeat, int64(a.Extent))
			repeat *= int64(a.Extent)
		}
	}
	if repeat > 1 && op == Add {
		e = b.Bin(Mul, e, b.ConstInt(e.DType, repeat))
	}
	if len(keep) == 0 {
		return e
	}
	if op == Add {
		if in, ok := b.mergeFolds(keep, e); ok {
			return in
		}
	}
	return b.intern(Expr{Kind: Fold, Op: op, DType: e.DType, Axes: keep, Args: []*Expr{e}})
}

// mergeFolds turns a sum of a sum that depends on the outer axes into one sum.
func (b *Builder) mergeFolds(outer []*Axis, e *Expr) (*Expr, bool) {
	in, guard := e, (*Expr)(nil)
	if e.Kind == If && e.Args[2].IsConst(0) {
		guard, in = e.Args[0], e.Args[1]
	}
	if in.Kind != Fold || in.Op != Add || in.free&SetOf(outer) == 0 {
		return nil, false
	}
	inner := SetOf(in.Axes)
	if inner&SetOf(outer) != 0 || guard != nil && guard.free&inner != 0 {
		return nil, false
	}
	body := in.Args[0]
	if guard != nil {
		body = b.If(guard, body, e.Args[2])
	}
	axes := append(append([]*Axis{}, outer...), in.Axes...)
	if points64(axes) > maxFold {
		return nil, false
	}
	return b.intern(Expr{Kind: Fold, Op: Add, DType: e.DType, Axes: axes, Args: []*Expr{body}}), true
}

// Identity returns the neutral element of a fold.
func Identity(op Op, d types.DType) Scalar {
	switch op {
	case Mul:
		return FloatScalar(d, 1)
	case Max:
		if d.IsFloat() {
			return FloatScalar(d, math.Inf(-1))
		}
		return IntScalar(d, minInt(d))
	case Min:
		if d.IsFloat() {
			return FloatScalar(d, math.Inf(1))
		}
		return IntScalar(d, maxInt(d))
	}
	return FloatScalar(d, 0)
}

func minInt(d types.DType) int64 {
	switch d {
	case types.I32:
		return math.MinInt32
	case types.I64:
		return math.MinInt64
	}
	return 0
}

func maxInt(d types.DType) int64 {
	switch d {
	case types.Bool:
		return 1
	case types.U8:
		return math.MaxUint8
	case types.U32:
		return math.MaxUint32
	case types.I32:
		return math.MaxInt32
	}
	return math.MaxInt64
}

// Refine looks for quotients and remainders of a bare axis by a factor of its
// extent among the given expressions. It returns a fresh builder that splits
// those dimensions accordingly, or nil when there is nothing to split.
func (b *Builder) Refine(roots []*Expr) *Builder {
	demand := map[*Axis]int{}
	Walk(roots, func(e *Expr) {
		if e.Kind != FloorDiv && e.Kind != FloorMod || e.Args[0].Kind != Var {
			return
		}
		a, c := e.Args[0].Axes[0], int(e.Int)
		if a.Extent%c == 0 && c < a.Extent && c > demand[a] {
			demand[a] = c
		}
	})
	next := NewBuilder()
	for k, v := range b.splits {
		next.splits[k] = v
	}
	found := false
	for _, d := range b.domain {
		var factors []int
		for _, a := range d.Axes {
			if c := demand[a]; c > 0 && len(b.axes) < MaxAxes/2 {
				factors = append(factors, a.Extent/c, c)
				found = true
			} else {
				factors = append(factors, a.Extent)
			}
		}
		if len(factors) > 1 {
			next.splits[splitKey{d.Name, d.Extent}] = factors
		}
	}
	if !found {
		return nil
	}
	return next
}

// Walk visits every expression reachable from roots once, operands first.
func Walk(roots []*Expr, f func(*Expr)) {
	seen := newVisited(roots)
	var visit func(e *Expr)
	visit = func(e *Expr) {
		if !seen.add(e) {
			return
		}
		for _, a := range e.Args {
			visit(a)
		}
		f(e)
	}
	for _, r := range roots {
		visit(r)
	}
}

// visited is a set of expressions of one builder, by their numbers.
type visited []uint64

// newVisited returns a set for roots and their operands.
func newVisited(roots []*Expr) visited {
	n := int32(0)
	for _, r := range roots {
		n = max(n, r.id)
	}
	return make(visited, n/64+1)
}

// add reports whether e is new.
func (v visited) add(e *Expr) bool {
	w, bit := &v[e.id/64], uint64(1)<<(e.id%64)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	return true
}

// foldVisits holds the expressions met outside of folds, and those under one.
type foldVisits [2]visited

func newFoldVisits(roots ...*Expr) foldVisits {
	return foldVisits{newVisited(roots), newVisited(roots)}
}

// add reports whether e is new where it stands.
func (v foldVisits) add(e *Expr, inFold bool) bool {
	if inFold {
		return v[1].add(e)
	}
	return v[0].add(e)
}

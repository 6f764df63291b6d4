package cpu

import (
	"math"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// An index is an index expression taken apart: what is affine in the axes, and
// the vectors that it adds to it.
type index struct {
	c     int64
	terms []axisTerm
	slots []term // env slots
	regs  []term // scalar registers
	vec   []vecTerm
	cl    class
}

type axisTerm struct {
	axis *kernel.Axis
	coef int64
}

type vecTerm struct {
	coef int64
	v    value
}

// index takes an index expression apart.
func (b *builder) index(e *kernel.Expr, mask value) index {
	ix := index{cl: b.class(e.Free())}
	ix.c = e.Terms(func(coef int64, arg *kernel.Expr) {
		if arg.Kind == kernel.Var {
			ix.terms = append(ix.terms, axisTerm{arg.Axes[0], coef})
			return
		}
		v := b.number(arg, mask)
		ix.cl = max(ix.cl, v.cl)
		if v.cl == scalar {
			ix.regs = append(ix.regs, term{coef, int(v.r)})
		} else {
			ix.vec = append(ix.vec, vecTerm{coef, v})
		}
	})
	return ix
}

// affine returns the affine part of ix over lanes of class cl.
func (ix *index) affine(b *builder, cl class) *affine {
	a := &affine{c: ix.c, regs: ix.regs, axes: slices.Clone(ix.slots)}
	coef := map[*kernel.Axis]int64{}
	for _, t := range ix.terms {
		if slot := b.slot(t.axis); slot >= 0 {
			a.axes = append(a.axes, term{t.coef, slot})
		} else {
			coef[t.axis] = t.coef
		}
	}
	if cl == scalar {
		return a
	}
	s := b.cur.lanes
	axes := s.axes
	if cl == row {
		axes = axes[:s.row]
	}
	for _, ax := range axes {
		if ax.Extent == 1 {
			continue
		}
		c := coef[ax]
		if n := len(a.dims); n > 0 && a.dims[n-1].coef == c*int64(ax.Extent) {
			a.dims[n-1].coef = c
			a.dims[n-1].extent *= ax.Extent
		} else {
			a.dims = append(a.dims, dim{ax.Extent, c})
		}
	}
	return a
}

// slot returns the env slot of an axis, or -1 if it is bound to lanes.
func (b *builder) slot(a *kernel.Axis) int {
	for blk := b.cur; blk != nil; blk = blk.parent {
		if s, ok := blk.env[a]; ok {
			return s
		}
		if blk.bound.Has(a) {
			return -1
		}
	}
	b.fail("axis %s has no loop", a.Name)
	return -1
}

// vector returns ix as one vector of 64-bit numbers.
func (b *builder) vector(ix index, cl class) value {
	plain := ix.c == 0 && len(ix.regs) == 0 && len(ix.terms) == 0
	if plain && len(ix.vec) == 1 && ix.vec[0].coef == 1 && ix.vec[0].v.cl == cl {
		return ix.vec[0].v
	}
	d := b.op("iota", opIota[int64], cl, 8, false)
	b.last().aff = ix.affine(b, cl)
	for _, t := range ix.vec {
		b.emit(instr{
			fn: opIndexAdd, name: "index.add", dst: d.r, a: b.expand(t.v, cl).r, b: none, c: none,
			cl: cl, imm: t.coef, accumulates: true,
		})
	}
	return d
}

// number returns an index that is not affine as a register.
func (b *builder) number(e *kernel.Expr, mask value) value {
	if !b.facts.sensitive[e] {
		mask = noValue
	}
	h := b.home(e.Free(), mask)
	key := memoKey{e, mask.r}
	if v, ok := h.memo[key]; ok {
		return v
	}
	v := b.in(h, func() value {
		switch e.Kind {
		case kernel.FloorDiv, kernel.FloorMod:
			ix := b.index(e.Args[0], mask)
			x := b.vector(ix, ix.cl)
			fn, name := opFloorDiv, "div"
			if e.Kind == kernel.FloorMod {
				fn, name = opFloorMod, "mod"
			}
			v := b.op(name, fn, x.cl, 8, true, x)
			b.last().imm = e.Int
			return v
		case kernel.CheckIndex:
			return b.checkIndex(e, mask)
		}
		ix := b.index(e, mask)
		return b.vector(ix, ix.cl)
	})
	h.memo[key] = v
	return v
}

// A check is a run-time check of an index.
type check struct {
	site  int
	limit int64
	store int     // the lowest store that needs it
	at    *affine // the place in that store
}

func (b *builder) checkIndex(e *kernel.Expr, mask value) value {
	x := b.data(e.Args[0], mask)
	cl := x.cl
	if mask.r != none {
		cl = max(cl, mask.cl)
		x = b.expand(x, cl)
		mask = b.expand(mask, cl)
	}
	v := b.op("check", checkLoop(e.Args[0].DType), cl, 8, false, x, mask)
	if e.Site >= len(b.k.Sites) || e.Int <= 0 {
		b.fail("index check of site %d in [0,%d)", e.Site, e.Int)
	}
	var ix index
	stride := int64(1)
	axes := b.k.Stores[b.store].Axes
	for i := len(axes) - 1; i >= 0; i-- {
		if b.point.Has(axes[i]) && !b.cur.fold.Has(axes[i]) && b.visible(axes[i]) {
			ix.terms = append(ix.terms, axisTerm{axes[i], stride})
		}
		stride *= int64(axes[i].Extent)
	}
	b.last().check = &check{site: e.Site, limit: e.Int, store: b.store, at: ix.affine(b, cl)}
	return v
}

func (b *builder) visible(a *kernel.Axis) bool {
	for blk := b.cur; blk != nil; blk = blk.parent {
		if blk.bound.Has(a) {
			return true
		}
	}
	return false
}

// rowTerms returns what an index of lanes adds of values of their rows, if that
// is all that is not affine in it.
func (b *builder) rowTerms(ix *index) []term {
	if b.cur.row == 0 || ix.cl != full || len(ix.vec) == 0 {
		return nil
	}
	var terms []term
	for _, t := range ix.vec {
		if t.v.cl != row {
			return nil
		}
		terms = append(terms, term{t.coef, int(t.v.r)})
	}
	return terms
}

// fromIndex returns the index e as data of type d, which can hold it.
func (b *builder) fromIndex(e *kernel.Expr, d types.DType, mask value) value {
	ix := b.index(e, mask)
	if len(ix.vec) == 0 {
		v := b.op("iota."+d.String(), iotaLoop(d), ix.cl, d.Size(), false)
		b.last().aff = ix.affine(b, ix.cl)
		if isWord(e) {
			b.last().sem = sem{kind: semIota, d: d}
		}
		return v
	}
	x := b.vector(ix, ix.cl)
	return b.op("narrow."+d.String(), castLoop(types.I64, d), ix.cl, d.Size(), d.Size() == 8, x)
}

// isWord reports whether an index is always within 32 bits.
func isWord(e *kernel.Expr) bool {
	lo, hi := e.Range()
	return lo >= math.MinInt32 && hi <= math.MaxInt32
}

// isCount reports whether data is an index of at most 31 bits.
func isCount(e *kernel.Expr) bool {
	if e.Kind != kernel.FromIndex || e.DType.IsFloat() {
		return false
	}
	lo, hi := e.Args[0].Range()
	return lo >= 0 && hi <= math.MaxInt32
}

// pred returns the mask of a predicate: 1 where it holds.
func (b *builder) pred(e *kernel.Expr, mask value) value {
	if !b.facts.sensitive[e] {
		mask = noValue
	}
	h := b.home(e.Free(), mask)
	key := memoKey{e, mask.r}
	if v, ok := h.memo[key]; ok {
		return v
	}
	v := b.in(h, func() value {
		switch e.Kind {
		case kernel.True:
			return b.constant(kernel.IntScalar(types.Bool, 1))
		case kernel.False:
			return b.constant(kernel.IntScalar(types.Bool, 0))
		case kernel.AllOf:
			v := b.pred(e.Args[0], mask)
			for _, p := range e.Args[1:] {
				v = b.call2(kernel.And, v, b.pred(p, mask), types.Bool)
			}
			return v
		}
		onAffine, onVector, name := opAffineGe0, opGe0, "ge0"
		if e.Kind == kernel.Eq0 {
			onAffine, onVector, name = opAffineEq0, opEq0, "eq0"
		}
		ix := b.index(e.Args[0], mask)
		if terms := b.rowTerms(&ix); terms != nil && isWord(e.Args[0]) {
			fn, kind := predRows[ge0], semGe0
			if e.Kind == kernel.Eq0 {
				fn, kind = predRows[eq0], semEq0
			}
			v := b.op(name+".rows", fn, full, 1, false)
			in := b.last()
			in.aff, in.terms, in.width, in.sem = ix.affine(b, full), terms, b.cur.lanes.width(), sem{kind: kind, d: types.Bool}
			return v
		}
		if len(ix.vec) > 0 {
			return b.op(name, onVector, ix.cl, 1, false, b.vector(ix, ix.cl))
		}
		v := b.op(name, onAffine, ix.cl, 1, false)
		b.last().aff = ix.affine(b, ix.cl)
		if isWord(e.Args[0]) {
			b.last().sem = sem{kind: semGe0, d: types.Bool}
			if e.Kind == kernel.Eq0 {
				b.last().sem.kind = semEq0
			}
		}
		return v
	})
	h.memo[key] = v
	return v
}

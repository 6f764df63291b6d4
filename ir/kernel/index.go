package kernel

import (
	"errors"
	"math"
	"math/bits"
	"slices"
)

// Index expressions are kept in affine normal form: a constant plus terms with
// distinct arguments in structural order (see order.go), no coefficient 0.
// Quotients and remainders are split so that only what can carry stays under
// them, and c*(x mod d) + c*d*(x div d) becomes c*x.
//
// No index can overflow: bounds beyond 2^61 are an [ErrIndexRange].

type term struct {
	arg  *Expr
	coef int64
}

func terms(e *Expr) ([]term, int64) {
	switch e.Kind {
	case Int:
		return nil, e.Int
	case Affine:
		ts := make([]term, len(e.Args))
		for i := range e.Args {
			ts[i] = term{e.Args[i], e.Coef[i]}
		}
		return ts, e.Int
	}
	return []term{{e, 1}}, 0
}

// Terms calls f for every term coef*arg of an index expression and returns the
// constant.
func (e *Expr) Terms(f func(coef int64, arg *Expr)) int64 {
	ts, c := terms(e)
	for _, t := range ts {
		f(t.coef, t.arg)
	}
	return c
}

func rangeOf(ts []term, c int64) (lo, hi int64) {
	lo, hi = c, c
	for _, t := range ts {
		if t.coef > 0 {
			lo += t.coef * t.arg.lo
			hi += t.coef * t.arg.hi
		} else {
			lo += t.coef * t.arg.hi
			hi += t.coef * t.arg.lo
		}
	}
	return lo, hi
}

// maxBound bounds constants, coefficients and ranges, so that the sum of two
// never overflows.
const maxBound = 1 << 61

// ErrIndexRange is the panic of a [Builder] that was asked for an index whose
// bounds leave 61 bits.
var ErrIndexRange = errors.New("an index of the kernel leaves 61 bits")

// bounded panics with [ErrIndexRange] unless a*b is a bound.
func bounded(a, b int64) {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	if hi != 0 || lo > maxBound || a == math.MinInt64 || b == math.MinInt64 {
		panic(ErrIndexRange)
	}
}

// checkRange panics with [ErrIndexRange] where the range of the terms is not
// bounded.
func checkRange(ts []term, c int64) {
	bounded(c, 1)
	total := max(c, -c)
	for _, t := range ts {
		bounded(t.coef, 1)
		m := max(t.arg.hi, -t.arg.lo)
		bounded(t.coef, m)
		total += max(t.coef, -t.coef) * m
		bounded(total, 1)
	}
}

func (e *Expr) setRange() {
	switch e.Kind {
	case Int:
		bounded(e.Int, 1)
		e.lo, e.hi = e.Int, e.Int
	case Var:
		e.lo, e.hi = 0, max(0, int64(e.Axes[0].Extent)-1)
	case Affine:
		ts, c := terms(e)
		checkRange(ts, c)
		e.lo, e.hi = rangeOf(ts, c)
	case FloorDiv:
		e.lo, e.hi = floorDiv(e.Args[0].lo, e.Int), floorDiv(e.Args[0].hi, e.Int)
	case FloorMod:
		bounded(e.Int, 1)
		e.lo, e.hi = 0, e.Int-1
	case CheckIndex:
		e.lo, e.hi = 0, max(0, e.Int-1)
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 { return a - b*floorDiv(a, b) }

func gcd(a, b int64) int64 {
	a, b = max(a, -a), max(b, -b)
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Int returns an index constant.
func (b *Builder) Int(c int64) *Expr { return b.intern(Expr{Kind: Int, Int: c}) }

// Var returns the value of an axis; 0 for an axis of extent 1.
func (b *Builder) Var(a *Axis) *Expr {
	if a.Extent == 1 {
		return b.Int(0)
	}
	return b.intern(Expr{Kind: Var, Axes: []*Axis{a}})
}

// affine returns the normal form of c + sum ts.
func (b *Builder) affine(ts []term, c int64) *Expr {
	for again := true; again; {
		ts = combine(ts)
		ts, c, again = b.rejoin(ts, c)
	}
	if len(ts) == 0 {
		return b.Int(c)
	}
	if len(ts) == 1 && ts[0].coef == 1 && c == 0 {
		return ts[0].arg
	}
	e := Expr{Kind: Affine, Int: c}
	for _, t := range ts {
		e.Args = append(e.Args, t.arg)
		e.Coef = append(e.Coef, t.coef)
	}
	return b.intern(e)
}

func combine(ts []term) []term {
	slices.SortFunc(ts, func(a, b term) int { return compareIndex(a.arg, b.arg) })
	out := ts[:0]
	for _, t := range ts {
		if n := len(out); n > 0 && out[n-1].arg == t.arg {
			out[n-1].coef += t.coef
		} else {
			out = append(out, t)
		}
	}
	return slices.DeleteFunc(out, func(t term) bool { return t.coef == 0 })
}

// rejoin replaces one pair c*(x mod d) + c*d*(x div d) by c*x.
func (b *Builder) rejoin(ts []term, c int64) ([]term, int64, bool) {
	for i, t := range ts {
		if t.arg.Kind != FloorMod {
			continue
		}
		x, d := t.arg.Args[0], t.arg.Int
		q := b.IDiv(x, d)
		qt, qc := terms(q)
		if len(qt) != 1 || qc != 0 || qt[0].coef != 1 {
			continue
		}
		for j, u := range ts {
			if u.arg != q || u.coef != t.coef*d {
				continue
			}
			var rest []term
			for k := range ts {
				if k != i && k != j {
					rest = append(rest, ts[k])
				}
			}
			xt, xc := terms(x)
			for _, z := range xt {
				rest = append(rest, term{z.arg, z.coef * t.coef})
			}
			return rest, c + xc*t.coef, true
		}
	}
	return ts, c, false
}

// IAdd returns the sum of two indices.
func (b *Builder) IAdd(x, y *Expr) *Expr {
	tx, cx := terms(x)
	ty, cy := terms(y)
	return b.affine(append(tx, ty...), cx+cy)
}

// ISub returns x - y.
func (b *Builder) ISub(x, y *Expr) *Expr { return b.IAdd(x, b.IMul(y, -1)) }

// IMul returns c*x.
func (b *Builder) IMul(x *Expr, c int64) *Expr {
	ts, k := terms(x)
	bounded(k, c)
	for i := range ts {
		bounded(ts[i].coef, c)
		ts[i].coef *= c
	}
	return b.affine(ts, k*c)
}

// split separates the terms that divide by g from the others.
func split(ts []term, g int64) (big, small []term) {
	for _, t := range ts {
		if t.coef%g == 0 {
			big = append(big, term{t.arg, t.coef / g})
		} else {
			small = append(small, t)
		}
	}
	return big, small
}

// carry finds a factor g of c such that the terms of r not divisible by g,
// with constant k mod g, stay within [0, g): they can then be taken off before
// dividing by c.
func carry(r []term, k, c int64) (g int64, big, small []term, ok bool) {
	for _, t := range r {
		if g = gcd(t.coef, c); g <= 1 {
			continue
		}
		big, small = split(r, g)
		if lo, hi := rangeOf(small, floorMod(k, g)); lo >= 0 && hi < g {
			return g, big, small, true
		}
	}
	return 0, nil, nil, false
}

// IDiv returns floor(x / c) for c >= 1.
func (b *Builder) IDiv(x *Expr, c int64) *Expr {
	if c == 1 {
		return x
	}
	ts, k := terms(x)
	q, r := split(ts, c)
	qk, rk := floorDiv(k, c), floorMod(k, c)
	if lo, hi := rangeOf(r, rk); floorDiv(lo, c) == floorDiv(hi, c) {
		return b.affine(q, qk+floorDiv(lo, c))
	}
	if g, big, _, ok := carry(r, rk, c); ok {
		return b.IAdd(b.affine(q, qk), b.IDiv(b.affine(big, floorDiv(rk, g)), c/g))
	}
	rest := b.affine(r, rk)
	var d *Expr
	switch {
	case rest.Kind == FloorDiv && rest.Int <= maxIndex/c:
		d = b.IDiv(rest.Args[0], rest.Int*c)
	case rest.Kind == FloorMod && rest.Int%c == 0:
		d = b.IMod(b.IDiv(rest.Args[0], c), rest.Int/c)
	default:
		d = b.intern(Expr{Kind: FloorDiv, Args: []*Expr{rest}, Int: c})
	}
	return b.IAdd(b.affine(q, qk), d)
}

// IMod returns x - c*floor(x / c) for c >= 1.
func (b *Builder) IMod(x *Expr, c int64) *Expr {
	if c == 1 {
		return b.Int(0)
	}
	ts, k := terms(x)
	var r []term
	for _, t := range ts {
		if t.coef%c != 0 {
			m := t.coef
			if m < 0 && -m >= c || m >= c {
				m = floorMod(m, c)
			}
			r = append(r, term{t.arg, m})
		}
	}
	rk := floorMod(k, c)
	if lo, hi := rangeOf(r, rk); floorDiv(lo, c) == floorDiv(hi, c) {
		return b.affine(r, rk-c*floorDiv(lo, c))
	}
	if g, big, small, ok := carry(r, rk, c); ok {
		hi := b.IMul(b.IMod(b.affine(big, floorDiv(rk, g)), c/g), g)
		return b.IAdd(hi, b.affine(small, floorMod(rk, g)))
	}
	n := len(r)
	rest := b.affine(r, rk)
	if rest.Kind == FloorMod && rest.Int%c == 0 {
		return b.IMod(rest.Args[0], c)
	}
	if ts, _ := terms(rest); len(ts) < n {
		return b.IMod(rest, c) // the reduced coefficients made terms join
	}
	return b.intern(Expr{Kind: FloorMod, Args: []*Expr{rest}, Int: c})
}

// CheckIndex returns integer data e as an index in [0, n). A value outside is
// reported at run time with the site's number.
func (b *Builder) CheckIndex(e *Expr, n int64, site int) *Expr {
	if ix := b.asIndex(e); ix != nil && ix.lo >= 0 && ix.hi < n {
		return ix
	}
	return b.intern(Expr{Kind: CheckIndex, Args: []*Expr{e}, Int: n, Site: site})
}

// Ravel returns the row-major flat index of idx in a box of the given sizes.
func (b *Builder) Ravel(idx []*Expr, dims []int) *Expr {
	e := b.Int(0)
	for i, x := range idx {
		e = b.IAdd(b.IMul(e, int64(dims[i])), x)
	}
	return e
}

// Unravel is the inverse of [Builder.Ravel].
func (b *Builder) Unravel(flat *Expr, dims []int) []*Expr {
	idx := make([]*Expr, len(dims))
	stride := int64(1)
	for i := len(dims) - 1; i >= 0; i-- {
		d := max(1, int64(dims[i]))
		idx[i] = b.IDiv(flat, stride)
		if i > 0 {
			idx[i] = b.IMod(idx[i], d)
		}
		stride *= d
	}
	return idx
}

// True returns the predicate that always holds.
func (b *Builder) True() *Expr { return b.intern(Expr{Kind: True}) }

// False returns the predicate that never holds.
func (b *Builder) False() *Expr { return b.intern(Expr{Kind: False}) }

// Ge0 returns x >= 0.
func (b *Builder) Ge0(x *Expr) *Expr {
	switch {
	case x.lo >= 0:
		return b.True()
	case x.hi < 0:
		return b.False()
	}
	return b.intern(Expr{Kind: Ge0, Args: []*Expr{x}})
}

// Eq0 returns x == 0.
func (b *Builder) Eq0(x *Expr) *Expr {
	switch {
	case x.lo == 0 && x.hi == 0:
		return b.True()
	case x.lo > 0 || x.hi < 0:
		return b.False()
	}
	if ts, _ := terms(x); ts[0].coef < 0 {
		x = b.IMul(x, -1)
	}
	return b.intern(Expr{Kind: Eq0, Args: []*Expr{x}})
}

// Within returns lo <= x < lo+n.
func (b *Builder) Within(x *Expr, lo, n int64) *Expr {
	return b.AllOf(b.Ge0(b.IAdd(x, b.Int(-lo))), b.Ge0(b.ISub(b.Int(lo+n-1), x)))
}

// AllOf returns the conjunction of predicates.
func (b *Builder) AllOf(ps ...*Expr) *Expr {
	var all []*Expr
	for _, p := range ps {
		switch p.Kind {
		case False:
			return p
		case AllOf:
			all = append(all, p.Args...)
		case True:
		default:
			all = append(all, p)
		}
	}
	slices.SortFunc(all, comparePred)
	all = slices.Compact(all)
	switch len(all) {
	case 0:
		return b.True()
	case 1:
		return all[0]
	}
	return b.intern(Expr{Kind: AllOf, Args: all})
}

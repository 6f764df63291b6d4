package kernel

import (
	"fmt"
	"slices"

	"dumbtorch/ir/types"
)

// A Builder makes the expressions of one kernel. It keeps one object per
// distinct expression and brings indices and predicates into normal form.
type Builder struct {
	table  map[uint64][]*Expr
	count  int32
	axes   []*Axis
	domain []*Domain
	prefer []*Domain
	splits map[splitKey][]int
	// Sites holds the keys given to [Builder.Site], by site number.
	Sites []any
}

// NewBuilder returns an empty builder.
func NewBuilder() *Builder {
	return &Builder{table: map[uint64][]*Expr{}, splits: map[splitKey][]int{}}
}

// Site returns the number of the run-time check that key stands for.
func (b *Builder) Site(key any) int {
	for i, k := range b.Sites {
		if k == key {
			return i
		}
	}
	b.Sites = append(b.Sites, key)
	return len(b.Sites) - 1
}

// Axes returns all axes made so far.
func (b *Builder) Axes() []*Axis { return b.axes }

// NewAxis returns a new axis. It panics with [ErrTooManyAxes] beyond [MaxAxes].
func (b *Builder) NewAxis(name string, extent int) *Axis {
	if len(b.axes) == MaxAxes {
		panic(ErrTooManyAxes)
	}
	a := &Axis{Name: name, Extent: extent, bit: uint8(len(b.axes))}
	b.axes = append(b.axes, a)
	return a
}

// ErrTooManyAxes is the panic of [Builder.NewAxis]; whoever builds a kernel
// recovers it and builds a smaller one.
var ErrTooManyAxes = fmt.Errorf("kernel has more than %d axes", MaxAxes)

func mixHash(h, v uint64) uint64 {
	h ^= v
	h *= 1099511628211
	return h ^ h>>29
}

// intern returns the one object equal to e. It makes no simplification.
func (b *Builder) intern(e Expr) *Expr {
	h := mixHash(14695981039346656037, uint64(e.Kind)<<16|uint64(e.Op)<<8|uint64(e.DType))
	h = mixHash(h, uint64(e.Int))
	h = mixHash(h, e.bits)
	h = mixHash(h, uint64(e.Param)<<32|uint64(e.Site))
	for _, a := range e.Args {
		h = mixHash(h, uint64(a.id)+7)
	}
	for _, c := range e.Coef {
		h = mixHash(h, uint64(c))
	}
	for _, a := range e.Axes {
		h = mixHash(h, uint64(a.bit)+99)
	}
	for _, o := range b.table[h] {
		if o.same(&e) {
			return o
		}
	}
	p := &e
	b.count++
	p.id = b.count
	for _, a := range p.Args {
		p.free |= a.free
		p.folds = p.folds || a.folds
		p.loads |= a.loads
	}
	switch p.Kind {
	case Var:
		p.free = p.Axes[0].Bit()
	case Load:
		p.loads |= paramBit(p.Param)
	case Fold:
		p.folds = true
		p.free &^= SetOf(p.Axes)
	}
	p.setRange()
	b.table[h] = append(b.table[h], p)
	return p
}

func (e *Expr) same(o *Expr) bool {
	return e.Kind == o.Kind && e.Op == o.Op && e.DType == o.DType && e.Int == o.Int && e.bits == o.bits &&
		e.Param == o.Param && e.Site == o.Site &&
		slices.Equal(e.Args, o.Args) && slices.Equal(e.Coef, o.Coef) && slices.Equal(e.Axes, o.Axes)
}

// Const returns the constant v, rounded or wrapped to d.
func (b *Builder) Const(d types.DType, v float64) *Expr { return b.ConstScalar(FloatScalar(d, v)) }

// ConstInt returns the constant v, wrapped to d.
func (b *Builder) ConstInt(d types.DType, v int64) *Expr { return b.ConstScalar(IntScalar(d, v)) }

// ConstScalar returns a constant.
func (b *Builder) ConstScalar(s Scalar) *Expr {
	return b.intern(Expr{Kind: Const, DType: s.DType, bits: s.bits})
}

// asIndex returns the index whose value integer data e has, if there is one.
func (b *Builder) asIndex(e *Expr) *Expr {
	switch {
	case e.Kind == FromIndex:
		return e.Args[0]
	case e.Kind == Const && e.DType.IsInt() && fits(e.Value().Int(), types.I64):
		return b.Int(e.Value().Int())
	}
	return nil
}

// maxIndex bounds index arithmetic, far from overflow.
const maxIndex = 1 << 60

func fits(v int64, d types.DType) bool {
	switch d {
	case types.U8:
		return v >= 0 && v < 1<<8
	case types.U32:
		return v >= 0 && v < 1<<32
	case types.I32:
		return v >= -1<<31 && v < 1<<31
	}
	return v > -maxIndex && v < maxIndex
}

// FromIndex returns the index ix as integer data of type d; where its range
// does not fit d, it is taken as i64 and wrapped.
func (b *Builder) FromIndex(ix *Expr, d types.DType) *Expr {
	switch {
	case ix.Kind == Int:
		return b.ConstInt(d, ix.Int)
	case !d.IsInt():
		return b.Cast(b.FromIndex(ix, types.I64), d)
	case d != types.I64 && !(fits(ix.lo, d) && fits(ix.hi, d)):
		return b.Cast(b.FromIndex(ix, types.I64), d)
	}
	return b.intern(Expr{Kind: FromIndex, DType: d, Args: []*Expr{ix}})
}

// FromPred returns the predicate p as bool data.
func (b *Builder) FromPred(p *Expr) *Expr {
	switch p.Kind {
	case True:
		return b.ConstInt(types.Bool, 1)
	case False:
		return b.ConstInt(types.Bool, 0)
	}
	return b.intern(Expr{Kind: FromPred, DType: types.Bool, Args: []*Expr{p}})
}

// wide returns e as f32 if it is a half, else e itself.
func (b *Builder) wide(e *Expr) *Expr { return b.Cast(e, e.DType.Arith()) }

// Un returns a unary operation. As everywhere, one on a half is done in f32 and
// its result rounded to the half.
func (b *Builder) Un(op Op, a *Expr) *Expr {
	switch {
	case a.DType.IsHalf():
		return b.Cast(b.Un(op, b.wide(a)), a.DType)
	case a.Kind == Const:
		return b.ConstScalar(Eval1(op, a.Value()))
	case op == Not && a.Kind == FromPred:
		if p := b.notPred(a.Args[0]); p != nil {
			return b.FromPred(p)
		}
	}
	return b.intern(Expr{Kind: Call, Op: op, DType: op.Result(a.DType), Args: []*Expr{a}})
}

// notPred returns the negation of p where it is a predicate.
func (b *Builder) notPred(p *Expr) *Expr {
	switch p.Kind {
	case True:
		return b.False()
	case False:
		return b.True()
	case Ge0:
		return b.Ge0(b.ISub(b.Int(-1), p.Args[0]))
	}
	return nil
}

// Bin returns a binary operation on operands of one type. Integer arithmetic
// and comparisons of values that are indices become indices and predicates
// where no wrap-around is possible.
func (b *Builder) Bin(op Op, x, y *Expr) *Expr {
	if x.DType.IsHalf() {
		return b.Cast(b.Bin(op, b.wide(x), b.wide(y)), op.Result(x.DType))
	}
	if x.Kind == Const && y.Kind == Const {
		return b.ConstScalar(Eval2(op, x.Value(), y.Value()))
	}
	if x.DType.IsInt() {
		if e := b.indexBin(op, x, y); e != nil {
			return e
		}
	}
	if op == And && x.Kind == FromPred && y.Kind == FromPred && conjuncts(x.Args[0])+conjuncts(y.Args[0]) <= maxJoined {
		return b.FromPred(b.AllOf(x.Args[0], y.Args[0]))
	}
	if op.Info().Commutative && x.id > y.id {
		x, y = y, x
	}
	return b.intern(Expr{Kind: Call, Op: op, DType: op.Result(x.DType), Args: []*Expr{x, y}})
}

func (b *Builder) indexBin(op Op, x, y *Expr) *Expr {
	xi, yi := b.asIndex(x), b.asIndex(y)
	if xi == nil || yi == nil || len(xi.Args)+len(yi.Args) > maxJoined {
		return nil
	}
	back := func(ix *Expr) *Expr {
		if !fits(ix.lo, x.DType) || !fits(ix.hi, x.DType) {
			return nil
		}
		return b.FromIndex(ix, x.DType)
	}
	switch op {
	case Add:
		return back(b.IAdd(xi, yi))
	case Sub:
		return back(b.ISub(xi, yi))
	case Mul:
		if yi.Kind == Int {
			xi, yi = yi, xi
		}
		if xi.Kind == Int && mulFits(yi, xi.Int) {
			return back(b.IMul(yi, xi.Int))
		}
	case Div:
		if yi.Kind == Int && yi.Int > 0 {
			return back(b.IDiv(xi, yi.Int))
		}
	case Rem:
		if yi.Kind == Int && yi.Int > 0 {
			return back(b.IMod(xi, yi.Int))
		}
	case Le:
		return b.FromPred(b.Ge0(b.ISub(yi, xi)))
	case Lt:
		return b.FromPred(b.Ge0(b.IAdd(b.ISub(yi, xi), b.Int(-1))))
	case Eq:
		return b.FromPred(b.Eq0(b.ISub(yi, xi)))
	case Ne:
		return b.Un(Not, b.FromPred(b.Eq0(b.ISub(yi, xi))))
	}
	return nil
}

func mulFits(e *Expr, c int64) bool {
	m := max(e.hi, -e.lo, 1)
	if c < 0 {
		c = -c
	}
	return c == 0 || m <= maxIndex/c
}

// Cast returns a converted to type d: floats to integers truncate towards zero
// and saturate (NaN gives 0), integers wrap, anything to bool is "not zero".
// Halves convert from and to f32 alone; all other types pass through it.
func (b *Builder) Cast(a *Expr, d types.DType) *Expr {
	switch {
	case a.DType == d:
		return a
	case a.Kind == Const:
		return b.ConstScalar(EvalCast(a.Value(), d))
	case d.IsHalf() && a.DType != types.F32 || a.DType.IsHalf() && d != types.F32:
		return b.Cast(b.Cast(a, types.F32), d)
	case d.IsHalf() && a.Kind == Cast && a.Args[0].DType == d:
		return a.Args[0] // what was widened is a value of d
	case a.Kind == FromPred:
		return b.If(a.Args[0], b.ConstInt(d, 1), b.ConstInt(d, 0))
	case a.Kind == FromIndex && d.IsInt() && fits(a.Args[0].lo, d) && fits(a.Args[0].hi, d):
		return b.FromIndex(a.Args[0], d)
	}
	return b.intern(Expr{Kind: Cast, DType: d, Args: []*Expr{a}})
}

// Select returns c ? x : y for bool data c.
func (b *Builder) Select(c, x, y *Expr) *Expr {
	switch {
	case x == y:
		return x
	case c.Kind == Const:
		if c.Value().Int() != 0 {
			return x
		}
		return y
	case c.Kind == FromPred:
		return b.If(c.Args[0], x, y)
	}
	return b.intern(Expr{Kind: Select, DType: x.DType, Args: []*Expr{c, x, y}})
}

// If returns p ? x : y for a predicate p. The branch not taken is never
// evaluated: its loads may lie outside their buffers.
func (b *Builder) If(p, x, y *Expr) *Expr {
	switch {
	case p.Kind == True:
		return x
	case p.Kind == False:
		return y
	case x == y:
		return x
	case x.Kind == If && x.Args[2] == y && !x.Args[0].HasLoad() && conjuncts(p)+conjuncts(x.Args[0]) <= maxJoined: // p may guard a load of the inner predicate
		return b.If(b.AllOf(p, x.Args[0]), x.Args[1], y)
	case x.Kind == Const && y.Kind == Const && x.DType == types.Bool:
		if x.Value().Int() != 0 {
			return b.FromPred(p)
		}
		if q := b.notPred(p); q != nil {
			return b.FromPred(q)
		}
	}
	return b.intern(Expr{Kind: If, DType: x.DType, Args: []*Expr{p, x, y}})
}

// maxJoined bounds the conjuncts of a predicate and the terms of an index that
// grow from data, so that the work of building stays linear.
const maxJoined = 64

func conjuncts(p *Expr) int {
	if p.Kind == AllOf {
		return len(p.Args)
	}
	return 1
}

// Load returns element ix of parameter param, whose elements are of type d.
func (b *Builder) Load(param int, ix *Expr, d types.DType) *Expr {
	return b.intern(Expr{Kind: Load, DType: d, Param: param, Args: []*Expr{ix}})
}

// Threefry returns word 0 of the 20-round Threefry-2x32 block of counter
// (c0, c1) under key (k0, k1), all u32; see Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3" (2011). The second result is word 1.
func (b *Builder) Threefry(k0, k1, c0, c1 *Expr) (w0, w1 *Expr) {
	const parity = 0x1BD11BDA
	u := func(v int64) *Expr { return b.ConstInt(types.U32, v) }
	ks := [3]*Expr{k0, k1, b.Bin(Xor, b.Bin(Xor, k0, k1), u(parity))}
	rot := [8]int64{13, 15, 26, 6, 17, 29, 16, 24}
	x0, x1 := b.Bin(Add, c0, ks[0]), b.Bin(Add, c1, ks[1])
	for r := range 20 {
		n := rot[r%8]
		x0 = b.Bin(Add, x0, x1)
		x1 = b.Bin(Or, b.Bin(Shl, x1, u(n)), b.Bin(Shr, x1, u(32-n)))
		x1 = b.Bin(Xor, x1, x0)
		if r%4 == 3 {
			s := r/4 + 1
			x0 = b.Bin(Add, x0, ks[s%3])
			x1 = b.Bin(Add, b.Bin(Add, x1, ks[(s+1)%3]), u(int64(s)))
		}
	}
	return x0, x1
}

package kernel

// A Mapping renames the axes and parameters of expressions that move from one
// builder to another; it remembers what has been moved.
type Mapping struct {
	Axes  map[*Axis]*Axis
	Param func(int) int
	Site  func(int) int // nil where there are no run-time checks
	// Index, when not nil, changes the index of a load of a parameter; both are
	// of the new builder, the parameter has its old number.
	Index func(param int, ix *Expr) *Expr
	// Split has axes that become two, an outer and an inner one.
	Split map[*Axis][2]*Axis
	done  map[*Expr]*Expr
}

// Import rebuilds e, made by another builder, in b under the mapping. Axes that
// the mapping lacks get new ones of the same name and extent.
func (b *Builder) Import(e *Expr, m *Mapping) *Expr {
	if m.done == nil {
		m.done = map[*Expr]*Expr{}
	}
	if r := m.done[e]; r != nil {
		return r
	}
	c := *e
	c.Axes, c.Args = nil, nil
	for _, a := range e.Axes {
		s, split := m.Split[a]
		switch {
		case split && e.Kind == Var:
			return b.IAdd(b.IMul(b.Var(s[0]), int64(s[1].Extent)), b.Var(s[1]))
		case split:
			c.Axes = append(c.Axes, s[0], s[1])
		default:
			c.Axes = append(c.Axes, b.importAxis(a, m))
		}
	}
	for _, a := range e.Args {
		c.Args = append(c.Args, b.Import(a, m))
	}
	switch e.Kind {
	case Load:
		if m.Index != nil {
			c.Args[0] = m.Index(e.Param, c.Args[0])
		}
		c.Param = m.Param(e.Param)
	case CheckIndex:
		c.Site = m.Site(e.Site)
	}
	r := b.normal(&c)
	m.done[e] = r
	return r
}

func (b *Builder) importAxis(a *Axis, m *Mapping) *Axis {
	if m.Axes == nil {
		m.Axes = map[*Axis]*Axis{}
	}
	if n := m.Axes[a]; n != nil {
		return n
	}
	n := b.NewAxis(a.Name, a.Extent)
	m.Axes[a] = n
	return n
}

// normal returns the normal form of e, whose operands and axes are b's.
func (b *Builder) normal(e *Expr) *Expr {
	arg := func(i int) *Expr { return e.Args[i] }
	switch e.Kind {
	case Int:
		return b.Int(e.Int)
	case Var:
		return b.Var(e.Axes[0])
	case Affine:
		return b.sum(e.Args, e.Coef, e.Int)
	case FloorDiv:
		return b.IDiv(arg(0), e.Int)
	case FloorMod:
		return b.IMod(arg(0), e.Int)
	case CheckIndex:
		return b.CheckIndex(arg(0), e.Int, e.Site)
	case Ge0:
		return b.Ge0(arg(0))
	case Eq0:
		return b.Eq0(arg(0))
	case AllOf:
		return b.AllOf(e.Args...)
	case Call:
		switch {
		case e.Op == Bitcast:
			return b.Bitcast(arg(0), e.DType)
		case len(e.Args) == 1:
			return b.Un(e.Op, arg(0))
		}
		return b.Bin(e.Op, arg(0), arg(1))
	case Cast:
		return b.Cast(arg(0), e.DType)
	case Select:
		return b.Select(arg(0), arg(1), arg(2))
	case If:
		return b.If(arg(0), arg(1), arg(2))
	case FromIndex:
		return b.FromIndex(arg(0), e.DType)
	case FromPred:
		return b.FromPred(arg(0))
	case Load:
		return b.Load(e.Param, arg(0), e.DType)
	case Fold:
		return b.FoldAxes(e.Op, e.Axes, arg(0))
	}
	return b.intern(Expr{Kind: e.Kind, DType: e.DType, bits: e.bits}) // True, False, Const
}

// sum returns c + sum coef[i]*args[i].
func (b *Builder) sum(args []*Expr, coef []int64, c int64) *Expr {
	e := b.Int(c)
	if len(args) == 1 {
		return b.IAdd(e, b.IMul(args[0], coef[0]))
	}
	var ts []term
	for i, a := range args {
		at, k := terms(a)
		bounded(k, coef[i])
		c += k * coef[i]
		bounded(c, 1)
		for _, t := range at {
			bounded(t.coef, coef[i])
			ts = append(ts, term{t.arg, t.coef * coef[i]})
		}
	}
	return b.affine(ts, c)
}

package kernel

// A Mapping renames the axes and parameters of expressions that move from one
// builder to another; it remembers what has been moved.
type Mapping struct {
	Axes  map[*Axis]*Axis
	Param func(int) int
	Site  func(int) int
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
	c := Expr{
		Kind: e.Kind, Op: e.Op, DType: e.DType, Int: e.Int, bits: e.bits, Param: e.Param, Site: e.Site, Coef: e.Coef,
	}
	for _, a := range e.Axes {
		c.Axes = append(c.Axes, b.importAxis(a, m))
	}
	for _, a := range e.Args {
		c.Args = append(c.Args, b.Import(a, m))
	}
	switch e.Kind {
	case Load:
		c.Param = m.Param(e.Param)
	case CheckIndex:
		c.Site = m.Site(e.Site)
	}
	r := b.intern(c)
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

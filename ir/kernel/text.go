package kernel

import (
	"fmt"
	"strconv"
	"strings"
)

// The text form of kernels and programs; see the grammar in ir/README.md.

type printer struct {
	b     strings.Builder
	names map[*Axis]string
	num   map[*Expr]int
}

// String returns the text form of a kernel.
func (k *Kernel) String() string {
	p := &printer{names: map[*Axis]string{}, num: map[*Expr]int{}}
	p.kernel(k)
	return p.b.String()
}

func (p *printer) f(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *printer) axes(as []*Axis) string {
	var ss []string
	for _, a := range as {
		ss = append(ss, a.Name)
	}
	return strings.Join(ss, ", ")
}

func (p *printer) kernel(k *Kernel) {
	p.f("kernel %s (", k.Name)
	for i, q := range k.Params {
		if i > 0 {
			p.f(", ")
		}
		p.f("p%d: %s[%d]", i, q.DType, q.Len)
		if q.Out {
			p.f(" out")
		}
	}
	p.f(") %s", k.Sched.Form)
	switch c := k.Sched.Contract; {
	case c != nil:
		p.f("(batch: %s; m: %s; n: %s; k: %s)", p.axes(c.Batch), p.axes(c.M), p.axes(c.N), p.axes(c.K))
	case k.Sched.Form == Rows:
		p.f("(outer: %s; inner: %s)", p.axes(k.Sched.Outer), p.axes(k.Sched.Inner))
	case k.Sched.Form == Pointwise:
		p.f("(outer: %s)", p.axes(k.Sched.Outer))
	}
	p.f(" {\n")
	for _, a := range k.Axes {
		p.f("  axis %s %d\n", a.Name, a.Extent)
	}
	for i, s := range k.Sites {
		p.f("  site %d %q\n", i, s)
	}
	Walk(k.Roots(), p.line)
	if c := k.Sched.Contract; c != nil {
		Walk([]*Expr{c.A, c.B}, p.line)
		p.f("  contract %s = %s * %s\n", p.ref(c.Fold), p.ref(c.A), p.ref(c.B))
	}
	for _, s := range k.Stores {
		p.f("  store p%d[%s] over (%s) = %s\n", s.Param, p.ref(s.Index), p.axes(s.Axes), p.ref(s.Value))
	}
	p.f("}\n")
}

// line prints a data expression as a line of its own.
func (p *printer) line(e *Expr) {
	if !e.IsData() {
		return
	}
	if _, ok := p.num[e]; ok {
		return
	}
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = p.ref(a)
	}
	list := strings.Join(args, ", ")
	n := len(p.num)
	p.num[e] = n
	p.f("  %%%d = ", n)
	switch e.Kind {
	case Const:
		p.f("const %s", e.Value())
	case Call:
		p.f("%s %s", e.Op, list)
	case Cast:
		p.f("cast %s", list)
	case Select:
		p.f("select %s", list)
	case If:
		p.f("if %s", list)
	case FromIndex:
		p.f("index %s", list)
	case FromPred:
		p.f("pred %s", list)
	case Load:
		p.f("load p%d[%s]", e.Param, list)
	case Fold:
		p.f("fold %s (%s) %s", e.Op, p.axes(e.Axes), list)
	}
	p.f(" : %s\n", e.DType)
}

// ref prints an index or a predicate, or the number of data.
func (p *printer) ref(e *Expr) string {
	arg := func(i int) string { return p.ref(e.Args[i]) }
	switch e.Kind {
	case Int:
		return strconv.FormatInt(e.Int, 10)
	case Var:
		return e.Axes[0].Name
	case Affine:
		var b strings.Builder
		for i := range e.Args {
			if i > 0 {
				b.WriteString(" + ")
			}
			if e.Coef[i] != 1 {
				fmt.Fprintf(&b, "%d*", e.Coef[i])
			}
			b.WriteString(arg(i))
		}
		if e.Int != 0 {
			fmt.Fprintf(&b, " + %d", e.Int)
		}
		return b.String()
	case FloorDiv:
		return fmt.Sprintf("div(%s, %d)", arg(0), e.Int)
	case FloorMod:
		return fmt.Sprintf("mod(%s, %d)", arg(0), e.Int)
	case CheckIndex:
		return fmt.Sprintf("check(%s, %d, site %d)", arg(0), e.Int, e.Site)
	case True:
		return "true"
	case False:
		return "false"
	case Ge0:
		return fmt.Sprintf("ge0(%s)", arg(0))
	case Eq0:
		return fmt.Sprintf("eq0(%s)", arg(0))
	case AllOf:
		var ss []string
		for i := range e.Args {
			ss = append(ss, arg(i))
		}
		return "all(" + strings.Join(ss, ", ") + ")"
	}
	return "%" + strconv.Itoa(p.num[e])
}

// String returns the text form of a program.
func (pr *Program) String() string {
	p := &printer{}
	p.f("program %s version=1 {\n  arena %d\n", pr.Name, pr.ArenaSize)
	for i := range pr.Buffers {
		b := &pr.Buffers[i]
		p.f("  buffer b%d %s ", i, b.Kind)
		if b.Name != "" {
			p.f("%q ", b.Name)
		}
		p.f("%s[%d]", b.DType, b.Len)
		if b.Kind == TempBuffer {
			p.f(" @%d", b.Offset)
		}
		p.f("\n")
	}
	seen := map[*Kernel]bool{}
	for _, l := range pr.Launches {
		if !seen[l.Kernel] {
			seen[l.Kernel] = true
			for line := range strings.Lines(l.Kernel.String()) {
				p.f("  %s", line)
			}
		}
	}
	for _, l := range pr.Launches {
		p.f("  launch %s(", l.Kernel.Name)
		for i, a := range l.Args {
			if i > 0 {
				p.f(", ")
			}
			p.f("b%d", a)
		}
		p.f(") %q\n", l.Label)
	}
	for _, u := range pr.Updates {
		p.f("  update b%d = b%d\n", u.Variable, u.Value)
	}
	p.f("}\n")
	return p.b.String()
}

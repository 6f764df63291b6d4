package kernel

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/ir/internal/lex"
	"dumbtorch/ir/types"
)

// Version is the version of the text form of programs and kernels; the grammar
// stands in ir/README.md.
const Version = 1

type printer struct {
	b     strings.Builder
	names map[*Axis]string
	num   map[*Expr]int
}

// String returns the text form of a kernel, from which [ParseKernel] makes an
// equal one. Lines are in the order in which the builder made the expressions,
// so that a builder that reads them brings them into the same normal form.
func (k *Kernel) String() string {
	p := &printer{names: axisNames(k.Axes), num: map[*Expr]int{}}
	p.kernel(k)
	return p.b.String()
}

// axisNames returns distinct names for the axes: their own, with a number where
// another axis has the same.
func axisNames(axes []*Axis) map[*Axis]string {
	names := make(map[*Axis]string, len(axes))
	taken := make(map[string]bool, len(axes))
	for _, a := range axes {
		name := a.Name
		for i := 2; taken[name] || name == ""; i++ {
			name = fmt.Sprintf("%s_%d", a.Name, i)
		}
		names[a], taken[name] = name, true
	}
	return names
}

func (p *printer) f(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *printer) axis(a *Axis) string {
	if name, ok := p.names[a]; ok {
		return lex.Quote(name)
	}
	return lex.Quote(a.Name)
}

func (p *printer) axes(as []*Axis) string {
	var ss []string
	for _, a := range as {
		ss = append(ss, p.axis(a))
	}
	return strings.Join(ss, ", ")
}

func (p *printer) kernel(k *Kernel) {
	p.f("kernel %s (", lex.Quote(k.Name))
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
	c := k.Sched.Contract
	switch k.Sched.Form {
	case Contract:
		if c != nil {
			p.f("(batch: %s; m: %s; n: %s; k: %s)", p.axes(c.Batch), p.axes(c.M), p.axes(c.N), p.axes(c.K))
		}
	case Rows:
		p.f("(outer: %s; inner: %s)", p.axes(k.Sched.Outer), p.axes(k.Sched.Inner))
	case Pointwise:
		p.f("(outer: %s)", p.axes(k.Sched.Outer))
	case Tiles:
		p.f("(blocks: %d)", k.Sched.Blocks)
	}
	if len(k.Sched.Block) > 0 {
		p.f(" block(%s)", p.axes(k.Sched.Block))
	}
	p.f(" {\n")
	for _, a := range k.Axes {
		p.f("  axis %s %d\n", p.axis(a), a.Extent)
	}
	for _, s := range k.Sites {
		p.f("  site %s\n", strconv.Quote(s))
	}
	roots := k.Roots()
	if c != nil {
		roots = append(roots, c.Fold, c.A, c.B)
	}
	p.lines(roots)
	if c != nil {
		p.f("  contract %s = %s * %s\n", p.ref(c.Fold), p.ref(c.A), p.ref(c.B))
	}
	for _, s := range k.Stores {
		p.f("  store p%d[%s] over (%s) = %s\n", s.Param, p.ref(s.Index), p.axes(s.Axes), p.ref(s.Value))
	}
	for i, q := range k.Locals {
		p.f("  local l%d: %s[%d]\n", i, q.DType, q.Len)
	}
	for _, s := range k.Stages {
		p.stage(k, s)
	}
	p.f("}\n")
}

func (p *printer) stage(k *Kernel, s Stage) {
	p.f("  stage (")
	for i, a := range s.Args {
		if i > 0 {
			p.f(", ")
		}
		p.f("%s", k.valueName(a))
	}
	p.f(")")
	if s.Kernel == nil {
		p.f(" nil\n")
		return
	}
	indent := " "
	for line := range strings.Lines(s.Kernel.String()) {
		p.f("%s%s", indent, line)
		indent = "  "
	}
}

// lines prints all data under the roots, one to a line.
func (p *printer) lines(roots []*Expr) {
	var data []*Expr
	Walk(roots, func(e *Expr) {
		if e.IsData() {
			data = append(data, e)
		}
	})
	slices.SortStableFunc(data, func(a, b *Expr) int { return int(a.id) - int(b.id) })
	for i, e := range data {
		p.num[e] = i
		p.line(i, e)
	}
}

func (p *printer) line(n int, e *Expr) {
	p.b.WriteString("  %")
	p.b.WriteString(strconv.Itoa(n))
	p.b.WriteString(" = ")
	switch e.Kind {
	case Const:
		p.b.WriteString("const ")
		p.b.WriteString(e.Value().String())
	case Call:
		p.b.WriteString(e.Op.String())
		p.b.WriteByte(' ')
		p.refs(e.Args)
	case Load:
		p.f("load p%d[%s]", e.Param, p.ref(e.Args[0]))
	case Fold:
		p.f("fold %s (%s) %s", e.Op, p.axes(e.Axes), p.ref(e.Args[0]))
	default:
		p.b.WriteString(dataWords[e.Kind])
		p.b.WriteByte(' ')
		p.refs(e.Args)
	}
	p.b.WriteString(" : ")
	p.b.WriteString(e.DType.String())
	p.b.WriteByte('\n')
}

// dataWords are the kinds of data that print as a word and operands.
var dataWords = map[Kind]string{Cast: "cast", Select: "select", If: "if", FromIndex: "index", FromPred: "pred"}

func (p *printer) refs(es []*Expr) {
	for i, e := range es {
		if i > 0 {
			p.b.WriteString(", ")
		}
		p.b.WriteString(p.ref(e))
	}
}

// ref prints an index or a predicate, or the number of data.
func (p *printer) ref(e *Expr) string {
	if e == nil {
		return "%nil"
	}
	arg := func(i int) string { return p.ref(e.Args[i]) }
	switch e.Kind {
	case Int:
		return strconv.FormatInt(e.Int, 10)
	case Var:
		return p.axis(e.Axes[0])
	case Affine:
		return p.affine(e)
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
	if n, ok := p.num[e]; ok {
		return "%" + strconv.Itoa(n)
	}
	return "%?" // not of this kernel
}

func (p *printer) affine(e *Expr) string {
	var b strings.Builder
	for i, a := range e.Args {
		c := e.Coef[i]
		switch {
		case i > 0 && c < 0:
			b.WriteString(" - ")
		case i > 0:
			b.WriteString(" + ")
		case c < 0:
			b.WriteByte('-')
		}
		if c = max(c, -c); c != 1 {
			fmt.Fprintf(&b, "%d*", c)
		}
		b.WriteString(p.ref(a))
	}
	switch {
	case e.Int < 0:
		fmt.Fprintf(&b, " - %d", -e.Int)
	case e.Int > 0:
		fmt.Fprintf(&b, " + %d", e.Int)
	}
	return b.String()
}

// String returns the text form of a program, from which [Parse] makes an equal
// one. Every kernel stands once, before all launches.
func (pr *Program) String() string {
	p := &printer{}
	p.f("program %s version=%d {\n  arena %d\n", lex.Quote(pr.Name), Version, pr.ArenaSize)
	for i := range pr.Buffers {
		p.buffer(i, &pr.Buffers[i])
	}
	for _, k := range pr.kernels() {
		for line := range strings.Lines(k.String()) {
			p.f("  %s", line)
		}
	}
	for i := range pr.Launches {
		p.launch(&pr.Launches[i])
	}
	for _, u := range pr.Updates {
		p.f("  update b%d = b%d\n", u.Variable, u.Value)
	}
	p.f("}\n")
	return p.b.String()
}

// kernels returns the program's kernels in the order of their first launch.
func (pr *Program) kernels() []*Kernel {
	var ks []*Kernel
	seen := map[*Kernel]bool{}
	for i := range pr.Launches {
		if k := pr.Launches[i].Kernel; k != nil && !seen[k] {
			seen[k] = true
			ks = append(ks, k)
		}
	}
	return ks
}

func (p *printer) buffer(i int, b *Buffer) {
	p.f("  buffer b%d %s ", i, b.Kind)
	if b.Name != "" {
		p.f("%s ", strconv.Quote(b.Name))
	}
	p.f("%s[%d]", b.DType, b.Len)
	if b.Kind == TempBuffer {
		p.f(" @%d", b.Offset)
	}
	if b.Kind == ConstBuffer {
		p.f(" = 0x%s", hex.EncodeToString(b.Data))
	}
	p.f("\n")
}

func (p *printer) launch(l *Launch) {
	name := "nil"
	if l.Kernel != nil {
		name = lex.Quote(l.Kernel.Name)
	}
	p.f("  launch %s(", name)
	for i, a := range l.Args {
		if i > 0 {
			p.f(", ")
		}
		p.f("b%d", a)
	}
	p.f(")")
	sep := " {"
	attr := func(format string, args ...any) {
		p.b.WriteString(sep)
		p.f(format, args...)
		sep = ", "
	}
	if l.Label != "" {
		attr("label=%s", strconv.Quote(l.Label))
	}
	if l.Nodes != 0 {
		attr("nodes=%d", l.Nodes)
	}
	if len(l.Clusters) > 0 {
		attr("clusters=%s", strings.ReplaceAll(fmt.Sprint(l.Clusters), " ", ", "))
	}
	if len(l.Pos) > 0 {
		attr("pos=[")
		sep = ""
		for _, s := range l.Pos {
			attr("%s", strconv.Quote(s))
		}
		p.f("]")
		sep = ", "
	}
	if sep == ", " {
		p.f("}")
	}
	p.f("\n")
}

// FormatFloat returns the shortest text that reads back as f; it always looks
// like a floating-point number. A NaN other than that of [math.NaN] shows its
// bits.
func FormatFloat(d types.DType, f float64) string { return lex.FormatFloat(f, 8*d.Arith().Size()) }

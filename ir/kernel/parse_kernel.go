package kernel

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/ir/internal/lex"
	"dumbtorch/ir/types"
)

// A SyntaxError is a mistake in a text: its line and column, and what is wrong.
type SyntaxError = lex.Error

// ParseKernel reads the text form of a kernel; see ir/README.md for the
// grammar. Expressions are brought into normal form and the kernel is verified.
// The error is a [*SyntaxError].
func ParseKernel(text string) (k *Kernel, err error) {
	defer func() {
		if err != nil {
			k = nil
		}
	}()
	defer lex.Catch(&err)
	s := lex.New(text)
	s.Next()
	k = parseKernel(s, false)
	if s.Tok.Kind != lex.EOF {
		s.Fail("expected the end of the text, found %v", s.Tok)
	}
	return k, nil
}

type kernelParser struct {
	*lex.Scanner
	k      *Kernel
	b      *Builder
	axes   map[string]*Axis
	values map[string]*Expr
	depth  map[*Expr]int
	lines  map[*Expr]int // where data stand
	stores []int         // where stores stand
	nested int
	roles  []role // of the schedule
}

// A role is a list of axes in a schedule, resolved when the axes are known.
type role struct {
	name string
	axes []string
	offs []int
}

// parseKernel reads a kernel; that of a stage is no tiled kernel.
func parseKernel(s *lex.Scanner, stage bool) *Kernel {
	p := &kernelParser{
		Scanner: s, k: &Kernel{}, b: NewBuilder(), axes: map[string]*Axis{}, values: map[string]*Expr{}, depth: map[*Expr]int{},
		lines: map[*Expr]int{},
	}
	off := p.Tok.Off
	p.Expect("kernel", "at the beginning")
	p.k.Name = p.Name("the kernel's name")
	p.params()
	if stage && p.Tok.Is("tiles") {
		p.Fail("a tiled kernel as stage of another one")
	}
	p.form()
	if p.Got("block") {
		p.Expect("(", "after block")
		p.role("block")
		p.Expect(")", "after the block axes")
	}
	p.Expect("{", "after the kernel's head")
	for !p.Got("}") {
		switch {
		case p.Tok.Kind == lex.Value:
			p.data()
		case p.Tok.Is("axis"):
			p.axisLine()
		case p.Tok.Is("site"):
			p.Next()
			p.k.Sites = append(p.k.Sites, p.Want(lex.String, "what the site checks in quotes"))
		case p.Tok.Is("store"):
			p.store()
		case p.Tok.Is("contract"):
			p.contract()
		case p.Tok.Is("local"):
			p.local()
		case p.Tok.Is("stage"):
			p.stage()
		default:
			p.Fail(`expected a value, "axis", "site", "store", "contract", "local", "stage" or "}", found %v`, p.Tok)
		}
	}
	p.schedule(off)
	p.k.Axes = p.b.Axes()
	if err := p.k.check(); err != nil {
		if at, ok := p.lines[err.e]; ok {
			off = at
		} else if err.store >= 0 {
			off = p.stores[err.store]
		}
		p.FailAt(off, "%v", err)
	}
	return p.k
}

// params reads "(p0: f32[10], p1: f32[10] out)".
func (p *kernelParser) params() {
	p.Expect("(", "after the kernel's name")
	for first := true; !p.Got(")"); first = false {
		if !first {
			p.Expect(",", `or ")" after a parameter`)
		}
		if want := "p" + strconv.Itoa(len(p.k.Params)); !p.Got(want) {
			p.Fail("expected parameter %q, found %v", want, p.Tok)
		}
		p.Expect(":", "after the parameter's name")
		q := Param{}
		q.DType, q.Len = elements(p.Scanner)
		q.Out = p.Got("out")
		p.k.Params = append(p.k.Params, q)
	}
}

// elements reads the type and number of the elements of a buffer: "f32[10]".
func elements(s *lex.Scanner) (types.DType, int) {
	d := dtype(s)
	s.Expect("[", "after the element type")
	n := int(s.Int("the number of elements", 0, types.MaxElements))
	s.Expect("]", "after the number of elements")
	return d, n
}

func dtype(s *lex.Scanner) types.DType {
	at := s.Tok.Off
	d, err := types.ParseDType(s.Want(lex.Ident, "an element type"))
	if err != nil {
		s.FailAt(at, "%v", err)
	}
	return d
}

func (p *kernelParser) dtype() types.DType { return dtype(p.Scanner) }

func (p *kernelParser) param() int {
	at := p.Tok.Off
	return p.number("p", "parameter", at, len(p.k.Params))
}

// number reads a letter with a number below n: "p0", "b12".
func (p *kernelParser) number(prefix, what string, at, n int) int {
	return number(p.Scanner, prefix, what, at, n)
}

func number(s *lex.Scanner, prefix, what string, at, n int) int {
	name := s.Want(lex.Ident, "a "+what+" such as "+prefix+"0")
	digits, ok := strings.CutPrefix(name, prefix)
	i, err := strconv.Atoi(digits)
	if !ok || err != nil || strconv.Itoa(i) != digits {
		s.FailAt(at, "expected a %s such as %s0, found %q", what, prefix, name)
	}
	if i >= n {
		s.FailAt(at, "%s %s does not exist; there are %d", what, name, n)
	}
	return i
}

// form reads "rows(outer: i0; inner: i1)".
func (p *kernelParser) form() {
	at := p.Tok.Off
	word := p.Want(lex.Ident, "a form")
	f, ok := ParseForm(word)
	if !ok {
		p.FailAt(at, "unknown form %q; there are %s", word, strings.Join(formNames[:], ", "))
	}
	p.k.Sched.Form = f
	if f == Tiles {
		p.Expect("(", "after the form tiles")
		p.Expect("blocks", "in the form tiles")
		p.Expect(":", "after blocks")
		p.k.Sched.Blocks = int(p.Int("the number of blocks", 1, types.MaxElements))
		p.Expect(")", "after the number of blocks")
		return
	}
	names := map[Form][]string{Pointwise: {"outer"}, Rows: {"outer", "inner"}, Contract: {"batch", "m", "n", "k"}}[f]
	if len(names) == 0 {
		return
	}
	p.Expect("(", "after the form "+word)
	for i, name := range names {
		if i > 0 {
			p.Expect(";", "before "+name)
		}
		p.Expect(name, "in the form "+word)
		p.Expect(":", "after "+name)
		p.role(name)
	}
	p.Expect(")", "after the form's axes")
}

// role reads the axes of a role.
func (p *kernelParser) role(name string) {
	r := role{name: name}
	for p.Tok.Kind == lex.Ident || p.Tok.Kind == lex.String {
		r.offs = append(r.offs, p.Tok.Off)
		r.axes = append(r.axes, p.Next().Text)
		if !p.Got(",") {
			break
		}
	}
	p.roles = append(p.roles, r)
}

// local reads "local l0: f32[10]".
func (p *kernelParser) local() {
	p.Next()
	if want := "l" + strconv.Itoa(len(p.k.Locals)); !p.Got(want) {
		p.Fail("expected local %q, found %v", want, p.Tok)
	}
	p.Expect(":", "after the local's name")
	q := Param{}
	q.DType, q.Len = elements(p.Scanner)
	p.k.Locals = append(p.k.Locals, q)
}

// stage reads "stage (p0, l0) kernel ...".
func (p *kernelParser) stage() {
	if p.k.Sched.Form != Tiles {
		p.Fail("a stage in a kernel of form %s", p.k.Sched.Form)
	}
	p.Next()
	s := Stage{}
	p.Expect("(", "before the stage's values")
	for !p.Got(")") {
		if len(s.Args) > 0 {
			p.Expect(",", `or ")" after a value`)
		}
		at := p.Tok.Off
		if p.Tok.Kind == lex.Ident && strings.HasPrefix(p.Tok.Text, "l") {
			s.Args = append(s.Args, len(p.k.Params)+p.number("l", "local", at, len(p.k.Locals)))
		} else {
			s.Args = append(s.Args, p.param())
		}
	}
	s.Kernel = parseKernel(p.Scanner, true)
	p.k.Stages = append(p.k.Stages, s)
}

// schedule gives the schedule its axes.
func (p *kernelParser) schedule(off int) {
	s := &p.k.Sched
	if s.Form == Contract && s.Contract == nil {
		p.FailAt(off, `a kernel of form contract wants a line such as "contract %%5 = %%3 * %%4"`)
	}
	for _, r := range p.roles {
		var axes []*Axis
		for i, name := range r.axes {
			a := p.axes[name]
			if a == nil {
				p.FailAt(r.offs[i], "unknown axis %q", name)
			}
			axes = append(axes, a)
		}
		switch r.name {
		case "outer":
			s.Outer = axes
		case "inner":
			s.Inner = axes
		case "batch":
			s.Contract.Batch = axes
		case "m":
			s.Contract.M = axes
		case "n":
			s.Contract.N = axes
		case "k":
			s.Contract.K = axes
		case "block":
			s.Block = axes
		}
	}
}

func (p *kernelParser) axisLine() {
	p.Next()
	at := p.Tok.Off
	name := p.Name("an axis")
	switch {
	case p.axes[name] != nil:
		p.FailAt(at, "two axes are called %q", name)
	case len(p.axes) == MaxAxes:
		p.FailAt(at, "%v", ErrTooManyAxes)
	case name == "":
		p.FailAt(at, "an axis has no name")
	}
	p.axes[name] = p.b.NewAxis(name, int(p.Int("the extent of an axis", 1, types.MaxElements)))
}

// axisList reads axes with commas between them, up to the punctuation end.
func (p *kernelParser) axisList(end string) []*Axis {
	var axes []*Axis
	for !p.Tok.Is(end) {
		if len(axes) > 0 {
			p.Expect(",", "between axes")
		}
		at := p.Tok.Off
		name := p.Name("an axis")
		a := p.axes[name]
		if a == nil {
			p.FailAt(at, "unknown axis %q", name)
		}
		if slices.Contains(axes, a) {
			p.FailAt(at, "axis %q occurs twice", name)
		}
		axes = append(axes, a)
	}
	return axes
}

func (p *kernelParser) store() {
	p.stores = append(p.stores, p.Tok.Off)
	p.Next()
	s := Store{Param: p.param()}
	p.Expect("[", "before the index")
	s.Index = p.index()
	p.Expect("]", "after the index")
	p.Expect("over", "after the stored element")
	p.Expect("(", "before the axes")
	s.Axes = p.axisList(")")
	p.Expect(")", "after the axes")
	p.Expect("=", "before the value")
	s.Value = p.value()
	p.k.Stores = append(p.k.Stores, s)
}

func (p *kernelParser) contract() {
	if p.k.Sched.Form != Contract || p.k.Sched.Contract != nil {
		p.Fail("a contraction in a kernel of form %s, or a second one", p.k.Sched.Form)
	}
	p.Next()
	c := &Contraction{Fold: p.value()}
	p.Expect("=", "after the fold")
	c.A = p.value()
	p.Expect("*", "between the factors")
	c.B = p.value()
	p.k.Sched.Contract = c
}

// maxOffset bounds offsets in the arena and its size.
const maxOffset = math.MaxInt64 / 4

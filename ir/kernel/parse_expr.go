package kernel

import (
	"math"

	"dumbtorch/internal/spell"
	"dumbtorch/ir/internal/lex"
	"dumbtorch/ir/types"
)

// data reads one line such as "%3 = add %1, %2 : f32" and defines its value.
func (p *kernelParser) data() {
	off := p.Tok.Off
	name := p.Next().Text
	if p.values[name] != nil {
		p.FailAt(off, "value %%%s is defined twice", name)
	}
	p.Expect("=", "after the value's name")
	at := p.Tok.Off
	var e *Expr
	switch word := p.Want(lex.Ident, "an operation"); word {
	case "const":
		e = p.constant()
	case "load":
		q := p.param()
		p.Expect("[", "before the index")
		e = &Expr{Kind: Load, Param: q, Args: []*Expr{p.index()}}
		p.Expect("]", "after the index")
	case "fold":
		e = &Expr{Kind: Fold, Op: p.op()}
		p.Expect("(", "before the axes")
		e.Axes = p.axisList(")")
		p.Expect(")", "after the axes")
		e.Args = []*Expr{p.value()}
	case "if", "pred":
		e = &Expr{Kind: FromPred, Args: []*Expr{p.pred()}}
		if word == "if" {
			e.Kind = If
			p.Expect(",", "after the predicate")
			e.Args = append(e.Args, p.operands()...)
		}
	case "index":
		e = &Expr{Kind: FromIndex, Args: []*Expr{p.index()}}
	case "cast":
		e = &Expr{Kind: Cast, Args: p.operands()}
	case "select":
		e = &Expr{Kind: Select, Args: p.operands()}
	default:
		op, ok := ParseOp(word)
		if !ok {
			p.FailAt(at, "unknown operation %q%s", word, didYouMean(word, dataNames()))
		}
		e = &Expr{Kind: Call, Op: op, Args: p.operands()}
	}
	p.Expect(":", "before the type")
	typeAt := p.Tok.Off
	e.DType = p.dtype()
	if e.Kind == Load && e.DType != p.k.Params[e.Param].DType {
		p.FailAt(typeAt, "load of type %v from parameter p%d of type %v", e.DType, e.Param, p.k.Params[e.Param].DType)
	}
	v := p.make(off, e)
	p.values[name] = v
	if _, ok := p.lines[v]; !ok {
		p.lines[v] = off
	}
}

// make checks an expression as it was written and returns its normal form.
func (p *kernelParser) make(off int, e *Expr) *Expr {
	if err := e.check(); err != nil {
		p.FailAt(off, "%v", err)
	}
	var n *Expr
	func() {
		defer func() {
			switch r := recover(); r {
			case nil:
			case ErrIndexRange:
				p.FailAt(off, "%v", ErrIndexRange)
			default:
				panic(r)
			}
		}()
		n = p.b.normal(e)
	}()
	depth := 0
	for _, a := range e.Args {
		depth = max(depth, p.depth[a])
	}
	if depth++; depth > maxDepth {
		p.FailAt(off, "expressions are nested more than %d deep", maxDepth)
	}
	p.depth[n] = max(depth, p.depth[n])
	return n
}

// maxDepth bounds the nesting of expressions, over which passes recur.
const maxDepth = 1 << 18

// maxNested bounds the nesting within one line.
const maxNested = 100

func dataNames() []string {
	names := []string{"const", "load", "fold"}
	for _, w := range dataWords {
		names = append(names, w)
	}
	for _, o := range Ops() {
		names = append(names, o.String())
	}
	return names
}

func didYouMean(name string, names []string) string {
	if near := spell.Nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// constant reads a constant; its type, which tells how, stands behind it.
func (p *kernelParser) constant() *Expr {
	start := *p.Scanner
	for p.Tok.Kind != lex.EOF && !p.Tok.Is(":") {
		p.Next()
	}
	p.Expect(":", "before the type")
	d := p.dtype()
	*p.Scanner = start
	e := &Expr{Kind: Const, DType: d}
	switch {
	case d == types.Bool:
		if p.Got("true") {
			e.bits = 1
		} else {
			p.Expect("false", "or \"true\" as a constant")
		}
	case d.IsFloat():
		v := p.Float("a number", 8*d.Arith().Size())
		if d.IsHalf() {
			v = d.Round(v)
		}
		e.bits = math.Float64bits(v)
	case d == types.I64:
		e.bits = uint64(p.Int("an integer", math.MinInt64, math.MaxInt64))
	default:
		e.bits = uint64(p.Int("an integer of type "+d.String(), minInt(d), maxInt(d)))
	}
	return e
}

func (p *kernelParser) op() Op {
	at := p.Tok.Off
	word := p.Want(lex.Ident, "an operation")
	op, ok := ParseOp(word)
	if !ok {
		p.FailAt(at, "unknown operation %q%s", word, didYouMean(word, dataNames()))
	}
	return op
}

func (p *kernelParser) value() *Expr {
	at := p.Tok.Off
	name := p.Want(lex.Value, "a value such as %0")
	e := p.values[name]
	if e == nil {
		p.FailAt(at, "value %%%s is not defined above", name)
	}
	return e
}

// operands reads values with commas between them.
func (p *kernelParser) operands() []*Expr {
	vs := []*Expr{p.value()}
	for p.Got(",") {
		vs = append(vs, p.value())
	}
	return vs
}

// nest counts the nesting within a line.
func (p *kernelParser) nest() func() {
	if p.nested++; p.nested > maxNested {
		p.Fail("an index is nested more than %d deep", maxNested)
	}
	return func() { p.nested-- }
}

// index reads a sum such as "784*i0 - div(i1, 3) + 2".
func (p *kernelParser) index() *Expr {
	defer p.nest()()
	off := p.Tok.Off
	sum := &Expr{Kind: Affine}
	neg := p.Got("-")
	for {
		p.term(sum, neg)
		switch {
		case p.Got("+"):
			neg = false
		case p.Got("-"):
			neg = true
		default:
			return p.make(off, sum)
		}
	}
}

// term reads a term and adds it to the sum.
func (p *kernelParser) term(sum *Expr, neg bool) {
	sign := int64(1)
	if neg {
		sign = -1
	}
	at := p.Tok.Off
	if p.Tok.Kind == lex.Number {
		c := sign * p.Int("an integer", 0, maxBound)
		if !p.Got("*") {
			if sum.Int += c; max(sum.Int, -sum.Int) > maxBound {
				p.FailAt(at, "%v", ErrIndexRange)
			}
			return
		}
		sign = c
	}
	sum.Args = append(sum.Args, p.atom())
	sum.Coef = append(sum.Coef, sign)
}

// atom reads an axis, or div, mod and check with their operands.
func (p *kernelParser) atom() *Expr {
	off := p.Tok.Off
	name := p.Name("an index")
	if !p.Tok.Is("(") {
		a := p.axes[name]
		if a == nil {
			p.FailAt(off, "unknown axis %q", name)
		}
		return p.make(off, &Expr{Kind: Var, Axes: []*Axis{a}})
	}
	p.Next()
	var e *Expr
	switch name {
	case "div", "mod":
		e = &Expr{Kind: FloorDiv, Args: []*Expr{p.index()}}
		if name == "mod" {
			e.Kind = FloorMod
		}
		p.Expect(",", "after the index")
		e.Int = p.Int("a divisor", 2, maxBound)
	case "check":
		e = &Expr{Kind: CheckIndex, Args: []*Expr{p.value()}}
		p.Expect(",", "after the value")
		e.Int = p.Int("a bound", 1, maxBound)
		p.Expect(",", "after the bound")
		p.Expect("site", "after the bound")
		at := p.Tok.Off
		e.Site = int(p.Int("the number of a site", 0, math.MaxInt32))
		if e.Site >= len(p.k.Sites) {
			p.FailAt(at, "site %d is not declared; there are %d", e.Site, len(p.k.Sites))
		}
	default:
		p.FailAt(off, "unknown function %q of indices; there are div, mod and check", name)
	}
	p.Expect(")", "after "+name)
	return p.make(off, e)
}

// pred reads a predicate.
func (p *kernelParser) pred() *Expr {
	defer p.nest()()
	off := p.Tok.Off
	e := &Expr{}
	switch word := p.Want(lex.Ident, "a predicate"); word {
	case "true":
		e.Kind = True
		return p.make(off, e)
	case "false":
		e.Kind = False
		return p.make(off, e)
	case "ge0", "eq0":
		e.Kind = Ge0
		if word == "eq0" {
			e.Kind = Eq0
		}
		p.Expect("(", "after "+word)
		e.Args = []*Expr{p.index()}
	case "all":
		e.Kind = AllOf
		p.Expect("(", "after all")
		e.Args = []*Expr{p.pred()}
		for p.Got(",") {
			e.Args = append(e.Args, p.pred())
		}
	default:
		p.FailAt(off, "unknown predicate %q; there are ge0, eq0, all, true and false", word)
	}
	p.Expect(")", "after the predicate")
	return p.make(off, e)
}

package kernel

import (
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/ir/internal/lex"
)

// Parse reads the text form of a program; see ir/README.md for the grammar.
// Kernels are brought into normal form; kernels and program are verified. The
// error is a [*SyntaxError].
func Parse(text string) (p *Program, err error) {
	defer func() {
		if err != nil {
			p = nil
		}
	}()
	defer lex.Catch(&err)
	r := &programParser{Scanner: lex.New(text), p: &Program{}, kernels: map[string]*Kernel{}}
	r.Next()
	r.program()
	return r.p, nil
}

type programParser struct {
	*lex.Scanner
	p       *Program
	kernels map[string]*Kernel
	offs    []int // of the launches
}

func (r *programParser) program() {
	r.Expect("program", "at the beginning")
	r.p.Name = r.Name("the program's name")
	r.Expect("version", "after the program's name")
	r.Expect("=", "after version")
	at := r.Tok.Off
	if v := r.Int("the version", 0, math.MaxInt32); v != Version {
		r.FailAt(at, "version %d of the text form is not known; this one is %d", v, Version)
	}
	r.Expect("{", "after the version")
	r.Expect("arena", "before all else")
	r.p.ArenaSize = r.Int("the arena's size", 0, maxOffset)
	for !r.Tok.Is("}") {
		switch {
		case r.Tok.Is("buffer"):
			r.buffer()
		case r.Tok.Is("kernel"):
			off := r.Tok.Off
			k := parseKernel(r.Scanner, false)
			if r.kernels[k.Name] != nil {
				r.FailAt(off, "two kernels are called %q", k.Name)
			}
			r.kernels[k.Name] = k
		case r.Tok.Is("launch"):
			r.launch()
		case r.Tok.Is("update"):
			r.update()
		default:
			r.Fail(`expected "buffer", "kernel", "launch", "update" or "}", found %v`, r.Tok)
		}
	}
	end := r.Next().Off
	if r.Tok.Kind != lex.EOF {
		r.Fail("expected the end of the text, found %v", r.Tok)
	}
	if err := r.p.check(); err != nil {
		var at *launchError
		if errors.As(err, &at) {
			r.FailAt(r.offs[at.launch], "%v", at.err)
		}
		r.FailAt(end, "%v", err)
	}
}

func (r *programParser) buffer() {
	r.Next()
	if want := "b" + strconv.Itoa(len(r.p.Buffers)); !r.Got(want) {
		r.Fail("expected buffer %q, found %v", want, r.Tok)
	}
	at := r.Tok.Off
	word := r.Want(lex.Ident, "the role of a buffer")
	kind := slices.Index(bufferKinds[:], word)
	if kind < 0 {
		r.FailAt(at, "unknown role %q of a buffer; there are %s", word, strings.Join(bufferKinds[:], ", "))
	}
	b := Buffer{Kind: BufferKind(kind)}
	if r.Tok.Kind == lex.String {
		b.Name = r.Next().Text
	}
	b.DType, b.Len = elements(r.Scanner)
	switch b.Kind {
	case TempBuffer:
		r.Expect("@", "before the offset in the arena")
		b.Offset = r.Int("an offset", 0, maxOffset)
	case ConstBuffer:
		r.Expect("=", "before the data")
		at := r.Tok.Off
		digits, ok := strings.CutPrefix(r.Want(lex.Number, "data such as 0x00ff"), "0x")
		data, err := hex.DecodeString(digits)
		if !ok || err != nil {
			r.FailAt(at, "data are not 0x and two hexadecimal digits per byte")
		}
		b.Data = data
	}
	r.p.Buffers = append(r.p.Buffers, b)
}

func (r *programParser) buffers() int {
	at := r.Tok.Off
	return number(r.Scanner, "b", "buffer", at, len(r.p.Buffers))
}

func (r *programParser) launch() {
	r.offs = append(r.offs, r.Tok.Off)
	r.Next()
	at := r.Tok.Off
	name := r.Name("a kernel")
	k := r.kernels[name]
	if k == nil {
		r.FailAt(at, "kernel %q is not defined above", name)
	}
	l := Launch{Kernel: k}
	r.Expect("(", "before the buffers")
	for !r.Got(")") {
		if len(l.Args) > 0 {
			r.Expect(",", `or ")" after a buffer`)
		}
		l.Args = append(l.Args, r.buffers())
	}
	if r.Got("{") {
		given := map[string]bool{}
		for first := true; !r.Got("}"); first = false {
			if !first {
				r.Expect(",", `or "}" after an attribute`)
			}
			at := r.Tok.Off
			name := r.Want(lex.Ident, "an attribute")
			if given[name] {
				r.FailAt(at, "attribute %s is given twice", name)
			}
			given[name] = true
			r.Expect("=", "after the attribute's name")
			switch name {
			case "label":
				l.Label = r.Want(lex.String, "the label in quotes")
			case "nodes":
				l.Nodes = int(r.Int("the number of nodes", 0, math.MaxInt32))
			case "clusters":
				r.list(func() { l.Clusters = append(l.Clusters, int(r.Int("the number of a cluster", 0, math.MaxInt32))) })
			case "pos":
				r.list(func() { l.Pos = append(l.Pos, r.Want(lex.String, "a place in quotes")) })
			default:
				r.FailAt(at, "a launch has no attribute %q (it has label, nodes, clusters, pos)", name)
			}
		}
	}
	r.p.Launches = append(r.p.Launches, l)
}

// list reads elements in brackets.
func (r *programParser) list(element func()) {
	r.Expect("[", "to begin a list")
	for first := true; !r.Got("]"); first = false {
		if !first {
			r.Expect(",", `or "]" in a list`)
		}
		element()
	}
}

func (r *programParser) update() {
	r.Next()
	u := Update{Variable: r.buffers()}
	r.Expect("=", "after the variable")
	u.Value = r.buffers()
	r.p.Updates = append(r.p.Updates, u)
}

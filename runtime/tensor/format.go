package tensor

import (
	"strconv"
	"strings"

	"dumbtorch/ir/types"
)

const (
	summarizeAbove = 1000 // NumPy's threshold: larger arrays show the edges of each dimension
	edgeItems      = 3
	shownDigits    = 8
	maxShown       = 4096 // many small dimensions have nothing to leave out; the text ends here
)

// String returns the type and the elements in NumPy's layout. Arrays of more than 1000 elements show the first and last three
// of each dimension, floats at most 8 digits, those of f16 and bf16 as many as tell them apart; [Tensor.At] and [Data] have the exact values.
func (t *Tensor) String() string {
	if t == nil {
		return "<nil>"
	}
	if t.n == 0 {
		return t.typ.String() + " []"
	}
	p := printer{t: t, edge: -1}
	if t.n > summarizeAbove {
		p.edge = edgeItems
	}
	p.walk(0, 0, func(i int) { p.width = max(p.width, len(t.short(i))) })
	p.b.WriteString(t.typ.String())
	if len(t.typ.Shape) > 1 {
		p.b.WriteByte('\n')
	} else {
		p.b.WriteByte(' ')
	}
	p.shown = 0
	p.print = true
	p.walk(0, 0, func(i int) {
		s := t.short(i)
		if len(t.typ.Shape) > 0 {
			p.b.WriteString(strings.Repeat(" ", p.width-len(s)))
		}
		p.b.WriteString(s)
	})
	return p.b.String()
}

// printer walks a tensor twice: to find the widest element, then to print.
type printer struct {
	t     *Tensor
	b     strings.Builder
	edge  int // elements shown at either end of a dimension; -1: all
	width int
	shown int
	print bool
}

func (p *printer) write(s string) {
	if p.print {
		p.b.WriteString(s)
	}
}

// walk visits the shown elements below flat position base (in units of dimension dim's size).
func (p *printer) walk(dim, base int, elem func(i int)) {
	sh := p.t.typ.Shape
	if dim == len(sh) {
		p.shown++
		elem(base)
		return
	}
	sep := " "
	if below := len(sh) - dim - 1; below > 0 {
		sep = strings.Repeat("\n", below) + strings.Repeat(" ", dim+1)
	}
	p.write("[")
	for i := 0; i < sh[dim]; i++ {
		if i > 0 {
			p.write(sep)
		}
		if p.shown >= maxShown {
			p.write("...")
			break
		}
		if p.edge >= 0 && sh[dim] > 2*p.edge && i == p.edge {
			p.write("...")
			i = sh[dim] - p.edge - 1
			continue
		}
		p.walk(dim+1, base*sh[dim]+i, elem)
	}
	p.write("]")
}

// short returns an element with at most [shownDigits] digits if it is a float.
func (t *Tensor) short(i int) string {
	s := t.exact(i)
	if !t.typ.DType.IsFloat() || t.typ.DType.IsHalf() || len(s) <= shownDigits {
		return s
	}
	bits := 8 * t.typ.DType.Size()
	if r := strconv.FormatFloat(t.load(i), 'g', shownDigits, bits); len(r) < len(s) {
		return r
	}
	return s
}

// exact returns the shortest text that reads back as the element.
func (t *Tensor) exact(i int) string {
	switch t.typ.DType {
	case types.Bool:
		return strconv.FormatBool(view[bool](t)[i])
	case types.I64:
		return strconv.FormatInt(view[int64](t)[i], 10)
	case types.F16:
		return view[types.Float16](t)[i].String()
	case types.BF16:
		return view[types.BFloat16](t)[i].String()
	case types.F32:
		return strconv.FormatFloat(t.load(i), 'g', -1, 32)
	}
	return strconv.FormatFloat(t.load(i), 'g', -1, 64)
}

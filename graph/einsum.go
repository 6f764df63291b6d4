package graph

import (
	"slices"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// Einsum sums products over the labels that the result lacks: torch.einsum.
// "bij,bjk->bik" is a matrix product of batches. Labels are letters; one that is
// repeated in an operand takes its diagonal; "..." stands for dimensions that
// broadcast, as do dimensions of size 1. Without "->" the result has the
// dimensions of "...", then the labels that occur once, in alphabetic order.
// Operands are multiplied from left to right, each product summed over what no
// later one needs. Differences: the result's labels must be distinct, and there
// are no sublists.
func Einsum(spec string, xs ...*Node) *Node {
	const op = "einsum"
	g := common(op, xs)
	e := parseEinsum(op, spec, xs)
	ns := g.promote(unwrap(xs)...)
	if ns[0].DType() == types.Bool {
		Fail(op, "wants numbers, got %v", ns[0].Type)
	}
	ops := make([]labelled, len(ns))
	for i, n := range ns {
		ops[i] = g.dropOnes(g.diagonals(op, labelled{n, e.in[i]}), e.size)
	}
	// needed[i] are the labels of the result and of operands from i on.
	needed := make([]string, len(ops)+1)
	needed[len(ops)] = e.out
	for i := len(ops) - 1; i >= 0; i-- {
		needed[i] = ops[i].labels + needed[i+1]
	}
	acc := g.sumAbsent(ops[0], needed[1])
	for i, y := range ops[1:] {
		out := e.out
		if i+2 < len(ops) {
			out = union(acc.labels, y.labels, needed[i+2])
		}
		if len(out) > maxRank {
			Fail(op, "%q: a product of operands has %d dimensions, more than %d", spec, len(out), maxRank)
		}
		acc = labelled{g.product(op, acc, y, out), out}
	}
	return g.wrap(op, g.arrange(acc, e.out))
}

// union returns the labels of x and y that occur in needed.
func union(x, y, needed string) string {
	out := ""
	for _, l := range x + y {
		if strings.ContainsRune(needed, l) && !strings.ContainsRune(out, l) {
			out += string(l)
		}
	}
	return out
}

// diagonals takes the diagonal over labels that are repeated.
func (g *Graph) diagonals(op string, x labelled) labelled {
	for i := 0; i < len(x.labels); i++ {
		l := x.labels[i : i+1]
		j := strings.LastIndex(x.labels, l)
		if j == i {
			continue
		}
		n := (&Node{g, x.n}).Diagonal(0, i, j).n
		x = labelled{n, x.labels[:i] + x.labels[i+1:j] + x.labels[j+1:] + l}
		i--
	}
	return x
}

// sumAbsent sums over the dimensions whose labels occur nowhere in others.
func (g *Graph) sumAbsent(x labelled, others string) labelled {
	var axes []int
	rest := ""
	for i, l := range x.labels {
		if strings.ContainsRune(others, l) {
			rest += string(l)
		} else {
			axes = append(axes, i)
		}
	}
	return labelled{g.b.Sum(x.n, axes...), rest}
}

// dropOnes leaves out dimensions of size 1 that repeat along another operand.
func (g *Graph) dropOnes(x labelled, size map[rune]int) labelled {
	labels, shape := "", types.Shape{}
	for i, l := range x.labels {
		if d := x.n.Shape()[i]; d == size[l] {
			labels += string(l)
			shape = append(shape, d)
		}
	}
	return labelled{g.b.Reshape(x.n, shape...), labels}
}

// product sums the product of two operands over the labels that out lacks:
// elementwise if both have none of these.
func (g *Graph) product(op string, x, y labelled, out string) *ir.Node {
	x, y = g.sumAbsent(x, out+y.labels), g.sumAbsent(y, out+x.labels)
	if strings.ContainsFunc(x.labels, func(l rune) bool { return !strings.ContainsRune(out, l) }) {
		return g.contract(x, y, out)
	}
	size := map[rune]int{}
	for _, o := range []labelled{x, y} {
		for i, l := range o.labels {
			size[l] = o.n.Shape()[i]
		}
	}
	dims := make(types.Shape, len(out))
	for i, l := range out {
		dims[i] = size[l]
	}
	if err := dims.Check(); err != nil {
		Fail(op, "%w: %v x %v", err, x.n.Type, y.n.Type)
	}
	return g.b.Mul(g.spread(x, out, dims), g.spread(y, out, dims))
}

// spread broadcasts an operand to the labels out, of sizes dims.
func (g *Graph) spread(x labelled, out string, dims types.Shape) *ir.Node {
	kept := ""
	axes := []int{}
	for i, l := range out {
		if strings.ContainsRune(x.labels, l) {
			kept += string(l)
			axes = append(axes, i)
		}
	}
	n := g.arrange(x, kept)
	if n.Shape().Equal(dims) {
		return n
	}
	return g.b.Broadcast(n, dims.Clone(), axes)
}

// arrange puts the dimensions in the order of the labels out.
func (g *Graph) arrange(x labelled, out string) *ir.Node {
	var perm []int
	for _, l := range out {
		perm = append(perm, strings.IndexRune(x.labels, l))
	}
	if isIdentity(perm) {
		return x.n
	}
	return g.b.Transpose(x.n, perm...)
}

// einsum is a parsed specification. An ellipsis is written out in labels that
// no user can write.
type einsum struct {
	in   []string
	out  string
	size map[rune]int
}

// ellipsisLabels are ASCII, since labels of the intermediate representation are
// bytes.
const ellipsisLabels = "0123456789"

func parseEinsum(op, spec string, xs []*Node) einsum {
	text := strings.ReplaceAll(spec, " ", "")
	left, out, explicit := strings.Cut(text, "->")
	in := strings.Split(left, ",")
	if len(in) != len(xs) {
		Fail(op, "%q has %d operands, got %d", spec, len(in), len(xs))
	}
	e := einsum{size: map[rune]int{}}
	dots := 0
	for _, part := range append(strings.Split(left, ","), out) {
		check(op, spec, strings.Replace(part, "...", "", 1))
	}
	for i, l := range out {
		if l != '.' && strings.ContainsRune(out[i+1:], l) {
			Fail(op, "%q: label %q is repeated in the result %q", spec, string(l), out)
		}
	}
	for i, part := range in {
		n := len(xs[i].n.Shape()) - (len(part) - 3)
		if strings.Contains(part, "...") {
			if n < 0 {
				Fail(op, "%q has more labels than %v has dimensions", part, xs[i].n.Type)
			}
			if n > len(ellipsisLabels) {
				Fail(op, "the ellipsis of %q stands for more than %d dimensions", part, len(ellipsisLabels))
			}
			dots = max(dots, n)
			in[i] = strings.Replace(part, "...", ellipsisLabels[len(ellipsisLabels)-n:], 1)
		}
	}
	for i, labels := range in {
		e.measure(op, labels, xs[i])
	}
	e.in = in
	if explicit {
		e.out = strings.Replace(out, "...", ellipsisLabels[len(ellipsisLabels)-dots:], 1)
	} else {
		e.out = implicitOutput(in)
	}
	for _, l := range e.out {
		if _, ok := e.size[l]; !ok {
			Fail(op, "label %q of the result of %q is in no operand", string(l), spec)
		}
	}
	return e
}

// check fails unless labels are letters.
func check(op, spec, labels string) {
	for _, l := range labels {
		if !strings.ContainsRune(letters, l) {
			Fail(op, "%q: %q is not a label (a letter)", spec, string(l))
		}
	}
}

// measure records the sizes of an operand's dimensions.
func (e *einsum) measure(op, labels string, x *Node) {
	s := x.n.Shape()
	if len(labels) != len(s) {
		Fail(op, "labels %q name %d dimensions, %v has %d", labels, len(labels), x.n.Type, len(s))
	}
	for i, l := range labels {
		old, seen := e.size[l]
		switch first := strings.IndexRune(labels, l); {
		case s[first] != s[i]:
			Fail(op, "label %q is repeated for sizes %d and %d of %v", string(l), s[first], s[i], x.n.Type)
		case !seen || old == 1:
			e.size[l] = s[i]
		case s[i] == 1 || s[i] == old:
		case strings.ContainsRune(ellipsisLabels, l):
			Fail(op, "dimensions of the ellipsis have sizes %d and %d", old, s[i])
		default:
			Fail(op, "label %q has size %d and %d", string(l), old, s[i])
		}
	}
}

// implicitOutput is the dimensions of ellipses, then the labels that occur once.
func implicitOutput(in []string) string {
	all := strings.Join(in, "")
	var out []rune
	for _, l := range all {
		if strings.ContainsRune(ellipsisLabels, l) && !slices.Contains(out, l) || strings.Count(all, string(l)) == 1 {
			out = append(out, l)
		}
	}
	slices.Sort(out)
	return string(slices.Compact(out))
}

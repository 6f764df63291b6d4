package graph

import (
	"slices"
	"strings"
)

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
	if len(in) > 2 {
		Fail(op, "%q has %d operands: wants one or two", spec, len(in))
	}
	e := einsum{size: map[rune]int{}}
	dots := 0
	for _, part := range append(strings.Split(left, ","), out) {
		e.check(op, spec, strings.Replace(part, "...", "", 1))
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

// check fails unless labels are distinct letters.
func (e *einsum) check(op, spec, labels string) {
	for i, l := range labels {
		if !strings.ContainsRune(letters, l) {
			Fail(op, "%q: %q is not a label (a letter)", spec, string(l))
		}
		if strings.ContainsRune(labels[i+1:], l) {
			Fail(op, "%q: label %q is repeated in %q", spec, string(l), labels)
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
		switch {
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

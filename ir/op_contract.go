package ir

import (
	"fmt"
	"strings"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

func init() {
	define(OpContract, OpDef{Name: "contract",
		Doc:   "Products of the operands summed over the labels that the result lacks: \"mk,kn->mn\" is the matrix product.",
		Arity: 2, Flags: FoldOp, Attrs: []string{"labels"}, Infer: inferContract,
		VJP: func(b *Builder, n, g *Node) []*Node {
			la, lb, lo := SplitLabels(n.Attr.Labels)
			return []*Node{
				contractGrad(b, g, n.Args[1], lo, lb, la, n.Args[0].Shape()),
				contractGrad(b, g, n.Args[0], lo, la, lb, n.Args[1].Shape()),
			}
		},
		Body: bodyContract})
}

// parseLabels splits and checks labels such as "mk,kn->mn": letters, none twice
// in one part, as many as the operands have dimensions. want is the form to
// name in errors.
func parseLabels(s, want string, args []types.Type) (a, b, out string, err error) {
	a, b, out = SplitLabels(s)
	if s != a+","+b+"->"+out {
		return "", "", "", fmt.Errorf("labels %q are not of the form %q", s, want)
	}
	for _, part := range []string{a, b, out} {
		var seen [128]bool
		for i := range len(part) {
			c := part[i]
			if c|0x20 < 'a' || c|0x20 > 'z' {
				return "", "", "", fmt.Errorf("labels %q are not of the form %q", s, want)
			}
			if seen[c] {
				return "", "", "", fmt.Errorf("label %c occurs twice in %q of %q", c, part, s)
			}
			seen[c] = true
		}
	}
	for i, part := range []string{a, b} {
		if len(part) != len(args[i].Shape) {
			return "", "", "", fmt.Errorf("%d labels %q for %v", len(part), part, args[i])
		}
	}
	return a, b, out, nil
}

// extents returns the size of every label.
func extents(la, lb string, a, b types.Shape) map[byte]int {
	m := map[byte]int{}
	for i := range len(la) {
		m[la[i]] = a[i]
	}
	for i := range len(lb) {
		m[lb[i]] = b[i]
	}
	return m
}

func inferContract(args []types.Type, a *Attr) (types.Type, error) {
	x, y := args[0], args[1]
	la, lb, lo, err := parseLabels(a.Labels, "mk,kn->mn", args)
	if err != nil {
		return types.Type{}, err
	}
	if x.DType != y.DType {
		return types.Type{}, fmt.Errorf("operand types differ: %v and %v", x, y)
	}
	if x.DType == types.Bool {
		return types.Type{}, fmt.Errorf("wants numbers, got %v", x)
	}
	for i := range len(la) {
		j := strings.IndexByte(lb, la[i])
		if j < 0 || x.Shape[i] == y.Shape[j] {
			continue
		}
		what := "inner"
		if strings.IndexByte(lo, la[i]) >= 0 {
			what = "batch"
		}
		return types.Type{}, fmt.Errorf("%s dimensions differ: %v x %v", what, x, y)
	}
	size := extents(la, lb, x.Shape, y.Shape)
	s := types.Shape{}
	for i := range len(lo) {
		d, ok := size[lo[i]]
		if !ok {
			return types.Type{}, fmt.Errorf("label %c of the result is in no operand of %q", lo[i], a.Labels)
		}
		s = append(s, d)
	}
	if _, dims := folded(la+lb, lo, size); types.Shape(dims).Check() != nil {
		return types.Type{}, fmt.Errorf("the sum over %v has more than 2^48 terms: %v x %v", types.Shape(dims), x, y)
	}
	return types.Type{DType: x.DType, Shape: s}, nil
}

// folded returns the labels of in that out lacks, each once, and their sizes.
func folded(in, out string, size map[byte]int) (labels string, dims []int) {
	for i := range len(in) {
		if c := in[i]; strings.IndexByte(out+labels, c) < 0 {
			labels += string(c)
			dims = append(dims, size[c])
		}
	}
	return labels, dims
}

// pick returns the expression of every label.
func pick(labels string, of map[byte]*kernel.Expr) []*kernel.Expr {
	ix := make([]*kernel.Expr, len(labels))
	for i := range ix {
		ix[i] = of[labels[i]]
	}
	return ix
}

// indexOf maps the labels of a result to its indices.
func indexOf(labels string, idx []*kernel.Expr) map[byte]*kernel.Expr {
	m := map[byte]*kernel.Expr{}
	for i := range len(labels) {
		m[labels[i]] = idx[i]
	}
	return m
}

func bodyContract(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
	la, lb, lo := SplitLabels(n.Attr.Labels)
	over, dims := folded(la+lb, lo, extents(la, lb, n.Args[0].Shape(), n.Args[1].Shape()))
	return b.Fold(kernel.Add, n.DType(), dims, freeOf(idx), func(k []*kernel.Expr) *kernel.Expr {
		at := indexOf(lo, idx)
		for i := range len(over) {
			at[over[i]] = k[i]
		}
		wide := n.DType().Arith() // no product of halves is rounded
		return b.Bin(kernel.Mul, b.Cast(ld(0, pick(la, at)), wide), b.Cast(ld(1, pick(lb, at)), wide))
	})
}

// contractGrad is the cotangent of the operand x, labelled lx, of a contraction
// with y: a contraction of g and y, repeated along what only x has and the
// result lacks.
func contractGrad(b *Builder, g, y *Node, lo, ly, lx string, x types.Shape) *Node {
	in := ""
	var axes []int
	for i := range len(lx) {
		if strings.IndexByte(lo+ly, lx[i]) >= 0 {
			in += lx[i : i+1]
			axes = append(axes, i)
		}
	}
	d := b.Contract(lo+","+ly+"->"+in, g, y)
	if in == lx {
		return d
	}
	return b.Broadcast(d, x, axes)
}

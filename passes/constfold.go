package passes

import (
	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// Limits of constant folding: elements of a literal that is made, and of one
// that is searched for equal elements.
const (
	maxFolded = 1 << 10
	maxSearch = 1 << 16
)

// constfold computes nodes whose operands are constants: with one value
// everywhere for any shape, element by element for small literals. The value
// is read off the node's own body, whose scalar operations on constants are
// those of [kernel.Eval1] and [kernel.Eval2]. A node with a run-time check
// stays, so that its error is not lost.
func constfold(c *Config, g *ir.Graph) error { return rewrite(c, g, foldRules) }

var foldRules []rule

func init() {
	foldRules = []rule{
		{"literal of equal elements", ir.OpLiteral, foldLiteral},
		{"constant operands", ir.OpInvalid, foldNode},
	}
}

// foldLiteral makes a literal whose elements have equal bits a constant.
func foldLiteral(r *rewriter, n *ir.Node) *ir.Node {
	size := n.Shape().Size()
	if size == 0 || size > maxSearch {
		return nil
	}
	first := element(n, 0)
	if first.Float() != first.Float() {
		return nil // a NaN may carry bits that a constant does not keep
	}
	for i := 1; i < size; i++ {
		if element(n, i) != first {
			return nil
		}
	}
	return r.scalar(n.Type, first)
}

func foldNode(r *rewriter, n *ir.Node) *ir.Node {
	size := n.Shape().Size()
	if n.Op.Def().Body == nil || len(n.Args) == 0 || size == 0 || n.Is(ir.Opaque) || n.Is(ir.Effect) {
		return nil
	}
	same := true
	for _, a := range n.Args {
		if !isConstant(a) {
			return nil
		}
		same = same && a.Op == ir.OpConst
	}
	if same {
		b := kernel.NewBuilder()
		e := evaluate(b, n, b.Unravel(b.Index(b.Domain("i", size)), n.Shape()))
		if e != nil && e.Kind == kernel.Const {
			return r.scalar(n.Type, e.Value())
		}
	}
	if size > maxFolded {
		return nil
	}
	data := make([]byte, n.Type.Bytes())
	for i := range size {
		b := kernel.NewBuilder()
		e := evaluate(b, n, b.Unravel(b.Int(int64(i)), n.Shape()))
		if e == nil || e.Kind != kernel.Const {
			return nil
		}
		e.Value().Write(data[i*n.DType().Size():])
	}
	return r.new(ir.OpLiteral, ir.Attr{Dims: n.Shape().Clone(), Mode: n.DType().String(), Data: data})
}

// evaluate returns n at index idx with constant operands put in, or nil where
// an operand's element is not known or a check would be lost.
func evaluate(b *kernel.Builder, n *ir.Node, idx []*kernel.Expr) *kernel.Expr {
	known := true
	e := n.Op.Def().Body(b, n, idx, func(arg int, ix []*kernel.Expr) *kernel.Expr {
		a := n.Args[arg]
		if v, ok := splat(a); ok {
			return b.ConstScalar(v)
		}
		flat := b.Ravel(ix, a.Shape())
		if flat.Kind != kernel.Int || flat.Int < 0 || flat.Int >= int64(a.Shape().Size()) {
			// Behind a guard that does not hold the index may lie outside; what is
			// returned then goes unused, or makes the whole unknown.
			known = known && flat.Kind == kernel.Int
			return b.Load(arg, flat, a.DType())
		}
		return b.ConstScalar(element(a, int(flat.Int)))
	})
	if !known || len(b.Sites) > 0 {
		return nil
	}
	return e
}

// element returns element i of a literal.
func element(n *ir.Node, i int) kernel.Scalar {
	return kernel.ReadScalar(n.DType(), n.Attr.Data[i*n.DType().Size():])
}

package passes

import (
	"math"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// simplify replaces nodes by cheaper ones. No rule changes a bit of any result:
// what holds for real numbers only (x*0 = 0, x-x = 0, x+0 = x for x = -0) is
// left out for floating-point types.
func simplify(c *Config, g *ir.Graph) error { return rewrite(c, g, simplifyRules) }

var simplifyRules []rule

func init() {
	simplifyRules = []rule{
		{"x + zero", ir.OpAdd, simplifyAdd},
		{"x - zero", ir.OpSub, simplifySub},
		{"x * one", ir.OpMul, simplifyMul},
		{"x / power of two", ir.OpDiv, simplifyDiv},
		{"x ** small", ir.OpPow, simplifyPow},
		{"-(-x)", ir.OpNeg, simplifyNeg},
		{"not not x", ir.OpNot, simplifyInvolution},
		{"idempotent", ir.OpAbs, simplifyIdempotent},
		{"idempotent", ir.OpFloor, simplifyIdempotent},
		{"idempotent", ir.OpCeil, simplifyIdempotent},
		{"idempotent", ir.OpRound, simplifyIdempotent},
		{"idempotent", ir.OpSign, simplifyIdempotent},
		{"x op x", ir.OpMax, simplifySelf},
		{"x op x", ir.OpMin, simplifySelf},
		{"x op x", ir.OpAnd, simplifySelf},
		{"x op x", ir.OpOr, simplifySelf},
		{"one branch", ir.OpWhere, simplifyWhere},
	}
}

// simplifyAdd drops a zero: -0 for floating-point numbers, for which +0 turns
// -0 into +0.
func simplifyAdd(_ *rewriter, n *ir.Node) *ir.Node {
	zero := 0.0
	if n.DType().IsFloat() {
		zero = math.Copysign(0, -1)
	}
	switch {
	case isNumber(n.Args[1], zero):
		return n.Args[0]
	case isNumber(n.Args[0], zero):
		return n.Args[1]
	}
	return nil
}

func simplifySub(r *rewriter, n *ir.Node) *ir.Node {
	switch {
	case isNumber(n.Args[1], 0):
		return n.Args[0]
	case n.DType().IsInt() && n.Args[0] == n.Args[1]:
		return r.number(n, 0)
	}
	return nil
}

func simplifyMul(r *rewriter, n *ir.Node) *ir.Node {
	for i, x := range n.Args {
		y := n.Args[1-i]
		switch {
		case isNumber(x, 1):
			return y
		case isNumber(x, 0) && !n.DType().IsFloat():
			return x
		case isNumber(x, -1):
			return r.new(ir.OpNeg, ir.Attr{}, y)
		}
	}
	return nil
}

// simplifyDiv multiplies by the reciprocal where that is exact: a power of two
// whose reciprocal is a normal number.
func simplifyDiv(r *rewriter, n *ir.Node) *ir.Node {
	x, y := n.Args[0], n.Args[1]
	if isNumber(y, 1) {
		return x
	}
	v, ok := splat(y)
	if !ok || !n.DType().IsFloat() {
		return nil
	}
	frac, exp := math.Frexp(v.Float())
	if math.Abs(frac) != 0.5 || exp < -100 || exp > 100 {
		return nil
	}
	inverse := kernel.FloatScalar(n.DType(), 1/v.Float())
	if inverse.Float() != 1/v.Float() {
		return nil // beyond f16
	}
	return r.new(ir.OpMul, ir.Attr{}, x, r.scalar(y.Type, inverse))
}

func simplifyPow(r *rewriter, n *ir.Node) *ir.Node {
	x, y := n.Args[0], n.Args[1]
	switch {
	case isNumber(y, 1):
		return x
	case isNumber(y, 0):
		return r.number(n, 1)
	case isNumber(y, 2):
		return r.new(ir.OpMul, ir.Attr{}, x, x)
	}
	return nil
}

func simplifyNeg(_ *rewriter, n *ir.Node) *ir.Node {
	if n.Args[0].Op == ir.OpNeg {
		return n.Args[0].Args[0]
	}
	return nil
}

func simplifyInvolution(_ *rewriter, n *ir.Node) *ir.Node {
	if n.Args[0].Op == n.Op {
		return n.Args[0].Args[0]
	}
	return nil
}

func simplifyIdempotent(_ *rewriter, n *ir.Node) *ir.Node {
	if n.Args[0].Op == n.Op {
		return n.Args[0]
	}
	return nil
}

func simplifySelf(_ *rewriter, n *ir.Node) *ir.Node {
	if n.Args[0] == n.Args[1] {
		return n.Args[0]
	}
	return nil
}

func simplifyWhere(_ *rewriter, n *ir.Node) *ir.Node {
	if n.Args[1] == n.Args[2] {
		return n.Args[1]
	}
	if c, ok := splat(n.Args[0]); ok {
		if c.Int() != 0 {
			return n.Args[1]
		}
		return n.Args[2]
	}
	return nil
}

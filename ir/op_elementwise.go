package ir

import (
	"fmt"
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// inferSame returns the operands' common type.
func inferSame(args []types.Type, _ *Attr) (types.Type, error) {
	for _, t := range args[1:] {
		if !t.Equal(args[0]) {
			return types.Type{}, fmt.Errorf("operand types differ: %v and %v", args[0], t)
		}
	}
	return args[0], nil
}

func inferIf(ok func(types.DType) bool, want string) func([]types.Type, *Attr) (types.Type, error) {
	return func(args []types.Type, a *Attr) (types.Type, error) {
		t, err := inferSame(args, a)
		if err == nil && !ok(t.DType) {
			err = fmt.Errorf("wants %s, got %v", want, t)
		}
		return t, err
	}
}

var (
	inferFloat   = inferIf(types.DType.IsFloat, "floating-point numbers")
	inferNumber  = inferIf(func(d types.DType) bool { return d != types.Bool }, "numbers")
	inferLogical = inferIf(func(d types.DType) bool { return !d.IsFloat() }, "bool or integers")
)

func inferCompare(args []types.Type, a *Attr) (types.Type, error) {
	t, err := inferSame(args, a)
	return types.Type{DType: types.Bool, Shape: t.Shape}, err
}

func bodyUn(op kernel.Op) func(*kernel.Builder, *Node, []*kernel.Expr, Load) *kernel.Expr {
	return func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
		return b.Un(op, ld(0, idx))
	}
}

func bodyBin(op kernel.Op) func(*kernel.Builder, *Node, []*kernel.Expr, Load) *kernel.Expr {
	return func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
		return b.Bin(op, ld(0, idx), ld(1, idx))
	}
}

// grad1 is the gradient of a unary operation: g times f(x, n).
func grad1(f func(b *Builder, x, n *Node) *Node) VJPFunc {
	return func(b *Builder, n, g *Node) []*Node { return []*Node{b.Mul(g, f(b, n.Args[0], n))} }
}

func init() {
	unary := func(op Op, name, doc string, k kernel.Op, infer func([]types.Type, *Attr) (types.Type, error), vjp VJPFunc) {
		d := OpDef{Name: name, Doc: doc, Arity: 1, Infer: infer, VJP: vjp, Body: bodyUn(k)}
		if vjp == nil {
			d.Flags = NoGrad
		}
		define(op, d)
	}
	unary(OpNeg, "neg", "-x.", kernel.Neg, inferNumber, func(b *Builder, n, g *Node) []*Node { return []*Node{b.Neg(g)} })
	unary(OpAbs, "abs", "The absolute value; the gradient at 0 is 0.", kernel.Abs, inferNumber,
		grad1(func(b *Builder, x, _ *Node) *Node { return b.Un(OpSign, x) }))
	unary(OpSign, "sign", "-1, 0 or 1; NaN stays.", kernel.Sign, inferNumber, nil)
	unary(OpFloor, "floor", "The largest integer not above x.", kernel.Floor, inferFloat, nil)
	unary(OpCeil, "ceil", "The smallest integer not below x.", kernel.Ceil, inferFloat, nil)
	unary(OpRound, "round", "The nearest integer, ties to even.", kernel.Round, inferFloat, nil)
	unary(OpExp, "exp", "e to the x.", kernel.Exp, inferFloat, grad1(func(_ *Builder, _, n *Node) *Node { return n }))
	unary(OpExpm1, "expm1", "e to the x, less 1.", kernel.Expm1, inferFloat,
		grad1(func(b *Builder, _, n *Node) *Node { return b.Add(n, b.Like(n, 1)) }))
	unary(OpLog, "log", "The natural logarithm.", kernel.Log, inferFloat,
		func(b *Builder, n, g *Node) []*Node { return []*Node{b.Div(g, n.Args[0])} })
	unary(OpLog1p, "log1p", "The natural logarithm of 1+x.", kernel.Log1p, inferFloat,
		func(b *Builder, n, g *Node) []*Node {
			return []*Node{b.Div(g, b.Add(n.Args[0], b.Like(n, 1)))}
		})
	unary(OpSqrt, "sqrt", "The square root.", kernel.Sqrt, inferFloat,
		func(b *Builder, n, g *Node) []*Node { return []*Node{b.Div(g, b.Scale(n, 2))} })
	unary(OpRsqrt, "rsqrt", "One over the square root.", kernel.Rsqrt, inferFloat,
		grad1(func(b *Builder, _, n *Node) *Node { return b.Scale(b.Mul(n, b.Mul(n, n)), -0.5) }))
	unary(OpSin, "sin", "The sine.", kernel.Sin, inferFloat,
		grad1(func(b *Builder, x, _ *Node) *Node { return b.Un(OpCos, x) }))
	unary(OpCos, "cos", "The cosine.", kernel.Cos, inferFloat,
		grad1(func(b *Builder, x, _ *Node) *Node { return b.Neg(b.Un(OpSin, x)) }))
	unary(OpTanh, "tanh", "The hyperbolic tangent.", kernel.Tanh, inferFloat,
		grad1(func(b *Builder, _, n *Node) *Node { return b.Sub(b.Like(n, 1), b.Mul(n, n)) }))
	unary(OpSigmoid, "sigmoid", "1/(1+exp(-x)).", kernel.Sigmoid, inferFloat,
		grad1(func(b *Builder, _, n *Node) *Node { return b.Mul(n, b.Sub(b.Like(n, 1), n)) }))
	unary(OpErf, "erf", "The error function.", kernel.Erf, inferFloat,
		grad1(func(b *Builder, x, n *Node) *Node {
			return b.Scale(b.Un(OpExp, b.Neg(b.Mul(x, x))), 2/math.Sqrt(math.Pi))
		}))
	unary(OpNot, "not", "Logical negation of bool, bitwise of integers.", kernel.Not, inferLogical, nil)

	define(OpCast, OpDef{Name: "cast", Doc: "Conversion: floats to integers truncate and saturate, integers wrap, to bool is \"not zero\".",
		Arity: 1, Attrs: []string{"mode"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			d, err := types.ParseDType(a.Mode)
			if err == nil && !d.Public() {
				err = fmt.Errorf("%v values exist in kernels only", d)
			}
			return types.Type{DType: d, Shape: args[0].Shape}, err
		},
		VJP: func(b *Builder, n, g *Node) []*Node {
			if !n.DType().IsFloat() || !n.Args[0].DType().IsFloat() {
				return []*Node{nil}
			}
			return []*Node{b.Cast(g, n.Args[0].DType())}
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			return b.Cast(ld(0, idx), n.DType())
		}})

	defineBinary()
	define(OpWhere, OpDef{Name: "where", Doc: "The second operand where the first (bool) holds, else the third.", Arity: 3,
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			t, err := inferSame(args[1:], a)
			if err == nil && !args[0].Equal(types.Type{DType: types.Bool, Shape: t.Shape}) {
				err = fmt.Errorf("condition %v does not match %v", args[0], t)
			}
			return t, err
		},
		VJP: func(b *Builder, n, g *Node) []*Node {
			z := b.Like(g, 0)
			return []*Node{nil, b.Where(n.Args[0], g, z), b.Where(n.Args[0], z, g)}
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			return b.Select(ld(0, idx), ld(1, idx), ld(2, idx))
		}})
}

func defineBinary() {
	binary := func(op Op, name, doc string, k kernel.Op, flags Flags, infer func([]types.Type, *Attr) (types.Type, error), vjp VJPFunc) {
		if vjp == nil {
			flags |= NoGrad
		}
		define(op, OpDef{Name: name, Doc: doc, Arity: 2, Flags: flags, Infer: infer, VJP: vjp, Body: bodyBin(k)})
	}
	binary(OpAdd, "add", "x + y.", kernel.Add, Commutative, inferNumber,
		func(b *Builder, n, g *Node) []*Node { return []*Node{g, g} })
	binary(OpSub, "sub", "x - y.", kernel.Sub, 0, inferNumber,
		func(b *Builder, n, g *Node) []*Node { return []*Node{g, b.Neg(g)} })
	binary(OpMul, "mul", "x * y.", kernel.Mul, Commutative, inferNumber,
		func(b *Builder, n, g *Node) []*Node { return []*Node{b.Mul(g, n.Args[1]), b.Mul(g, n.Args[0])} })
	binary(OpDiv, "div", "x / y; of integers the floor, and dividing by 0 is an error when the step runs.", kernel.Div, 0, inferNumber,
		func(b *Builder, n, g *Node) []*Node {
			y := n.Args[1]
			return []*Node{b.Div(g, y), b.Neg(b.Mul(g, b.Div(n, y)))}
		})
	binary(OpRem, "rem", "The remainder with the sign of y; of integers, dividing by 0 is an error when the step runs.", kernel.Rem, 0, inferNumber,
		func(b *Builder, n, g *Node) []*Node {
			// x = y*k + n: the whole k is exact where floor(x/y) is off by one.
			k := b.Un(OpRound, b.Div(b.Sub(n.Args[0], n), n.Args[1]))
			return []*Node{g, b.Neg(b.Mul(g, k))}
		})
	for _, op := range []Op{OpDiv, OpRem} {
		plain := opTable[op].Body
		opTable[op].Body = func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			y := ld(1, idx)
			if n.DType().IsFloat() || y.Kind == kernel.Const && y.Value().Int() != 0 {
				return plain(b, n, idx, ld)
			}
			// The index is 0 for any divisor but 0, which is out of range.
			zero := b.Cast(b.Bin(kernel.Eq, y, b.ConstInt(y.DType, 0)), types.I32)
			ok := b.FromIndex(b.CheckIndex(zero, 1, b.Site(n)), y.DType)
			return b.Bin(op.kernelOp(), ld(0, idx), b.Bin(kernel.Add, y, ok))
		}
	}
	binary(OpPow, "pow", "x to the power y.", kernel.Pow, 0, inferNumber, powVJP)
	binary(OpMax, "max", "The larger; NaN wins; equal operands share the gradient.", kernel.Max, Commutative, inferSame,
		func(b *Builder, n, g *Node) []*Node {
			x, y := n.Args[0], n.Args[1]
			return []*Node{winner(b, x, y, x, y, g), winner(b, x, y, y, x, g)}
		})
	binary(OpMin, "min", "The smaller; NaN wins; equal operands share the gradient.", kernel.Min, Commutative, inferSame,
		func(b *Builder, n, g *Node) []*Node {
			x, y := n.Args[0], n.Args[1]
			return []*Node{winner(b, x, y, y, x, g), winner(b, x, y, x, y, g)}
		})
	binary(OpLt, "lt", "x < y.", kernel.Lt, 0, inferCompare, nil)
	binary(OpLe, "le", "x <= y.", kernel.Le, 0, inferCompare, nil)
	binary(OpEq, "eq", "x == y.", kernel.Eq, Commutative, inferCompare, nil)
	binary(OpNe, "ne", "x != y.", kernel.Ne, Commutative, inferCompare, nil)
	binary(OpAnd, "and", "Logical and of bool, bitwise of integers.", kernel.And, Commutative, inferLogical, nil)
	binary(OpOr, "or", "Logical or of bool, bitwise of integers.", kernel.Or, Commutative, inferLogical, nil)
	binary(OpXor, "xor", "Logical exclusive or of bool, bitwise of integers.", kernel.Xor, Commutative, inferLogical, nil)
}

// winner is the cotangent of one of x and y: 0 where low < high, half of g
// where x equals y, else g, also where either is NaN; as in PyTorch.
func winner(b *Builder, x, y, low, high, g *Node) *Node {
	half := b.Where(b.Bin(OpEq, x, y), b.Scale(g, 0.5), g)
	return b.Where(b.Bin(OpLt, low, high), b.Like(g, 0), half)
}

func (o Op) kernelOp() kernel.Op {
	if o == OpRem {
		return kernel.Rem
	}
	return kernel.Div
}

// powVJP: the base's gradient is y*x^(y-1), 0 where y is 0; the exponent's is
// x^y*log(x), 0 where x is 0 and y is not negative, as in PyTorch.
func powVJP(b *Builder, n, g *Node) []*Node {
	x, y := n.Args[0], n.Args[1]
	z, one := b.Like(g, 0), b.Like(g, 1)
	dx := b.Mul(y, b.Bin(OpPow, x, b.Sub(y, one)))
	dx = b.Where(b.Bin(OpEq, y, z), z, b.Mul(g, dx))
	flat := b.Bin(OpAnd, b.Bin(OpEq, x, z), b.Bin(OpLe, z, y))
	dy := b.Where(flat, z, b.Mul(g, b.Mul(n, b.Un(OpLog, x))))
	return []*Node{dx, dy}
}

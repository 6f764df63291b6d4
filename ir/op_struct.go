package ir

import (
	"errors"
	"fmt"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// inferLeaf returns the type that a leaf carries in its attributes.
func inferLeaf(_ []types.Type, a *Attr) (types.Type, error) {
	d, err := types.ParseDType(a.Mode)
	if err != nil {
		return types.Type{}, err
	}
	if !d.Public() {
		return types.Type{}, fmt.Errorf("%v values exist in kernels only", d)
	}
	s, err := checkDims(a.Dims)
	return types.Type{DType: d, Shape: s}, err
}

func inferNamed(args []types.Type, a *Attr) (types.Type, error) {
	if a.Name == "" {
		return types.Type{}, errors.New("has no name")
	}
	return inferLeaf(args, a)
}

func first(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr { return ld(0, idx) }

func inferFirst(args []types.Type, _ *Attr) (types.Type, error) { return args[0], nil }

func init() {
	define(OpInput, OpDef{Name: "input", Doc: "A value fed by the caller.", Flags: Leaf, Attrs: []string{"name"}, Infer: inferNamed})
	define(OpVariable, OpDef{Name: "variable", Doc: "The value of a resident variable at the start of the step.",
		Flags: Leaf, Attrs: []string{"name"}, Infer: inferNamed})
	define(OpAssign, OpDef{Name: "assign", Doc: "Makes the second operand the next value of the first, a variable.",
		Arity: 2, Flags: Effect | NoGrad, Infer: inferSame})
	define(OpConst, OpDef{Name: "const", Doc: "One value everywhere.", Flags: Generator | NoGrad, Attrs: []string{"value", "int"},
		Infer: inferLeaf,
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			if n.DType().IsFloat() {
				return b.Const(n.DType(), n.Attr.Value)
			}
			return b.ConstInt(n.DType(), n.Attr.Int)
		}})
	define(OpLiteral, OpDef{Name: "literal", Doc: "Dense data.", Flags: Leaf, Attrs: []string{"data"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			t, err := inferLeaf(args, a)
			if err != nil {
				return t, err
			}
			if int64(len(a.Data)) != t.Bytes() {
				return t, fmt.Errorf("%d bytes of data for %v", len(a.Data), t)
			}
			if t.DType == types.Bool {
				for i, v := range a.Data {
					if v > 1 {
						return t, fmt.Errorf("element %d of %v is %d", i, t, v)
					}
				}
			}
			return t, nil
		}})
	define(OpStopGradient, OpDef{Name: "stop_gradient", Doc: "The operand; its cotangent is zero.", Arity: 1, Flags: View | NoGrad,
		Infer: inferFirst, Body: first})
	define(OpBarrier, OpDef{Name: "barrier", Doc: "The first operand, not before the second is there; CSE and fusion leave it alone.",
		Arity: 2, Flags: Opaque, Infer: inferFirst, Body: first,
		VJP: func(b *Builder, n, g *Node) []*Node { return []*Node{g, nil} }})
	define(OpCustomVJP, OpDef{Name: "custom_vjp", Doc: "The first operand, with a gradient of its own for the others.",
		Arity: -1, Flags: View | Opaque, Infer: inferFirst, Body: first,
		VJP: func(b *Builder, n, g *Node) []*Node {
			if n.Custom == nil {
				Fail("custom_vjp", "custom gradient is not available in a graph read from text")
			}
			gs := n.Custom(b, n, g)
			if len(gs) != len(n.Args)-1 {
				Fail("custom_vjp", "the gradient returned %d cotangents for %d operands", len(gs), len(n.Args)-1)
			}
			for i, c := range gs {
				if x := n.Args[i+1]; c != nil && !c.Type.Equal(x.Type) {
					Fail("custom_vjp", "cotangent %d is %v, the operand %v", i, c.Type, x.Type)
				}
			}
			return append([]*Node{nil}, gs...)
		}})
}

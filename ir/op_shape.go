package ir

import (
	"errors"
	"fmt"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

func perDim(rank int, lists ...[]int) error {
	for _, l := range lists {
		if len(l) != rank {
			return fmt.Errorf("wants one number per dimension (%d), got %v", rank, l)
		}
	}
	return nil
}

// checkDims returns the shape of an attribute. No size is above
// [types.MaxElements], not even beside a size of 0.
func checkDims(dims []int) (types.Shape, error) {
	s := types.Shape(dims).Clone()
	for i, d := range s {
		if d > types.MaxElements {
			return nil, fmt.Errorf("dimension %d of %v is too large", i, s)
		}
	}
	return s, s.Check()
}

// Starts, steps and the distances that they span are bounded, so that index
// arithmetic cannot overflow.
const (
	maxAttr = 1 << 48
	maxSpan = 1 << 56
)

// spanned checks that n elements in steps of step, positive, span an index.
func spanned(n, step int) error {
	if n > 1 && step > maxSpan/n {
		return fmt.Errorf("%d elements in steps of %d span too much", n, step)
	}
	return nil
}

func bounded(lists ...[]int) error {
	for _, l := range lists {
		for _, v := range l {
			if v > maxAttr || v < -maxAttr {
				return fmt.Errorf("%d is too large", v)
			}
		}
	}
	return nil
}

func init() {
	define(OpBroadcast, OpDef{Name: "broadcast", Doc: "Repeats: dimension i of the operand becomes dimension axes[i] of the result and has its size or 1.",
		Arity: 1, Flags: View, Attrs: []string{"dims", "axes"}, Infer: inferBroadcast, VJP: vjpBroadcast,
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			in := n.Args[0].Shape()
			ix := make([]*kernel.Expr, len(in))
			for i, d := range n.Attr.Axes {
				ix[i] = idx[d]
				if in[i] == 1 {
					ix[i] = b.Int(0)
				}
			}
			return ld(0, ix)
		}})
	define(OpReshape, OpDef{Name: "reshape", Doc: "Another shape of as many elements in row-major order.",
		Arity: 1, Flags: View, Attrs: []string{"dims"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			s, err := checkDims(a.Dims)
			if err == nil && s.Size() != args[0].Shape.Size() {
				err = fmt.Errorf("%v has %d elements, %v has %d", args[0], args[0].Shape.Size(), s, s.Size())
			}
			return types.Type{DType: args[0].DType, Shape: s}, err
		},
		VJP: func(b *Builder, n, g *Node) []*Node { return []*Node{b.Reshape(g, n.Args[0].Shape()...)} },
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			return ld(0, regroup(b, idx, n.Shape(), n.Args[0].Shape()))
		}})
	define(OpTranspose, OpDef{Name: "transpose", Doc: "Permutes dimensions: dimension i of the result is dimension axes[i] of the operand.",
		Arity: 1, Flags: View, Attrs: []string{"axes"}, Infer: inferTranspose,
		VJP: func(b *Builder, n, g *Node) []*Node {
			inv := make([]int, len(n.Attr.Axes))
			for i, p := range n.Attr.Axes {
				inv[p] = i
			}
			return []*Node{b.Transpose(g, inv...)}
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			ix := make([]*kernel.Expr, len(idx))
			for i, p := range n.Attr.Axes {
				ix[p] = idx[i]
			}
			return ld(0, ix)
		}})
	define(OpSlice, OpDef{Name: "slice", Doc: "dims[i] elements from start[i] on in steps of step[i], which may be negative.",
		Arity: 1, Flags: View, Attrs: []string{"start", "dims", "step"}, Infer: inferSlice, VJP: vjpSlice,
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			ix := make([]*kernel.Expr, len(idx))
			for i := range idx {
				ix[i] = b.IAdd(b.IMul(idx[i], int64(n.Attr.Step[i])), b.Int(int64(n.Attr.Start[i])))
			}
			return ld(0, ix)
		}})
	define(OpPad, OpDef{Name: "pad", Doc: "Places element j of dimension i at start[i]+j*step[i] of a result filled with value; what falls outside is dropped.",
		Arity: 1, Flags: View, Attrs: []string{"start", "dims", "step", "value"},
		Infer: func(args []types.Type, a *Attr) (types.Type, error) {
			s, err := checkDims(a.Dims)
			if err = errors.Join(err, perDim(len(args[0].Shape), a.Start, a.Dims, a.Step), bounded(a.Start, a.Step)); err != nil {
				return types.Type{}, err
			}
			for i, st := range a.Step {
				if st < 1 {
					return types.Type{}, fmt.Errorf("step %d is not positive", st)
				}
				if err := spanned(args[0].Shape[i], st); err != nil {
					return types.Type{}, err
				}
			}
			return types.Type{DType: args[0].DType, Shape: s}, nil
		},
		VJP: vjpPad, Body: bodyPad})
	define(OpConcat, OpDef{Name: "concat", Doc: "The operands one after the other along dimension axes[0].",
		Arity: -1, Flags: View, Attrs: []string{"axes"}, Infer: inferConcat,
		VJP: func(b *Builder, n, g *Node) []*Node {
			var out []*Node
			ax, at := n.Attr.Axes[0], 0
			for _, x := range n.Args {
				start := make([]int, len(n.Shape()))
				start[ax] = at
				at += x.Shape()[ax]
				out = append(out, b.Slice(g, start, x.Shape(), ones(len(start))))
			}
			return out
		},
		Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
			ax := n.Attr.Axes[0]
			at := n.Shape()[ax]
			var v *kernel.Expr // nil: no operand has elements, nor has the result
			for i := len(n.Args) - 1; i >= 0; i-- {
				at -= n.Args[i].Shape()[ax]
				if n.Args[i].Shape()[ax] == 0 {
					continue
				}
				ix := append([]*kernel.Expr{}, idx...)
				ix[ax] = b.IAdd(idx[ax], b.Int(int64(-at)))
				x := ld(i, ix)
				if v == nil {
					v = x
				} else {
					end := b.Int(int64(at + n.Args[i].Shape()[ax] - 1))
					v = b.If(b.Ge0(b.ISub(end, idx[ax])), x, v)
				}
			}
			if v == nil {
				return b.ConstInt(n.DType(), 0)
			}
			return v
		}})
	defineWindow()
}

func ones(n int) []int {
	o := make([]int, n)
	for i := range o {
		o[i] = 1
	}
	return o
}

// regroup turns an index over shape a into one over shape b of as many
// elements. Dimensions are taken in groups of equal products, so that no group
// mixes with another.
func regroup(kb *kernel.Builder, idx []*kernel.Expr, a, b types.Shape) []*kernel.Expr {
	if a.Size() == 0 {
		return kb.Unravel(kb.Int(0), b)
	}
	var out []*kernel.Expr
	for i, j := 0, 0; i < len(a) || j < len(b); {
		i0, j0, p, q := i, j, 1, 1
		for start := true; start || p != q; start = false {
			if i < len(a) && (p <= q || j == len(b)) {
				p *= a[i]
				i++
			} else {
				q *= b[j]
				j++
			}
		}
		for i < len(a) && a[i] == 1 {
			i++
		}
		for j < len(b) && b[j] == 1 {
			j++
		}
		out = append(out, kb.Unravel(kb.Ravel(idx[i0:i], a[i0:i]), b[j0:j])...)
	}
	return out
}

func inferBroadcast(args []types.Type, a *Attr) (types.Type, error) {
	s, err := checkDims(a.Dims)
	if err != nil {
		return types.Type{}, err
	}
	in := args[0].Shape
	if len(a.Axes) != len(in) {
		return types.Type{}, fmt.Errorf("axes %v for %v", a.Axes, args[0])
	}
	last := -1
	for i, d := range a.Axes {
		if d <= last || d >= len(s) {
			return types.Type{}, fmt.Errorf("axes %v must ascend below %d", a.Axes, len(s))
		}
		if in[i] != s[d] && in[i] != 1 {
			return types.Type{}, fmt.Errorf("%v does not broadcast to %v along %v", args[0], s, a.Axes)
		}
		last = d
	}
	return types.Type{DType: args[0].DType, Shape: s}, nil
}

func vjpBroadcast(b *Builder, n, g *Node) []*Node {
	in := n.Args[0].Shape()
	kept := map[int]bool{}
	for i, d := range n.Attr.Axes {
		if in[i] != 1 || n.Shape()[d] == 1 {
			kept[d] = true
		}
	}
	var axes []int
	for d := range n.Shape() {
		if !kept[d] {
			axes = append(axes, d)
		}
	}
	return []*Node{b.Reshape(b.Sum(g, axes...), in...)}
}

func inferTranspose(args []types.Type, a *Attr) (types.Type, error) {
	in := args[0].Shape
	if len(a.Axes) != len(in) {
		return types.Type{}, fmt.Errorf("permutation %v for %v", a.Axes, args[0])
	}
	seen := make([]bool, len(in))
	s := types.Shape{}
	for _, p := range a.Axes {
		if p < 0 || p >= len(in) || seen[p] {
			return types.Type{}, fmt.Errorf("%v is not a permutation of %d dimensions", a.Axes, len(in))
		}
		seen[p] = true
		s = append(s, in[p])
	}
	return types.Type{DType: args[0].DType, Shape: s}, nil
}

func inferSlice(args []types.Type, a *Attr) (types.Type, error) {
	in := args[0].Shape
	s, err := checkDims(a.Dims)
	if err = errors.Join(err, perDim(len(in), a.Start, a.Dims, a.Step), bounded(a.Start, a.Dims, a.Step)); err != nil {
		return types.Type{}, err
	}
	for i, n := range s {
		if n == 0 {
			continue
		}
		if n > 1 && (a.Step[i] > maxAttr/n || a.Step[i] < -maxAttr/n) {
			return types.Type{}, fmt.Errorf("step %d is too large", a.Step[i])
		}
		last := a.Start[i] + (n-1)*a.Step[i]
		if a.Step[i] == 0 || min(a.Start[i], last) < 0 || max(a.Start[i], last) >= in[i] {
			return types.Type{}, fmt.Errorf("dimension %d: elements %d to %d in steps of %d lie outside %v", i, a.Start[i], last, a.Step[i], args[0])
		}
	}
	return types.Type{DType: args[0].DType, Shape: s}, nil
}

func vjpSlice(b *Builder, n, g *Node) []*Node {
	start, step := append([]int{}, n.Attr.Start...), append([]int{}, n.Attr.Step...)
	flipped, flipStart, flipStep := false, make([]int, len(start)), ones(len(start))
	for i := range step {
		if step[i] < 0 { // a reversed slice is a slice of the reversed cotangent
			flipped = true
			flipStart[i], flipStep[i] = max(0, n.Shape()[i]-1), -1
			start[i] += (n.Shape()[i] - 1) * step[i]
			step[i] = -step[i]
		}
		if n.Shape()[i] == 0 {
			start[i], step[i], flipStart[i], flipStep[i] = 0, 1, 0, 1
		}
	}
	if flipped {
		g = b.Slice(g, flipStart, n.Shape(), flipStep)
	}
	return []*Node{b.Pad(g, 0, start, n.Args[0].Shape(), step)}
}

func bodyPad(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
	fill := b.ConstScalar(kernel.FloatScalar(n.DType(), n.Attr.Value))
	in := n.Args[0].Shape()
	if in.Size() == 0 {
		return fill
	}
	ix := make([]*kernel.Expr, len(idx))
	p := b.True()
	for i := range idx {
		s := int64(n.Attr.Step[i])
		t := b.IAdd(idx[i], b.Int(int64(-n.Attr.Start[i])))
		p = b.AllOf(p, b.Within(t, 0, int64(in[i]-1)*s+1), b.Eq0(b.IMod(t, s)))
		ix[i] = b.IDiv(t, s)
	}
	return b.If(p, ld(0, ix), fill)
}

// vjpPad reads the cotangent back where elements were placed; dropped ones get
// zero.
func vjpPad(b *Builder, n, g *Node) []*Node {
	in := n.Args[0].Shape()
	start, dims, low := make([]int, len(in)), make([]int, len(in)), make([]int, len(in))
	for i, d := range in {
		s, at := n.Attr.Step[i], n.Attr.Start[i]
		first := 0
		if at < 0 {
			first = (-at + s - 1) / s
		}
		end := d // elements from end on lie beyond the result
		if room := n.Shape()[i] - at; room <= 0 {
			end = 0
		} else {
			end = min(end, (room+s-1)/s)
		}
		dims[i] = max(0, end-first)
		low[i] = min(first, d)
		if dims[i] > 0 {
			start[i] = at + first*s
		}
	}
	v := b.Slice(g, start, dims, n.Attr.Step)
	return []*Node{b.Pad(v, 0, low, in, ones(len(in)))}
}

func inferConcat(args []types.Type, a *Attr) (types.Type, error) {
	if len(a.Axes) != 1 || a.Axes[0] < 0 || a.Axes[0] >= len(args[0].Shape) {
		return types.Type{}, fmt.Errorf("axis %v for %v", a.Axes, args[0])
	}
	ax := a.Axes[0]
	s := args[0].Shape.Clone()
	for _, t := range args[1:] {
		if t.DType != args[0].DType || len(t.Shape) != len(s) {
			return types.Type{}, fmt.Errorf("operand types differ: %v and %v", args[0], t)
		}
		for i, d := range t.Shape {
			if i != ax && d != s[i] {
				return types.Type{}, fmt.Errorf("operands differ in dimension %d: %v and %v", i, args[0], t)
			}
		}
		if s[ax] += t.Shape[ax]; s[ax] > types.MaxElements {
			return types.Type{}, fmt.Errorf("dimension %d of the result is too large", ax)
		}
	}
	return types.Type{DType: args[0].DType, Shape: s}, nil
}

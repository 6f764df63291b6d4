package graph

import "dumbtorch/ir/types"

// inF32 returns f(x) computed in f32 and rounded once, if x is f16 or bf16: what
// is made of several operations, such as a softmax, would lose with each
// rounding between them. PyTorch does the same within its kernels.
func (x *Node) inF32(f func(x *Node) *Node) (y *Node, ok bool) {
	if x == nil || x.n == nil || !x.n.DType().IsHalf() {
		return nil, false
	}
	return f(x.Cast(F32)).Cast(x.n.DType()), true
}

// bothInF32 is inF32 for two values, which are promoted.
func (x *Node) bothInF32(y *Node, f func(x, y *Node) *Node) (z *Node, ok bool) {
	if x == nil || x.n == nil || y == nil || y.n == nil {
		return nil, false
	}
	d := types.Promote(x.n.DType(), y.n.DType())
	if !d.IsHalf() {
		return nil, false
	}
	return f(x.Cast(F32), y.Cast(F32)).Cast(d), true
}

package cpu

import (
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/cpu/native"
)

// A stencil is a sum of products of which only one factor has axes of its own,
// and is read through windows: a depthwise convolution or its gradients. Where
// there is generated code, it runs as a product of a vector and the windows for
// each point of the axes that the factors share, the channels.

// stencil returns the contraction that the kernel is, with the windows as B and
// without M axes, or nil.
func (c *compiler) stencil() *kernel.Contraction {
	const work = 1 << 14
	if choice, _ := native.Detect(); choice.Level == native.Portable || len(c.k.Stores) == 0 {
		return nil
	}
	s := &kernel.Contraction{}
	others := false
	kernel.Walk(c.k.Roots(), func(e *kernel.Expr) {
		if e.Kind == kernel.Fold {
			others = others || s.Fold != nil
			s.Fold = e
		}
	})
	if s.Fold == nil || others || s.Fold.Op != kernel.Add || s.Fold.DType != types.F32 && s.Fold.DType != types.F64 {
		return nil
	}
	body := s.Fold.Args[0]
	if body.Kind != kernel.Call || body.Op != kernel.Mul {
		return nil
	}
	s.A, s.B, s.K = body.Args[0], body.Args[1], s.Fold.Axes
	axes := c.k.Stores[0].Axes
	own := (s.A.Free() ^ s.B.Free()) & kernel.SetOf(axes)
	if s.A.Free()&own != 0 {
		s.A, s.B = s.B, s.A
	}
	if over := kernel.SetOf(s.K); own == 0 || s.A.Free()&own != 0 || s.A.Free()&over != over || s.B.Free()&over != over ||
		s.A.Free()&^over != s.B.Free()&^over&^own {
		return nil
	}
	for _, a := range axes {
		switch {
		case own.Has(a):
			s.N = append(s.N, a)
		case s.A.Free().Has(a):
			s.Batch = append(s.Batch, a)
		default:
			return nil
		}
	}
	for i := range c.k.Stores {
		if st := &c.k.Stores[i]; kernel.SetOf(st.Axes) != kernel.SetOf(axes) || st.Index.HasFold() {
			return nil
		}
	}
	if points(axes)*points(s.K) < work || points(s.N) < 2 {
		return nil
	}
	if o, ok := windowOperand(s.B, s.Batch, s.N, s.K); !ok || s.B.Kind == kernel.Load && !windowed(o) {
		return nil
	}
	return s
}

// windowed reports whether an operand without guards has places that several
// rows share.
func windowed(o operand) bool {
	w := o.window
	return len(w.Rows)*len(w.Steps) > 2*int(spanOf(w.Rows)+spanOf(w.Steps)+1)
}

// spanOf is the distance of the highest place from the lowest.
func spanOf(places []int64) int64 {
	lo, hi := places[0], places[0]
	for _, p := range places {
		lo, hi = min(lo, p), max(hi, p)
	}
	return hi - lo
}

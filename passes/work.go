package passes

import "dumbtorch/ir/kernel"

// Work is what one launch of a kernel has to do at least.
type Work struct {
	LoadBytes  int64 // of the elements read, each once
	StoreBytes int64
	Ops        int64 // scalar operations weighted by [kernel.OpInfo.Cost]
	Flops      int64 // arithmetic on floating-point numbers, every operation counted once
}

// maxPoints is the most points that are counted, so that no sum overflows.
const maxPoints = 1 << 48

// WorkOf counts the work of a kernel that computes every expression once per
// point of the axes that it depends on. A fold counts one operation per point
// that it folds.
func WorkOf(k *kernel.Kernel) Work {
	var w Work
	loads := make([]int64, len(k.Params))
	points := func(s kernel.AxisSet) int64 {
		n := int64(1)
		for _, a := range k.Axes {
			if s.Has(a) {
				if int64(a.Extent) > maxPoints/max(1, n) {
					return maxPoints
				}
				n *= int64(a.Extent)
			}
		}
		return n
	}
	kernel.Walk(k.Roots(), func(e *kernel.Expr) {
		cost := 0
		switch e.Kind {
		case kernel.Load:
			loads[e.Param] += points(e.Args[0].Free())
		case kernel.Call:
			cost = e.Op.Info().Cost
			if e.Args[0].DType.IsFloat() && e.Op != kernel.Bitcast {
				w.Flops += points(e.Free())
			}
		case kernel.Fold:
			n := points(e.Free() | kernel.SetOf(e.Axes))
			w.Ops += n * int64(e.Op.Info().Cost)
			if e.DType.IsFloat() {
				w.Flops += n
			}
		case kernel.Select, kernel.If, kernel.Cast:
			cost = 1
		}
		if cost > 0 {
			w.Ops += points(e.Free()) * int64(cost)
		}
	})
	for i, n := range loads {
		w.LoadBytes += min(n, int64(k.Params[i].Len)) * int64(k.Params[i].DType.Size())
	}
	for _, s := range k.Stores {
		w.StoreBytes += points(kernel.SetOf(s.Axes)) * int64(k.Params[s.Param].DType.Size())
	}
	return w
}

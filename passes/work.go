package passes

import (
	"math"

	"dumbtorch/ir/kernel"
)

// Work is what one launch of a kernel has to do at least.
type Work struct {
	LoadBytes  int64 // of the elements read, each once
	StoreBytes int64
	Ops        int64 // scalar operations weighted by [kernel.OpInfo.Cost]
	Flops      int64 // arithmetic on floating-point numbers, every operation counted once
}

// WorkOf counts the work of a kernel that computes every expression once per
// point of the axes that it depends on. A fold counts one operation per point
// that it folds. Counts are exact up to 2^53; those that do not fit an int64 are
// its largest value.
func WorkOf(k *kernel.Kernel) Work {
	if k.Sched.Form == kernel.Tiles {
		return workOfTiles(k)
	}
	var loaded, stored, ops, flops float64
	loads := make([]float64, len(k.Params))
	points := func(s kernel.AxisSet) float64 {
		n := 1.0
		for _, a := range k.Axes {
			if s.Has(a) {
				n *= float64(a.Extent)
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
				flops += points(e.Free())
			}
		case kernel.Fold:
			n := points(e.Free() | kernel.SetOf(e.Axes))
			ops += n * float64(e.Op.Info().Cost)
			if e.DType.IsFloat() {
				flops += n
			}
		case kernel.Select, kernel.If, kernel.Cast:
			cost = 1
		}
		if cost > 0 {
			ops += points(e.Free()) * float64(cost)
		}
	})
	for i, n := range loads {
		loaded += min(n, float64(k.Params[i].Len)) * float64(k.Params[i].DType.Size())
	}
	for _, s := range k.Stores {
		stored += points(kernel.SetOf(s.Axes)) * float64(k.Params[s.Param].DType.Size())
	}
	return Work{LoadBytes: whole(loaded), StoreBytes: whole(stored), Ops: whole(ops), Flops: whole(flops)}
}

// workOfTiles counts the work of all stages, and the bytes that go in and out.
func workOfTiles(k *kernel.Kernel) Work {
	sum := Work{}
	for _, s := range k.Stages {
		w := WorkOf(s.Kernel)
		w.LoadBytes, w.StoreBytes = 0, 0
		sum = sum.Plus(w)
	}
	for _, p := range k.Params {
		n := int64(p.Len) * int64(p.DType.Size())
		if p.Out {
			sum.StoreBytes += n
		} else {
			sum.LoadBytes += n
		}
	}
	return sum
}

// Plus returns the work of both.
func (w Work) Plus(v Work) Work {
	add := func(a, b int64) int64 { return min(a, math.MaxInt64-b) + b }
	return Work{add(w.LoadBytes, v.LoadBytes), add(w.StoreBytes, v.StoreBytes), add(w.Ops, v.Ops), add(w.Flops, v.Flops)}
}

func whole(x float64) int64 {
	if x >= math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(x)
}

package cpu

import (
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/gemm"
)

// An operand that looks at an array through windows, as a convolution does, is
// a load at an index that is linear in the axes, perhaps under guards that keep
// it within some dimensions of the array: the padding. Its rows and steps are
// places in planes, in which the padding is there, as zeros: see gemm.Window.

// Limits of windows.
const (
	maxWindow  = 1 << 22 // elements of the planes of a worker
	nearWindow = 1 << 16 // elements that should be enough, where steps can be cut into pages
	nearSteps  = 1 << 12
	pageSteps  = 64 // least steps of a page
)

// linear is an index without its constant: a coefficient for each axis.
type linear map[*kernel.Axis]int64

// linearOf takes an index apart; it reports false for what is not linear.
func linearOf(e *kernel.Expr) (f linear, c int64, ok bool) {
	f, ok = linear{}, true
	c = e.Terms(func(k int64, arg *kernel.Expr) {
		if ok = ok && arg.Kind == kernel.Var; ok {
			f[arg.Axes[0]] = k
		}
	})
	return f, c, ok
}

// A windowDim is a dimension of the array: coordinates f from min to max, of
// which those from lo to hi are there.
type windowDim struct {
	f                linear
	stride           int64
	min, max, lo, hi int64
	guarded          bool
}

// guards returns the conjuncts under which e is not 0, and what it is then.
func guards(e *kernel.Expr) (list []*kernel.Expr, core *kernel.Expr) {
	for e.Kind == kernel.If && e.Args[2].IsConst(0) {
		if p := e.Args[0]; p.Kind == kernel.AllOf {
			list = append(list, p.Args...)
		} else {
			list = append(list, p)
		}
		e = e.Args[1]
	}
	return list, e
}

// windowOperand reads an operand off a load in windows; it reports false for
// what is none.
func windowOperand(e *kernel.Expr, batch, rows, steps []*kernel.Axis) (o operand, ok bool) {
	gs, load := guards(e)
	if load.Kind != kernel.Load {
		return o, false
	}
	at, c, ok := linearOf(load.Args[0])
	if !ok {
		return o, false
	}
	o = operand{buf: load.Param, c: c}
	for _, a := range batch {
		o.batch = append(o.batch, at[a])
	}
	for pages := 0; ; pages++ {
		w, far, ok := newWindow(gs, at, steps[:pages], rows, steps[pages:])
		if !ok {
			return o, o.window != nil
		}
		o.window = w
		if !far || pages+1 == len(steps) || points(steps[pages+1:]) < pageSteps {
			return o, true
		}
	}
}

// newWindow describes the window of an index under guards; far tells that it
// takes much memory.
func newWindow(gs []*kernel.Expr, at linear, pages, rows, steps []*kernel.Axis) (w *gemm.Window, far, ok bool) {
	axes := slices.Concat(rows, steps)
	dims, ok := windowDims(gs, at, axes)
	if !ok {
		return nil, false, false
	}
	w = &gemm.Window{}
	if len(pages) > 0 {
		w.Pages = offsets(pages, at)
	}
	if len(gs) == 0 {
		w.Rows, w.Steps = offsets(rows, at), offsets(steps, at)
		w.RowPlanes, w.StepPlanes = make([]int, len(w.Rows)), make([]int, len(w.Steps))
		w.Init()
		return w, len(w.Steps) > nearSteps, true
	}
	slices.SortStableFunc(dims, func(a, b windowDim) int { return int(b.stride - a.stride) })
	outer := 0 // dimensions that number planes
	for outer < len(dims)-1 && !dims[outer].guarded {
		outer++
	}
	inner := dims[outer:]
	if len(inner) == 1 {
		inner = append([]windowDim{{}}, inner...)
		inner[0].hi = 1
	}
	place, plane := linear{}, linear{}
	size, origin, first := 1, int64(0), int64(0)
	for i := len(inner) - 1; i >= 0; i-- {
		d := &inner[i]
		n := d.max - d.min + 1
		lo := min(max(d.lo-d.min, 0), n)
		hi := max(min(d.hi-d.min+1, n), lo)
		w.Dims = append(w.Dims, gemm.WindowDim{Extent: int(n), Lo: int(lo), Hi: int(hi), Stride: d.stride, Pitch: size})
		for a, k := range d.f {
			place[a] += k * int64(size)
		}
		origin -= d.min * int64(size)
		first += d.min * d.stride
		if n > maxWindow || int64(size)*n > maxWindow {
			return nil, false, false
		}
		size *= int(n)
	}
	slices.Reverse(w.Dims)
	w.Size = size + gemm.WindowSlack
	count, zero := 1, int64(0)
	w.Planes = []int64{first}
	for i := outer - 1; i >= 0; i-- {
		d := &dims[i]
		for a, k := range d.f {
			plane[a] += k * int64(count)
		}
		zero -= d.min * int64(count)
		n := int(d.max - d.min + 1)
		if n > maxWindow || count*n > maxWindow/w.Size {
			return nil, false, false
		}
		var all []int64
		for j := range n {
			for _, p := range w.Planes {
				all = append(all, p+(d.min+int64(j))*d.stride)
			}
		}
		w.Planes = all
		count *= n
	}
	number := func(axes []*kernel.Axis, c int64) (places []int64, planes []int) {
		places = offsets(axes, place)
		for i, p := range offsets(axes, plane) {
			planes = append(planes, int(p+c))
			places[i] += (p + c) * int64(w.Size)
		}
		return places, planes
	}
	w.Rows, w.RowPlanes = number(rows, zero)
	for i := range w.Rows {
		w.Rows[i] += origin
	}
	w.Steps, w.StepPlanes = number(steps, 0)
	w.Init()
	return w, w.Memory() > nearWindow || len(w.Steps) > nearSteps, true
}

// windowDims returns the dimensions that an index runs through: those under
// guards, and those that the other axes make up.
func windowDims(gs []*kernel.Expr, at linear, axes []*kernel.Axis) (dims []windowDim, ok bool) {
	taken := map[*kernel.Axis]bool{}
	for _, g := range gs {
		if g.Kind != kernel.Ge0 {
			return nil, false
		}
		f, c, ok := linearOf(g.Args[0])
		if !ok || len(f) == 0 {
			return nil, false
		}
		d, ok := guardedDim(f, at, axes)
		if !ok {
			return nil, false
		}
		// f = +-d.f: c+f >= 0 bounds it from one side.
		lower := true
		for a, k := range f {
			lower = d.f[a] == k
		}
		i := slices.IndexFunc(dims, func(e windowDim) bool { return sameLinear(e.f, d.f) })
		if i < 0 {
			for a := range f {
				if taken[a] {
					return nil, false
				}
				taken[a] = true
			}
			i = len(dims)
			dims = append(dims, d)
		}
		if lower {
			dims[i].lo = max(dims[i].lo, -c)
		} else {
			dims[i].hi = min(dims[i].hi, c)
		}
	}
	return append(dims, freeDims(at, axes, taken)...), true
}

// guardedDim returns the dimension whose coordinate a guard bounds: f or -f.
func guardedDim(f, at linear, axes []*kernel.Axis) (d windowDim, ok bool) {
	d = windowDim{f: linear{}, guarded: true}
	for a, k := range f {
		s := at[a] / k
		if s == 0 || s*k != at[a] || d.stride != 0 && s != d.stride || !slices.Contains(axes, a) {
			return d, false
		}
		d.stride = s
	}
	sign := int64(1)
	if d.stride < 0 {
		d.stride, sign = -d.stride, -1
	}
	for a, k := range f {
		d.f[a] = sign * k
	}
	d.measure()
	d.lo, d.hi = d.min, d.max
	return d, true
}

// measure sets the range of the coordinate.
func (d *windowDim) measure() {
	for a, k := range d.f {
		n := int64(a.Extent-1) * k
		d.min, d.max = d.min+min(n, 0), d.max+max(n, 0)
	}
}

func sameLinear(f, g linear) bool {
	if len(f) != len(g) {
		return false
	}
	for a, k := range f {
		if g[a] != k {
			return false
		}
	}
	return true
}

// freeDims groups the axes that no guard has taken: axes whose coefficients
// interleave are of one dimension.
func freeDims(at linear, axes []*kernel.Axis, taken map[*kernel.Axis]bool) (dims []windowDim) {
	var free []*kernel.Axis
	for _, a := range axes {
		if !taken[a] && a.Extent > 1 && at[a] != 0 {
			free = append(free, a)
		}
	}
	slices.SortStableFunc(free, func(a, b *kernel.Axis) int { return int(abs(at[a]) - abs(at[b])) })
	span := int64(0)
	for _, a := range free {
		c := abs(at[a])
		n := len(dims)
		if n == 0 || c > span {
			dims, span = append(dims, windowDim{f: linear{}, stride: c}), 0
			n++
		}
		d := &dims[n-1]
		d.f[a] = at[a] // in elements until the stride is known
		d.stride = gcd(d.stride, c)
		span += c * int64(a.Extent-1)
	}
	for i := range dims {
		d := &dims[i]
		for a := range d.f {
			d.f[a] /= d.stride
		}
		d.measure()
		d.lo, d.hi = d.min, d.max
	}
	return dims
}

func abs(v int64) int64 { return max(v, -v) }

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

package randgraph

import (
	"math"

	"dumbtorch/graph"
)

// move reshapes, transposes and broadcasts.
func (m *maker) move() (value, bool) {
	a, ok := m.find(any1)
	if !ok {
		return value{}, false
	}
	x, rank := a.x, a.rank()
	switch m.choose(6) {
	case 0:
		perm := make([]int, rank)
		for i := range perm {
			perm[i] = i
		}
		for i := rank - 1; i > 0; i-- {
			j := m.choose(i + 1)
			perm[i], perm[j] = perm[j], perm[i]
		}
		return moved(x.Transpose(perm...), a), true
	case 1:
		d := pick(m, 2, 3, 4, 1, 5)
		if x.Size()%d != 0 {
			d = 1
		}
		if m.chance(2) {
			return moved(x.Reshape(d, x.Size()/d), a), true
		}
		return moved(x.Reshape(x.Size()/d, d), a), true
	case 2:
		if rank < 2 {
			return value{}, false
		}
		i := m.choose(rank - 1)
		return moved(x.Flatten(i, i+1), a), true
	case 3:
		return moved(x.Unsqueeze(m.choose(rank+1)), a), true
	case 4:
		dims := append([]int{pick(m, 2, 1, 3)}, x.Shape()...)
		for i, d := range dims {
			if d == 1 {
				dims[i] = pick(m, m.sizes...)
			}
		}
		return moved(x.BroadcastTo(dims...), a), true
	}
	return moved(x.Flip(), a), true
}

// cut slices.
func (m *maker) cut() (value, bool) {
	a, ok := m.find(func(v value) bool { return v.rank() > 0 })
	if !ok {
		return value{}, false
	}
	ax := m.axis(a)
	n := a.x.Dim(ax)
	switch m.choose(4) {
	case 0:
		if n > 0 {
			return moved(a.x.Index(ax, m.choose(n)), a), true
		}
	case 1:
		return moved(a.x.Slice(ax, graph.End, graph.End, -1-m.choose(3)), a), true
	case 2:
		k := m.choose(n + 1)
		parts := a.x.Split(ax, k, n-k)
		m.keep(moved(parts[1], a))
		return moved(parts[0], a), true
	}
	from := m.choose(n + 1)
	return moved(a.x.Slice(ax, from, from+m.choose(n+1), 1+m.choose(3)), a), true
}

// grow pads, concatenates and stacks.
func (m *maker) grow() (value, bool) {
	a, ok := m.find(func(v value) bool { return v.rank() > 0 && !v.bool() })
	if !ok {
		return value{}, false
	}
	ax := m.axis(a)
	if m.chance(2) {
		pads := make([]graph.Padding, a.rank())
		for i := range pads {
			n := a.x.Dim(i)
			pads[i] = graph.Padding{Low: m.choose(3) - min(1, n), High: m.choose(3), Interior: pick(m, 0, 0, 1, 2)}
		}
		fill := pick(m, 0.0, 1, 2)
		return either(a.x.Pad(fill, pads...), a, value{a.x, true, 2, 1}), true
	}
	b, ok := m.find(func(v value) bool {
		if v.rank() != a.rank() || v.x.DType() != a.x.DType() {
			return false
		}
		for i, d := range v.x.Shape() {
			if i != ax && d != a.x.Dim(i) {
				return false
			}
		}
		return true
	})
	if !ok {
		b = a
	}
	if b.x.Shape().Equal(a.x.Shape()) && m.chance(2) {
		return either(graph.Stack(m.choose(a.rank()+1), a.x, b.x), a, b), true
	}
	return either(graph.Concat(ax, a.x, b.x, a.x), a, b), true
}

// pickUp gathers.
func (m *maker) pickUp() (value, bool) {
	a, ok := m.find(func(v value) bool { return v.rank() > 0 })
	if !ok {
		return value{}, false
	}
	ax := m.axis(a)
	n := a.x.Dim(ax)
	if n == 0 {
		return value{}, false
	}
	if m.chance(2) {
		dims := a.x.Shape()
		dims[ax] = pick(m, 2, 1, 5)
		return moved(a.x.Gather(ax, m.index(n, dims...)), a), true
	}
	return moved(a.x.Take(ax, m.index(n, [][]int{{3}, {}, {2, 2}, {0}, {7}}[m.choose(5)]...)), a), true
}

// put scatters.
func (m *maker) put() (value, bool) {
	a := m.float()
	if a.rank() == 0 || a.x.Size() == 0 {
		return value{}, false
	}
	ax := m.axis(a)
	dims := a.x.Shape()
	dims[ax] = pick(m, 3, 1, 6)
	b := m.leafOf(pick(m, "x", "w"), dims...)
	x := a.x.ScatterAdd(ax, m.index(a.x.Dim(ax), dims...), b.x)
	return derived(x, a.bound+b.bound*float64(dims[ax]), min(a.grain, b.grain), a, b), true
}

func (m *maker) windows() (value, bool) {
	a, ok := m.find(func(v value) bool { return v.rank() > 0 && !v.bool() })
	if !ok {
		return value{}, false
	}
	ax := m.axis(a)
	w := graph.Window{Axes: []int{ax}, Size: []int{1 + m.choose(3)}, Stride: []int{1 + m.choose(3)}, Low: []int{m.choose(2)}, High: []int{m.choose(3)}}
	if a.x.Dim(ax)+w.Low[0]+w.High[0] < w.Size[0] {
		return value{}, false
	}
	dims := a.x.Shape()
	v := moved(a.x.Window(w), a)
	if m.chance(2) {
		return v, true
	}
	m.keep(v)
	return derived(v.x.Unwindow(w, dims...), a.bound*float64(w.Size[0]), a.grain, a), true
}

// choice selects by a condition.
func (m *maker) choice() (value, bool) {
	a, ok := m.find(any1)
	if !ok {
		return value{}, false
	}
	c := m.like(a, "b", value.bool)
	b := m.like(moved(c.x, a), "x", func(v value) bool {
		return v.x.DType() == a.x.DType() && fits(a, v, c)
	})
	if b.x.DType() != a.x.DType() || !fits(a, b, c) {
		b = a
	}
	if m.chance(2) {
		a, b = b, a
	}
	return either(graph.Where(c.x, a.x, b.x), a, b), true
}

// integers computes in whole numbers, which wrap.
func (m *maker) integers() (value, bool) {
	a := m.whole()
	b := m.like(a, "i", value.whole)
	small := func(x *graph.Node, bound float64) (value, bool) { return value{x, true, bound, 1}, true }
	switch m.choose(10) {
	case 0:
		return small(a.x.Add(b.x), math.Inf(1))
	case 1:
		return small(a.x.Sub(b.x), math.Inf(1))
	case 2:
		return small(a.x.Mul(b.x), math.Inf(1))
	case 3:
		return small(a.x.Rem(graph.Scalar(m.g, a.x.DType(), pick(m, 5.0, 3, 1, 7))), 7)
	case 4:
		return small(a.x.FloorDiv(graph.Scalar(m.g, a.x.DType(), pick(m, 2.0, 3, 1))), a.bound)
	case 5:
		return small(pick(m, a.x.And, a.x.Or, a.x.Xor)(b.x), math.Inf(1))
	case 6:
		return small(pick(m, a.x.Maximum, a.x.Minimum)(b.x), max(a.bound, b.bound))
	case 7:
		return small(pick(m, a.x.Neg, a.x.Abs, a.x.Sign, a.x.Not)(), math.Inf(1))
	case 8:
		return small(a.x.Cast(pick(m, graph.I64, graph.I32, graph.U8)), math.Inf(1))
	}
	if a.rank() == 0 {
		return value{}, false
	}
	return small(graph.Iota(m.g, pick(m, graph.I32, graph.I64), m.axis(a), a.x.Shape()...), maxSize)
}

// logic compares exact values and combines conditions.
func (m *maker) logic() (value, bool) {
	truth := func(x *graph.Node) (value, bool) { return value{x, true, 1, 1}, true }
	if c, ok := m.find(value.bool); ok && m.chance(2) {
		d := m.like(c, "b", value.bool)
		return truth(pick(m, c.x.And, c.x.Or, c.x.Xor, func(*graph.Node) *graph.Node { return c.x.Not() })(d.x))
	}
	a := m.exactFloat()
	if m.chance(2) {
		a = m.whole()
	}
	b := m.like(a, "x", func(v value) bool { return v.exact && v.float() == a.float() && !v.bool() })
	if !b.exact {
		return value{}, false
	}
	return truth(pick(m, a.x.Less, a.x.LessEqual, a.x.Equal, a.x.NotEqual, a.x.Greater, a.x.GreaterEqual)(b.x))
}

// convert makes numbers of conditions and whole numbers, and back.
func (m *maker) convert() (value, bool) {
	a, ok := m.find(func(v value) bool { return !v.float() || v.exact })
	if !ok {
		return value{}, false
	}
	switch {
	case a.bool():
		return value{a.x.Cast(m.d), true, 1, 1}, true
	case a.whole() && m.chance(3):
		n := 1 + m.choose(5)
		return value{a.x.OneHot(n, m.d), true, 1, 1}, true
	case a.whole():
		x := a.x
		if !(a.bound <= 1e4) {
			x, a.bound = x.Rem(graph.Scalar(m.g, x.DType(), 9)), 9
		}
		return value{x.Cast(m.d), true, a.bound, 1}, true
	case m.chance(3):
		return value{a.x.Cast(graph.Bool), true, 1, 1}, true
	}
	return value{a.x.Cast(pick(m, graph.I32, graph.I64)), true, a.bound, 1}, true
}

// structure makes barriers, stops gradients and draws random numbers.
func (m *maker) structure() (value, bool) {
	a := m.float()
	switch m.choose(4) {
	case 0:
		return moved(a.x.StopGradient(), a), true
	case 1:
		b := m.float()
		return moved(a.x.Barrier(b.x), a), true
	case 2:
		return smooth(graph.Normal(m.g, m.d, 0, 1, a.x.Shape()...), 10), true
	}
	return smooth(graph.Uniform(m.g, m.d, -1, 1, a.x.Shape()...), 1), true
}

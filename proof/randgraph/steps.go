package randgraph

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// step makes one more value; false if the choice does not fit.
func (m *maker) step() (value, bool) {
	steps := []func() (value, bool){
		m.arithmetic, m.unary, m.smooth, m.reduce, m.move, m.matmul, m.arithmetic, m.smooth, m.cut, m.grow, m.rows, m.choice,
		m.pickUp, m.put, m.integers, m.logic, m.windows, m.convert, m.structure, m.fresh, m.cut, m.cut, m.move, m.reduce,
	}
	return steps[m.choose(len(steps))]()
}

func (m *maker) fresh() (value, bool) {
	return m.leafOf(pick(m, "x", "v", "w", "i", "b", "c", "k", "o"), m.shape()...), true
}

func (m *maker) arithmetic() (value, bool) {
	a := m.float()
	switch m.choose(7) {
	case 1:
		b := m.like(a, "x", value.float)
		return derived(a.x.Sub(b.x), a.bound+b.bound, min(a.grain, b.grain), a, b), true
	case 2, 3:
		b := m.like(a, "x", value.float)
		return derived(a.x.Mul(b.x), a.bound*b.bound, a.grain*b.grain, a, b), true
	case 4:
		a = m.exactFloat()
		b := m.like(a, "x", func(v value) bool { return v.float() && v.exact })
		if m.chance(2) {
			return either(a.x.Minimum(b.x), a, b), true
		}
		return either(a.x.Maximum(b.x), a, b), true
	case 5:
		b := m.like(a, "x", value.float)
		return smooth(a.x.Div(b.x.Mul(b.x).AddScalar(1)), a.bound), true
	case 6:
		c := pick(m, 2, 0.5, -1, 3, 0, 1)
		return derived(a.x.MulScalar(c), a.bound*math.Abs(c), min(a.grain, 0.5*a.grain), a), true
	}
	b := m.like(a, "x", value.float)
	return derived(a.x.Add(b.x), a.bound+b.bound, min(a.grain, b.grain), a, b), true
}

// unary applies functions that have kinks or jumps.
func (m *maker) unary() (value, bool) {
	a := m.exactFloat()
	switch m.choose(9) {
	case 0:
		return moved(a.x.ReLU(), a), true
	case 1:
		return moved(a.x.Abs(), a), true
	case 2:
		return derived(a.x.Sign(), 1, 1, a), true
	case 3:
		return derived(pick(m, a.x.Floor, a.x.Ceil, a.x.Round)(), a.bound+1, 1, a), true
	case 4:
		return derived(a.x.Clamp(-1.5, 2), 2, min(a.grain, 0.5), a), true
	case 5:
		return derived(a.x.AddScalar(pick(m, 1, -0.5, 2)), a.bound+2, min(a.grain, 0.5), a), true
	case 6:
		return derived(a.x.Rem(graph.Scalar(m.g, m.d, pick(m, 1.5, -2, 1))), 2, min(a.grain, 0.5), a), true
	case 7:
		return derived(a.x.FloorDiv(graph.Scalar(m.g, m.d, pick(m, 2.0, -1))), a.bound+1, 1, a), true
	}
	return moved(a.x.Neg(), a), true
}

// smooth applies functions that round.
func (m *maker) smooth() (value, bool) {
	a := m.float()
	x := a.x
	positive := func() *graph.Node { return x.Mul(x).AddScalar(0.5) }
	switch m.choose(13) {
	case 0:
		return smooth(x.Tanh(), 1), true
	case 1:
		return smooth(x.Sigmoid(), 1), true
	case 2, 3:
		if a.bound > 6 {
			x, a.bound = x.Tanh(), 1
		}
		if m.chance(2) {
			return smooth(x.Expm1(), math.Exp(a.bound)), true
		}
		return smooth(x.Exp(), math.Exp(a.bound)), true
	case 4:
		return smooth(positive().Log(), math.Log(a.bound*a.bound+2)+1), true
	case 5:
		return smooth(positive().Sqrt(), a.bound+1), true
	case 6:
		return smooth(positive().Rsqrt(), 2), true
	case 7:
		return smooth(x.Mul(x).Log1p(), math.Log(a.bound*a.bound+1)+1), true
	case 8:
		if a.bound > 1e3 {
			return value{}, false
		}
		return smooth(pick(m, x.Sin, x.Cos)(), 1), true
	case 9:
		return smooth(x.Erf(), 1), true
	case 10:
		c := pick(m, 2, 3, 0.5, -1)
		return smooth(positive().PowScalar(c), math.Pow(a.bound*a.bound+1, math.Abs(c))+2), true
	case 11:
		b := m.like(a, "x", value.float)
		return smooth(positive().Pow(b.x.Tanh()), a.bound*a.bound+2), true
	}
	return smooth(x.MulScalar(0.3).AddScalar(-0.7), a.bound+1), true
}

func (m *maker) reduce() (value, bool) {
	a, ok := m.find(any1)
	if !ok || a.rank() == 0 {
		return value{}, false
	}
	axes := m.axes(a)
	n := 1
	for _, ax := range axes {
		n *= a.x.Dim(ax)
	}
	if m.chance(3) {
		axes = append(axes, graph.KeepDims)
	}
	kind := m.choose(6)
	if a.bool() {
		kind = 0
	}
	switch kind {
	case 1:
		if n == 0 || !a.exact {
			return value{}, false
		}
		return moved(pick(m, a.x.Amax, a.x.Amin)(axes...), a), true
	case 2:
		if !a.float() || n == 0 {
			return value{}, false
		}
		return smooth(a.x.Mean(axes...), a.bound), true
	case 3:
		if a.float() {
			b := math.Pow(max(a.bound, 1), float64(n))
			return derived(a.x.Prod(axes...), b, math.Pow(min(a.grain, 1), float64(n)), a), b <= maxBound
		}
		return value{a.x.Prod(axes...), true, math.Inf(1), 1}, true
	case 4:
		if n == 0 || !a.exact {
			return value{}, false
		}
		return value{pick(m, a.x.ArgMax, a.x.ArgMin)(axes...), true, float64(n), 1}, true
	case 5:
		if n == 0 || !a.exact || !a.float() {
			return value{}, false
		}
		v, i := a.x.Max(axes[0])
		if m.chance(2) {
			v, i = a.x.Min(axes[0])
		}
		m.keep(value{i, true, float64(n), 1})
		return moved(v, a), true
	}
	return derived(a.x.Sum(axes...), a.bound*float64(n), a.grain, a), true
}

// rows takes softmax and its relatives.
func (m *maker) rows() (value, bool) {
	a := m.float()
	if a.rank() == 0 || a.bound > 1e4 {
		return value{}, false
	}
	ax := m.axis(a)
	switch m.choose(3) {
	case 0:
		return smooth(a.x.Softmax(ax), 1), true
	case 1:
		return smooth(a.x.LogSoftmax(ax), 2*a.bound+10), true
	}
	return smooth(a.x.LogSumExp(ax), a.bound+10), true
}

func (m *maker) matmul() (value, bool) {
	a := m.float()
	if a.rank() == 0 {
		a = m.leafOf("x", m.sizes[0], m.sizes[1])
	}
	k := a.x.Dim(-1)
	b, ok := m.find(func(v value) bool {
		if !v.float() || v.rank() == 0 || v.x.Dim(max(0, v.rank()-2)) != k {
			return false
		}
		_, err := types.Broadcast(a.x.Shape()[:max(0, a.rank()-2)], v.x.Shape()[:max(0, v.rank()-2)])
		return err == nil
	})
	if !ok {
		b = m.leafOf(pick(m, "x", "w"), k, pick(m, m.sizes...))
	}
	return derived(a.x.MatMul(b.x), a.bound*b.bound*float64(k), a.grain*b.grain, a, b), true
}

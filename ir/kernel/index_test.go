package kernel

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A value is an index expression beside the function that it should be.
type value struct {
	e *Expr
	f func(at []int64) int64
}

// drawIndex draws an index expression made by the builder's arithmetic.
func drawIndex(rt *rapid.T, b *Builder, axes []*Axis) value {
	vs := []value{}
	for i, a := range axes {
		vs = append(vs, value{b.Var(a), func(at []int64) int64 { return at[i] }})
	}
	pick := func() value { return vs[rapid.IntRange(max(0, len(vs)-5), len(vs)-1).Draw(rt, "operand")] }
	any := func() value { return vs[rapid.IntRange(0, len(vs)-1).Draw(rt, "operand")] }
	small := rapid.Int64Range(-12, 12)
	divisor := rapid.SampledFrom([]int64{1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24})
	for range rapid.IntRange(1, 10).Draw(rt, "steps") {
		x := pick()
		switch rapid.IntRange(0, 5).Draw(rt, "op") {
		case 0:
			y := any()
			vs = append(vs, value{b.IAdd(x.e, y.e), func(at []int64) int64 { return x.f(at) + y.f(at) }})
		case 1:
			y := any()
			vs = append(vs, value{b.ISub(x.e, y.e), func(at []int64) int64 { return x.f(at) - y.f(at) }})
		case 2:
			c := small.Draw(rt, "factor")
			vs = append(vs, value{b.IMul(x.e, c), func(at []int64) int64 { return c * x.f(at) }})
		case 3:
			c := small.Draw(rt, "constant")
			vs = append(vs, value{b.IAdd(x.e, b.Int(c)), func(at []int64) int64 { return x.f(at) + c }})
		case 4:
			c := divisor.Draw(rt, "divisor")
			vs = append(vs, value{b.IDiv(x.e, c), func(at []int64) int64 { return pyDiv(x.f(at), c) }})
		case 5:
			c := divisor.Draw(rt, "modulus")
			vs = append(vs, value{b.IMod(x.e, c), func(at []int64) int64 { return x.f(at) - c*pyDiv(x.f(at), c) }})
		}
	}
	return vs[len(vs)-1]
}

func drawAxes(rt *rapid.T, b *Builder) []*Axis {
	var axes []*Axis
	for i := range rapid.IntRange(1, 3).Draw(rt, "axes") {
		axes = append(axes, b.NewAxis(string(rune('i'+i)), rapid.SampledFrom([]int{1, 2, 3, 4, 6, 8, 12}).Draw(rt, "extent")))
	}
	return axes
}

// everywhere calls f at every point of the axes.
func everywhere(axes []*Axis, f func(m *machine, at []int64)) {
	m := &machine{axes: map[*Axis]int64{}}
	points(axes, m.axes, func() {
		at := make([]int64, len(axes))
		for i, a := range axes {
			at[i] = m.axes[a]
		}
		f(m, at)
	})
}

func TestIndexArithmetic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBuilder()
		axes := drawAxes(rt, b)
		v := drawIndex(rt, b, axes)
		everywhere(axes, func(m *machine, at []int64) {
			require.Equal(rt, v.f(at), m.index(v.e), "%s at %v", text(v.e), at)
		})
		require.True(rt, normalIndex(v.e), text(v.e))
		require.Same(rt, v.e, b.normal(v.e), "building %s again gives another", text(v.e))
	})
}

// normalIndex checks the normal form of an index and of its parts.
func normalIndex(e *Expr) bool {
	switch e.Kind {
	case Affine:
		for i, a := range e.Args {
			if e.Coef[i] == 0 || a.Kind == Int || a.Kind == Affine || !normalIndex(a) ||
				i > 0 && compareIndex(e.Args[i-1], a) >= 0 {
				return false
			}
		}
		return len(e.Args) > 1 || e.Coef[0] != 1 || e.Int != 0
	case FloorDiv, FloorMod:
		lo, hi := e.Args[0].Range()
		return e.Int >= 2 && floorDiv(lo, e.Int) != floorDiv(hi, e.Int) && normalIndex(e.Args[0])
	}
	return true
}

func TestPredicates(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBuilder()
		axes := drawAxes(rt, b)
		var ps []*Expr
		var fs []func(at []int64) bool
		for range rapid.IntRange(1, 3).Draw(rt, "conjuncts") {
			x := drawIndex(rt, b, axes)
			switch rapid.IntRange(0, 2).Draw(rt, "kind") {
			case 0:
				ps, fs = append(ps, b.Ge0(x.e)), append(fs, func(at []int64) bool { return x.f(at) >= 0 })
			case 1:
				ps, fs = append(ps, b.Eq0(x.e)), append(fs, func(at []int64) bool { return x.f(at) == 0 })
			case 2:
				lo, n := rapid.Int64Range(-9, 9).Draw(rt, "lo"), rapid.Int64Range(0, 9).Draw(rt, "n")
				ps = append(ps, b.Within(x.e, lo, n))
				fs = append(fs, func(at []int64) bool { return lo <= x.f(at) && x.f(at) < lo+n })
			}
		}
		p := b.AllOf(ps...)
		require.Same(rt, p, b.AllOf(append(slices.Clone(ps), p, b.True())...))
		require.Same(rt, p, b.normal(p))
		not := b.notPred(p)
		everywhere(axes, func(m *machine, at []int64) {
			want := true
			for _, f := range fs {
				want = want && f(at)
			}
			require.Equal(rt, want, m.pred(p), "at %v", at)
			if not != nil {
				require.Equal(rt, !want, m.pred(not), "negation at %v", at)
			}
		})
	})
}

func TestRavelUnravel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBuilder()
		dims := rapid.SliceOfN(rapid.IntRange(1, 5), 1, 4).Draw(rt, "dims")
		axes := make([]*Axis, len(dims))
		idx := make([]*Expr, len(dims))
		size := 1
		for i, d := range dims {
			axes[i] = b.NewAxis(string(rune('i'+i)), d)
			idx[i] = b.Var(axes[i])
			size *= d
		}
		flat := b.Ravel(idx, dims)
		for i, e := range b.Unravel(flat, dims) {
			require.Same(rt, idx[i], e)
		}
		n := int64(0)
		everywhere(axes, func(m *machine, _ []int64) {
			require.Equal(rt, n, m.index(flat))
			n++
		})
		// The other way round: an axis taken apart and put together.
		f := b.NewAxis("flat", size)
		require.Same(rt, b.Var(f), b.Ravel(b.Unravel(b.Var(f), dims), dims))
	})
}

func TestIndicesDoNotOverflow(t *testing.T) {
	b := NewBuilder()
	i, j := b.Var(b.NewAxis("i", 1<<48)), b.Var(b.NewAxis("j", 1<<48))
	require.PanicsWithValue(t, ErrIndexRange, func() { b.IMul(i, 1<<14) })
	require.PanicsWithValue(t, ErrIndexRange, func() { b.IMul(b.IMul(i, 1<<12), 1<<52) })
	require.PanicsWithValue(t, ErrIndexRange, func() { b.Int(-1 << 63) })
	require.PanicsWithValue(t, ErrIndexRange, func() { b.IAdd(b.IMul(i, 1<<13), b.IMul(j, 1<<13)) })
	require.PanicsWithValue(t, ErrIndexRange, func() { b.IMul(b.Int(1<<40), 1<<40) })
	x := b.IAdd(b.IMul(i, -1<<12), b.IMul(j, 1<<12))
	lo, hi := x.Range()
	require.Equal(t, int64(-1<<60+1<<12), lo)
	require.Equal(t, int64(1<<60-1<<12), hi)
	require.Equal(t, int64(0), b.ISub(x, x).Int)
	// Divisors stay within bounds, too.
	q := b.IDiv(b.IDiv(x, 1<<40-1), 1<<40-1)
	lo, hi = q.Range()
	require.Equal(t, []int64{-1, 0}, []int64{lo, hi})
}

func text(e *Expr) string { return (&printer{}).ref(e) }

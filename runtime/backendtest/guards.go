package backendtest

import (
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// testGuards reads outside of buffers behind predicates that do not hold there.
func testGuards(t *testing.T, s *suite) {
	for _, d := range allTypes {
		t.Run("pad "+d.String(), func(t *testing.T) {
			for _, n := range []int{3, 64, 1001} {
				m := newMaker("pad")
				a := m.axes(4, n+7)
				p := m.in(d, 2*n)
				i, j := m.IAdd(m.Var(a[0]), m.Int(-1)), m.IAdd(m.Var(a[1]), m.Int(-3))
				inside := m.AllOf(m.Within(i, 0, 2), m.Within(j, 0, int64(n)))
				x := m.load(p, m.IAdd(m.IMul(i, int64(n)), j))
				m.write(m.If(inside, x, m.ConstInt(d, 1)), a...)
				m.write(m.If(inside, m.add(x, x), m.load(p, m.Int(0))), a...)
				s.check(t, single(m.pointwise(), whole(d, 2*n, 1)), Exact)
			}
		})
	}
	t.Run("concat", func(t *testing.T) {
		m := newMaker("concat")
		a := m.axes(9, 50)
		j := m.Var(a[1])
		p, q, r := m.in(types.F32, 9*20), m.in(types.F32, 9*25), m.in(types.F32, 9*5)
		at := func(width, from int) *kernel.Expr {
			return m.IAdd(m.IMul(m.Var(a[0]), int64(width)), m.IAdd(j, m.Int(int64(-from))))
		}
		rest := m.If(m.Ge0(m.ISub(m.Int(44), j)), m.load(q, at(25, 20)), m.load(r, at(5, 45)))
		m.write(m.If(m.Ge0(m.ISub(m.Int(19), j)), m.load(p, at(20, 0)), rest), a...)
		s.check(t, single(m.pointwise(), whole(types.F32, 180, 1), whole(types.F32, 225, 2), whole(types.F32, 45, 3)), Exact)
	})
	t.Run("equality", func(t *testing.T) {
		m := newMaker("diagonal")
		a := m.axes(40, 40)
		p := m.in(types.F32, 40)
		m.write(m.If(m.Eq0(m.ISub(m.Var(a[0]), m.Var(a[1]))), m.load(p, m.Var(a[0])), m.Const(types.F32, 0)), a...)
		m.write(m.If(m.Eq0(m.IMod(m.Var(a[1]), 3)), m.load(p, m.IDiv(m.Var(a[1]), 3)), m.Const(types.F32, -1)), a...)
		m.write(m.If(m.Eq0(m.IAdd(m.Var(a[0]), m.Int(-39))), m.load(p, m.IAdd(m.Var(a[0]), m.Int(-30))), m.Const(types.F32, -1)), a...)
		s.check(t, single(m.pointwise(), whole(types.F32, 40, 1)), Exact)
	})
	t.Run("one-hot", func(t *testing.T) {
		m := newMaker("onehot")
		a := m.axes(31, 10)
		p := m.in(types.I32, 31)
		label := m.CheckIndex(m.load(p, m.Var(a[0])), 10, m.Site("label"))
		m.write(m.FromPred(m.Eq0(m.ISub(m.Var(a[1]), label))), a...)
		m.write(m.If(m.Eq0(m.ISub(m.Var(a[1]), label)), m.Const(types.F32, 2), m.Cast(m.FromIndex(m.Var(a[1]), types.I32), types.F32)), a...)
		s.check(t, single(m.pointwise(), indices(types.I32, 31, 10, 4)), Exact)
	})
	t.Run("guarded predicate", func(t *testing.T) {
		// The inner predicate loads where the outer one holds.
		m := newMaker("predicate")
		a := m.axes(12)
		p := m.in(types.I32, 6)
		i := m.IAdd(m.Var(a[0]), m.Int(-3))
		v := m.CheckIndex(m.load(p, i), 100, m.Site("index"))
		even := m.Eq0(m.IMod(v, 2))
		m.write(m.If(m.Within(i, 0, 6), m.If(even, m.ConstInt(types.I32, 1), m.ConstInt(types.I32, 0)), m.ConstInt(types.I32, 0)), a...)
		s.check(t, single(m.pointwise(), indices(types.I32, 6, 100, 6)), Exact)
	})
	t.Run("nested", func(t *testing.T) {
		m := newMaker("nested")
		a := m.axes(17, 23)
		i, j := m.Var(a[0]), m.Var(a[1])
		p := m.in(types.F32, 50)
		inner := m.If(m.Ge0(m.IAdd(j, m.Int(-10))), m.load(p, m.IAdd(j, m.Int(-10))), m.load(p, m.IAdd(i, m.Int(-8))))
		outer := m.If(m.Ge0(m.IAdd(i, m.Int(-8))), m.add(inner, m.Const(types.F32, 1)), m.Const(types.F32, 5))
		m.write(m.mul(outer, outer), a...)
		s.check(t, single(m.pointwise(), whole(types.F32, 50, 2)), Exact)
	})
	t.Run("in folds", func(t *testing.T) {
		// A convolution's window over a padded row, and its fold behind a guard.
		m := newMaker("window")
		a := m.axes(30, 5)
		p := m.in(types.F32, 30)
		at := m.IAdd(m.IAdd(m.Var(a[0]), m.Var(a[1])), m.Int(-2))
		sum := m.sum(m.If(m.Within(at, 0, 30), m.load(p, at), m.Const(types.F32, 0)), a[1])
		m.write(sum, a[0])
		tail := m.IAdd(m.Var(a[0]), m.Int(-5))
		most := m.FoldAxes(kernel.Max, a[1:], m.load(p, m.IAdd(tail, m.Var(a[1]))))
		m.write(m.If(m.Ge0(tail), most, m.Const(types.F32, -7)), a[0])
		s.check(t, single(m.general(), whole(types.F32, 30, 3)), Exact)
	})
}

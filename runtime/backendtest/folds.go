package backendtest

import (
	"fmt"
	"math"
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// foldOps are the folds that are defined on a type.
func foldOps(d types.DType) []kernel.Op {
	if d == types.Bool {
		return []kernel.Op{kernel.Max, kernel.Min}
	}
	return []kernel.Op{kernel.Add, kernel.Mul, kernel.Max, kernel.Min}
}

// foldInput holds numbers whose fold is exact in any order: for products, few
// factors other than 1 and -1.
func foldInput(op kernel.Op, d types.DType, n int, seed uint64) array {
	a := whole(d, n, seed)
	if op == kernel.Mul && d.IsFloat() {
		for i := range n {
			v := int64(1 - 2*(i%3&1))
			if i%97 == 5 {
				v = 2
			}
			a.set(i, kernel.IntScalar(d, v))
		}
	}
	return a
}

// testFolds runs folds without a structure.
func testFolds(t *testing.T, s *suite) {
	for _, d := range allTypes {
		for _, op := range foldOps(d) {
			t.Run(fmt.Sprint(op, " ", d), func(t *testing.T) {
				for _, n := range []int{2, 3, 8, 17, 100, 1025, 5000} {
					m := newMaker("all")
					a := m.axes(n)
					m.write(m.FoldAxes(op, a, m.read(d, a...)))
					s.check(t, single(m.general(), foldInput(op, d, n, 1)), Exact)
				}
				m := newMaker("some")
				a := m.axes(3, 33, 4, 7)
				x := m.read(d, a...)
				m.write(m.FoldAxes(op, []*kernel.Axis{a[1], a[3]}, x), a[0], a[2])
				m.write(m.FoldAxes(op, []*kernel.Axis{a[0]}, x), a[1], a[2], a[3])
				m.write(m.FoldAxes(op, []*kernel.Axis{a[2], a[3], a[0]}, x), a[1])
				s.check(t, single(m.general(), foldInput(op, d, 3*33*4*7, 2)), Exact)
			})
		}
	}
	t.Run("of extremes", func(t *testing.T) {
		for _, d := range []types.DType{types.F32, types.F64} {
			rows := of(d,
				1, math.NaN(), 2,
				math.Inf(1), 0, 1,
				math.Inf(-1), math.Inf(1), 1,
				math.Inf(-1), math.Inf(-1), math.Inf(-1),
				math.NaN(), math.NaN(), math.NaN(),
			)
			for _, op := range foldOps(d) {
				m := newMaker("extremes")
				a := m.axes(5, 3)
				m.write(m.FoldAxes(op, a[1:], m.read(d, a...)), a[0])
				s.check(t, single(m.general(), rows), Exact)
			}
		}
	})
	t.Run("nested", func(t *testing.T) {
		m := newMaker("nested")
		a := m.axes(6, 20, 30)
		x := m.read(types.F32, a...)
		most := m.FoldAxes(kernel.Max, a[2:], x)
		m.write(m.FoldAxes(kernel.Min, a[1:2], m.add(most, m.load(0, m.Var(a[1])))), a[0])
		m.write(m.mul(m.sum(most, a[1]), m.FoldAxes(kernel.Max, []*kernel.Axis{a[0]}, most)), a[0], a[1])
		s.check(t, single(m.general(), whole(types.F32, 3600, 1)), Exact)
	})
	t.Run("own axis", func(t *testing.T) {
		// A statistic of the row inside another fold over the same axis.
		m := newMaker("own")
		a := m.axes(40)
		x := m.read(types.F32, a...)
		most := m.FoldAxes(kernel.Max, a, x)
		m.write(m.sum(m.mul(m.sub(x, most), m.sub(x, most)), a...))
		s.check(t, single(m.general(), whole(types.F32, 40, 1)), Exact)
	})
	t.Run("scatter", func(t *testing.T) {
		// Row v of the result sums the rows whose index is v.
		for _, d := range []types.DType{types.F32, types.F64, types.I32} {
			m := newMaker("scatter")
			a := m.axes(10, 6, 50)
			at, src := m.in(types.I64, 50), m.in(d, 50*6)
			v := m.CheckIndex(m.load(at, m.Var(a[2])), 10, m.Site("scatter"))
			hit := m.Eq0(m.ISub(m.Var(a[0]), v))
			m.write(m.sum(m.If(hit, m.load(src, m.at(a[2], a[1])), m.ConstInt(d, 0)), a[2]), a[0], a[1])
			s.check(t, single(m.general(), indices(types.I64, 50, 10, 1), whole(d, 300, 2)), Exact)
		}
	})
	t.Run("many terms", func(t *testing.T) {
		// Rounding errors must not grow with the number of terms beyond what a
		// sum in order has.
		m := newMaker("sum")
		a := m.axes(100000)
		m.write(m.sum(m.read(types.F32, a...), a...))
		s.check(t, single(m.general(), normal(types.F32, 100000, 1)), Tolerance{Absolute: 0.1})
	})
}

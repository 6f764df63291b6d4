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
	t.Run("scatter", func(t *testing.T) { testScatter(t, s) })
	t.Run("many terms", func(t *testing.T) {
		// Rounding errors must not grow with the number of terms beyond what a
		// sum in order has.
		m := newMaker("sum")
		a := m.axes(100000)
		m.write(m.sum(m.read(types.F32, a...), a...))
		s.check(t, single(m.general(), normal(types.F32, 100000, 1)), Tolerance{Absolute: 0.1})
	})
}

// testScatter has folds that sum, for each row of a table, the values whose index is the row's: the gradient of a table that is
// looked up. Their order of addition is that of the values.
func testScatter(t *testing.T, s *suite) {
	for _, size := range [][3]int{{10, 6, 50}, {2, 2, 3}, {70, 33, 100}, {7, 300, 40}, {300, 2, 200}} {
		rows, width, n := size[0], size[1], size[2]
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			for _, d := range []types.DType{types.F32, types.F64, types.I32, types.I64, types.U32} {
				m := newMaker("scatter")
				a := m.axes(rows, width, n)
				at, src := m.in(types.I64, n), m.in(d, n*width)
				v := m.CheckIndex(m.load(at, m.Var(a[2])), int64(rows), m.Site("scatter"))
				hit := m.Eq0(m.ISub(m.Var(a[0]), v))
				m.write(m.sum(m.If(hit, m.load(src, m.at(a[2], a[1])), m.ConstInt(d, 0)), a[2]), a[0], a[1])
				values := whole(d, n*width, 2)
				if d.IsFloat() {
					values = normal(d, n*width, 2)
				}
				s.check(t, single(m.general(), indices(types.I64, n, rows, 1), values), Exact)
			}
			// The table lies with its rows along the last axis, an offset is added to the index, the values are computed, and the sum
			// is used twice.
			m := newMaker("scatter")
			a := m.axes(width, rows, n)
			at, src := m.in(types.I32, n), m.in(types.F32, n*width)
			v := m.IAdd(m.CheckIndex(m.load(at, m.Var(a[2])), int64(rows), m.Site("scatter")), m.Int(-1))
			x := m.load(src, m.at(a[0], a[2]))
			sum := m.sum(m.If(m.Eq0(m.ISub(v, m.Var(a[1]))), m.mul(x, x), m.Const(types.F32, 0)), a[2])
			m.write(m.mul(sum, m.read(types.F32, a[0], a[1])), a[0], a[1])
			m.write(m.add(sum, sum), a[0], a[1])
			s.check(t, single(m.general(), indices(types.I32, n, rows, 1), normal(types.F32, n*width, 2), normal(types.F32, rows*width, 3)), Exact)
			// Each row of a matrix has indices of its own.
			m = newMaker("scatter")
			a = m.axes(width, rows, n)
			at, src = m.in(types.I64, n*width), m.in(types.F32, n*width)
			v = m.CheckIndex(m.load(at, m.at(a[0], a[2])), int64(rows), m.Site("scatter"))
			m.write(m.sum(m.If(m.Eq0(m.ISub(m.Var(a[1]), v)), m.load(src, m.at(a[0], a[2])), m.Const(types.F32, 0)), a[2]), a[0], a[1])
			s.check(t, single(m.general(), indices(types.I64, n*width, rows, 1), normal(types.F32, n*width, 2)), Exact)
		})
	}
}

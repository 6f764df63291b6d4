package backendtest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
)

// testChecks makes indices fail their run-time checks.
func testChecks(t *testing.T, s *suite) {
	forms := []struct {
		name  string
		sched func(m *maker, a []*kernel.Axis) *kernel.Kernel
	}{
		{"pointwise", func(m *maker, _ []*kernel.Axis) *kernel.Kernel { return m.pointwise() }},
		{"general", func(m *maker, _ []*kernel.Axis) *kernel.Kernel { return m.general() }},
		{"rows", func(m *maker, a []*kernel.Axis) *kernel.Kernel { return m.rows(a[:1], a[1:]) }},
	}
	for _, f := range forms {
		for _, dt := range []types.DType{types.I32, types.I64} {
			t.Run(f.name+" "+dt.String(), func(t *testing.T) {
				for _, n := range []int{3, 2500} {
					gather := func() *kernel.Kernel {
						m := newMaker("gather")
						a := m.axes(n, 4)
						table, at := m.in(types.F32, 40), m.in(dt, n)
						row := m.CheckIndex(m.load(at, m.Var(a[0])), 10, m.Site("gather"))
						x := m.load(table, m.IAdd(m.IMul(row, 4), m.Var(a[1])))
						if f.name == "rows" {
							x = m.sub(x, m.FoldAxes(kernel.Max, a[1:], x))
						}
						m.write(x, a...)
						return f.sched(m, a)
					}
					for _, bad := range []int64{-1, 10, 1 << 30, -1 << 31} {
						at := indices(dt, n, 10, 1)
						at.set(n/2, kernel.IntScalar(dt, bad))
						at.set(n-1, kernel.IntScalar(dt, 77))
						s.checkFails(t, single(gather(), whole(types.F32, 40, 1), at), "model.go:0: gather", bad, 10)
					}
				}
			})
		}
	}
	t.Run("wide", func(t *testing.T) {
		m := newMaker("gather")
		a := m.axes(5)
		table, at := m.in(types.F32, 10), m.in(types.I64, 5)
		m.write(m.load(table, m.CheckIndex(m.load(at, m.Var(a[0])), 10, m.Site("gather"))), a...)
		s.checkFails(t, single(m.pointwise(), whole(types.F32, 10, 1), ints(types.I64, 1, 1<<32, 2, 3, 4)), "model.go:0: gather", 1<<32, 10)
	})
	t.Run("contract", func(t *testing.T) {
		p := newProduct(nil, []int{9}, []int{8}, []int{7})
		table, at := p.in(types.F32, 6*7), p.in(types.I32, 9)
		row := p.CheckIndex(p.load(at, p.Var(p.m[0])), 6, p.Site("gather"))
		a := p.load(table, p.IAdd(p.IMul(row, 7), p.Var(p.k[0])))
		p.write(p.of(a, p.read(types.F32, p.k[0], p.n[0])), p.result()...)
		in := []array{whole(types.F32, 42, 1), ints(types.I32, 0, 5, 1, 2, 6, 3, 7, 0, 0), whole(types.F32, 56, 2)}
		s.checkFails(t, single(p.kernel(), in...), "model.go:0: gather", 6, 6)
	})
	t.Run("sites", func(t *testing.T) {
		m := newMaker("sites")
		a := m.axes(20)
		x, p, q := m.in(types.F32, 10), m.in(types.I32, 20), m.in(types.I32, 20)
		one := m.CheckIndex(m.load(p, m.Var(a[0])), 10, m.Site("one"))
		two := m.CheckIndex(m.load(q, m.Var(a[0])), 5, m.Site("two"))
		m.write(m.add(m.load(x, one), m.load(x, two)), a...)
		k := m.pointwise()
		good, bad := indices(types.I32, 20, 5, 1), indices(types.I32, 20, 5, 2)
		bad.set(13, kernel.IntScalar(types.I32, 5))
		s.checkFails(t, single(k, whole(types.F32, 10, 1), good, bad), "model.go:1: gather", 5, 5)
		s.check(t, single(k, whole(types.F32, 10, 1), bad, good), Exact)
	})
	t.Run("guarded", func(t *testing.T) {
		// The check stands behind a guard that does not hold where it would fail.
		m := newMaker("guarded")
		a := m.axes(1500)
		x, p := m.in(types.F32, 10), m.in(types.I32, 1500)
		v := m.CheckIndex(m.load(p, m.Var(a[0])), 10, m.Site("gather"))
		m.write(m.If(m.Ge0(m.IAdd(m.Var(a[0]), m.Int(-700))), m.load(x, v), m.Const(types.F32, 0)), a...)
		k := m.pointwise()
		at := indices(types.I32, 1500, 10, 1)
		at.set(3, kernel.IntScalar(types.I32, 99))
		at.set(699, kernel.IntScalar(types.I32, -99))
		s.check(t, single(k, whole(types.F32, 10, 1), at), Exact)
		at.set(700, kernel.IntScalar(types.I32, 55))
		s.checkFails(t, single(k, whole(types.F32, 10, 1), at), "model.go:0: gather", 55, 10)
	})
	t.Run("variables", func(t *testing.T) { testCheckAndVariables(t, s) })
}

// checkFails requires that a program fails its first bad check. It may run
// again with other inputs afterwards.
func (s *suite) checkFails(t *testing.T, d *draft, pos string, value, limit int64) {
	t.Helper()
	for range 2 {
		_, err := runOn(s.dev, d)
		var c *device.CheckError
		require.True(t, errors.As(err, &c), "want a failed check, got %v", err)
		require.Equal(t, device.CheckError{Pos: pos, Value: value, Limit: limit}, *c)
	}
}

// testCheckAndVariables fails before, in and after the launch that writes a
// variable.
func testCheckAndVariables(t *testing.T, s *suite) {
	gather := func() *kernel.Kernel {
		m := newMaker("gather")
		a := m.axes(8)
		x, p := m.in(types.F32, 8), m.in(types.I32, 8)
		m.write(m.load(x, m.CheckIndex(m.load(p, m.Var(a[0])), 8, m.Site("gather"))), a...)
		return m.pointwise()
	}
	for _, place := range []string{"before", "in", "after"} {
		d := newDraft()
		start := whole(types.F32, 8, 1)
		v, x, at := d.variable(start), d.input(whole(types.F32, 8, 2)), d.input(ints(types.I32, 1, 2, 3, 8, 4, 5, 6, 7))
		switch place {
		case "before":
			d.launch(gather(), x, at, d.output(types.F32, 8))
			d.launch(double(8), v, v)
		case "in":
			d.launch(gather(), x, at, v)
		default:
			d.launch(double(8), v, v)
			d.launch(gather(), x, at, d.output(types.F32, 8))
		}
		w, err := setUp(s.dev, d)
		require.NoError(t, err)
		var c *device.CheckError
		require.True(t, errors.As(w.exe.Run(context.Background(), w.in, w.out), &c), place)
		require.EqualValues(t, 8, c.Value)
		got, err := w.results()
		require.NoError(t, err)
		if !c.VariablesWritten {
			require.Equal(t, start, got[v], "%s: the variable has changed, yet the error says it has not", place)
		}
		if place != "in" {
			require.Equal(t, place == "after", c.VariablesWritten)
		}
		require.NoError(t, w.close())
	}
}

// double multiplies n numbers by 2.
func double(n int) *kernel.Kernel { return doubleOf(types.F32, n) }

func doubleOf(d types.DType, n int) *kernel.Kernel {
	m := newMaker("double")
	a := m.axes(n)
	m.write(m.mul(m.read(d, a...), m.Const(d, 2)), a...)
	return m.pointwise()
}

package backendtest

import (
	"fmt"
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// oddSizes lie around the widths of vectors and the lengths of tiles.
var oddSizes = []int{1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 255, 257, 1000, 1023, 1024, 1025, 2049, 4095, 4097, 40009}

func testPointwise(t *testing.T, s *suite) {
	for _, d := range allTypes {
		t.Run("sizes "+d.String(), func(t *testing.T) {
			for _, n := range oddSizes {
				m := newMaker("chain")
				a := m.axes(n)
				x, y := m.read(d, a...), m.read(d, a...)
				m.write(m.Bin(kernel.Max, m.add(m.mul(x, y), x), y), a...)
				s.check(t, single(m.pointwise(), whole(d, n, 1), whole(d, n, 2)), Exact)
			}
		})
	}
	t.Run("no axes", func(t *testing.T) {
		m := newMaker("scalar")
		m.write(m.add(m.read(types.F32), m.Const(types.F32, 2)))
		s.check(t, single(m.pointwise(), of(types.F32, 3)), Exact)
	})
	t.Run("many stores", func(t *testing.T) { testManyStores(t, s) })
	t.Run("groups", func(t *testing.T) { testGroups(t, s) })
	t.Run("select", func(t *testing.T) {
		for _, d := range allTypes {
			m := newMaker("select")
			a := m.axes(700)
			c, x, y := m.read(types.Bool, a...), m.read(d, a...), m.read(d, a...)
			m.write(m.Select(c, x, y), a...)
			m.write(m.Select(m.Bin(kernel.Lt, x, y), m.ConstInt(d, 1), x), a...)
			s.check(t, single(m.pointwise(), whole(types.Bool, 700, 1), whole(d, 700, 2), whole(d, 700, 3)), Exact)
		}
	})
	t.Run("mixed types", func(t *testing.T) {
		m := newMaker("mixed")
		a := m.axes(1031)
		sum := m.Const(types.F64, 0)
		for _, d := range allTypes {
			sum = m.add(sum, m.Cast(m.read(d, a...), types.F64))
		}
		for _, d := range allTypes {
			m.write(m.Cast(sum, d), a...)
		}
		var in []array
		for i, d := range allTypes {
			in = append(in, whole(d, 1031, uint64(i)))
		}
		s.check(t, single(m.pointwise(), in...), Exact)
	})
	t.Run("deep", func(t *testing.T) {
		m := newMaker("deep")
		a := m.axes(513)
		e := m.read(types.F32, a...)
		for i := range 300 {
			e = m.add(m.mul(e, m.Const(types.F32, 0.5)), m.Const(types.F32, float64(i%7)))
		}
		m.write(e, a...)
		s.check(t, single(m.pointwise(), normal(types.F32, 513, 9)), Exact)
	})
	t.Run("random bits", func(t *testing.T) {
		m := newMaker("threefry")
		a := m.axes(1500)
		key := m.in(types.U32, 2)
		w0, w1 := m.Threefry(m.load(key, m.Int(0)), m.load(key, m.Int(1)), m.FromIndex(m.at(a...), types.U32), m.ConstInt(types.U32, 7))
		m.write(w0, a...)
		m.write(w1, a...)
		s.check(t, single(m.pointwise(), ints(types.U32, 0x12345678, 0xFFFFFFF0)), Exact)
	})
}

// testManyStores stores values that share subexpressions, of several types.
func testManyStores(t *testing.T, s *suite) {
	for _, n := range []int{1, 63, 2100} {
		m := newMaker("stores")
		a := m.axes(n)
		x, y := m.read(types.F32, a...), m.read(types.F32, a...)
		h := m.mul(x, y)
		for i := range 6 {
			h = m.add(h, x)
			m.write(h, a...)
			m.write(m.Bin(kernel.Lt, h, m.Const(types.F32, float64(i))), a...)
		}
		m.write(m.Cast(h, types.I32), a...)
		s.check(t, single(m.pointwise(), whole(types.F32, n, 1), whole(types.F32, n, 2)), Exact)
	}
}

// testGroups runs stores over different axes as one launch, as updates of many
// parameters are: several stores per group, and groups of very different sizes.
func testGroups(t *testing.T, s *suite) {
	sizes := []int{3, 1000, 1, 64, 4099, 17}
	d := newDraft()
	m := newMaker("groups")
	rate := m.in(types.F32, 1)
	args := []int{d.input(of(types.F32, 0.25))}
	var vs, gs []int
	for range sizes {
		vs, gs = append(vs, 0), append(gs, 0)
	}
	for i, n := range sizes {
		vs[i], gs[i] = m.in(types.F32, n), m.in(types.F32, n)
		args = append(args, d.variable(whole(types.F32, n, uint64(i))), d.input(whole(types.F32, n, uint64(50+i))))
	}
	for i, n := range sizes {
		a := m.axes(n)
		g := m.load(gs[i], m.at(a...))
		w := m.load(vs[i], m.at(a...))
		m.write(m.sub(w, m.mul(m.load(rate, m.Int(0)), g)), a...)
		m.write(m.Bin(kernel.Lt, g, m.Const(types.F32, 0)), a...)
		args = append(args, args[1+2*i], d.output(types.Bool, n))
	}
	d.launch(m.groups(), args...)
	s.check(t, d, Exact)
	s.check(t, single(groupsOfShapes(), whole(types.I32, 60, 1), whole(types.I32, 35, 2)), Exact)
}

// groupsOfShapes transposes two matrices in one kernel.
func groupsOfShapes() *kernel.Kernel {
	m := newMaker("shapes")
	p, q := m.in(types.I32, 60), m.in(types.I32, 35)
	for _, g := range []struct{ param, rows, cols int }{{p, 6, 10}, {q, 5, 7}} {
		a := m.axes(g.cols, g.rows)
		m.write(m.load(g.param, m.at(a[1], a[0])), a...)
	}
	return m.groups()
}

func testIndex(t *testing.T, s *suite) {
	for _, d := range allTypes {
		t.Run("views "+d.String(), func(t *testing.T) {
			for _, n := range []int{2, 5, 33, 130} {
				for _, k := range []int{3, 8, 65} {
					s.check(t, single(views(d, n, k), whole(d, 3*n*k, 1), whole(d, n, 2), whole(d, k, 3), whole(d, 1, 4)), Exact)
				}
			}
		})
		t.Run("iota "+d.String(), func(t *testing.T) {
			m := newMaker("iota")
			a := m.axes(37, 41)
			flat := m.at(a...)
			causal := m.Ge0(m.ISub(m.Var(a[0]), m.Var(a[1])))
			if d != types.Bool {
				m.write(m.Cast(m.FromIndex(flat, types.I64), d), a...)
				m.write(m.Cast(m.FromIndex(m.ISub(m.Int(7), flat), types.I64), d), a...)
			}
			m.write(m.Cast(m.FromPred(causal), d), a...)
			m.write(m.FromPred(m.AllOf(causal, m.Ge0(m.IAdd(m.Var(a[1]), m.Int(-3))))), a...)
			m.write(m.FromPred(m.Eq0(m.ISub(m.IMul(m.Var(a[0]), 2), m.Var(a[1])))), a...)
			s.check(t, single(m.pointwise()), Exact)
		})
		t.Run("gather "+d.String(), func(t *testing.T) {
			for _, it := range []types.DType{types.I32, types.I64, types.U8} {
				m := newMaker("gather")
				a := m.axes(45, 19)
				table, at := m.in(d, 30*19), m.in(it, 45)
				row := m.CheckIndex(m.load(at, m.Var(a[0])), 30, m.Site("rows"))
				m.write(m.load(table, m.IAdd(m.IMul(row, 19), m.Var(a[1]))), a...)
				m.write(m.load(table, m.IAdd(m.IMul(row, 19), m.ISub(m.Int(18), m.Var(a[1])))), a...)
				s.check(t, single(m.pointwise(), whole(d, 30*19, 1), indices(it, 45, 30, 2)), Exact)
			}
		})
	}
	t.Run("div and mod", func(t *testing.T) {
		for _, c := range []int64{2, 3, 7, 64} {
			m := newMaker("divmod")
			a := m.axes(5, 911)
			flat := m.at(a...)
			p := m.in(types.I32, 5*911)
			m.write(m.add(m.load(p, m.IDiv(flat, c)), m.load(p, m.IMod(flat, c))), a...)
			m.write(m.FromIndex(m.IDiv(m.IAdd(flat, m.Int(-2000)), c), types.I32), a...)
			m.write(m.FromIndex(m.IMod(m.IAdd(flat, m.Int(-2000)), c), types.I32), a...)
			m.write(m.load(p, m.IDiv(m.IAdd(m.Var(a[1]), m.IMul(m.Var(a[0]), c)), c)), a...)
			s.check(t, single(m.pointwise(), whole(types.I32, 5*911, 3)), Exact)
		}
	})
	t.Run("scattered stores", func(t *testing.T) {
		for _, sched := range []func(*maker) *kernel.Kernel{(*maker).pointwise, (*maker).general} {
			m := newMaker("scatter")
			a := m.axes(13, 21)
			x := m.read(types.F32, a...)
			p, q, r := m.out(types.F32, 13*21), m.out(types.F32, 13*21), m.out(types.F32, 13*21)
			m.store(p, m.at(a[1], a[0]), x, a...)
			m.store(q, m.ISub(m.Int(13*21-1), m.at(a...)), x, a...)
			m.store(r, m.IMod(m.IAdd(m.IMul(m.at(a...), 2), m.Int(1)), 13*21), x, a...) // 2 and 273 are coprime
			s.check(t, single(sched(m), whole(types.F32, 13*21, 5)), Exact)
		}
	})
	t.Run("many axes", func(t *testing.T) {
		m := newMaker("axes")
		a := m.axes(2, 3, 2, 3, 2, 3, 2, 3)
		p := m.in(types.I32, 1296)
		var back []*kernel.Axis
		for i := range a {
			back = append(back, a[len(a)-1-i])
		}
		m.write(m.load(p, m.at(back...)), a...)
		m.write(m.load(p, m.at(a[3], a[1], a[7])), a...)
		s.check(t, single(m.pointwise(), whole(types.I32, 1296, 1)), Exact)
	})
	t.Run("constants", func(t *testing.T) {
		for _, dt := range allTypes {
			d := newDraft()
			c := d.constant(whole(dt, 99, 7))
			m := newMaker("constants")
			a := m.axes(99)
			m.write(m.add(m.read(dt, a...), m.load(0, m.ISub(m.Int(98), m.at(a...)))), a...)
			d.launch(m.pointwise(), c, d.output(dt, 99))
			s.check(t, d, Exact)
		}
	})
}

// views reads x[3nk] strided, transposed, reversed, windowed and shifted,
// y[n] and z[k] broadcast along one axis each, and w[1] along both.
func views(d types.DType, n, k int) *kernel.Kernel {
	m := newMaker(fmt.Sprint("views", n, "x", k))
	a := m.axes(n, k)
	i, j := m.Var(a[0]), m.Var(a[1])
	x, y, z, w := m.in(d, 3*n*k), m.in(d, n), m.in(d, k), m.in(d, 1)
	flat := m.at(a...)
	for _, ix := range []*kernel.Expr{
		m.IMul(flat, 3),
		m.IAdd(m.IMul(j, int64(n)), i),
		m.ISub(m.Int(int64(n*k-1)), flat),
		m.IAdd(i, j),
		m.IAdd(flat, m.Int(int64(n*k))),
		m.IAdd(m.IMul(i, int64(2*k)), m.ISub(m.Int(int64(k-1)), j)),
	} {
		m.write(m.load(x, ix), a...)
	}
	m.write(m.add(m.add(m.load(y, i), m.load(z, j)), m.add(m.load(w, m.Int(0)), m.load(y, m.ISub(m.Int(int64(n-1)), i)))), a...)
	return m.pointwise()
}

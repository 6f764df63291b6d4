package backendtest

import (
	"slices"
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// testAliasing binds one region of memory to parameters that are read and
// written, as [kernel.Program] allows.
func testAliasing(t *testing.T, s *suite) {
	for _, n := range []int{1, 7, 64, 1025, 9001} {
		momentum(t, s, n)
		temporaries(t, s, n)
	}
	t.Run("contract", func(t *testing.T) {
		// w += rate * a b, written in the epilogue of the product.
		for _, sz := range productSizes {
			if sz[0] == 1 || sz[1] == 1 || sz[0]*sz[1]*sz[2] > 1<<17 {
				continue
			}
			p := newProduct(nil, sz[:1], sz[1:2], sz[2:])
			a, b := p.operands(types.F32, 1)
			w := p.read(types.F32, p.result()...)
			v := p.read(types.F32, p.result()...)
			next := p.add(p.mul(v, p.Const(types.F32, 0.5)), p.of(a, b))
			p.write(next, p.result()...)
			p.write(p.sub(w, p.mul(next, p.Const(types.F32, 0.25))), p.result()...)
			d := newDraft()
			x, y := d.input(whole(types.F32, sz[0]*sz[2], 1)), d.input(whole(types.F32, sz[1]*sz[2], 2))
			weights, velocity := d.variable(whole(types.F32, sz[0]*sz[1], 3)), d.variable(whole(types.F32, sz[0]*sz[1], 4))
			d.launch(p.kernel(), x, y, weights, velocity, velocity, weights)
			s.check(t, d, Exact)
		}
	})
	t.Run("transposed", func(t *testing.T) {
		// Both the load and the store are transposed.
		m := newMaker("transposed")
		a := m.axes(37, 53)
		at := m.at(a[1], a[0])
		x := m.load(m.in(types.F32, 37*53), at)
		m.store(m.out(types.F32, 37*53), at, m.add(m.mul(x, x), x), a...)
		d := newDraft()
		v := d.variable(whole(types.F32, 37*53, 1))
		d.launch(m.pointwise(), v, v)
		s.check(t, d, Exact)
	})
	t.Run("rows", func(t *testing.T) {
		// A row program may store over the rows that it reads.
		for _, sh := range rowShapes {
			r, c := sh[0], sh[1]
			m := newMaker("rows")
			a := m.axes(r, c)
			x := m.read(types.F32, a...)
			m.write(m.add(m.sub(x, m.FoldAxes(kernel.Max, a[1:], x)), m.sum(x, a[1])), a...)
			d := newDraft()
			v := d.variable(whole(types.F32, r*c, 1))
			d.launch(m.rows(a[:1], a[1:]), v, v)
			s.check(t, d, Exact)
		}
	})
	t.Run("rows with results", func(t *testing.T) {
		// Results of rows are those of the rows as they were, in whatever order they
		// are stored.
		for _, sh := range append(slices.Clone(rowShapes), [2]int{2, 17003}) {
			for first := range 2 {
				r, c := sh[0], sh[1]
				m := newMaker("rows")
				a := m.axes(r, c)
				x := m.read(types.F32, a...)
				below := m.sub(x, m.FoldAxes(kernel.Max, a[1:], x))
				squares, rest := m.sum(m.mul(x, x), a[1]), m.sum(below, a[1])
				args := []int{}
				d := newDraft()
				v := d.variable(whole(types.F32, r*c, 1))
				if first == 0 {
					m.write(below, a...)
					args = append(args, v)
				}
				m.write(squares, a[0])
				m.write(rest, a[0])
				args = append(args, d.output(types.F32, r), d.output(types.F32, r))
				if first == 1 {
					m.write(below, a...)
					args = append(args, v)
				}
				d.launch(m.rows(a[:1], a[1:]), append([]int{v}, args...)...)
				s.check(t, d, Exact)
			}
		}
	})
	t.Run("of another type", func(t *testing.T) {
		m := newMaker("cast")
		a := m.axes(1500)
		m.write(m.Cast(m.read(types.F32, a...), types.I32), a...)
		d := newDraft()
		x := d.temp(types.F32, 1500)
		y := d.over(types.I32, 1500, x)
		d.launch(double(1500), d.input(whole(types.F32, 1500, 1)), x)
		d.launch(m.pointwise(), x, y)
		d.launch(copyOf(types.I32, 1500), y, d.output(types.I32, 1500))
		s.check(t, d, Exact)
	})
}

// momentum updates two variables of n elements in place.
func momentum(t *testing.T, s *suite, n int) {
	m := newMaker("momentum")
	a := m.axes(n)
	w, v, g := m.read(types.F32, a...), m.read(types.F32, a...), m.read(types.F32, a...)
	next := m.add(m.mul(v, m.Const(types.F32, 0.5)), g)
	m.write(next, a...)
	m.write(m.sub(w, m.mul(m.Const(types.F32, 0.125), m.add(next, v))), a...)
	d := newDraft()
	weights, velocity := d.variable(whole(types.F32, n, 1)), d.variable(whole(types.F32, n, 2))
	d.launch(m.pointwise(), weights, velocity, d.input(whole(types.F32, n, 3)), velocity, weights)
	d.launch(copyOf(types.F32, n), weights, d.output(types.F32, n))
	s.check(t, d, Exact)
}

// temporaries runs a chain in which every value takes the place of the last or
// of the one before it.
func temporaries(t *testing.T, s *suite, n int) {
	d := newDraft()
	x := d.input(whole(types.F32, n, 1))
	p, q := d.temp(types.F32, n), d.temp(types.F32, n)
	d.launch(double(n), x, p)
	for i := range 6 {
		m := newMaker("step")
		a := m.axes(n)
		last := m.read(types.F32, a...)
		m.write(m.sub(m.Const(types.F32, float64(i)), last), a...)
		next := d.over(types.F32, n, p) // in place
		if i%2 == 1 {
			next = d.over(types.F32, n, q)
			q = p
		}
		d.launch(m.pointwise(), p, next)
		p = next
	}
	d.launch(copyOf(types.F32, n), p, d.output(types.F32, n))
	s.check(t, d, Exact)
}

func copyOf(dt types.DType, n int) *kernel.Kernel {
	m := newMaker("copy")
	a := m.axes(n)
	m.write(m.read(dt, a...), a...)
	return m.pointwise()
}

package backendtest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// testPrograms runs several launches that depend on one another.
func testPrograms(t *testing.T, s *suite) {
	t.Run("perceptron", func(t *testing.T) {
		for _, batch := range []int{2, 33} {
			s.check(t, perceptron(batch, 20, 17, 5), Tolerance{Ulps: 64, Absolute: 1e-4})
		}
	})
	t.Run("shared kernel", func(t *testing.T) {
		d := newDraft()
		k := double(300)
		x := d.input(whole(types.F32, 300, 1))
		for range 4 {
			y := d.temp(types.F32, 300)
			d.launch(k, x, y)
			x = y
		}
		d.launch(k, x, d.output(types.F32, 300))
		s.check(t, d, Exact)
	})
	t.Run("constants and several outputs", func(t *testing.T) {
		d := newDraft()
		c := d.constant(whole(types.I32, 70, 1))
		x := d.input(whole(types.I32, 70, 2))
		m := newMaker("both")
		a := m.axes(70)
		p, q := m.read(types.I32, a...), m.read(types.I32, a...)
		m.write(m.add(p, q), a...)
		m.write(m.mul(p, q), a...)
		d.launch(m.pointwise(), c, x, d.output(types.I32, 70), d.output(types.I32, 70))
		s.check(t, d, Exact)
	})
	t.Run("concatenated", func(t *testing.T) {
		// One temporary, written in parts by stores over equal axes.
		m := newMaker("concat")
		a := m.axes(50)
		x, y := m.read(types.F32, a...), m.read(types.F32, a...)
		out := m.out(types.F32, 150)
		for i, v := range []*kernel.Expr{x, m.mul(x, y), y} {
			m.store(out, m.IAdd(m.Var(a[0]), m.Int(int64(50*i))), v, a...)
		}
		d := newDraft()
		z := d.temp(types.F32, 150)
		d.launch(m.pointwise(), d.input(whole(types.F32, 50, 1)), d.input(whole(types.F32, 50, 2)), z)
		d.launch(double(150), z, d.output(types.F32, 150))
		s.check(t, d, Exact)
	})
	t.Run("same bits again", func(t *testing.T) {
		product := newProduct(nil, []int{70}, []int{50}, []int{130})
		product.write(product.of(product.operands(types.F32, 0)), product.result()...)
		total := newMaker("total")
		a := total.axes(50021)
		total.write(total.sum(total.read(types.F32, a...), a...))
		for _, d := range []*draft{
			single(product.kernel(), normal(types.F32, 70*130, 1), normal(types.F32, 130*50, 2)),
			single(total.general(), normal(types.F32, 50021, 1)),
			single(softmax(types.F32, 300, 70), normal(types.F32, 21000, 1)),
			single(layerNorm(types.F32, 70, 300), normal(types.F32, 21000, 1), normal(types.F32, 300, 2), normal(types.F32, 300, 3)),
			single(columnSums(900, 40), normal(types.F32, 36000, 1), normal(types.F32, 36000, 2)),
			perceptron(40, 30, 20, 10),
		} {
			first, err := runOn(s.dev, d)
			require.NoError(t, err)
			for range 2 {
				again, err := runOn(s.dev, d)
				require.NoError(t, err)
				require.Equal(t, first, again)
			}
		}
	})
	t.Run("no launches", func(t *testing.T) { s.check(t, newDraft(), Exact) })
	t.Run("state", func(t *testing.T) {
		// A variable that is read, then counted up by a later launch.
		d := newDraft()
		v := d.variable(whole(types.F32, 1, 1))
		m := newMaker("count")
		m.write(m.add(m.read(types.F32), m.Const(types.F32, 1)))
		d.launch(copyOf(types.F32, 1), v, d.output(types.F32, 1))
		d.launch(m.pointwise(), v, v)
		s.check(t, d, Exact)
	})
}

// perceptron is a training step: forward, loss, gradients, updates in place.
func perceptron(batch, in, hidden, out int) *draft {
	d := newDraft()
	f := types.F32
	x, y := d.input(normal(f, batch*in, 1)), d.input(indices(types.I32, batch, out, 2))
	w1, b1 := d.variable(normal(f, hidden*in, 3)), d.variable(normal(f, hidden, 4))
	w2 := d.variable(normal(f, out*hidden, 5))
	h, mask := d.temp(f, batch*hidden), d.temp(types.Bool, batch*hidden)
	logits := d.temp(f, batch*out)
	dlogits, dh := d.temp(f, batch*out), d.temp(f, batch*hidden)

	p := newProduct(nil, []int{batch}, []int{hidden}, []int{in})
	c := p.add(p.of(p.operands(f, 2)), p.read(f, p.n...))
	on := p.Bin(kernel.Lt, p.Const(f, 0), c)
	p.write(p.Select(on, c, p.Const(f, 0)), p.result()...)
	p.write(on, p.result()...)
	d.launch(p.kernel(), x, w1, b1, h, mask)

	p = newProduct(nil, []int{batch}, []int{out}, []int{hidden})
	p.write(p.of(p.operands(f, 2)), p.result()...)
	d.launch(p.kernel(), h, w2, logits)

	d.launch(crossEntropy(batch, out), logits, y, dlogits, d.output(f, 1))

	p = newProduct(nil, []int{batch}, []int{hidden}, []int{out})
	g := p.of(p.operands(f, 0))
	p.write(p.Select(p.read(types.Bool, p.result()...), g, p.Const(f, 0)), p.result()...)
	d.launch(p.kernel(), dlogits, w2, mask, dh)

	m := newMaker("bias")
	a := m.axes(batch, hidden)
	m.write(m.sum(m.read(f, a...), a[0]), a[1])
	db := d.temp(f, hidden)
	d.launch(m.rows(a[:1], a[1:]), dh, db)
	m = newMaker("update")
	a = m.axes(hidden)
	m.write(m.sub(m.read(f, a...), m.mul(m.read(f, a...), m.Const(f, 0.1))), a...)
	d.launch(m.pointwise(), b1, db, b1)

	for _, u := range []struct{ g, x, w, rows, cols int }{{dlogits, h, w2, out, hidden}, {dh, x, w1, hidden, in}} {
		p := newProduct(nil, []int{u.rows}, []int{u.cols}, []int{batch})
		a, b := p.operands(f, 1)
		w := p.read(f, p.result()...)
		p.write(p.sub(w, p.mul(p.of(a, b), p.Const(f, 0.1))), p.result()...)
		d.launch(p.kernel(), u.g, u.x, u.w, u.w)
	}
	return d
}

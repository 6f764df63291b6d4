package backendtest

import (
	"testing"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// defined reports whether programs use an operation on a type.
func defined(op kernel.Op, d types.DType) bool {
	switch op {
	case kernel.Not, kernel.And, kernel.Or, kernel.Xor:
		return !d.IsFloat()
	case kernel.Shl, kernel.Shr:
		return d.IsInt()
	case kernel.Bitcast:
		return d.Size() > 1 && !d.IsHalf()
	case kernel.Max, kernel.Min, kernel.Lt, kernel.Le, kernel.Eq, kernel.Ne:
		return true
	}
	return d != types.Bool && (d.IsFloat() || !op.Info().Float)
}

// testOps runs every operation on the extremes of every type: one value, a
// tile's length of them, and operands that are constants or broadcast.
func testOps(t *testing.T, s *suite) {
	for _, op := range kernel.Ops() {
		t.Run(op.String(), func(t *testing.T) {
			for _, d := range allTypes {
				if !defined(op, d) {
					continue
				}
				t.Run(d.String(), func(t *testing.T) {
					switch {
					case op == kernel.Bitcast:
						testBitcast(t, s, d)
					case op.Info().Arity == 1:
						testUnary(t, s, op, d)
					default:
						testBinary(t, s, op, d)
					}
				})
			}
		})
	}
}

func testUnary(t *testing.T, s *suite, op kernel.Op, d types.DType) {
	for _, x := range []array{extremes(d), normal(d, 2000, 1), normal(d, 1, 2)} {
		m := newMaker("op")
		a := m.axes(x.len())
		m.write(m.Un(op, m.read(d, a...)), a...)
		s.check(t, single(m.pointwise(), x), ToleranceOf(op, d))
	}
}

func testBinary(t *testing.T, s *suite, op kernel.Op, d types.DType) {
	tol := ToleranceOf(op, d)
	all := extremes(d)
	x, y := pairs(all)
	m := newMaker("op")
	a := m.axes(x.len())
	m.write(m.Bin(op, m.read(d, a...), m.read(d, a...)), a...)
	s.check(t, single(m.pointwise(), x, y), tol)

	m = newMaker("rows")
	ab := m.axes(all.len(), all.len())
	m.write(m.Bin(op, m.read(d, ab[0]), m.read(d, ab[1])), ab...)
	s.check(t, single(m.pointwise(), all, all), tol)

	for i := range all.len() {
		m := newMaker("constant")
		a := m.axes(all.len())
		x, c := m.read(d, a...), m.ConstScalar(all.at(i))
		m.write(m.Bin(op, x, c), a...)
		m.write(m.Bin(op, c, x), a...)
		s.check(t, single(m.pointwise(), all), tol)
	}
}

func testBitcast(t *testing.T, s *suite, from types.DType) {
	for _, to := range allTypes {
		if to.Size() != from.Size() {
			continue
		}
		m := newMaker("bitcast")
		x := extremes(from)
		a := m.axes(x.len())
		m.write(m.Bitcast(m.read(from, a...), to), a...)
		s.check(t, single(m.pointwise(), x), Exact)
	}
}

// testCasts runs the conversion between every two types on extremes.
func testCasts(t *testing.T, s *suite) {
	for _, from := range allTypes {
		for _, to := range allTypes {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				for _, x := range []array{extremes(from), normal(from, 1500, 4)} {
					m := newMaker("cast")
					a := m.axes(x.len())
					m.write(m.Cast(m.read(from, a...), to), a...)
					s.check(t, single(m.pointwise(), x), Exact)
				}
			})
		}
	}
}

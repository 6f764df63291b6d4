package kernel

import (
	"fmt"

	"dumbtorch/ir/types"
)

// A machine evaluates expressions at one point: the meaning of the kernel IR in
// the tests of this package. It panics where an expression breaks its promises.
type machine struct {
	axes map[*Axis]int64
	mem  [][]Scalar // by parameter
}

func (m *machine) index(e *Expr) int64 {
	var v int64
	switch e.Kind {
	case Int:
		v = e.Int
	case Var:
		v = m.axes[e.Axes[0]]
	case Affine:
		v = e.Int
		for i, a := range e.Args {
			v += e.Coef[i] * m.index(a)
		}
	case FloorDiv:
		v = pyDiv(m.index(e.Args[0]), e.Int)
	case FloorMod:
		x := m.index(e.Args[0])
		v = x - e.Int*pyDiv(x, e.Int)
	case CheckIndex:
		if v = m.data(e.Args[0]).Int(); v < 0 || v >= e.Int {
			v = 0
		}
	default:
		panic("no index")
	}
	if lo, hi := e.Range(); v < lo || v > hi {
		panic(fmt.Sprintf("%d is not in [%d,%d]", v, lo, hi))
	}
	return v
}

// pyDiv is Python's //, independent of the package's own.
func pyDiv(a, b int64) int64 {
	q := a / b
	for q*b > a {
		q--
	}
	for (q+1)*b <= a {
		q++
	}
	return q
}

func (m *machine) pred(e *Expr) bool {
	switch e.Kind {
	case True:
		return true
	case Ge0:
		return m.index(e.Args[0]) >= 0
	case Eq0:
		return m.index(e.Args[0]) == 0
	case AllOf:
		for _, p := range e.Args {
			if !m.pred(p) {
				return false
			}
		}
		return true
	}
	return false
}

func (m *machine) data(e *Expr) Scalar {
	branch := func(c bool) Scalar {
		if c {
			return m.data(e.Args[1])
		}
		return m.data(e.Args[2])
	}
	switch e.Kind {
	case Const:
		return e.Value()
	case Call:
		switch {
		case e.Op == Bitcast:
			return EvalBitcast(m.data(e.Args[0]), e.DType)
		case len(e.Args) == 1:
			return Eval1(e.Op, m.data(e.Args[0]))
		}
		return Eval2(e.Op, m.data(e.Args[0]), m.data(e.Args[1]))
	case Cast:
		return EvalCast(m.data(e.Args[0]), e.DType)
	case Select:
		return branch(m.data(e.Args[0]).Int() != 0)
	case If:
		return branch(m.pred(e.Args[0]))
	case FromIndex:
		return IntScalar(e.DType, m.index(e.Args[0]))
	case FromPred:
		return IntScalar(types.Bool, boolInt(m.pred(e.Args[0])))
	case Load:
		return m.mem[e.Param][m.index(e.Args[0])]
	case Fold:
		acc := Identity(e.Op, e.DType)
		old := map[*Axis]int64{}
		for _, a := range e.Axes {
			old[a] = m.axes[a]
		}
		points(e.Axes, m.axes, func() { acc = Eval2(e.Op, acc, m.data(e.Args[0])) })
		for a, v := range old {
			m.axes[a] = v
		}
		return acc
	}
	panic("no data")
}

// points calls f at every point of the axes, last axis fastest.
func points(axes []*Axis, at map[*Axis]int64, f func()) {
	if len(axes) == 0 {
		f()
		return
	}
	for i := range axes[0].Extent {
		at[axes[0]] = int64(i)
		points(axes[1:], at, f)
	}
}

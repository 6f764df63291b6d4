package interp

import (
	"fmt"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A machine is at one point of a kernel's axes. It keeps the value of a node
// with a slot until an axis that the value depends on moves.
type machine struct {
	code   *code
	mem    [][]byte // memory of the parameters
	axes   []int64  // by number
	moved  []int64  // clock at which the axis moved last
	clock  int64
	slots  []slot
	tables [][]kernel.Scalar // by point; no type where the value is not known
	stop   func() error
	steps  int
}

// A slot holds data, or an index or predicate as an integer.
type slot struct {
	value kernel.Scalar
	index int64
	stamp int64 // clock when it was computed; 0: never
}

// A failure is the panic that ends the evaluation of a launch.
type failure struct{ err error }

// A badIndex is a run-time check that failed.
type badIndex struct {
	site         int
	value, limit int64
}

func (b *badIndex) Error() string {
	return fmt.Sprintf("site %d: index %d is out of range [0,%d)", b.site, b.value, b.limit)
}

func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func newMachine(c *code, mem [][]byte, stop func() error) *machine {
	n := len(c.extents)
	return &machine{code: c, mem: mem, axes: make([]int64, n), moved: make([]int64, n), clock: 1, slots: make([]slot, c.slots), tables: make([][]kernel.Scalar, c.tables), stop: stop}
}

func (m *machine) move(axis int, to int64) {
	m.clock++
	m.axes[axis], m.moved[axis] = to, m.clock
}

// loop calls f at every point of the axes in row-major order, the last axis
// fastest. Afterwards the axes are where they were: a fold may run over axes of
// the loops around it.
func (m *machine) loop(axes []int, f func()) {
	if len(axes) == 0 {
		m.tick()
		f()
		return
	}
	a := axes[0]
	old := m.axes[a]
	for i := range m.code.extents[a] {
		m.move(a, int64(i))
		if len(axes) > 1 {
			m.loop(axes[1:], f)
		} else {
			m.tick()
			f()
		}
	}
	m.move(a, old)
}

// tick asks now and then whether to stop.
func (m *machine) tick() {
	if m.steps++; m.steps&(1<<12-1) == 0 {
		if err := m.stop(); err != nil {
			panic(failure{err})
		}
	}
}

// known returns the slot of n, and whether it holds the value at this point.
func (m *machine) known(n *node) (*slot, bool) {
	s := &m.slots[n.slot]
	if s.stamp == 0 {
		return s, false
	}
	for _, a := range n.free {
		if m.moved[a] > s.stamp {
			return s, false
		}
	}
	return s, true
}

// index returns the value of an index, or of a predicate as 0 or 1.
func (m *machine) index(n *node) int64 {
	if n.slot < 0 {
		return m.computeIndex(n)
	}
	s, ok := m.known(n)
	if !ok {
		s.index = m.computeIndex(n)
		s.stamp = m.clock
	}
	return s.index
}

func (m *machine) computeIndex(n *node) int64 {
	switch n.Kind {
	case kernel.Int:
		return n.Int
	case kernel.Var:
		return m.axes[n.loops[0]]
	case kernel.Affine:
		v := n.Int
		for _, t := range n.terms {
			if t.node == nil {
				v += t.coef * m.axes[t.axis]
			} else {
				v += t.coef * m.index(t.node)
			}
		}
		return v
	case kernel.FloorDiv:
		return floorDiv(m.index(n.args[0]), n.Int)
	case kernel.FloorMod:
		x := m.index(n.args[0])
		return x - n.Int*floorDiv(x, n.Int)
	case kernel.CheckIndex:
		v := m.data(n.args[0]).Int()
		if v < 0 || v >= n.Int {
			panic(failure{&badIndex{n.Site, v, n.Int}})
		}
		return v
	case kernel.True:
		return 1
	case kernel.False:
		return 0
	case kernel.Ge0:
		return boolInt(m.index(n.args[0]) >= 0)
	case kernel.Eq0:
		return boolInt(m.index(n.args[0]) == 0)
	case kernel.AllOf:
		all := int64(1)
		for _, a := range n.args {
			all &= m.index(a)
		}
		return all
	}
	fail("expression of kind %d is no index and no predicate", n.Kind)
	return 0
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

func boolInt(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

// place returns the index of an element of a parameter.
func (m *machine) place(param int, n *node) int64 {
	i := m.index(n)
	if size := m.code.Params[param].Len; i < 0 || i >= int64(size) {
		fail("parameter p%d: index %d is out of range [0,%d)", param, i, size)
	}
	return i
}

// entry returns the place of n's value at this point in its table.
func (m *machine) entry(n *node) *kernel.Scalar {
	if m.tables[n.table] == nil {
		m.tables[n.table] = make([]kernel.Scalar, n.size)
	}
	i := int64(0)
	for _, a := range n.free {
		i = i*int64(m.code.extents[a]) + m.axes[a]
	}
	return &m.tables[n.table][i]
}

// data returns the value of a data expression.
func (m *machine) data(n *node) kernel.Scalar {
	if n.table >= 0 {
		e := m.entry(n)
		if e.DType == types.Invalid {
			*e = m.computeData(n)
		}
		return *e
	}
	if n.slot < 0 {
		return m.computeData(n)
	}
	s, ok := m.known(n)
	if !ok {
		v := m.computeData(n)
		s.value, s.stamp = v, m.clock
	}
	return s.value
}

func (m *machine) computeData(n *node) kernel.Scalar {
	switch n.Kind {
	case kernel.Const:
		return n.Value()
	case kernel.Call:
		x := m.data(n.args[0])
		switch {
		case n.Op == kernel.Bitcast:
			return kernel.EvalBitcast(x, n.DType)
		case len(n.args) == 1:
			return kernel.Eval1(n.Op, x)
		}
		return kernel.Eval2(n.Op, x, m.data(n.args[1]))
	case kernel.Cast:
		return kernel.EvalCast(m.data(n.args[0]), n.DType)
	case kernel.Select:
		c, x, y := m.data(n.args[0]), m.data(n.args[1]), m.data(n.args[2])
		if c.Int() != 0 {
			return x
		}
		return y
	case kernel.If:
		if m.index(n.args[0]) != 0 {
			return m.data(n.args[1])
		}
		return m.data(n.args[2])
	case kernel.FromIndex:
		return kernel.IntScalar(n.DType, m.index(n.args[0]))
	case kernel.FromPred:
		return kernel.IntScalar(types.Bool, m.index(n.args[0]))
	case kernel.Load:
		return load(m.mem[n.Param], n.DType, m.place(n.Param, n.args[0]))
	case kernel.Fold:
		acc := kernel.Identity(n.Op, n.DType)
		m.loop(n.loops, func() { acc = kernel.Eval2(n.Op, acc, m.data(n.args[0])) })
		return acc
	}
	fail("expression of kind %d is no data", n.Kind)
	return kernel.Scalar{}
}

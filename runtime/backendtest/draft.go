package backendtest

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A maker builds one kernel. Parameters that are read are made before those
// that are written.
type maker struct {
	*kernel.Builder
	k *kernel.Kernel
}

func newMaker(name string) *maker {
	return &maker{kernel.NewBuilder(), &kernel.Kernel{Name: name}}
}

// axes makes axes of the given extents.
func (m *maker) axes(extents ...int) []*kernel.Axis {
	var as []*kernel.Axis
	for _, n := range extents {
		as = append(as, m.NewAxis(fmt.Sprint("a", len(m.Builder.Axes())), n))
	}
	return as
}

// at is the row-major index over axes.
func (m *maker) at(axes ...*kernel.Axis) *kernel.Expr {
	e := m.Int(0)
	for _, a := range axes {
		e = m.IAdd(m.IMul(e, int64(a.Extent)), m.Var(a))
	}
	return e
}

func (m *maker) param(d types.DType, n int, out bool) int {
	m.k.Params = append(m.k.Params, kernel.Param{DType: d, Len: n, Out: out})
	return len(m.k.Params) - 1
}

func (m *maker) in(d types.DType, n int) int  { return m.param(d, n, false) }
func (m *maker) out(d types.DType, n int) int { return m.param(d, n, true) }

// load reads a parameter.
func (m *maker) load(param int, ix *kernel.Expr) *kernel.Expr {
	return m.Load(param, ix, m.k.Params[param].DType)
}

// read makes a parameter that is read and returns its elements over axes.
func (m *maker) read(d types.DType, axes ...*kernel.Axis) *kernel.Expr {
	n := 1
	for _, a := range axes {
		n *= a.Extent
	}
	return m.load(m.in(d, n), m.at(axes...))
}

// store adds a store.
func (m *maker) store(param int, ix, v *kernel.Expr, axes ...*kernel.Axis) {
	m.k.Stores = append(m.k.Stores, kernel.Store{Axes: axes, Param: param, Index: ix, Value: v})
}

// write makes a parameter that is written, and the store of v in row-major order.
func (m *maker) write(v *kernel.Expr, axes ...*kernel.Axis) int {
	n := 1
	for _, a := range axes {
		n *= a.Extent
	}
	p := m.out(v.DType, n)
	m.store(p, m.at(axes...), v, axes...)
	return p
}

// done returns the kernel with its schedule.
func (m *maker) done(s kernel.Schedule) *kernel.Kernel {
	m.k.Sched = s
	m.k.Axes = m.Builder.Axes()
	for range m.Sites {
		m.k.Sites = append(m.k.Sites, "gather")
	}
	return m.k
}

func (m *maker) general() *kernel.Kernel { return m.done(kernel.Schedule{}) }

// pointwise is for stores over the same axes.
func (m *maker) pointwise() *kernel.Kernel {
	return m.done(kernel.Schedule{Form: kernel.Pointwise, Outer: m.k.Stores[0].Axes})
}

// groups is for stores over different axes.
func (m *maker) groups() *kernel.Kernel { return m.done(kernel.Schedule{Form: kernel.Pointwise}) }

func (m *maker) rows(outer, inner []*kernel.Axis) *kernel.Kernel {
	return m.done(kernel.Schedule{Form: kernel.Rows, Outer: outer, Inner: inner})
}

// arith is op of x and y, or of truth values the logical operation.
func (m *maker) arith(op, logical kernel.Op, x, y *kernel.Expr) *kernel.Expr {
	if x.DType == types.Bool {
		op = logical
	}
	return m.Bin(op, x, y)
}

func (m *maker) add(x, y *kernel.Expr) *kernel.Expr { return m.arith(kernel.Add, kernel.Or, x, y) }
func (m *maker) sub(x, y *kernel.Expr) *kernel.Expr { return m.arith(kernel.Sub, kernel.Xor, x, y) }
func (m *maker) mul(x, y *kernel.Expr) *kernel.Expr { return m.arith(kernel.Mul, kernel.And, x, y) }
func (m *maker) div(x, y *kernel.Expr) *kernel.Expr { return m.Bin(kernel.Div, x, y) }

func (m *maker) sum(e *kernel.Expr, axes ...*kernel.Axis) *kernel.Expr {
	return m.FoldAxes(kernel.Add, axes, e)
}

// A draft is a program with the values of its inputs, variables and constants.
type draft struct {
	p      *kernel.Program
	values map[int]array // inputs and variables by buffer
}

func newDraft() *draft {
	return &draft{&kernel.Program{Name: "test"}, map[int]array{}}
}

func (d *draft) buffer(kind kernel.BufferKind, t types.DType, n int) int {
	i := len(d.p.Buffers)
	d.p.Buffers = append(d.p.Buffers, kernel.Buffer{Kind: kind, DType: t, Len: n})
	if kind != kernel.TempBuffer && kind != kernel.ConstBuffer {
		d.p.Buffers[i].Name = fmt.Sprintf("%s%d", kind, i)
	}
	return i
}

func (d *draft) input(a array) int {
	i := d.buffer(kernel.InputBuffer, a.d, a.len())
	d.values[i] = a
	return i
}

func (d *draft) variable(a array) int {
	i := d.buffer(kernel.VariableBuffer, a.d, a.len())
	d.values[i] = a
	return i
}

func (d *draft) constant(a array) int {
	i := d.buffer(kernel.ConstBuffer, a.d, a.len())
	d.p.Buffers[i].Data = a.bytes
	return i
}

func (d *draft) output(t types.DType, n int) int { return d.buffer(kernel.OutputBuffer, t, n) }

// temp makes a temporary in memory of its own.
func (d *draft) temp(t types.DType, n int) int { return d.tempAt(t, n, alignUp(d.p.ArenaSize)) }

// tempAt makes a temporary at an offset of the arena.
func (d *draft) tempAt(t types.DType, n int, offset int64) int {
	i := d.buffer(kernel.TempBuffer, t, n)
	b := &d.p.Buffers[i]
	b.Offset = offset
	d.p.ArenaSize = max(d.p.ArenaSize, alignUp(offset+b.Bytes()))
	return i
}

// over makes a temporary in the memory of another.
func (d *draft) over(t types.DType, n, other int) int {
	return d.tempAt(t, n, d.p.Buffers[other].Offset)
}

// launch adds a launch. Kernels get names of their own.
func (d *draft) launch(k *kernel.Kernel, args ...int) {
	base := k.Name
	for i := 1; slices.ContainsFunc(d.p.Launches, func(l kernel.Launch) bool { return l.Kernel != k && l.Kernel.Name == k.Name }); i++ {
		k.Name = fmt.Sprint(base, i)
	}
	l := kernel.Launch{Kernel: k, Args: args, Label: k.Name, Nodes: 1}
	for i := range k.Sites {
		l.Pos = append(l.Pos, fmt.Sprintf("model.go:%d: gather", 10*len(d.p.Launches)+i))
	}
	d.p.Launches = append(d.p.Launches, l)
}

func alignUp(n int64) int64 { return (n + 63) &^ 63 }

// single is the program of one launch: what the kernel reads are inputs with
// the given values, what it writes are outputs.
func single(k *kernel.Kernel, in ...array) *draft {
	d := newDraft()
	var args []int
	for i, q := range k.Params {
		if q.Out {
			args = append(args, d.output(q.DType, q.Len))
		} else {
			args = append(args, d.input(in[i]))
		}
	}
	d.launch(k, args...)
	return d
}

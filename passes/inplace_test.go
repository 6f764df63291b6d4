package passes

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A rowMaker builds a row program over p0, a matrix of 5 rows and 7 columns.
type rowMaker struct {
	*progMaker
	b    *kernel.Builder
	k    *kernel.Kernel
	i, j *kernel.Domain
	l    kernel.Launch
}

func (m *progMaker) rows(matrix int) *rowMaker {
	r := &rowMaker{progMaker: m, b: kernel.NewBuilder(), k: &kernel.Kernel{Name: freshName(m.p, "rows")}}
	r.i, r.j = r.b.Domain("i", 5), r.b.Domain("j", 7)
	r.k.Sched = kernel.Schedule{Form: kernel.Rows, Outer: r.i.Axes, Inner: r.j.Axes}
	r.k.Params = []kernel.Param{{DType: types.F32, Len: 35}}
	r.l = kernel.Launch{Kernel: r.k, Args: []int{matrix}, Label: "rows"}
	return r
}

func (r *rowMaker) index() *kernel.Expr {
	return r.b.IAdd(r.b.IMul(r.b.Index(r.i), 7), r.b.Index(r.j))
}

func (r *rowMaker) own() *kernel.Expr { return r.b.Load(0, r.index(), types.F32) }

func (r *rowMaker) sum(over *kernel.Domain, e *kernel.Expr) *kernel.Expr {
	return r.b.FoldAxes(kernel.Add, over.Axes, e)
}

// store stores v over the given loops into a buffer.
func (r *rowMaker) store(to int, index, v *kernel.Expr, over ...*kernel.Domain) {
	var axes []*kernel.Axis
	for _, d := range over {
		axes = append(axes, d.Axes...)
	}
	r.k.Stores = append(r.k.Stores, kernel.Store{Axes: axes, Param: len(r.k.Params), Index: index, Value: v})
	r.k.Params = append(r.k.Params, kernel.Param{DType: types.F32, Len: r.p.Buffers[to].Len, Out: true})
	r.l.Args = append(r.l.Args, to)
}

func (r *rowMaker) done() {
	r.k.Axes = r.b.Axes()
	r.p.Launches = append(r.p.Launches, r.l)
}

// A row program may store over what it reads where whole rows are read by
// stores over the same axes, or by results of rows; rows come in any order.
func TestRowsInPlace(t *testing.T) {
	centre := func(r *rowMaker) *kernel.Expr { // x + the sum of x's row
		return r.b.Bin(kernel.Add, r.own(), r.sum(r.j, r.own()))
	}
	for _, tc := range []struct {
		name    string
		inPlace int
		build   func(r *rowMaker, t int)
	}{
		{"row fold", 1, func(r *rowMaker, t int) {
			r.store(t, r.index(), centre(r), r.i, r.j)
		}},
		{"a sink reads the buffer", 0, func(r *rowMaker, t int) {
			r.store(t, r.index(), centre(r), r.i, r.j)
			r.store(r.buffer(kernel.OutputBuffer, "cols", 7), r.b.Index(r.j), r.sum(r.i, r.own()), r.j)
		}},
		{"a row value reads the buffer", 1, func(r *rowMaker, t int) {
			r.store(t, r.index(), centre(r), r.i, r.j)
			r.store(r.buffer(kernel.OutputBuffer, "rows", 5), r.b.Index(r.i), r.sum(r.j, r.own()), r.i)
		}},
		{"a row value reads the buffer beside a sink", 0, func(r *rowMaker, t int) {
			r.k.Params = append(r.k.Params, kernel.Param{DType: types.F32, Len: 35})
			r.l.Args = append(r.l.Args, r.buffer(kernel.VariableBuffer, "w", 35))
			r.store(t, r.index(), centre(r), r.i, r.j)
			r.store(r.buffer(kernel.OutputBuffer, "rows", 5), r.b.Index(r.i), r.sum(r.j, r.own()), r.i)
			r.store(r.buffer(kernel.OutputBuffer, "cols", 7), r.b.Index(r.j), r.sum(r.i, r.b.Load(1, r.index(), types.F32)), r.j)
		}},
		{"another column", 0, func(r *rowMaker, t int) {
			back := r.b.ISub(r.b.IAdd(r.b.IMul(r.b.Index(r.i), 7), r.b.Int(6)), r.b.Index(r.j))
			r.store(t, r.index(), r.b.Load(0, back, types.F32), r.i, r.j)
		}},
		{"another row", 0, func(r *rowMaker, t int) {
			up := r.b.IAdd(r.b.IMul(r.b.ISub(r.b.Int(4), r.b.Index(r.i)), 7), r.b.Index(r.j))
			r.store(t, r.index(), r.b.Load(0, up, types.F32), r.i, r.j)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newProg()
			x := m.buffer(kernel.InputBuffer, "x", 35)
			y := m.buffer(kernel.OutputBuffer, "y", 35)
			a, b := m.buffer(kernel.TempBuffer, "", 35), m.buffer(kernel.TempBuffer, "", 35)
			m.launch(kernel.Pointwise, []int{a}, []operand{{x, own}})
			r := m.rows(a)
			tc.build(r, b)
			r.done()
			m.launch(kernel.Pointwise, []int{y}, []operand{{b, reverse}})
			requireSame(t, m.p)
			_, report := planned(t, m.p, false)
			require.Equal(t, tc.inPlace, report.InPlaceTemps)
		})
	}
}

// What a sink's value reads besides is read when the rows have passed, store by
// store.
func TestSinkValueNotInPlace(t *testing.T) {
	m := newProg()
	x, w := m.buffer(kernel.InputBuffer, "x", 35), m.buffer(kernel.VariableBuffer, "w", 7)
	r := m.rows(x)
	r.k.Params = append(r.k.Params, kernel.Param{DType: types.F32, Len: 7})
	r.l.Args = append(r.l.Args, w)
	next := m.buffer(kernel.TempBuffer, "", 7)
	r.store(next, r.b.Index(r.j), r.b.Bin(kernel.Add, r.sum(r.i, r.own()), r.b.Load(1, r.b.Index(r.j), types.F32)), r.j)
	r.done()
	m.p.Updates = []kernel.Update{{Variable: w, Value: next}}
	_, report := planned(t, m.p, false)
	require.Equal(t, 1, report.CopiedVariables)
}

// A variable is updated in place by a row program only where no other row reads
// it: statistics of rows are, what a sink folds is not.
func TestRowsUpdateInPlace(t *testing.T) {
	for _, sink := range []bool{false, true} {
		m := newProg()
		w := m.buffer(kernel.VariableBuffer, "w", 35)
		next := m.buffer(kernel.TempBuffer, "", 35)
		r := m.rows(w)
		r.store(next, r.index(), r.b.Bin(kernel.Add, r.own(), r.sum(r.j, r.own())), r.i, r.j)
		if sink {
			r.store(r.buffer(kernel.OutputBuffer, "cols", 7), r.b.Index(r.j), r.sum(r.i, r.own()), r.j)
		}
		r.done()
		m.p.Updates = []kernel.Update{{Variable: w, Value: next}}
		requireSame(t, m.p)
		_, report := planned(t, m.p, false)
		if sink {
			require.Equal(t, 1, report.CopiedVariables)
		} else {
			require.Equal(t, 1, report.InPlaceVariables)
		}
	}
}

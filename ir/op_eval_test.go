package ir

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// A tiny evaluator gives bodies their meaning for the tests of this package: it
// knows expressions and nothing of operations.

type array []kernel.Scalar

// evaluation runs expressions at one point of their axes. Loads outside their
// buffer, and index values outside their stated range, fail the test.
type evaluation struct {
	t     require.TestingT
	bufs  []array
	axes  map[*kernel.Axis]int64
	memo  map[*kernel.Expr]kernel.Scalar
	fixed map[*kernel.Expr]kernel.Scalar // of expressions without axes
	fired map[int]int64                  // run-time checks that failed, by site, and the value
}

func (v *evaluation) index(e *kernel.Expr) int64 {
	var i int64
	switch e.Kind {
	case kernel.Int:
		i = e.Int
	case kernel.Var:
		i = v.axes[e.Axes[0]]
	case kernel.Affine:
		i = e.Terms(func(int64, *kernel.Expr) {})
		e.Terms(func(c int64, arg *kernel.Expr) { i += c * v.index(arg) })
	case kernel.FloorDiv, kernel.FloorMod:
		x := v.index(e.Args[0])
		m := (x%e.Int + e.Int) % e.Int
		if i = m; e.Kind == kernel.FloorDiv {
			i = (x - m) / e.Int
		}
	case kernel.CheckIndex:
		if i = v.data(e.Args[0]).Int(); i < 0 || i >= e.Int {
			v.fired[e.Site] = i
			i = 0
		}
	default:
		require.Fail(v.t, "not an index", e.Kind)
	}
	lo, hi := e.Range()
	if i < lo || i > hi {
		require.Fail(v.t, "index outside its range", "%d is not in [%d, %d]", i, lo, hi)
	}
	return i
}

func (v *evaluation) pred(e *kernel.Expr) bool {
	switch e.Kind {
	case kernel.True:
		return true
	case kernel.False:
		return false
	case kernel.Ge0:
		return v.index(e.Args[0]) >= 0
	case kernel.Eq0:
		return v.index(e.Args[0]) == 0
	}
	for _, p := range e.Args {
		if !v.pred(p) {
			return false
		}
	}
	return true
}

func (v *evaluation) data(e *kernel.Expr) kernel.Scalar {
	memo := v.memo
	if e.Free() == 0 {
		memo = v.fixed
	}
	if s, ok := memo[e]; ok {
		return s
	}
	s := v.eval(e)
	if s.DType != e.DType {
		require.Fail(v.t, "wrong type", "%v is %v, not %v", e.Op, s.DType, e.DType)
	}
	memo[e] = s
	return s
}

func (v *evaluation) eval(e *kernel.Expr) kernel.Scalar {
	branch := func(c bool) kernel.Scalar {
		if c {
			return v.data(e.Args[1])
		}
		return v.data(e.Args[2])
	}
	switch e.Kind {
	case kernel.Const:
		return e.Value()
	case kernel.Call:
		switch {
		case e.Op == kernel.Bitcast:
			return kernel.EvalBitcast(v.data(e.Args[0]), e.DType)
		case len(e.Args) == 1:
			return kernel.Eval1(e.Op, v.data(e.Args[0]))
		}
		return kernel.Eval2(e.Op, v.data(e.Args[0]), v.data(e.Args[1]))
	case kernel.Cast:
		return kernel.EvalCast(v.data(e.Args[0]), e.DType)
	case kernel.Select:
		return branch(v.data(e.Args[0]).Int() != 0)
	case kernel.If:
		return branch(v.pred(e.Args[0]))
	case kernel.FromIndex:
		return kernel.IntScalar(e.DType, v.index(e.Args[0]))
	case kernel.FromPred:
		return kernel.EvalCast(kernel.IntScalar(types.I32, boolInt(v.pred(e.Args[0]))), types.Bool)
	case kernel.Load:
		i := v.index(e.Args[0])
		require.True(v.t, 0 <= i && i < int64(len(v.bufs[e.Param])), "load of element %d of %d", i, len(v.bufs[e.Param]))
		return v.bufs[e.Param][i]
	case kernel.Fold:
		acc := kernel.Identity(e.Op, e.DType)
		outer := v.memo
		v.loop(e.Axes, func() {
			v.memo = map[*kernel.Expr]kernel.Scalar{}
			acc = kernel.Eval2(e.Op, acc, v.data(e.Args[0]))
		})
		v.memo = outer
		return acc
	}
	require.Fail(v.t, "not data", e.Kind)
	return kernel.Scalar{}
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (v *evaluation) loop(axes []*kernel.Axis, f func()) {
	if len(axes) == 0 {
		f()
		return
	}
	for i := range axes[0].Extent {
		v.axes[axes[0]] = int64(i)
		v.loop(axes[1:], f)
	}
}

// values are what nodes evaluate to. With deep set, bodies are composed into one
// expression per node that loads leaves only, as fusion may.
type values struct {
	t     require.TestingT
	of    map[*Node]array
	deep  bool
	fired map[*Node]int64 // failed run-time checks
}

func newValues(t require.TestingT, deep bool) *values {
	return &values{t: t, of: map[*Node]array{}, deep: deep, fired: map[*Node]int64{}}
}

// get returns the elements of n; inputs and variables have been set.
func (vs *values) get(n *Node) array {
	if a, ok := vs.of[n]; ok {
		return a
	}
	a := vs.compute(n)
	if !vs.deep {
		vs.of[n] = a
	}
	return a
}

func (vs *values) compute(n *Node) array {
	size := n.Shape().Size()
	out := make(array, 0, size)
	if size == 0 {
		return out
	}
	b := kernel.NewBuilder()
	v := &evaluation{t: vs.t, axes: map[*kernel.Axis]int64{}, fixed: map[*kernel.Expr]kernel.Scalar{}, fired: map[int]int64{}}
	param := map[*Node]int{}
	var value func(n *Node, idx []*kernel.Expr) *kernel.Expr
	load := func(n *Node, idx []*kernel.Expr) *kernel.Expr {
		require.Len(vs.t, idx, len(n.Shape()))
		if _, leaf := vs.of[n]; vs.deep && !leaf {
			return value(n, idx)
		}
		if _, ok := param[n]; !ok {
			param[n] = len(v.bufs)
			v.bufs = append(v.bufs, vs.get(n))
		}
		return b.Load(param[n], b.Ravel(idx, n.Shape()), n.DType())
	}
	value = func(n *Node, idx []*kernel.Expr) *kernel.Expr {
		e := n.Op.Def().Body(b, n, idx, func(arg int, ix []*kernel.Expr) *kernel.Expr { return load(n.Args[arg], ix) })
		require.Equal(vs.t, n.DType(), e.DType, "%s", n.Op)
		return e
	}
	d := b.Domain("i", size)
	root := value(n, b.Unravel(b.Index(d), n.Shape()))
	v.loop(d.Axes, func() {
		v.memo = map[*kernel.Expr]kernel.Scalar{}
		out = append(out, v.data(root))
	})
	for site, i := range v.fired {
		vs.fired[b.Sites[site].(*Node)] = i
	}
	return out
}

func (vs *values) floats(n *Node) []float64 {
	out := []float64{}
	for _, s := range vs.get(n) {
		out = append(out, s.Float())
	}
	return out
}

func floatsOf(d types.DType, fs ...float64) array {
	a := make(array, len(fs))
	for i, f := range fs {
		a[i] = kernel.FloatScalar(d, f)
	}
	return a
}

// mistake returns the error that f panics with.
func mistake(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	f()
	return fmt.Errorf("no mistake")
}

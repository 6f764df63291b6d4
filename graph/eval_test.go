package graph_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// evaluator computes values of nodes from the bodies of their operations.
type evaluator struct {
	t      *testing.T
	leaves map[string][]float64 // inputs and variables
	values map[*ir.Node][]kernel.Scalar
}

// run returns the outputs of a graph.
func run(t *testing.T, g *ir.Graph, leaves map[string][]float64) map[string][]float64 {
	ev := &evaluator{t: t, leaves: leaves, values: map[*ir.Node][]kernel.Scalar{}}
	out := map[string][]float64{}
	for _, o := range g.Outputs {
		out[o.Name] = ev.floats(o.Node)
	}
	return out
}

func (ev *evaluator) floats(n *ir.Node) []float64 {
	out := []float64{}
	for _, s := range ev.value(n) {
		out = append(out, s.Float())
	}
	return out
}

func (ev *evaluator) value(n *ir.Node) []kernel.Scalar {
	if v, ok := ev.values[n]; ok {
		return v
	}
	v := make([]kernel.Scalar, n.Shape().Size())
	switch {
	case n.Op == ir.OpLiteral:
		for i := range v {
			v[i] = decode(n, i)
		}
	case n.Is(ir.Leaf):
		require.Len(ev.t, ev.leaves[n.Attr.Name], len(v), n.Attr.Name)
		for i, f := range ev.leaves[n.Attr.Name] {
			v[i] = kernel.FloatScalar(n.DType(), f)
		}
	case len(v) > 0:
		ev.compute(n, v)
	}
	ev.values[n] = v
	return v
}

func decode(n *ir.Node, i int) kernel.Scalar {
	d := n.DType()
	b := n.Attr.Data[i*d.Size():]
	switch d {
	case types.F32:
		return kernel.FloatScalar(d, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	case types.F64:
		return kernel.FloatScalar(d, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case types.I32:
		return kernel.IntScalar(d, int64(int32(binary.LittleEndian.Uint32(b))))
	case types.I64:
		return kernel.IntScalar(d, int64(binary.LittleEndian.Uint64(b)))
	}
	return kernel.IntScalar(d, int64(b[0]))
}

func (ev *evaluator) compute(n *ir.Node, out []kernel.Scalar) {
	b := kernel.NewBuilder()
	d := b.Domain("i", len(out))
	root := n.Op.Def().Body(b, n, b.Unravel(b.Index(d), n.Shape()), func(arg int, ix []*kernel.Expr) *kernel.Expr {
		return b.Load(arg, b.Ravel(ix, n.Args[arg].Shape()), n.Args[arg].DType())
	})
	p := &point{ev: ev, n: n, axes: map[*kernel.Axis]int64{}, known: map[*kernel.Expr]kernel.Scalar{}}
	i := 0
	p.loop(d.Axes, func() {
		out[i] = p.data(root)
		i++
	})
}

// point is a point of a kernel's axes. Expressions are graphs, whose shared
// parts (the rounds of a random number) are computed once per point.
type point struct {
	ev    *evaluator
	n     *ir.Node
	axes  map[*kernel.Axis]int64
	known map[*kernel.Expr]kernel.Scalar
}

func (p *point) loop(axes []*kernel.Axis, f func()) {
	if len(axes) == 0 {
		f()
		return
	}
	outer := p.known
	for i := range axes[0].Extent {
		p.axes[axes[0]], p.known = int64(i), map[*kernel.Expr]kernel.Scalar{}
		p.loop(axes[1:], f)
	}
	p.known = outer
}

func (p *point) index(e *kernel.Expr) int64 {
	switch e.Kind {
	case kernel.Int:
		return e.Int
	case kernel.Var:
		return p.axes[e.Axes[0]]
	case kernel.Affine:
		v := e.Terms(func(int64, *kernel.Expr) {})
		e.Terms(func(c int64, arg *kernel.Expr) { v += c * p.index(arg) })
		return v
	case kernel.FloorDiv:
		return int64(math.Floor(float64(p.index(e.Args[0])) / float64(e.Int)))
	case kernel.FloorMod:
		return (p.index(e.Args[0])%e.Int + e.Int) % e.Int
	case kernel.CheckIndex:
		i := p.data(e.Args[0]).Int()
		require.True(p.ev.t, 0 <= i && i < e.Int, "index %d outside [0,%d)", i, e.Int)
		return i
	}
	require.Fail(p.ev.t, "not an index")
	return 0
}

func (p *point) holds(e *kernel.Expr) bool {
	switch e.Kind {
	case kernel.True:
		return true
	case kernel.False:
		return false
	case kernel.Ge0:
		return p.index(e.Args[0]) >= 0
	case kernel.Eq0:
		return p.index(e.Args[0]) == 0
	}
	for _, a := range e.Args {
		if !p.holds(a) {
			return false
		}
	}
	return true
}

func (p *point) data(e *kernel.Expr) kernel.Scalar {
	v, ok := p.known[e]
	if !ok {
		v = p.compute(e)
		p.known[e] = v
	}
	return v
}

func (p *point) compute(e *kernel.Expr) kernel.Scalar {
	choose := func(c bool) kernel.Scalar {
		if c {
			return p.data(e.Args[1])
		}
		return p.data(e.Args[2])
	}
	switch e.Kind {
	case kernel.Const:
		return e.Value()
	case kernel.Call:
		switch {
		case e.Op == kernel.Bitcast:
			return kernel.EvalBitcast(p.data(e.Args[0]), e.DType)
		case len(e.Args) == 1:
			return kernel.Eval1(e.Op, p.data(e.Args[0]))
		}
		return kernel.Eval2(e.Op, p.data(e.Args[0]), p.data(e.Args[1]))
	case kernel.Cast:
		return kernel.EvalCast(p.data(e.Args[0]), e.DType)
	case kernel.Select:
		return choose(p.data(e.Args[0]).Int() != 0)
	case kernel.If:
		return choose(p.holds(e.Args[0]))
	case kernel.FromIndex:
		return kernel.IntScalar(e.DType, p.index(e.Args[0]))
	case kernel.FromPred:
		v := int64(0)
		if p.holds(e.Args[0]) {
			v = 1
		}
		return kernel.IntScalar(types.Bool, v)
	case kernel.Load:
		return p.ev.value(p.n.Args[e.Param])[p.index(e.Args[0])]
	case kernel.Fold:
		acc := kernel.Identity(e.Op, e.DType)
		p.loop(e.Axes, func() { acc = kernel.Eval2(e.Op, acc, p.data(e.Args[0])) })
		return acc
	}
	require.Fail(p.ev.t, "not data")
	return kernel.Scalar{}
}

// build builds a graph whose model cannot be wrong.
func build(t *testing.T, model func(g *graph.Graph)) *graph.Graph {
	t.Helper()
	g, err := graph.Build("test", model)
	require.NoError(t, err)
	return g
}

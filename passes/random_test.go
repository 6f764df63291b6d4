package passes_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
)

// A modelMaker builds a random model: shapes of few sizes, so that reductions,
// broadcasts and contractions often meet.
type modelMaker struct {
	g    *graph.Graph
	r    *rand.Rand
	pool []*graph.Node
	wrt  []*graph.Node // leaves
	vars []*graph.Variable
}

var sizes = []int{1, 2, 3, 4, 6}

func (m *modelMaker) pick() *graph.Node { return m.pool[m.r.IntN(len(m.pool))] }

func (m *modelMaker) shape() []int {
	s := make([]int, m.r.IntN(4))
	for i := range s {
		s[i] = sizes[m.r.IntN(len(sizes))]
	}
	return s
}

func (m *modelMaker) leaf() *graph.Node {
	n := len(m.pool)
	if m.r.IntN(3) == 0 {
		v := graph.NewVariable(fmt.Sprint("w", n), types.Of(graph.F32, m.shape()...), nil)
		m.vars = append(m.vars, v)
		m.wrt = append(m.wrt, m.g.Var(v))
		return m.g.Var(v)
	}
	x := m.g.Input(fmt.Sprint("x", n), graph.F32, m.shape()...)
	m.wrt = append(m.wrt, x)
	return x
}

// fit returns x with the shape of y, by broadcasting, slicing and reshaping, or
// nil.
func (m *modelMaker) fit(x, y *graph.Node) *graph.Node {
	a, b := x.Shape(), y.Shape()
	switch {
	case slices.Equal(a, b):
		return x
	case x.Size() == y.Size():
		return x.Reshape(b...)
	}
	for i := range len(a) {
		if len(a)-i > len(b) {
			return nil
		}
		if d := a[len(a)-1-i]; d != 1 && d != b[len(b)-1-i] {
			return nil
		}
	}
	return x.BroadcastTo(b...)
}

func (m *modelMaker) step() *graph.Node {
	x := m.pick()
	rank := x.Rank()
	axis := func() int { return m.r.IntN(rank) }
	switch m.r.IntN(19) {
	case 0, 1, 2:
		y := m.fit(m.pick(), x)
		if y == nil {
			return nil
		}
		switch m.r.IntN(6) {
		case 0:
			return x.Add(y)
		case 1:
			return x.Sub(y)
		case 2:
			return x.Mul(y)
		case 3:
			return x.Maximum(y)
		case 4:
			return graph.Where(x.Less(y), x, y.MulScalar(0.5))
		}
		return x.Div(y.Mul(y).AddScalar(1))
	case 3, 4:
		switch m.r.IntN(6) {
		case 0:
			return x.Tanh()
		case 1:
			return x.ReLU()
		case 2:
			return x.Mul(x)
		case 3:
			return x.Sigmoid()
		case 4:
			return x.Tanh().Exp()
		}
		return x.MulScalar(1.5).AddScalar(-0.25)
	case 5, 6, 7:
		if rank == 0 {
			return nil
		}
		a := []int{axis()}
		if b := axis(); b != a[0] {
			a = append(a, b)
		}
		if m.r.IntN(2) == 0 {
			a = append(a, graph.KeepDims)
		}
		switch m.r.IntN(4) {
		case 0:
			return x.Amax(a...)
		case 1:
			return x.Mean(a...)
		case 2:
			return x.Tanh().Prod(a...)
		}
		return x.Sum(a...)
	case 8:
		if rank == 0 {
			return nil
		}
		if m.r.IntN(2) == 0 {
			return x.Softmax(axis())
		}
		return x.LogSoftmax(axis())
	case 9:
		return x.Transpose(m.r.Perm(rank)...)
	case 10:
		if rank == 0 || x.Dim(0) == 0 {
			return nil
		}
		a := axis()
		from := m.r.IntN(x.Dim(a))
		return x.Slice(a, from, x.Dim(a), 1+m.r.IntN(2))
	case 11:
		if rank == 0 {
			return nil
		}
		if m.r.IntN(2) == 0 {
			return x.Flip(axis())
		}
		return graph.Concat(axis(), x, x.Tanh())
	case 12, 13:
		y := m.pick()
		if rank == 0 || y.Rank() == 0 || x.Dim(-1) != y.Dim(max(0, y.Rank()-2)) {
			return nil
		}
		for i := 3; i <= min(rank, y.Rank()); i++ {
			if a, b := x.Dim(rank-i), y.Dim(y.Rank()-i); a != b && a != 1 && b != 1 {
				return nil
			}
		}
		return x.MatMul(y)
	case 14:
		if rank == 0 {
			return nil
		}
		i := m.g.Input(fmt.Sprint("i", len(m.pool)), graph.I32, 3)
		return x.Take(axis(), i.Rem(graph.Scalar(m.g, graph.I32, 1)))
	}
	if m.r.IntN(3) > 0 && rank > 0 {
		return m.move(x, axis())
	}
	d := m.r.IntN(3) + 1
	for f := x.Size(); f > 1; f-- {
		if x.Size()%f == 0 && f%d == 0 {
			return x.Reshape(f, x.Size()/f)
		}
	}
	return nil
}

// move pads, takes windows of, or looks up elements of x along an axis.
func (m *modelMaker) move(x *graph.Node, axis int) *graph.Node {
	switch m.r.IntN(4) {
	case 0:
		pads := make([]graph.Padding, x.Rank())
		pads[axis] = graph.Padding{Low: m.r.IntN(3) - 1, High: m.r.IntN(3), Interior: m.r.IntN(2)}
		if pads[axis].Low+pads[axis].High+x.Dim(axis) <= 0 {
			return nil
		}
		return x.Pad(0.5, pads...)
	case 1:
		size := 1 + m.r.IntN(x.Dim(axis))
		w := graph.Window{Axes: []int{axis}, Size: []int{size}, Stride: []int{1 + m.r.IntN(2)}, Low: []int{m.r.IntN(2)}}
		return x.Window(w).Amax(-1)
	case 2:
		i := m.g.Input(fmt.Sprint("i", len(m.pool)), graph.I32, 3)
		return x.Take(axis, i.Rem(graph.Scalar(m.g, graph.I32, float64(x.Dim(axis)))))
	}
	_, i := x.Max(axis)
	return i.Cast(graph.F32).MulScalar(0.1)
}

// randomModel returns a model of the given number of random steps, with the
// gradient of everything that comes out of it.
func randomModel(seed uint64, steps int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		m := &modelMaker{g: g, r: rand.New(rand.NewPCG(seed, 3))}
		for range 2 + m.r.IntN(3) {
			m.pool = append(m.pool, m.leaf())
		}
		for len(m.pool) < steps {
			if n := m.step(); n != nil && n.Size() <= 4096 && n.Rank() <= 4 {
				m.pool = append(m.pool, n)
			}
		}
		var loss *graph.Node
		for i, n := range m.pool[len(m.pool)-1-m.r.IntN(3):] {
			g.Output(fmt.Sprint("y", i), n)
			s := n.Mul(n).Mean()
			if loss == nil {
				loss = s
			} else {
				loss = loss.Add(s)
			}
		}
		g.Output("loss", loss)
		for i, v := range m.wrt {
			if reaches(v, loss) {
				g.Output(fmt.Sprint("d", i), g.Grad(loss, v)[0])
			}
		}
		for i, v := range m.vars {
			m.update(v, m.vars[(i+1)%len(m.vars)], loss)
		}
	}
}

// update assigns v a step along the gradient, a value that lies about, or the
// old value of another variable.
func (m *modelMaker) update(v, other *graph.Variable, loss *graph.Node) {
	x := m.g.Var(v)
	switch m.r.IntN(4) {
	case 0:
	case 1:
		if y := m.fit(m.pick(), x); y != nil {
			m.g.Assign(v, y)
		}
	case 2:
		if y := m.fit(m.g.Var(other), x); y != nil {
			m.g.Assign(v, y)
		}
	default:
		if reaches(x, loss) {
			m.g.Assign(v, x.Sub(m.g.Grad(loss, x)[0].MulScalar(0.1)))
		}
	}
}

// reaches reports whether loss depends on v.
func reaches(v, loss *graph.Node) bool {
	seen := map[*ir.Node]bool{}
	var visit func(n *ir.Node) bool
	visit = func(n *ir.Node) bool {
		if n == v.IR() {
			return true
		}
		if seen[n] {
			return false
		}
		seen[n] = true
		return slices.ContainsFunc(n.Args, visit)
	}
	return visit(loss.IR())
}

func testRandom(t *testing.T, seed uint64) {
	g := build(t, randomModel(seed, 8+int(seed%24)))
	dev := interp.New(interp.WithPoison())
	plain := map[string]bool{}
	for _, p := range passes.Passes() {
		plain[p.Name] = p.CanBeOff
	}
	want := run(t, dev, compile(t, g, passes.Config{Off: plain}).Program)
	requireSame(t, want, run(t, dev, compile(t, g, passes.Config{}).Program), 1e-4)
	requireSame(t, want, run(t, dev, compile(t, g, passes.Config{Seed: seed + 1}).Program), 1e-4)
}

// Random models, forward, backward and with updates of variables, compute the
// same with all passes, without any, and in shuffled orders.
func TestRandomModels(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testRandom(t, seed) })
	}
}

func FuzzRandomModels(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(1000 + seed)
	}
	f.Fuzz(testRandom)
}

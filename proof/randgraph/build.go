package randgraph

import (
	"fmt"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// maker decodes bytes into a model.
type maker struct {
	g     *graph.Graph
	data  []byte
	d     types.DType // of floating-point values
	sizes []int       // sizes of dimensions that leaves have
	pool  []value
	// floating-point inputs and variables, which gradients are taken of
	leaves []*graph.Node
	vars   []*variable
	count  int // names given
}

type variable struct {
	v     *graph.Variable
	now   value
	exact bool
}

// Build returns the model that data stands for: of some floating-point type, or
// in mixed precision. An error is a bug of this package.
func Build(data []byte) (*ir.Graph, error) {
	const mixed = 7 // of the choices of m.d
	var opts []graph.Option
	if len(data) > 0 && data[0]%8 == mixed {
		opts = append(opts, graph.Autocast(graph.BF16))
	}
	g, err := graph.Build("random", func(g *graph.Graph) {
		m := &maker{g: g, data: data, d: graph.F32}
		m.d = pick(m, graph.F64, graph.F32, graph.BF16, graph.F64, graph.F32, graph.F16, graph.F32, graph.F32)
		m.run()
	}, opts...)
	if err != nil {
		return nil, err
	}
	return g.IR(), nil
}

// choose decodes a number below n; 0 when the bytes have run out.
func (m *maker) choose(n int) int {
	if len(m.data) == 0 {
		return 0
	}
	b := m.data[0]
	m.data = m.data[1:]
	return int(b) % n
}

func (m *maker) chance(n int) bool { return m.choose(n) == n-1 }

func pick[T any](m *maker, list ...T) T { return list[m.choose(len(list))] }

func (m *maker) run() {
	for range 3 {
		m.sizes = append(m.sizes, pick(m, 3, 4, 1, 2, 5, 8, 7, 17, 0, 33, 16))
	}
	for range 2 + m.choose(3) {
		m.keep(m.leaf())
	}
	for range 2 + m.choose(22) {
		if v, ok := m.step(); ok {
			m.keep(v)
		}
	}
	m.finish()
}

// keep puts a value into the pool, unless it is too large.
func (m *maker) keep(v value) {
	if v.x.Size() <= maxSize && v.rank() <= maxRank && (v.bound <= maxBound || !v.float()) {
		m.pool = append(m.pool, v)
	}
}

func (m *maker) name(kind string) string {
	m.count++
	return fmt.Sprint(kind, m.count)
}

func (m *maker) shape() []int {
	dims := make([]int, pick(m, 2, 1, 3, 0, 4))
	size := 1
	for i := range dims {
		dims[i] = pick(m, append([]int{1}, m.sizes...)...)
		if size*dims[i] > maxSize {
			dims[i] = 1
		}
		size *= dims[i]
	}
	return dims
}

// leaf makes an input or a variable.
func (m *maker) leaf() value {
	return m.leafOf(pick(m, "x", "x", "v", "w", "o", "i", "b", "c"), m.shape()...)
}

// leafOf makes a leaf of the kinds that [Feed] knows, or a constant.
func (m *maker) leafOf(kind string, dims ...int) value {
	v := value{exact: true, bound: 4, grain: 0.25}
	switch kind {
	case "x", "o":
		v.x = m.g.Input(m.name(kind), m.d, dims...)
		m.leaves = append(m.leaves, v.x)
	case "v", "w":
		w := graph.NewVariable(m.name(kind), types.Of(m.d, dims...), nil)
		v.x, v.exact = m.g.Var(w), kind == "v"
		m.leaves = append(m.leaves, v.x)
		m.vars = append(m.vars, &variable{w, v, v.exact})
	case "i":
		v.x, v.bound, v.grain = m.g.Input(m.name(kind), pick(m, graph.I32, graph.I64, graph.U8), dims...), 8, 1
	case "k":
		w := graph.NewVariable(m.name(kind), types.Of(pick(m, graph.I64, graph.I32), dims...), nil)
		v = value{m.g.Var(w), true, 1 << 62, 1}
		m.vars = append(m.vars, &variable{w, v, true})
	case "b":
		v.x, v.bound, v.grain = m.g.Input(m.name(kind), graph.Bool, dims...), 1, 1
	default:
		v.x, v.bound = graph.Full(m.g, m.d, float64(m.choose(9)-4)/2, dims...), 2
	}
	return v
}

// index makes an input of indices below n.
func (m *maker) index(n int, dims ...int) *graph.Node {
	d := pick(m, graph.I32, graph.I64, graph.U8)
	if n > 256 {
		d = graph.I32
	}
	return m.g.Input(m.name(fmt.Sprint("n", n, "_")), d, dims...)
}

// find returns a value of the pool that meets the condition.
func (m *maker) find(ok func(v value) bool) (value, bool) {
	if len(m.pool) == 0 {
		return value{}, false
	}
	// Every other time the newest, so that operations meet their like.
	at := len(m.pool) - 1
	if m.chance(2) {
		at = m.choose(len(m.pool))
	}
	for i := range m.pool {
		if v := m.pool[(at-i+len(m.pool))%len(m.pool)]; ok(v) {
			return v, true
		}
	}
	return value{}, false
}

func any1(value) bool { return true }

// float returns a floating-point value, a new one if there is none.
func (m *maker) float() value {
	if v, ok := m.find(value.float); ok {
		return v
	}
	return m.leafOf("x", m.shape()...)
}

// exactFloat returns an exact one.
func (m *maker) exactFloat() value {
	if v, ok := m.find(func(v value) bool { return v.float() && v.exact }); ok {
		return v
	}
	return m.leafOf("x", m.shape()...)
}

func (m *maker) whole() value {
	if v, ok := m.find(value.whole); ok {
		return v
	}
	return m.leafOf("i", m.shape()...)
}

// like returns a value that broadcasts with x, and is ok; a new leaf of the kind
// if there is none.
func (m *maker) like(x value, kind string, ok func(v value) bool) value {
	v, found := m.find(func(v value) bool {
		s, err := types.Broadcast(x.x.Shape(), v.x.Shape())
		return err == nil && s.Size() <= maxSize && len(s) <= maxRank && ok(v)
	})
	if found {
		return v
	}
	dims := x.x.Shape()
	if len(dims) > 0 && m.chance(3) {
		dims = dims[1:]
	}
	return m.leafOf(kind, dims...)
}

func (m *maker) axis(v value) int { return m.choose(v.rank()) }

// axes chooses some dimensions, at least one.
func (m *maker) axes(v value) []int {
	var as []int
	for a := range v.rank() {
		if m.chance(2) {
			as = append(as, a)
		}
	}
	if len(as) == 0 {
		as = append(as, m.axis(v))
	}
	return as
}

package main

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// A use tells what values an input may have, as far as its readers tell.
type use struct {
	limit    int  // indices lie in [0, limit); 0: no index
	positive bool // a logarithm, a root or a power reads it
	state    bool // of a random number generator: seed and counter
}

// narrow merges what another reader wants.
func (u *use) narrow(v use) {
	if v.limit > 0 && (u.limit == 0 || v.limit < u.limit) {
		u.limit = v.limit
	}
	u.positive = u.positive || v.positive
	u.state = u.state || v.state
}

// usesOf follows indices, logarithms and random states back to the values that
// they are made of.
func usesOf(g *ir.Graph) map[*ir.Node]use {
	uses := map[*ir.Node]use{}
	want := func(n *ir.Node, v use) {
		u := uses[n]
		u.narrow(v)
		uses[n] = u
	}
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		u := uses[n]
		switch {
		case n.Op == ir.OpWhere:
			want(n.Args[1], u)
			want(n.Args[2], u)
		case n.Op == ir.OpGather:
			want(n.Args[0], u)
			want(n.Args[1], use{limit: tableSize(n.Attr.Labels, 0, n.Args[0].Shape())})
		case n.Op == ir.OpScatterAdd:
			want(n.Args[0], use{limit: tableSize(n.Attr.Labels, 2, n.Shape())})
		case n.Op == ir.OpUniform || n.Op == ir.OpNormal:
			want(n.Args[0], use{state: true})
		case n.Op == ir.OpLog || n.Op == ir.OpSqrt || n.Op == ir.OpRsqrt || n.Op == ir.OpPow:
			want(n.Args[0], use{positive: true})
		case n.Is(ir.View) || n.Op == ir.OpBarrier || n.Op == ir.OpCast || n.Op == ir.OpMax || n.Op == ir.OpMin || n.Op == ir.OpConcat:
			for _, a := range n.Args {
				want(a, u)
			}
		case u.limit > 0:
			// Half of the range each: the sum of two indices stays in range.
			for _, a := range n.Args {
				want(a, use{limit: max(1, u.limit/2)})
			}
		}
	}
	return uses
}

// tableSize returns the extent of the dimension that a gather or scatter_add
// looks up; table is the number of the part of the labels that names it.
func tableSize(labels string, table int, shape types.Shape) int {
	a, b, c := ir.SplitLabels(labels)
	parts := []string{a, b, c}
	others := strings.Join(append(append([]string{}, parts[:table]...), parts[table+1:]...), "")
	for i := range len(parts[table]) {
		if strings.IndexByte(others, parts[table][i]) < 0 && i < len(shape) {
			return shape[i]
		}
	}
	return 0
}

// randomValue returns a value for an input or variable that suits its readers.
// It depends on the seed, the name and the type alone.
func randomValue(n *ir.Node, u use, seed uint64) (*tensor.Tensor, error) {
	t, err := tensor.New(n.Type)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", n.Op, n.Attr.Name, err)
	}
	h := fnv.New64a()
	h.Write([]byte(n.Attr.Name))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	draw := drawer(r, n.DType(), u, seed)
	switch n.DType() {
	case types.Bool:
		return t, fill[bool](t, func(int) bool { return r.IntN(2) == 1 })
	case types.U8:
		return t, fill(t, func(i int) uint8 { return uint8(draw(i)) })
	case types.I32:
		return t, fill(t, func(i int) int32 { return int32(draw(i)) })
	case types.I64:
		return t, fill(t, func(i int) int64 { return int64(draw(i)) })
	case types.F16:
		return t, fill(t, func(i int) types.Float16 { return types.ToFloat16(float32(draw(i))) })
	case types.BF16:
		return t, fill(t, func(i int) types.BFloat16 { return types.ToBFloat16(float32(draw(i))) })
	case types.F32:
		return t, fill(t, func(i int) float32 { return float32(draw(i)) })
	}
	return t, fill(t, draw)
}

// drawer returns the distribution of a value's elements.
func drawer(r *rand.Rand, d types.DType, u use, seed uint64) func(i int) float64 {
	top := 0.0
	switch d {
	case types.U8:
		top = math.MaxUint8
	case types.I32:
		top = math.MaxInt32
	}
	switch {
	case u.state:
		return func(i int) float64 {
			if i == 0 {
				return float64(seed % math.MaxInt32)
			}
			return 0
		}
	case u.limit > 0 && d.IsFloat():
		return func(int) float64 { return r.Float64() * float64(u.limit) }
	case u.limit > 0:
		return func(int) float64 {
			v := float64(r.IntN(u.limit))
			if top > 0 {
				v = min(v, top)
			}
			return v
		}
	case d.IsFloat() && u.positive:
		return func(int) float64 { return 0.5 + 1.5*r.Float64() }
	case d.IsFloat():
		return func(int) float64 { return r.NormFloat64() }
	case d == types.U8:
		return func(int) float64 { return float64(r.IntN(9)) }
	}
	return func(int) float64 { return float64(r.IntN(9) - 4) }
}

func fill[T tensor.Element](t *tensor.Tensor, f func(i int) T) error {
	data, err := tensor.Data[T](t)
	for i := range data {
		data[i] = f(i)
	}
	return err
}

// values returns a value for every input and variable, and the names of the
// integers among them that nobody gave and that are random.
func (p *program) values(feedList, varList []string, seed uint64) (feeds, vars map[string]*tensor.Tensor, random []string, err error) {
	if feeds, err = p.inputs(feedList, seed); err != nil {
		return nil, nil, nil, err
	}
	if vars, err = p.state(varList, seed); err != nil {
		return nil, nil, nil, err
	}
	// Each is there twice: on the host and on the device.
	if need, have := p.residentBytes(), tensor.AvailableMemory(); need > have/2 {
		return nil, nil, nil, fmt.Errorf("inputs and variables take %s, more than half of the %s of memory that this machine has available", tensor.FormatBytes(need), tensor.FormatBytes(have))
	}
	uses := usesOf(p.graph)
	for _, n := range append(p.graph.Inputs(), p.graph.Variables()...) {
		into := feeds
		if n.Op == ir.OpVariable {
			into = vars
		}
		if into[n.Attr.Name] != nil {
			continue
		}
		if !n.DType().IsFloat() {
			random = append(random, n.Attr.Name)
		}
		if into[n.Attr.Name], err = randomValue(n, uses[n], seed); err != nil {
			return nil, nil, nil, err
		}
	}
	return feeds, vars, random, nil
}

// residentBytes returns the memory of all inputs and variables.
func (p *program) residentBytes() int64 {
	total := int64(0)
	for _, n := range append(p.graph.Inputs(), p.graph.Variables()...) {
		total += n.Type.Bytes()
	}
	return total
}

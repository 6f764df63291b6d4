package graph

import (
	"math"

	"dumbtorch/ir/types"
)

// Attention describes how queries look at keys. The zero value lets every query
// see every key.
type Attention struct {
	// Causal hides from query i the keys after number i.
	Causal bool
	// Mask says what each query sees, in a shape that broadcasts to
	// [...,queries,keys]: booleans, true where a key is seen, or numbers that are
	// added to the scores. A query that sees nothing has the value 0.
	Mask *Node
	// Scale multiplies the scores; 0 stands for 1/sqrt(the size of a query).
	Scale float64
	// Dropout is the probability with which a weight is zeroed in a graph that
	// trains; see [Node.Dropout].
	Dropout float64
	// Grouped lets several heads of queries share one of keys and values: heads
	// are dimension -3, and those of q a multiple of those of k and v. It is
	// torch's enable_gqa.
	Grouped bool
}

// Attention returns, for every query of q [...,queries,e], the mean of the values
// v [...,keys,d] weighted by the softmax of its products with the keys
// k [...,keys,e]: torch.nn.functional.scaled_dot_product_attention (Vaswani et
// al., "Attention is all you need", 2017). The dimensions before the last two
// broadcast. Weights are computed in f32 where the operands are f16 or bf16.
// Other than in PyTorch, Causal and Mask may both be given.
func (q *Node) Attention(k, v *Node, a Attention) *Node {
	const op = "attention"
	g := q.use(op, k, v)
	if a.Mask != nil {
		g.own(op, a.Mask)
	}
	for _, x := range []*Node{q, k, v} {
		x.wantFloat(op)
		if x.Rank() < 2 {
			Fail(op, "wants queries [...,queries,e], keys [...,keys,e] and values [...,keys,d]: %s, %s, %s", q.TypeString(), k.TypeString(), v.TypeString())
		}
	}
	switch {
	case q.Dim(-1) != k.Dim(-1):
		Fail(op, "queries and keys differ in their last dimension: %s and %s", q.TypeString(), k.TypeString())
	case k.Dim(-2) != v.Dim(-2):
		Fail(op, "as many keys as values are needed: %s and %s", k.TypeString(), v.TypeString())
	case math.IsNaN(a.Scale) || math.IsInf(a.Scale, 0):
		Fail(op, "scale %v is not finite", a.Scale)
	case a.Scale == 0 && q.Dim(-1) == 0:
		Fail(op, "queries %s without elements need a scale", q.TypeString())
	}
	if a.Grouped {
		return q.grouped(k, v, a)
	}
	if a.Scale == 0 {
		a.Scale = 1 / math.Sqrt(float64(q.Dim(-1)))
	}
	attend := func(xs ...*Node) *Node {
		q, k, v := xs[0], xs[1], xs[2]
		s := q.MatMul(k.Swap(-1, -2))
		d := s.DType()
		if d.Size() < types.F32.Size() {
			s = s.Cast(types.F32)
		}
		e, sum := a.weights(op, s.MulScalar(a.Scale))
		y := e.Dropout(a.Dropout).Cast(d).MatMul(v)
		return y.Cast(s.DType()).Div(sum).Cast(y.DType())
	}
	// Where the weights are much larger than the operands, the gradient computes
	// them again, so that memory grows with the length and not with its square.
	if scores := q.Dim(-2) * k.Dim(-2); scores > keptScores*(q.Dim(-2)+k.Dim(-2))*max(q.Dim(-1), v.Dim(-1)) {
		return Checkpoint(attend, q, k, v)
	}
	return attend(q, k, v)
}

// keptScores is how many times as many weights as elements of queries and keys
// are kept for the gradient.
const keptScores = 4

// grouped gives each head of k and v a group of the heads of q.
func (q *Node) grouped(k, v *Node, a Attention) *Node {
	const op = "attention"
	if q.Rank() < 3 || k.Rank() < 3 || v.Rank() < 3 {
		Fail(op, "grouped heads are dimension -3: %s, %s, %s", q.TypeString(), k.TypeString(), v.TypeString())
	}
	heads, shared := q.Dim(-3), k.Dim(-3)
	if shared != v.Dim(-3) || shared == 0 || heads%shared != 0 {
		Fail(op, "%d heads of queries do not share %d of keys and %d of values", heads, shared, v.Dim(-3))
	}
	split := func(x *Node, outer, inner int) *Node {
		s := x.n.Shape()
		n := len(s)
		dims := append(s[:n-3:n-3], outer, inner)
		return x.Reshape(append(dims, s[n-2:]...)...)
	}
	a.Grouped = false
	if m := a.Mask; m != nil && m.Rank() >= 3 {
		switch m.Dim(-3) {
		case 1:
			a.Mask = split(m, 1, 1)
		case heads:
			a.Mask = split(m, shared, heads/shared)
		default:
			Fail(op, "mask %s has %d heads, the queries %d", m.TypeString(), m.Dim(-3), heads)
		}
	}
	y := split(q, shared, heads/shared).Attention(k.Unsqueeze(-3), v.Unsqueeze(-3), a)
	return y.Flatten(-4, -3)
}

// weights returns the weights exp(s-max) of the scores s [...,queries,keys] that
// are seen, and their sums [...,queries,1]. That the product with the values is
// divided, not each weight, saves divisions; and the gradient then wants no other
// value of the size of s.
func (a Attention) weights(op string, s *Node) (e, sum *Node) {
	g := s.g
	rows, cols := s.Dim(-2), s.Dim(-1)
	one, none := Scalar(g, s.DType(), 1), Scalar(g, s.DType(), 0)
	if cols == 0 {
		return s, one
	}
	hidden := Scalar(g, s.DType(), math.Inf(-1))
	if a.Causal {
		i, j := Iota(g, types.I32, 0, rows, 1), Iota(g, types.I32, 1, 1, cols)
		s = Where(j.LessEqual(i), s, hidden)
	}
	m := a.Mask
	if m == nil {
		e = s.Sub(s.StopGradient().Amax(-1, KeepDims)).Exp()
		return e, e.Sum(-1, KeepDims)
	}
	shape := s.n.Shape()
	if b, err := types.Broadcast(m.n.Shape(), shape); err != nil || !b.Equal(shape) {
		Fail(op, "mask %s does not broadcast to the scores %v", m.TypeString(), shape)
	}
	switch {
	case m.DType() == types.Bool:
		s = Where(m, s, hidden)
	case m.DType().IsFloat():
		s = s.Add(m.Cast(s.DType()))
	default:
		Fail(op, "mask %s is neither of booleans nor of floating-point numbers", m.TypeString())
	}
	top := s.StopGradient().Amax(-1, KeepDims)
	e = s.Sub(Where(top.Equal(hidden), none, top)).Exp()
	sum = e.Sum(-1, KeepDims)
	return e, Where(sum.Equal(none), one, sum)
}

package nn

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// MultiheadAttention lets every position of one sequence look at those of
// another, several heads side by side: torch.nn.MultiheadAttention with
// batch_first=True, kdim=vdim=embed_dim and without bias_k, bias_v and
// add_zero_attn. InProjWeight [3*size,size] holds the projections of queries,
// keys and values, InProjBias [3*size] their biases; it is nil for a layer
// without. Dropout is the probability with which weights are zeroed in training.
type MultiheadAttention struct {
	InProjWeight, InProjBias *graph.Variable
	OutProj                  *Linear
	Heads                    int
	Dropout                  float64
}

// NewMultiheadAttention returns an attention over vectors of the given size,
// which heads divides. As in PyTorch the first projections are Xavier uniform,
// biases 0.
func NewMultiheadAttention(size, heads int, opts ...AttentionOption) *MultiheadAttention {
	o := collect(opts)
	m := &MultiheadAttention{Heads: heads, Dropout: o.dropout, OutProj: o.linear(size, size)}
	m.InProjWeight = graph.NewVariable("in_proj_weight", types.Of(o.dtype, 3*size, size), XavierUniform(1))
	if o.bias {
		m.InProjBias = graph.NewVariable("in_proj_bias", types.Of(o.dtype, 3*size), Zeros())
		m.OutProj.Bias = graph.NewVariable("bias", types.Of(o.dtype, size), Zeros())
	}
	return m
}

// Forward is self-attention: [MultiheadAttention.Attend] of x [...,length,size]
// with itself.
func (m *MultiheadAttention) Forward(x *graph.Node) *graph.Node {
	return m.Attend(x, x, x, graph.Attention{})
}

// Attend returns the values [...,queries,size] that the queries
// q [...,queries,size] find at the keys k [...,keys,size] and values
// v [...,keys,size]. a says what they see; where its Dropout is 0, that of the layer counts.
func (m *MultiheadAttention) Attend(q, k, v *graph.Node, a graph.Attention) *graph.Node {
	const op = "multihead_attention"
	if m == nil || m.InProjWeight == nil || m.OutProj == nil {
		graph.Fail(op, "the layer has no weights: layers are made by NewMultiheadAttention")
	}
	size := m.InProjWeight.Type().Shape[0] / 3
	checkHeads(op, size, m.Heads)
	for _, x := range []*graph.Node{q, k, v} {
		if x.Rank() < 2 || x.Dim(-1) != size {
			graph.Fail(op, "wants vectors [...,length,%d], got %s", size, x.TypeString())
		}
	}
	w, b := variable(q, m.InProjWeight), variable(q, m.InProjBias)
	project := func(x *graph.Node, from, to int) *graph.Node {
		y := x.MatMul(w.Slice(0, from*size, to*size, 1).T())
		if b != nil {
			y = y.Add(b.Slice(0, from*size, to*size, 1))
		}
		return y
	}
	var in []*graph.Node
	if q == k && k == v {
		in = project(q, 0, 3).Split(-1, size, size, size)
	} else {
		in = []*graph.Node{project(q, 0, 1), project(k, 1, 2), project(v, 2, 3)}
	}
	for i := range in {
		in[i] = splitHeads(in[i], m.Heads)
	}
	if a.Dropout == 0 {
		a.Dropout = m.Dropout
	}
	return m.OutProj.Forward(joinHeads(in[0].Attention(in[1], in[2], a)))
}

func checkHeads(op string, size, heads int) {
	if heads <= 0 || size%heads != 0 {
		graph.Fail(op, "%d heads do not divide the size %d", heads, size)
	}
}

// splitHeads makes [...,heads,length,size/heads] of x [...,length,size].
func splitHeads(x *graph.Node, heads int) *graph.Node {
	s := x.Shape()
	n := len(s)
	return x.Reshape(append(s[:n-1:n-1], heads, s[n-1]/heads)...).Swap(-2, -3)
}

// joinHeads is the inverse of splitHeads.
func joinHeads(x *graph.Node) *graph.Node { return x.Swap(-2, -3).Flatten(-2, -1) }

// GroupedAttention is self-attention whose heads of queries share fewer heads of
// keys and values, with positions put in by rotation if Rotary is not nil:
// torchtune.modules.MultiHeadAttention (Ainslie et al., "GQA", 2023). With as
// many heads of both it is plain multi-head attention with separate projections.
type GroupedAttention struct {
	QProj, KProj, VProj, OutputProj *Linear
	Heads, KVHeads                  int
	Rotary                          *Rotary
	Dropout                         float64
}

// NewGroupedAttention returns an attention over vectors of the given size with
// heads of size/heads elements; kvHeads divides heads.
func NewGroupedAttention(size, heads, kvHeads int, opts ...AttentionOption) *GroupedAttention {
	o := collect(opts)
	kv := size
	if heads > 0 {
		kv = size / heads * kvHeads
	}
	return &GroupedAttention{
		QProj: o.linear(size, size), KProj: o.linear(size, kv), VProj: o.linear(size, kv), OutputProj: o.linear(size, size),
		Heads: heads, KVHeads: kvHeads, Rotary: o.rotary, Dropout: o.dropout,
	}
}

// Forward is [GroupedAttention.Attend] where every position sees every other.
func (m *GroupedAttention) Forward(x *graph.Node) *graph.Node {
	return m.Attend(x, graph.Attention{})
}

// Attend returns what the positions of x [...,length,size] find at those that a
// lets them see; where its Dropout is 0, that of the layer counts.
func (m *GroupedAttention) Attend(x *graph.Node, a graph.Attention) *graph.Node {
	const op = "grouped_attention"
	if m == nil || m.QProj == nil || m.KProj == nil || m.VProj == nil || m.OutputProj == nil {
		graph.Fail(op, "the layer has no projections: layers are made by NewGroupedAttention")
	}
	size := m.QProj.Weight.Type().Shape[0]
	checkHeads(op, size, m.Heads)
	if m.KVHeads <= 0 || m.Heads%m.KVHeads != 0 {
		graph.Fail(op, "%d heads of queries do not share %d of keys and values", m.Heads, m.KVHeads)
	}
	if x.Rank() < 2 {
		graph.Fail(op, "wants vectors [...,length,%d], got %s", size, x.TypeString())
	}
	q := splitHeads(m.QProj.Forward(x), m.Heads)
	k := splitHeads(m.KProj.Forward(x), m.KVHeads)
	v := splitHeads(m.VProj.Forward(x), m.KVHeads)
	if m.Rotary != nil {
		q, k = m.Rotary.Forward(q), m.Rotary.Forward(k)
	}
	a.Grouped = m.KVHeads != m.Heads
	if a.Dropout == 0 {
		a.Dropout = m.Dropout
	}
	return m.OutputProj.Forward(joinHeads(q.Attention(k, v, a)))
}

// Rotary turns pairs of elements of queries and keys by angles that grow with the
// position, so that their products depend on distances alone (Su et al.,
// "RoFormer", 2021). Pair i turns by position*Base^(-2i/size). The zero value
// has PyTorch's conventions: Base 10000 and, as in
// torchtune.modules.RotaryPositionalEmbeddings, neighbours as pairs.
type Rotary struct {
	Base float64 // 0 stands for 10000
	// Halves pairs element i with element i+size/2, as Hugging Face's Llama and
	// GPT-NeoX do.
	Halves bool
}

// Forward turns x [...,length,size] by the positions 0, 1, ...
func (r *Rotary) Forward(x *graph.Node) *graph.Node {
	if x.Rank() < 2 {
		graph.Fail("rotary", "wants vectors [...,length,size], got %s", x.TypeString())
	}
	return r.At(x, graph.Iota(x.Graph(), graph.I32, 0, x.Dim(-2)))
}

// At turns x [...,length,size] by the given positions, integers of a shape that
// broadcasts to [...,length]. Angles are of f32, for x of f64 of f64.
func (r *Rotary) At(x, positions *graph.Node) *graph.Node {
	const op = "rotary"
	if r == nil {
		graph.Fail(op, "there is no rotation; &nn.Rotary{} is the one of PyTorch's conventions")
	}
	switch {
	case x.Rank() < 2 || !x.DType().IsFloat() || x.Dim(-1)%2 != 0:
		graph.Fail(op, "wants floating-point vectors [...,length,size] of even size, got %s", x.TypeString())
	case !positions.DType().IsInt():
		graph.Fail(op, "wants integers as positions, got %s", positions.TypeString())
	case r.Base < 0 || r.Base == 1 || math.IsNaN(r.Base) || math.IsInf(r.Base, 0):
		graph.Fail(op, "base %v is not a finite number above 0 other than 1", r.Base)
	}
	rows := x.Shape()[:x.Rank()-1]
	if b, err := types.Broadcast(positions.Shape(), rows); err != nil || !b.Equal(rows) {
		graph.Fail(op, "positions %s do not broadcast to %v of %s", positions.TypeString(), rows, x.TypeString())
	}
	base, half := r.Base, x.Dim(-1)/2
	if base == 0 {
		base = 10000
	}
	if half == 0 {
		return x
	}
	rates := make([]float64, half)
	for i := range rates {
		rates[i] = math.Pow(base, -float64(i)/float64(half))
	}
	d := graph.F32
	if x.DType() == graph.F64 {
		d = graph.F64
	}
	angles := positions.Cast(d).Unsqueeze(-1).Mul(graph.Constant(x.Graph(), rates, half).Cast(d))
	cos, sin := angles.Cos().Cast(x.DType()), angles.Sin().Cast(x.DType())
	turn := func(a, b *graph.Node) (re, im *graph.Node) {
		return a.Mul(cos).Sub(b.Mul(sin)), a.Mul(sin).Add(b.Mul(cos))
	}
	if r.Halves {
		re, im := turn(x.Slice(-1, 0, half, 1), x.Slice(-1, half, 2*half, 1))
		return graph.Concat(-1, re, im)
	}
	re, im := turn(x.Slice(-1, 0, 2*half, 2), x.Slice(-1, 1, 2*half, 2))
	return graph.Stack(-1, re, im).Flatten(-2, -1)
}

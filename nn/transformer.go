package nn

import "dumbtorch/graph"

// TransformerEncoderLayer is attention and a two-layer network, each with a
// residual connection and a layer norm: torch.nn.TransformerEncoderLayer with
// batch_first=True. With PreNorm, norms come before attention and network and
// the residual path has none, as in GPT-2; otherwise they follow the sums.
type TransformerEncoderLayer struct {
	SelfAttn         *MultiheadAttention
	Linear1, Linear2 *Linear
	Norm1, Norm2     *LayerNorm
	Activation       Layer `nn:"-"`
	Dropout          float64
	PreNorm          bool
}

// NewTransformerEncoderLayer returns a layer over vectors of the given size with
// an inner layer of hidden units. Without options it is that of PyTorch but for
// the dropout, which is 0: ReLU, and norms after the sums; see [PreNorm],
// [WithActivation], [DropoutRate].
func NewTransformerEncoderLayer(size, heads, hidden int, opts ...TransformerOption) *TransformerEncoderLayer {
	o := collect(append([]TransformerOption{Eps(1e-5)}, opts...))
	norm := func() *LayerNorm {
		n := &LayerNorm{Shape: []int{size}, Eps: o.eps}
		n.Weight, n.Bias = o.affine(n.Shape)
		return n
	}
	var attn []AttentionOption
	for _, f := range opts {
		if a, ok := f.(AttentionOption); ok {
			attn = append(attn, a)
		}
	}
	l := &TransformerEncoderLayer{
		SelfAttn: NewMultiheadAttention(size, heads, attn...),
		Linear1:  o.linear(size, hidden), Linear2: o.linear(hidden, size),
		Norm1: norm(), Norm2: norm(),
		Activation: o.activation, Dropout: o.dropout, PreNorm: o.preNorm,
	}
	if l.Activation == nil {
		l.Activation = ReLU{}
	}
	return l
}

// Forward applies the layer to x [...,length,size]; every position sees every
// other.
func (l *TransformerEncoderLayer) Forward(x *graph.Node) *graph.Node {
	return l.Attend(x, graph.Attention{})
}

// Attend applies the layer to x [...,length,size] whose positions see what a
// says.
func (l *TransformerEncoderLayer) Attend(x *graph.Node, a graph.Attention) *graph.Node {
	const op = "transformer_encoder_layer"
	if l == nil || l.SelfAttn == nil || l.Linear1 == nil || l.Linear2 == nil || l.Norm1 == nil || l.Norm2 == nil || l.Activation == nil {
		graph.Fail(op, "the layer has no weights: layers are made by NewTransformerEncoderLayer")
	}
	attend := func(x *graph.Node) *graph.Node { return l.SelfAttn.Attend(x, x, x, a).Dropout(l.Dropout) }
	network := func(x *graph.Node) *graph.Node {
		return l.Linear2.Forward(l.Activation.Forward(l.Linear1.Forward(x)).Dropout(l.Dropout)).Dropout(l.Dropout)
	}
	if l.PreNorm {
		x = x.Add(attend(l.Norm1.Forward(x)))
		return x.Add(network(l.Norm2.Forward(x)))
	}
	x = l.Norm1.Forward(x.Add(attend(x)))
	return l.Norm2.Forward(x.Add(network(x)))
}

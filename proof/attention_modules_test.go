package proof

import (
	"maps"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

// attentionAttrs are the attributes of the cases of testdata/ops/attention.py.
type attentionAttrs struct {
	Causal, Grouped, Halves bool
	Base                    float64
}

func (a attrs) attention(mask *node) graph.Attention {
	o := graph.Attention{Causal: a.Causal, Grouped: a.Grouped, Mask: mask}
	if a.Scale != nil {
		o.Scale = a.Scale[0]
	}
	return o
}

// look is an attention whose queries, keys and values are rows of x.
type look struct {
	Attn *nn.MultiheadAttention
	rows []int
	see  graph.Attention
}

func (l *look) Forward(x *node) *node {
	if l.rows == nil {
		return l.Attn.Attend(x, x, x, l.see)
	}
	in := x.Split(-2, l.rows...)
	return l.Attn.Attend(in[0], in[1], in[2], l.see)
}

// groupedCausal is an attention that sees no later positions.
type groupedCausal struct {
	*nn.GroupedAttention
}

func (l *groupedCausal) Forward(x *node) *node {
	return l.Attend(x, graph.Attention{Causal: true})
}

// see is a transformer layer that sees no later positions.
type see struct {
	Layer *nn.TransformerEncoderLayer
}

func (l *see) Forward(x *node) *node { return l.Layer.Attend(x, graph.Attention{Causal: true}) }

func init() {
	maps.Copy(ops, map[string]op{
		"attention": {chains, chains, one(func(a attrs, x []*node) *node {
			return x[0].Attention(x[1], x[2], a.attention(optional(x, 3)))
		})},
		"rotary": {chains, chains, one(func(a attrs, x []*node) *node {
			return (&nn.Rotary{Base: a.Base, Halves: a.Halves}).At(x[0], x[1])
		})},
	})
	maps.Copy(modules, map[string]func() any{
		"attention_self":         func() any { return &look{Attn: nn.NewMultiheadAttention(8, 2)} },
		"attention_self_no_bias": func() any { return &look{Attn: nn.NewMultiheadAttention(8, 2, nn.NoBias())} },
		"attention_cross":        func() any { return &look{Attn: nn.NewMultiheadAttention(8, 2), rows: []int{2, 3, 3}} },
		"attention_cross_no_bias": func() any {
			return &look{Attn: nn.NewMultiheadAttention(8, 2, nn.NoBias()), rows: []int{3, 2, 2}}
		},
		"attention_masked": func() any {
			return &look{Attn: nn.NewMultiheadAttention(8, 2), see: graph.Attention{Causal: true}}
		},
		"attention_grouped": func() any { return &groupedCausal{nn.NewGroupedAttention(8, 4, 2, nn.NoBias())} },
		"attention_rotary": func() any {
			return &groupedCausal{nn.NewGroupedAttention(8, 2, 1, nn.WithRotary(&nn.Rotary{}))}
		},
		"attention_rotary_halves": func() any {
			return &groupedCausal{nn.NewGroupedAttention(8, 2, 2, nn.WithRotary(&nn.Rotary{Halves: true}))}
		},
		"transformer": func() any { return nn.NewTransformerEncoderLayer(8, 2, 12) },
		"transformer_pre": func() any {
			return nn.NewTransformerEncoderLayer(8, 2, 12, nn.PreNorm(), nn.WithActivation(nn.GELU{}))
		},
		"transformer_options": func() any {
			return nn.NewTransformerEncoderLayer(8, 2, 12, nn.WithActivation(nn.GELU{}), nn.Eps(0.1), nn.NoBias())
		},
		"transformer_causal": func() any { return &see{nn.NewTransformerEncoderLayer(8, 2, 12, nn.PreNorm())} },
	})
}

package nn_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

// Weights of a causal attention over equal keys are uniform over what is seen.
func TestAttentionSees(t *testing.T) {
	got := eval(t, nil, func(g *graph.Graph) {
		q, k := graph.Ones(g, graph.F32, 1, 3, 4), graph.Ones(g, graph.F32, 1, 3, 4)
		v := graph.Constant(g, []float32{1, 2, 6}, 1, 3, 1)
		g.Output("all", q.Attention(k, v, graph.Attention{}))
		g.Output("causal", q.Attention(k, v, graph.Attention{Causal: true}))
		mask := graph.Constant(g, []bool{false, false, true, true, false, true, false, false, false}, 3, 3)
		g.Output("mask", q.Attention(k, v, graph.Attention{Mask: mask}))
		inf := float32(math.Inf(-1))
		g.Output("added", q.Attention(k, v, graph.Attention{Mask: graph.Constant(g, []float32{inf, 0, inf}, 3), Causal: true}))
	})
	require.InDeltaSlice(t, []float32{3, 3, 3}, value[float32](t, got["all"]), 1e-6)
	require.InDeltaSlice(t, []float32{1, 1.5, 3}, value[float32](t, got["causal"]), 1e-6)
	require.InDeltaSlice(t, []float32{6, 3.5, 0}, value[float32](t, got["mask"]), 1e-6)
	require.InDeltaSlice(t, []float32{0, 2, 2}, value[float32](t, got["added"]), 1e-6)
}

func TestNewAttention(t *testing.T) {
	m := nn.NewMultiheadAttention(8, 2)
	require.Equal(t, []string{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}, names(nn.Params(m)))
	require.Equal(t, []string{"in_proj_weight", "out_proj.weight"}, names(nn.Params(nn.NewMultiheadAttention(8, 2, nn.NoBias()))))
	require.Equal(t, []string{
		"q_proj.weight", "k_proj.weight", "v_proj.weight", "output_proj.weight",
	}, names(nn.Params(nn.NewGroupedAttention(8, 4, 2, nn.NoBias()))))
	require.Equal(t, []string{
		"self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
		"linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias", "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
	}, names(nn.Params(nn.NewTransformerEncoderLayer(8, 2, 16, nn.PreNorm(), nn.WithActivation(nn.GELU{})))))
}

// Products of rotated vectors depend on the distance of their positions alone.
func TestRotary(t *testing.T) {
	for _, r := range []*nn.Rotary{{}, {Halves: true, Base: 100}} {
		got := eval(t, nil, func(g *graph.Graph) {
			row := graph.Constant(g, []float64{1, -2, 0.5, 3}, 1, 4).BroadcastTo(5, 4)
			y := r.Forward(row)
			g.Output("products", y.MatMul(y.T()))
			g.Output("first", y.Index(0, 0))
		})
		p := value[float64](t, got["products"])
		for i := range 4 {
			for j := range 4 {
				require.InDelta(t, p[5*i+j], p[5*(i+1)+j+1], 1e-5)
			}
		}
		require.NotEqual(t, p[0], p[1])
		require.Equal(t, []float64{1, -2, 0.5, 3}, value[float64](t, got["first"]))
	}
}

func TestAttentionMistakes(t *testing.T) {
	x := func(g *graph.Graph) *graph.Node { return g.Input("x", graph.F32, graph.Dim("batch"), 3, 4) }
	for want, f := range map[string]func(g *graph.Graph){
		"multihead_attention: the layer has no weights: layers are made by NewMultiheadAttention": func(g *graph.Graph) { (&nn.MultiheadAttention{}).Forward(x(g)) },
		"multihead_attention: 3 heads do not divide the size 4":                                   func(g *graph.Graph) { nn.NewMultiheadAttention(4, 3).Forward(x(g)) },
		"multihead_attention: wants vectors [...,length,6], got f32[batch,3,4]":                   func(g *graph.Graph) { nn.NewMultiheadAttention(6, 3).Forward(x(g)) },
		"grouped_attention: 4 heads of queries do not share 3 of keys and values":                 func(g *graph.Graph) { nn.NewGroupedAttention(4, 4, 3).Forward(x(g)) },
		"rotary: wants floating-point vectors [...,length,size] of even size, got f32[3]":         func(g *graph.Graph) { (&nn.Rotary{}).At(graph.Zeros(g, graph.F32, 3), graph.Zeros(g, graph.I32, 3)) },
		"attention: queries and keys differ in their last dimension: f32[batch,3,4] and f32[2,5]": func(g *graph.Graph) {
			x(g).Attention(graph.Zeros(g, graph.F32, 2, 5), graph.Zeros(g, graph.F32, 2, 5), graph.Attention{})
		},
		"attention: as many keys as values are needed: f32[2,4] and f32[3,5]": func(g *graph.Graph) {
			x(g).Attention(graph.Zeros(g, graph.F32, 2, 4), graph.Zeros(g, graph.F32, 3, 5), graph.Attention{})
		},
		"attention: mask bool[2,2] does not broadcast to the scores [2,3,3]": func(g *graph.Graph) {
			y := graph.Zeros(g, graph.F32, 2, 3, 4)
			y.Attention(y, y, graph.Attention{Mask: graph.Zeros(g, graph.Bool, 2, 2)})
		},
		"attention: mask i32[3] is neither of booleans nor of floating-point numbers": func(g *graph.Graph) {
			y := x(g)
			y.Attention(y, y, graph.Attention{Mask: graph.Zeros(g, graph.I32, 3)})
		},
		"transformer_encoder_layer: the layer has no weights: layers are made by NewTransformerEncoderLayer": func(g *graph.Graph) { (&nn.TransformerEncoderLayer{}).Forward(x(g)) },
		"attention: 3 heads of queries do not share 2 of keys and 2 of values": func(g *graph.Graph) {
			graph.Zeros(g, graph.F32, 3, 1, 4).Attention(graph.Zeros(g, graph.F32, 2, 1, 4), graph.Zeros(g, graph.F32, 2, 1, 4), graph.Attention{Grouped: true})
		},
		"attention: wants queries [...,queries,e], keys [...,keys,e] and values [...,keys,d]: f32[4], f32[3,4], f32[3,4]": func(g *graph.Graph) {
			y := graph.Zeros(g, graph.F32, 3, 4)
			graph.Zeros(g, graph.F32, 4).Attention(y, y, graph.Attention{})
		},
		"attention: grouped heads are dimension -3: f32[3,4], f32[3,4], f32[3,4]": func(g *graph.Graph) {
			y := graph.Zeros(g, graph.F32, 3, 4)
			y.Attention(y, y, graph.Attention{Grouped: true})
		},
		"attention: mask bool[3,1,2] has 3 heads, the queries 4": func(g *graph.Graph) {
			y := graph.Zeros(g, graph.F32, 2, 2, 4)
			graph.Zeros(g, graph.F32, 4, 1, 4).Attention(y, y, graph.Attention{Grouped: true, Mask: graph.Zeros(g, graph.Bool, 3, 1, 2)})
		},
		"attention: scale NaN is not finite": func(g *graph.Graph) {
			y := x(g)
			y.Attention(y, y, graph.Attention{Scale: math.NaN()})
		},
		"attention: queries f32[3,0] without elements need a scale": func(g *graph.Graph) {
			y := graph.Zeros(g, graph.F32, 3, 0)
			y.Attention(y, y, graph.Attention{})
		},
		"attention: wants floating-point numbers, got i32[3,4]": func(g *graph.Graph) {
			y := graph.Zeros(g, graph.I32, 3, 4)
			y.Attention(y, y, graph.Attention{})
		},
		"dropout: probability 1.5 is not between 0 and 1": func(g *graph.Graph) {
			nn.NewMultiheadAttention(4, 2, nn.DropoutRate(1.5)).Forward(x(g))
		},
		"dropout: probability -1 is not between 0 and 1": func(g *graph.Graph) {
			nn.NewMultiheadAttention(4, 2, nn.DropoutRate(-1)).Forward(x(g))
		},
		"attention: an operand is a nil node": func(g *graph.Graph) {
			x(g).Attention(nil, nil, graph.Attention{})
		},
		"grouped_attention: the layer has no projections: layers are made by NewGroupedAttention": func(g *graph.Graph) { (*nn.GroupedAttention)(nil).Forward(x(g)) },
		"grouped_attention: 0 heads do not divide the size 4":                                     func(g *graph.Graph) { nn.NewGroupedAttention(4, 0, 0).Forward(x(g)) },
		"grouped_attention: wants vectors [...,length,4], got f32[4]": func(g *graph.Graph) {
			nn.NewGroupedAttention(4, 2, 1).Forward(graph.Zeros(g, graph.F32, 4))
		},
		"rotary: there is no rotation":                                func(g *graph.Graph) { (*nn.Rotary)(nil).Forward(x(g)) },
		"rotary: base -1 is not a finite number above 0 other than 1": func(g *graph.Graph) { (&nn.Rotary{Base: -1}).Forward(x(g)) },
		"rotary: wants integers as positions, got f32[3]": func(g *graph.Graph) {
			(&nn.Rotary{}).At(x(g), graph.Zeros(g, graph.F32, 3))
		},
		"rotary: positions i32[2,3] do not broadcast to [3] of f32[3,4]": func(g *graph.Graph) {
			(&nn.Rotary{}).At(graph.Zeros(g, graph.F32, 3, 4), graph.Zeros(g, graph.I32, 2, 3))
		},
		"rotary: wants floating-point vectors [...,length,size] of even size, got f32[2,3]": func(g *graph.Graph) {
			(&nn.Rotary{}).Forward(graph.Zeros(g, graph.F32, 2, 3))
		},
		"rank: the receiver is a nil node": func(g *graph.Graph) { nn.NewTransformerEncoderLayer(4, 2, 8).Forward(nil) },
	} {
		t.Run(want, func(t *testing.T) { require.Contains(t, mistake(t, f), want) })
	}
}

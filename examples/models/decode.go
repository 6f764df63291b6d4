package models

import (
	"fmt"
	"math"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
)

// A Decoder generates text token by token: one step computes keys and values of
// one token only, and keeps those of earlier ones in variables. The step has the
// same shapes at every position, so that it is compiled once.
type Decoder struct {
	m    *GPT
	k, v []*graph.Variable // of each block: [heads,context,size]
}

// NewDecoder returns the decoder of a model, whose parameters it shares. Its
// variables are "cache.0.k", "cache.0.v" and so on.
func NewDecoder(m *GPT) *Decoder {
	d := &Decoder{m: m}
	c := m.Config
	for i := range m.Blocks {
		d.k = append(d.k, zeros(fmt.Sprintf("cache.%d.k", i), c.Heads, c.Context, c.Width/c.Heads))
		d.v = append(d.v, zeros(fmt.Sprintf("cache.%d.v", i), c.Heads, c.Context, c.Width/c.Heads))
	}
	return d
}

func decodeInputs(c GPTConfig) []input {
	return []input{{"token", nil, c.Vocabulary}, {"position", nil, c.Context}, {"temperature", nil, 0}, {"top_k", nil, c.Vocabulary}}
}

// Step is a model function. Its inputs are scalars: "token" and "position", i32,
// from 0; "temperature", f32, by which logits are divided, 0 for the most likely
// token; and "top_k", i32, of how many of the most likely tokens one is drawn, 0
// for all. Its outputs are "logits", f32[vocabulary], and "next", i32, the token
// that is drawn. Positions are fed in order from 0; to start anew is to feed
// position 0.
func (d *Decoder) Step(g *graph.Graph) {
	nn.Params(d.m) // names them
	c := d.m.Config
	in := declare(g, decodeInputs(c))
	token, at, temperature, top := in[0], in[1], in[2], in[3]
	x := d.m.TokEmb.Forward(token.Reshape(1, 1)).Add(d.m.PosEmb.Forward(at.Reshape(1, 1)))
	place := graph.Arange(g, graph.I32, 0, float64(c.Context), 1)
	seen := place.LessEqual(at).Unsqueeze(0)
	here := place.Equal(at).Unsqueeze(1) // [context,1]
	for i, b := range d.m.Blocks {
		q, k, v := b.project(x) // [1,heads,1,size]
		keep := func(cache *graph.Variable, x *graph.Node) *graph.Node {
			all := graph.Where(here, x.Squeeze(0), g.Var(cache))
			g.Assign(cache, all)
			return all.Unsqueeze(0)
		}
		x = b.finish(x, q.Attention(keep(d.k[i], k), keep(d.v[i], v), graph.Attention{Mask: seen}))
	}
	logits := d.m.Head.Forward(d.m.LN.Forward(x)).Reshape(c.Vocabulary)
	g.Output("logits", logits)
	g.Output("next", draw(logits, temperature, top))
}

// draw draws an index by the softmax of logits/temperature among the top most
// likely ones: the largest of logits/temperature plus noise of Gumbel's
// distribution (Gumbel, 1954; Maddison, Tarlow and Minka, "A* sampling", 2014).
func draw(logits, temperature, top *graph.Node) *graph.Node {
	g, n := logits.Graph(), logits.Dim(0)
	index := graph.Arange(g, graph.I32, 0, float64(n), 1)
	// The rank of a logit is how many are larger, or equal and earlier.
	a, b := logits.Unsqueeze(1), logits.Unsqueeze(0)
	ahead := b.Greater(a).Or(b.Equal(a).And(index.Unsqueeze(0).Less(index.Unsqueeze(1))))
	rank := ahead.Cast(graph.I32).Sum(1)
	zero := graph.Scalar(g, graph.I32, 0)
	allowed := rank.Less(top).Or(top.LessEqual(zero))
	number := func(v float64) *graph.Node { return graph.Scalar(g, graph.F32, v) }
	// -log(1-u) of a uniform u is exponential; a u of 0 would make the noise infinite.
	exponential := graph.Uniform(g, graph.F32, 0, 1, n).Neg().Log1p().Neg().Maximum(number(0x1p-25))
	greedy := temperature.LessEqual(number(0))
	score := graph.Where(greedy, logits, logits.Div(temperature).Sub(exponential.Log()))
	return graph.Where(allowed, score, number(math.Inf(-1))).ArgMax().Cast(graph.I32)
}

// zeros makes a variable of zeros that is not trained.
func zeros(name string, dims ...int) *graph.Variable {
	v := graph.NewVariable(name, types.Of(graph.F32, dims...), nil)
	v.Freeze()
	return v
}

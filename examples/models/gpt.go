package models

import (
	"math"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
)

// GPTConfig are the sizes of a [GPT].
type GPTConfig struct {
	Vocabulary int     // kinds of tokens
	Context    int     // tokens that the model sees at most
	Width      int     // of the residual stream
	Heads      int     // of attention; they divide Width
	Layers     int     // blocks
	Dropout    float64 // probability, of embeddings and of what each block adds
	Recompute  bool    // blocks are computed again in the backward pass, to save memory
}

// GPT is a character or token model of the kind of GPT-2 (Radford et al.,
// "Language models are unsupervised multitask learners", 2019): learned
// positions, blocks of causal attention and a perceptron with norms before them,
// GELU in its approximation by tanh, and a head that is not tied to the table of
// tokens.
type GPT struct {
	TokEmb, PosEmb *nn.Embedding
	Blocks         []*GPTBlock
	LN             *nn.LayerNorm
	Head           *nn.Linear
	Config         GPTConfig `nn:"-"`
}

// GPTBlock adds to its input attention over it, then a perceptron of it.
type GPTBlock struct {
	LN1       *nn.LayerNorm
	QKV, Proj *nn.Linear
	LN2       *nn.LayerNorm
	FC1, FC2  *nn.Linear

	heads   int
	dropout nn.Dropout
}

// NewGPT returns a model with the initialisation of GPT-2: weights normal with
// standard deviation 0.02, those that add to the residual stream smaller by the
// root of their number, biases 0. Sizes that are not positive, or heads that do
// not divide the width, panic with a [*graph.Error].
func NewGPT(c GPTConfig) *GPT {
	if min(c.Vocabulary, c.Context, c.Width, c.Heads, c.Layers) < 1 || c.Width%c.Heads != 0 {
		graph.Fail("gpt", "the sizes %+v are not all positive, or the heads do not divide the width", c)
	}
	m := &GPT{
		TokEmb: nn.NewEmbedding(c.Vocabulary, c.Width), PosEmb: nn.NewEmbedding(c.Context, c.Width),
		LN: nn.NewLayerNorm([]int{c.Width}), Head: nn.NewLinear(c.Width, c.Vocabulary, nn.NoBias()), Config: c,
	}
	for range c.Layers {
		m.Blocks = append(m.Blocks, &GPTBlock{
			LN1: nn.NewLayerNorm([]int{c.Width}), QKV: nn.NewLinear(c.Width, 3*c.Width), Proj: nn.NewLinear(c.Width, c.Width),
			LN2: nn.NewLayerNorm([]int{c.Width}), FC1: nn.NewLinear(c.Width, 4*c.Width), FC2: nn.NewLinear(4*c.Width, c.Width),
			heads: c.Heads, dropout: nn.Dropout{P: c.Dropout},
		})
	}
	m.initialise()
	return m
}

func (m *GPT) initialise() {
	const std = 0.02
	normal := func(v **graph.Variable, std float64) {
		*v = graph.NewVariable("weight", (*v).Type(), nn.Normal(0, std))
	}
	linear := func(l *nn.Linear, std float64) {
		normal(&l.Weight, std)
		if l.Bias != nil {
			l.Bias = graph.NewVariable("bias", l.Bias.Type(), nn.Zeros())
		}
	}
	normal(&m.TokEmb.Weight, std)
	normal(&m.PosEmb.Weight, std)
	linear(m.Head, std)
	adds := math.Sqrt(2 * float64(len(m.Blocks)))
	for _, b := range m.Blocks {
		linear(b.QKV, std)
		linear(b.Proj, std/adds)
		linear(b.FC1, std)
		linear(b.FC2, std/adds)
	}
}

// Forward returns logits [batch,time,vocabulary] of the tokens ids [batch,time],
// of any integer type: at each place those of the token that follows.
func (m *GPT) Forward(ids *graph.Node) *graph.Node {
	const op = "gpt"
	if ids.Rank() != 2 {
		graph.Fail(op, "the tokens are %s, not [batch,time]", ids.TypeString())
	}
	g, time := ids.Graph(), ids.Dim(1)
	if time > m.Config.Context {
		graph.Fail(op, "%d tokens are more than the context of %d", time, m.Config.Context)
	}
	positions := g.Var(m.PosEmb.Weight).Slice(0, 0, time, 1)
	x := m.TokEmb.Forward(ids).Add(positions).Dropout(m.Config.Dropout)
	for _, b := range m.Blocks {
		if m.Config.Recompute {
			x = graph.Checkpoint(func(xs ...*graph.Node) *graph.Node { return b.Forward(xs[0]) }, x)
		} else {
			x = b.Forward(x)
		}
	}
	return m.Head.Forward(m.LN.Forward(x))
}

// Forward maps the residual stream x [batch,time,width] to its next state.
func (b *GPTBlock) Forward(x *graph.Node) *graph.Node {
	q, k, v := b.project(x)
	return b.finish(x, q.Attention(k, v, graph.Attention{Causal: true}))
}

// project returns queries, keys and values [batch,heads,time,size] of x.
func (b *GPTBlock) project(x *graph.Node) (q, k, v *graph.Node) {
	batch, time, width := x.Dim(0), x.Dim(1), x.Dim(2)
	qkv := b.QKV.Forward(b.LN1.Forward(x)).Split(-1, width, width, width)
	for i, p := range qkv {
		qkv[i] = p.Reshape(batch, time, b.heads, width/b.heads).Transpose(0, 2, 1, 3)
	}
	return qkv[0], qkv[1], qkv[2]
}

// finish adds to x what attention found, y [batch,heads,time,size], and the
// perceptron.
func (b *GPTBlock) finish(x, y *graph.Node) *graph.Node {
	y = y.Transpose(0, 2, 1, 3).Reshape(x.Shape()...)
	x = x.Add(b.dropout.Forward(b.Proj.Forward(y)))
	return x.Add(b.dropout.Forward(b.FC2.Forward(b.FC1.Forward(b.LN2.Forward(x)).GELUTanh())))
}

// TrainGPT returns a model function of a training step: the inputs "ids" and
// "labels", i32[batch,context], the output "loss", the mean cross-entropy of the
// tokens that follow, and the update of every parameter.
func TrainGPT(m *GPT, batch int, o optim.Optimizer, opts ...optim.Option) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		loss := m.loss(g, batch)
		o.Minimize(loss, nn.Params(m), opts...)
		g.Output("loss", loss)
	}
}

// EvalGPT returns a model function that gives the output "loss" of [TrainGPT].
func EvalGPT(m *GPT, batch int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		nn.Params(m) // names them
		g.Output("loss", m.loss(g, batch))
	}
}

func (m *GPT) loss(g *graph.Graph, batch int) *graph.Node {
	ids, labels := g.Input("ids", graph.I32, batch, m.Config.Context), g.Input("labels", graph.I32, batch, m.Config.Context)
	return nn.CrossEntropy(m.Forward(ids), labels)
}

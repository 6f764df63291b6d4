package passes_test

import (
	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"fmt"
	"math"
)

type mlp struct{ FC1, FC2, FC3 *nn.Linear }

func (m *mlp) Forward(x *graph.Node) *graph.Node {
	return m.FC3.Forward(m.FC2.Forward(m.FC1.Forward(x).ReLU()).ReLU())
}

// mlpStep is a training step of a perceptron of three layers.
func mlpStep(batch, in, h1, h2, out int, opts ...optim.Option) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		m := &mlp{nn.NewLinear(in, h1), nn.NewLinear(h1, h2), nn.NewLinear(h2, out)}
		x, y := g.Input("x", graph.F32, batch, in), g.Input("y", graph.I32, batch)
		loss := nn.CrossEntropy(m.Forward(x), y)
		(&optim.SGD{LR: 0.1, Momentum: 0.9}).Minimize(loss, nn.Params(m), opts...)
		g.Output("loss", loss)
	}
}

type cnn struct {
	Conv1, Conv2 *nn.Conv
	FC1, FC2     *nn.Linear
}

// cnnStep is a training step of a classifier of images of side x side pixels:
// two convolutions with pooling, two linear layers.
func cnnStep(batch, side, channels1, channels2, hidden, out int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		m := &cnn{
			nn.NewConv2d(1, channels1, 3, nn.Padding(1)), nn.NewConv2d(channels1, channels2, 3, nn.Padding(1)),
			nn.NewLinear(channels2*side*side/16, hidden), nn.NewLinear(hidden, out),
		}
		pool := nn.NewMaxPool2d(2)
		x, y := g.Input("x", graph.F32, batch, 1, side, side), g.Input("y", graph.I32, batch)
		z := pool.Forward(m.Conv1.Forward(x).ReLU())
		z = pool.Forward(m.Conv2.Forward(z).ReLU())
		loss := nn.CrossEntropy(m.FC2.Forward(m.FC1.Forward(z.Flatten(1, -1)).ReLU()), y)
		optim.SGD{LR: 0.1, Momentum: 0.9}.Minimize(loss, nn.Params(m))
		g.Output("loss", loss)
	}
}

func weight(g *graph.Graph, name string, dims ...int) *graph.Node {
	return g.Var(graph.NewVariable(name, types.Of(graph.F32, dims...), nn.Uniform(-0.5, 0.5)))
}

func layerNorm(x, gamma, beta *graph.Node) *graph.Node {
	d := x.Sub(x.Mean(-1, graph.KeepDims))
	v := d.Mul(d).Mean(-1, graph.KeepDims)
	return d.Mul(v.AddScalar(1e-5).Rsqrt()).Mul(gamma).Add(beta)
}

func rmsNorm(x, gamma *graph.Node) *graph.Node {
	return x.Mul(x.Mul(x).Mean(-1, graph.KeepDims).AddScalar(1e-5).Rsqrt()).Mul(gamma)
}

func geluTanh(x *graph.Node) *graph.Node {
	u := x.Add(x.Mul(x).Mul(x).MulScalar(0.044715)).MulScalar(math.Sqrt(2 / math.Pi))
	return x.MulScalar(0.5).Mul(u.Tanh().AddScalar(1))
}

// attend is causal attention over qkv [batch,time,3*width].
func attend(g *graph.Graph, qkv *graph.Node, heads int) *graph.Node {
	b, t, w := qkv.Dim(0), qkv.Dim(1), qkv.Dim(2)/3
	part := func(i int) *graph.Node {
		return qkv.Slice(-1, i*w, (i+1)*w, 1).Reshape(b, t, heads, w/heads).Transpose(0, 2, 1, 3)
	}
	q, k, v := part(0), part(1), part(2)
	s := q.MatMul(k.Swap(-1, -2)).MulScalar(1 / math.Sqrt(float64(w/heads)))
	col := graph.Iota(g, graph.I32, 0, t)
	row := col.Unsqueeze(1)
	s = graph.Where(col.LessEqual(row), s, graph.Scalar(g, graph.F32, math.Inf(-1)))
	return s.Softmax(-1).MatMul(v).Transpose(0, 2, 1, 3).Reshape(b, t, w)
}

// attention is causal self-attention of x [batch,time,width].
func attention(g *graph.Graph, x *graph.Node, heads int) *graph.Node {
	w := x.Dim(2)
	return attend(g, x.MatMul(weight(g, "qkv", 3*w, w).T()), heads).MatMul(weight(g, "proj", w, w).T())
}

// withGrads outputs y and the gradients, for a cotangent that is fed.
func withGrads(g *graph.Graph, y *graph.Node, wrt ...*graph.Node) {
	ct := g.Input("ct", y.DType(), y.Shape()...)
	g.Output("y", y)
	for i, d := range graph.VJP([]*graph.Node{y}, []*graph.Node{ct}, wrt) {
		g.Output("d"+string(rune('0'+i)), d)
	}
}

// adamW appends the update of each parameter.
func adamW(g *graph.Graph, loss *graph.Node, params []*graph.Variable) {
	lr := g.Input("lr", graph.F32)
	var wrt []*graph.Node
	for _, p := range params {
		wrt = append(wrt, g.Var(p))
	}
	for i, d := range g.Grad(loss, wrt...) {
		state := func(s string) *graph.Variable {
			return graph.NewVariable(params[i].Name()+s, params[i].Type(), nil)
		}
		p, vm, vv := wrt[i], state(".m"), state(".v")
		m := g.Var(vm).MulScalar(0.9).Add(d.MulScalar(0.1))
		v := g.Var(vv).Abs().MulScalar(0.999).Add(d.Mul(d).MulScalar(0.001))
		g.Assign(vm, m)
		g.Assign(vv, v)
		g.Assign(params[i], p.Mul(graph.Scalar(g, graph.F32, 1).Sub(lr.MulScalar(0.01))).Sub(lr.Mul(m.Div(v.Sqrt().AddScalar(1e-8)))))
	}
}

// gptStep is a training step of a transformer: pre-norm, causal attention,
// GELU, an untied head, AdamW.
func gptStep(batch, time, width, heads, layers, vocabulary int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		var params []*graph.Variable
		param := func(name string, dims ...int) *graph.Node {
			v := graph.NewVariable(name, types.Of(graph.F32, dims...), nil)
			params = append(params, v)
			return g.Var(v)
		}
		linear := func(x *graph.Node, name string, out int) *graph.Node {
			return x.MatMul(param(name+".weight", out, x.Dim(-1)).T()).Add(param(name+".bias", out))
		}
		norm := func(x *graph.Node, name string) *graph.Node {
			return layerNorm(x, param(name+".weight", width), param(name+".bias", width))
		}
		ids, labels := g.Input("ids", graph.I32, batch, time), g.Input("labels", graph.I32, batch, time)
		x := param("tok", vocabulary, width).Take(0, ids).Add(param("pos", time, width))
		for i := range layers {
			name := func(s string) string { return fmt.Sprintf("h%d.%s", i, s) }
			h := norm(x, name("ln1"))
			qkv := linear(h, name("qkv"), 3*width)
			x = x.Add(linear(attend(g, qkv, heads), name("proj"), width))
			x = x.Add(linear(geluTanh(linear(norm(x, name("ln2")), name("fc1"), 4*width)), name("fc2"), width))
		}
		logits := norm(x, "ln").MatMul(param("head", vocabulary, width).T())
		loss := nn.CrossEntropy(logits, labels)
		g.Output("loss", loss)
		adamW(g, loss, params)
	}
}

// attentionBlock is a training step of a pre-norm transformer layer: causal
// attention, GELU, AdamW.
func attentionBlock(batch, time, width, heads int) func(g *graph.Graph) {
	return func(g *graph.Graph) {
		l := nn.NewTransformerEncoderLayer(width, heads, 4*width, nn.PreNorm(), nn.WithActivation(nn.GELU{}))
		x, y := g.Input("x", graph.F32, batch, time, width), g.Input("y", graph.F32, batch, time, width)
		loss := nn.MSE(l.Attend(x, graph.Attention{Causal: true}), y)
		g.Output("loss", loss)
		optim.AdamW{LR: 1e-3}.Minimize(loss, nn.Params(l))
	}
}

type namedModel struct {
	name  string
	model func(g *graph.Graph)
}

// models are those whose kernels are listed.
var models = append([]namedModel{
	{"mlp_sgd_momentum", mlpStep(128, 784, 512, 256, 10)},
	{"cnn_sgd_momentum", cnnStep(128, 28, 32, 64, 128, 10)},
	{"gpt_4_layers_adamw", gptStep(16, 64, 128, 4, 4, 96)},
	{"attention_block_adamw", attentionBlock(16, 64, 128, 4)},
	{"attention_block_long_adamw", attentionBlock(1, 1024, 128, 4)},
}, smallModels...)

// smallModels are those that the interpreter runs in a moment.
var smallModels = []namedModel{
	{"mlp_small", mlpStep(12, 20, 16, 12, 8)},
	{"mlp_clip_norm", mlpStep(12, 20, 16, 12, 8, optim.ClipNorm(1))},
	{"mlp_accumulate", mlpStep(12, 20, 16, 12, 8, optim.Accumulate(4))},
	{"softmax", func(g *graph.Graph) { g.Output("y", g.Input("x", graph.F32, 16, 20).Softmax(-1)) }},
	{"softmax_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 16, 20)
		withGrads(g, x.Softmax(-1), x)
	}},
	{"softmax_middle_axis", func(g *graph.Graph) { g.Output("y", g.Input("x", graph.F32, 6, 20, 8).Softmax(1)) }},
	{"log_softmax", func(g *graph.Graph) { g.Output("y", g.Input("x", graph.F32, 16, 20).LogSoftmax(-1)) }},
	{"log_softmax_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 16, 20)
		withGrads(g, x.LogSoftmax(-1), x)
	}},
	{"cumsum_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 16, 200)
		withGrads(g, x.CumSum(-1), x)
	}},
	{"cross_entropy", func(g *graph.Graph) {
		g.Output("loss", nn.CrossEntropy(g.Input("x", graph.F32, 16, 20), g.Input("y", graph.I32, 16)))
	}},
	{"cross_entropy_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 16, 20)
		loss := nn.CrossEntropy(x, g.Input("y", graph.I32, 16), nn.LabelSmoothing(0.1))
		g.Output("loss", loss)
		g.Output("dx", g.Grad(loss, x)[0])
	}},
	{"layer_norm", func(g *graph.Graph) {
		g.Output("y", layerNorm(g.Input("x", graph.F32, 16, 24), weight(g, "gamma", 24), weight(g, "beta", 24)))
	}},
	{"layer_norm_grad", func(g *graph.Graph) {
		x, gamma, beta := g.Input("x", graph.F32, 16, 24), weight(g, "gamma", 24), weight(g, "beta", 24)
		withGrads(g, layerNorm(x, gamma, beta), x, gamma, beta)
	}},
	{"rms_norm", func(g *graph.Graph) {
		g.Output("y", rmsNorm(g.Input("x", graph.F32, 16, 24), weight(g, "gamma", 24)))
	}},
	{"rms_norm_grad", func(g *graph.Graph) {
		x, gamma := g.Input("x", graph.F32, 16, 24), weight(g, "gamma", 24)
		withGrads(g, rmsNorm(x, gamma), x, gamma)
	}},
	{"gelu_chain", func(g *graph.Graph) {
		x, r := g.Input("x", graph.F32, 400), g.Input("r", graph.F32, 400)
		g.Output("y", geluTanh(x.MulScalar(1.5).AddScalar(0.25)).MulScalar(0.5).Add(r))
	}},
	{"broadcast_chain", func(g *graph.Graph) {
		x, b, s := g.Input("x", graph.F32, 16, 24), g.Input("b", graph.F32, 24), g.Input("s", graph.F32, 16, 1)
		g.Output("y", x.Add(b).Mul(s).Sub(x.Abs().MulScalar(0.1)).ReLU())
	}},
	{"sumsq_cols", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 16, 24)
		g.Output("y", x.Mul(x).Sum(0))
	}},
	{"sums", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 8, 12, 20)
		g.Output("a", x.Sum(0))
		g.Output("b", x.Sum(1))
		g.Output("c", x.Sum(2))
		g.Output("ab", x.Sum(0, 1))
		g.Output("ac", x.Sum(0, 2))
		g.Output("bc", x.Sum(1, 2))
		g.Output("abc", x.Sum())
		g.Output("max", x.Amax(0))
	}},
	{"matmul_layouts", func(g *graph.Graph) {
		a, b := g.Input("a", graph.F32, 24, 40), g.Input("b", graph.F32, 40, 16)
		at, bt := g.Input("at", graph.F32, 40, 24), g.Input("bt", graph.F32, 16, 40)
		g.Output("nn", a.MatMul(b))
		g.Output("nt", a.MatMul(bt.T()))
		g.Output("tn", at.T().MatMul(b))
		g.Output("tt", at.T().MatMul(bt.T()))
		g.Output("t", a.MatMul(b).T().Exp())
	}},
	{"matmul_batched_grad", func(g *graph.Graph) {
		a, b := g.Input("a", graph.F32, 3, 5, 24, 40), g.Input("b", graph.F32, 5, 40, 16)
		withGrads(g, a.MatMul(b), a, b)
	}},
	{"linear_3d_grad", func(g *graph.Graph) {
		x, w, b := g.Input("x", graph.F32, 6, 16, 40), weight(g, "w", 24, 40), weight(g, "b", 24)
		withGrads(g, geluTanh(x.MatMul(w.T()).Add(b)), x, w, b)
	}},
	{"matvec", func(g *graph.Graph) {
		a, v := g.Input("a", graph.F32, 24, 40), g.Input("v", graph.F32, 40)
		g.Output("y", a.MatMul(v).Tanh())
		g.Output("s", v.Mul(v).Dot(v))
	}},
	{"attention", func(g *graph.Graph) {
		g.Output("y", attention(g, g.Input("x", graph.F32, 2, 16, 32), 4))
	}},
	{"attention_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 2, 16, 32)
		withGrads(g, attention(g, x, 4).Add(x), x)
	}},
	{"embedding_grad", func(g *graph.Graph) {
		table, i := weight(g, "table", 50, 24), g.Input("i", graph.I32, 4, 12)
		withGrads(g, table.Take(0, i).Tanh(), table)
	}},
	{"batch_norm_grad", func(g *graph.Graph) {
		x, gamma := g.Input("x", graph.F32, 8, 6, 10, 10), weight(g, "gamma", 6, 1, 1)
		d := x.Sub(x.Mean(0, 2, 3, graph.KeepDims))
		v := d.Mul(d).Mean(0, 2, 3, graph.KeepDims)
		withGrads(g, d.Mul(v.AddScalar(1e-5).Rsqrt()).Mul(gamma).ReLU(), x, gamma)
	}},
	{"conv_grad", func(g *graph.Graph) {
		x, w, b := g.Input("x", graph.F32, 2, 3, 8, 8), weight(g, "w", 5, 3, 3, 3), weight(g, "b", 5, 1, 1)
		v := x.Window(graph.Window{Axes: []int{2, 3}, Size: []int{3, 3}, Low: []int{1, 1}, High: []int{1, 1}})
		withGrads(g, graph.Einsum("bchwij,ocij->bohw", v, w).Add(b).ReLU(), x, w, b)
	}},
	{"conv_strided_grad", func(g *graph.Graph) {
		x, w := g.Input("x", graph.F32, 2, 4, 9, 9), weight(g, "w", 6, 2, 3, 3)
		withGrads(g, x.Conv(w, graph.Conv{Stride: []int{2, 2}, Low: []int{1, 1}, High: []int{1, 1}, Groups: 2}), x, w)
	}},
	{"conv_depthwise_grad", func(g *graph.Graph) {
		x, w := g.Input("x", graph.F32, 2, 4, 8, 8), weight(g, "w", 4, 1, 3, 3)
		withGrads(g, x.Conv(w, graph.Conv{Low: []int{1, 1}, High: []int{1, 1}, Groups: 4}), x, w)
	}},
	{"conv_dilated_grad", func(g *graph.Graph) {
		x, w := g.Input("x", graph.F32, 2, 3, 12), weight(g, "w", 5, 3, 3)
		withGrads(g, x.Conv(w, graph.Conv{Dilation: []int{2}}), x, w)
	}},
	{"pool_overlapping_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 2, 3, 8, 8)
		p := graph.Pool{Size: []int{3, 3}, Stride: []int{2, 2}, Low: []int{1, 1}, High: []int{1, 1}}
		withGrads(g, x.MaxPool(p).Add(x.AvgPool(p)), x)
	}},
	{"group_norm_grad", func(g *graph.Graph) {
		x, w, b := g.Input("x", graph.F32, 4, 6, 5, 5), weight(g, "w", 6), weight(g, "b", 6)
		withGrads(g, x.GroupNorm(3, w, b, 1e-5), x, w, b)
	}},
	{"cnn_small", cnnStep(4, 8, 4, 6, 10, 10)},
	{"max_pool_grad", func(g *graph.Graph) {
		x := g.Input("x", graph.F32, 2, 3, 8, 8)
		v := x.Reshape(2, 3, 4, 2, 4, 2).Transpose(0, 1, 2, 4, 3, 5).Reshape(2, 3, 4, 4, 4)
		y, _ := v.Tanh().Max(-1)
		withGrads(g, y, x)
	}},
	{"dropout_residual_norm_grad", func(g *graph.Graph) {
		x, r, gamma, beta := g.Input("x", graph.F32, 16, 24), g.Input("r", graph.F32, 16, 24), weight(g, "gamma", 24), weight(g, "beta", 24)
		keep := graph.Uniform(g, graph.F32, 0, 1, 16, 24).Less(graph.Scalar(g, graph.F32, 0.9))
		d := graph.Where(keep, x.MulScalar(1/0.9), graph.Scalar(g, graph.F32, 0))
		withGrads(g, layerNorm(d.Add(r), gamma, beta), x, r, gamma, beta)
	}},
	{"gpt_small", gptStep(2, 6, 8, 2, 1, 12)},
	{"barrier", func(g *graph.Graph) {
		x, w := g.Input("x", graph.F32, 6, 10), weight(g, "w", 10)
		h := x.Add(w).Tanh()
		y := h.Exp().Sum(1)
		again := x.Barrier(y.Reshape(2, 3)).Add(w).Tanh()
		g.Output("y", y)
		g.Output("z", again.Mul(h).Sum(0))
	}},
	{"accuracy", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, 64, 8), g.Input("y", graph.I64, 64)
		g.Output("accuracy", nn.Accuracy(x, y))
	}},
}

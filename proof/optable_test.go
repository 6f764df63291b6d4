package proof

import (
	"strconv"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

type node = graph.Node

// An op says how a case is written with package graph, and how close its results
// and its gradients must come to PyTorch's.
type op struct {
	value, grad tolerance
	f           func(g *graph.Graph, a attrs, x []*node) []*node
}

func unary(f func(x *node) *node) func(*graph.Graph, attrs, []*node) []*node {
	return func(_ *graph.Graph, _ attrs, x []*node) []*node { return []*node{f(x[0])} }
}

func binary(f func(x, y *node) *node) func(*graph.Graph, attrs, []*node) []*node {
	return func(_ *graph.Graph, _ attrs, x []*node) []*node { return []*node{f(x[0], x[1])} }
}

func scalar(f func(x *node, c float64) *node) func(*graph.Graph, attrs, []*node) []*node {
	return func(_ *graph.Graph, a attrs, x []*node) []*node { return []*node{f(x[0], a.C)} }
}

func one(f func(a attrs, x []*node) *node) func(*graph.Graph, attrs, []*node) []*node {
	return func(_ *graph.Graph, a attrs, x []*node) []*node { return []*node{f(a, x)} }
}

// folded returns the axes of a reduction.
func (a attrs) folded() []int {
	if a.Keep {
		return append([]int{graph.KeepDims}, a.Axes...)
	}
	return a.Axes
}

func reduction(f func(x *node, axes ...int) *node) func(*graph.Graph, attrs, []*node) []*node {
	return one(func(a attrs, x []*node) *node { return f(x[0], a.folded()...) })
}

// bound returns a bound of a slice.
func bound(v *float64) int {
	if v == nil {
		return graph.End
	}
	return int(*v)
}

func (a attrs) padding() []graph.Padding {
	var ps []graph.Padding
	for _, p := range a.Pads {
		ps = append(ps, graph.Padding{Low: p[0], High: p[1], Interior: p[2]})
	}
	return ps
}

func (a attrs) window() graph.Window {
	return graph.Window{Axes: a.Axes, Size: a.Size, Stride: a.Stride, Low: a.Low, High: a.High, Fill: a.Fill}
}

func (a attrs) bounds() (lo, hi float64) {
	return number(a.Bounds[0]), number(a.Bounds[1])
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		panic(err)
	}
	return v
}

func (a attrs) loss() []nn.LossOption {
	r := map[string]nn.Reduction{"mean": nn.MeanReduction, "sum": nn.SumReduction, "none": nn.NoReduction, "batchmean": nn.BatchMeanReduction}[a.Reduction]
	opts := []nn.LossOption{nn.WithReduction(r)}
	if a.Smoothing > 0 {
		opts = append(opts, nn.LabelSmoothing(a.Smoothing))
	}
	return opts
}

// linear applies a layer whose parameters are operands.
func linear(x, weight, bias *node) *node {
	y := x.MatMul(weight.T())
	if bias != nil {
		y = y.Add(bias)
	}
	return y
}

// ops is how every operation of testdata/ops is written; see also composedOps.
var ops = map[string]op{
	"neg":     {exact, exact, unary((*node).Neg)},
	"abs":     {exact, selects, unary((*node).Abs)},
	"sign":    {selects, exact, unary((*node).Sign)},
	"floor":   {exact, exact, unary((*node).Floor)},
	"ceil":    {exact, exact, unary((*node).Ceil)},
	"round":   {exact, exact, unary((*node).Round)},
	"exp":     {library, library, unary((*node).Exp)},
	"expm1":   {library, tolerance{4, 4, "expm1(x)+1 loses digits where x is far below 0"}, unary((*node).Expm1)},
	"log":     {library, rounded, unary((*node).Log)},
	"log1p":   {library, rounded, unary((*node).Log1p)},
	"sqrt":    {tolerance{1, 0, "PyTorch's vector code is not correctly rounded"}, rounded, unary((*node).Sqrt)},
	"rsqrt":   {library, rounded, unary((*node).Rsqrt)},
	"sin":     {library, library, unary((*node).Sin)},
	"cos":     {library, library, unary((*node).Cos)},
	"tanh":    {library, tolerance{8, 8, "1-tanh(x)^2 loses digits where tanh(x) is near 1"}, unary((*node).Tanh)},
	"sigmoid": {library, tolerance{8, 8, "1-sigmoid(x) loses digits where sigmoid(x) is near 1"}, unary((*node).Sigmoid)},
	"erf":     {library, library, unary((*node).Erf)},
	"relu":    {selects, exact, unary((*node).ReLU)},
	"not":     {exact, exact, unary((*node).Not)},
	"clamp": {selects, exact, one(func(a attrs, x []*node) *node {
		lo, hi := a.bounds()
		return x[0].Clamp(lo, hi)
	})},
	"cast": {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Cast(a.dtype()) })},

	"add":        {exact, sums, binary((*node).Add)},
	"sub":        {exact, sums, binary((*node).Sub)},
	"mul":        {exact, sums, binary((*node).Mul)},
	"div":        {exact, sums, binary((*node).Div)},
	"floor_div":  {exact, exact, binary((*node).FloorDiv)},
	"rem":        {exact, sums, binary((*node).Rem)},
	"pow":        {library, sums, binary((*node).Pow)},
	"maximum":    {selects, sums, binary((*node).Maximum)},
	"minimum":    {selects, sums, binary((*node).Minimum)},
	"add_scalar": {exact, exact, scalar((*node).AddScalar)},
	"sub_scalar": {exact, exact, scalar((*node).SubScalar)},
	"mul_scalar": {exact, exact, scalar((*node).MulScalar)},
	"div_scalar": {exact, rounded, scalar((*node).DivScalar)},
	"pow_scalar": {library, rounded, scalar((*node).PowScalar)},
	"eq":         {exact, exact, binary((*node).Equal)},
	"ne":         {exact, exact, binary((*node).NotEqual)},
	"lt":         {exact, exact, binary((*node).Less)},
	"le":         {exact, exact, binary((*node).LessEqual)},
	"gt":         {exact, exact, binary((*node).Greater)},
	"ge":         {exact, exact, binary((*node).GreaterEqual)},
	"and":        {exact, exact, binary((*node).And)},
	"or":         {exact, exact, binary((*node).Or)},
	"xor":        {exact, exact, binary((*node).Xor)},
	"where":      {exact, sums, one(func(_ attrs, x []*node) *node { return graph.Where(x[0], x[1], x[2]) })},

	"reshape":      {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Reshape(a.Dims...) })},
	"flatten":      {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Flatten(bound(a.Start), a.End) })},
	"squeeze":      {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Squeeze(a.Axes...) })},
	"unsqueeze":    {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Unsqueeze(a.Axis) })},
	"broadcast_to": {exact, sums, one(func(a attrs, x []*node) *node { return x[0].BroadcastTo(a.Dims...) })},
	"transpose":    {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Transpose(a.Perm...) })},
	"swap":         {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Swap(a.A, a.B) })},
	"t":            {exact, exact, unary((*node).T)},
	"slice": {exact, exact, one(func(a attrs, x []*node) *node {
		return x[0].Slice(a.Axis, bound(a.Start), bound(a.Stop), bound(a.Step))
	})},
	"index":    {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Index(a.Axis, a.I) })},
	"flip":     {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Flip(a.Axes...) })},
	"split":    {exact, exact, func(_ *graph.Graph, a attrs, x []*node) []*node { return x[0].Split(a.Axis, a.Sizes...) }},
	"pad":      {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Pad(a.Value, a.padding()...) })},
	"concat":   {exact, exact, one(func(a attrs, x []*node) *node { return graph.Concat(a.Axis, x...) })},
	"stack":    {exact, exact, one(func(a attrs, x []*node) *node { return graph.Stack(a.Axis, x...) })},
	"window":   {exact, sums, one(func(a attrs, x []*node) *node { return x[0].Window(a.window()) })},
	"unwindow": {sums, exact, one(func(a attrs, x []*node) *node { return x[0].Unwindow(a.window(), a.Dims...) })},

	"sum":       {sums, exact, reduction((*node).Sum)},
	"mean":      {sums, rounded, reduction((*node).Mean)},
	"prod":      {tolerance{32, 0, "a product of many in another order"}, tolerance{32, 0, "a product of many in another order"}, reduction((*node).Prod)},
	"amax":      {exact, rounded, reduction((*node).Amax)},
	"amin":      {exact, rounded, reduction((*node).Amin)},
	"argmax":    {exact, exact, reduction((*node).ArgMax)},
	"argmin":    {exact, exact, reduction((*node).ArgMin)},
	"logsumexp": {sums, sums, reduction((*node).LogSumExp)},
	"max": {exact, exact, func(_ *graph.Graph, a attrs, x []*node) []*node {
		v, i := x[0].Max(a.Axis, a.folded()...)
		return []*node{v, i}
	}},
	"min": {exact, exact, func(_ *graph.Graph, a attrs, x []*node) []*node {
		v, i := x[0].Min(a.Axis, a.folded()...)
		return []*node{v, i}
	}},
	"softmax":     {sums, sums, one(func(a attrs, x []*node) *node { return x[0].Softmax(a.Axis) })},
	"log_softmax": {sums, sums, one(func(a attrs, x []*node) *node { return x[0].LogSoftmax(a.Axis) })},

	"matmul": {sums, sums, binary((*node).MatMul)},
	"dot":    {sums, exact, binary((*node).Dot)},
	"outer":  {exact, sums, binary((*node).Outer)},
	"einsum": {sums, sums, one(func(a attrs, x []*node) *node { return graph.Einsum(a.Spec, x...) })},

	"gather":      {exact, sums, one(func(a attrs, x []*node) *node { return x[0].Gather(a.Axis, x[1]) })},
	"take":        {exact, sums, one(func(a attrs, x []*node) *node { return x[0].Take(a.Axis, x[1]) })},
	"scatter_add": {sums, exact, one(func(a attrs, x []*node) *node { return x[0].ScatterAdd(a.Axis, x[1], x[2]) })},
	"one_hot":     {exact, exact, one(func(a attrs, x []*node) *node { return x[0].OneHot(a.N, a.dtype()) })},
	"arange": {exact, exact, func(g *graph.Graph, a attrs, _ []*node) []*node {
		return []*node{graph.Arange(g, a.dtype(), *a.Start, *a.Stop, *a.Step)}
	}},

	"stop_gradient": {exact, exact, unary(func(x *node) *node { return x.Mul(x.StopGradient()) })},
	"no_grad": {exact, exact, unary(func(x *node) *node {
		var y *node
		x.Graph().NoGrad(func() { y = x.MulScalar(2) })
		return x.Mul(y)
	})},
	"barrier": {exact, exact, binary(func(x, y *node) *node { return x.Mul(x).Barrier(y).Add(y) })},
	"custom_vjp": {exact, rounded, unary(func(x *node) *node {
		return graph.CustomVJP(
			func(x []*node) *node { return x[0].Mul(x[0]) },
			func(x []*node, _, ct *node) []*node { return []*node{ct.MulScalar(10).Mul(x[0])} }, x).Add(x)
	})},
	"literal": {exact, sums, func(g *graph.Graph, a attrs, x []*node) []*node {
		c := graph.ConstantOf(g, a.fed[1])
		return []*node{x[0].Mul(c).Add(c)}
	}},
	"used_twice":   {chains, chains, unary(func(x *node) *node { return x.Mul(x).Exp().Add(x.Sum(0).Mul(x)) })},
	"second_order": {chains, chains, unary(secondOrder)},

	"linear":         {sums, sums, one(func(_ attrs, x []*node) *node { return linear(x[0], x[1], x[2]) })},
	"linear_no_bias": {sums, sums, one(func(_ attrs, x []*node) *node { return linear(x[0], x[1], nil) })},
	"mlp": {chains, chains, one(func(_ attrs, x []*node) *node {
		return linear(nn.ReLU{}.Forward(linear(x[0], x[1], x[2])), x[3], x[4])
	})},
	"relu_layer":    {exact, exact, unary(nn.ReLU{}.Forward)},
	"sigmoid_layer": {library, rounded, unary(nn.Sigmoid{}.Forward)},
	"tanh_layer":    {library, tolerance{8, 8, "1-tanh(x)^2 loses digits where tanh(x) is near 1"}, unary(nn.Tanh{}.Forward)},
	"softmax_layer": {sums, sums, unary(nn.Softmax{Dim: -1}.Forward)},
	"mse":           {sums, sums, one(func(a attrs, x []*node) *node { return nn.MSE(x[0], x[1], a.loss()...) })},
	"cross_entropy": {chains, chains, one(func(a attrs, x []*node) *node { return nn.CrossEntropy(x[0], x[1], a.loss()...) })},
}

// secondOrder is the gradient of sum(y*y) with y = tanh(x)*exp(x).
func secondOrder(x *node) *node {
	y := x.Tanh().Mul(x.Exp())
	return x.Graph().Grad(y.Mul(y).Sum(), x)[0]
}

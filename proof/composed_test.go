package proof

import (
	"maps"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

func init() { maps.Copy(ops, composedOps) }

// smooth functions of a few library functions; the arguments of these are
// rounded, so that what is steep loses digits.
var (
	composed = tolerance{16, 4, "a few library functions"}
	gated    = tolerance{16, 16, "what the gate takes away is lost from both factors"}
)

func pair(f func(x *node, axis int) (*node, *node)) func(*graph.Graph, attrs, []*node) []*node {
	return func(_ *graph.Graph, a attrs, x []*node) []*node {
		v, i := f(x[0], a.Axis)
		return []*node{v, i}
	}
}

func along(f func(x *node, axis int) *node) func(*graph.Graph, attrs, []*node) []*node {
	return one(func(a attrs, x []*node) *node { return f(x[0], a.Axis) })
}

// weights returns the weights of a case as a constant of x's type.
func (a attrs) weights(x *node) *node {
	return graph.Constant(x.Graph(), a.Weights, len(a.Weights)).Cast(x.DType())
}

// classes are the options of losses of classes.
func (a attrs) classes(x *node) []nn.LossOption {
	opts := a.loss()
	if a.N != 0 {
		opts = append(opts, nn.IgnoreIndex(a.N))
	}
	if a.Weights != nil {
		opts = append(opts, nn.ClassWeights(a.weights(x)))
	}
	return opts
}

// composedOps are those that package graph composes.
var composedOps = map[string]op{
	"reciprocal": {exact, rounded, unary((*node).Reciprocal)},
	"square":     {exact, exact, unary((*node).Square)},
	"exp2":       {library, rounded, unary((*node).Exp2)},
	"log2":       {library, rounded, unary((*node).Log2)},
	"log10":      {library, rounded, unary((*node).Log10)},
	"tan":        {composed, composed, unary((*node).Tan)},
	"sinh":       {composed, library, unary((*node).Sinh)},
	"cosh":       {library, composed, unary((*node).Cosh)},
	"asinh":      {composed, composed, unary((*node).Asinh)},
	"acosh":      {composed, composed, unary((*node).Acosh)},
	"atanh":      {composed, tolerance{128, 0, "PyTorch's 1-x*x loses digits near 1"}, unary((*node).Atanh)},
	"sinc":       {composed, composed, unary((*node).Sinc)},
	"logit":      {composed, composed, unary((*node).Logit)},
	"trunc":      {selects, selects, unary((*node).Trunc)},
	"frac":       {selects, exact, unary((*node).Frac)},
	"is_nan":     {exact, exact, unary((*node).IsNaN)},
	"is_inf":     {exact, exact, unary((*node).IsInf)},
	"is_finite":  {exact, exact, unary((*node).IsFinite)},
	"nan_to_num": {exact, selects, one(func(a attrs, x []*node) *node {
		nan, posInf := a.bounds()
		return x[0].NaNToNum(nan, posInf, number(a.Bounds[2]))
	})},
	"hypot":       {rounded, sums, binary((*node).Hypot)},
	"log_add_exp": {composed, composed, binary((*node).LogAddExp)},
	"x_log_y":     {library, sums, binary((*node).XLogY)},
	"fmod":        {exact, sums, binary((*node).FMod)},
	"lerp":        {rounded, sums, one(func(_ attrs, x []*node) *node { return x[0].Lerp(x[1], x[2]) })},
	"addcmul":     {sums, sums, one(func(a attrs, x []*node) *node { return x[0].AddCMul(a.C, x[1], x[2]) })},
	"addcdiv":     {sums, sums, one(func(a attrs, x []*node) *node { return x[0].AddCDiv(a.C, x[1], x[2]) })},

	"leaky_relu":  {exact, rounded, scalar((*node).LeakyReLU)},
	"elu":         {library, composed, scalar((*node).ELU)},
	"celu":        {library, composed, scalar((*node).CELU)},
	"selu":        {library, composed, unary((*node).SELU)},
	"hardshrink":  {selects, exact, scalar((*node).HardShrink)},
	"softshrink":  {selects, exact, scalar((*node).SoftShrink)},
	"silu":        {composed, gated, unary((*node).SiLU)},
	"mish":        {gated, gated, unary((*node).Mish)},
	"relu6":       {selects, exact, unary((*node).ReLU6)},
	"hardsigmoid": {rounded, rounded, unary((*node).HardSigmoid)},
	"hardswish":   {rounded, tolerance{64, 16, "the derivative has a zero, where it is a difference"}, unary((*node).HardSwish)},
	"log_sigmoid": {composed, composed, unary((*node).LogSigmoid)},
	"softsign":    {rounded, rounded, unary((*node).Softsign)},
	"tanhshrink":  {gated, gated, unary((*node).TanhShrink)},
	"gelu":        {gated, gated, unary((*node).GELU)},
	"gelu_tanh":   {gated, tolerance{128, 16, "the derivative has a zero, where it is a difference"}, unary((*node).GELUTanh)},
	"softplus":    {composed, composed, scalar((*node).Softplus)},
	"hardtanh": {selects, exact, one(func(a attrs, x []*node) *node {
		lo, hi := a.bounds()
		return x[0].HardTanh(lo, hi)
	})},
	"threshold": {selects, exact, one(func(a attrs, x []*node) *node {
		limit, v := a.bounds()
		return x[0].Threshold(limit, v)
	})},
	"glu":   {composed, gated, along((*node).GLU)},
	"prelu": {exact, sums, binary((*node).PReLU)},

	"var":  {sums, sums, one(func(a attrs, x []*node) *node { return x[0].Var(a.Correction, a.folded()...) })},
	"std":  {sums, sums, one(func(a attrs, x []*node) *node { return x[0].Std(a.Correction, a.folded()...) })},
	"norm": {sums, sums, one(func(a attrs, x []*node) *node { return x[0].Norm(number(a.P), a.folded()...) })},

	"nan_sum":       {sums, selects, reduction((*node).NanSum)},
	"nan_mean":      {sums, rounded, reduction((*node).NanMean)},
	"all":           {exact, exact, reduction((*node).All)},
	"any":           {exact, exact, reduction((*node).Any)},
	"count_nonzero": {exact, exact, reduction((*node).CountNonzero)},

	"cumsum":          {sums, sums, along((*node).CumSum)},
	"cumprod":         {tolerance{32, 0, "a product of many in another order"}, chains, along((*node).CumProd)},
	"log_cum_sum_exp": {sums, chains, along((*node).LogCumSumExp)},
	"cummax":          {exact, sums, pair((*node).CumMax)},
	"cummin":          {exact, sums, pair((*node).CumMin)},
	"diff":            {exact, exact, along((*node).Diff)},
	"tril":            {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Tril(a.K) })},
	"triu":            {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Triu(a.K) })},
	"diagonal":        {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Diagonal(a.K, a.Axes[0], a.Axes[1]) })},
	"diag_embed":      {exact, exact, unary((*node).DiagEmbed)},
	"trace":           {sums, exact, unary((*node).Trace)},
	"eye": {exact, exact, func(g *graph.Graph, a attrs, _ []*node) []*node {
		return []*node{graph.Eye(g, a.dtype(), a.Dims[0], a.Dims[1])}
	}},
	"linspace": {rounded, exact, func(g *graph.Graph, a attrs, _ []*node) []*node {
		return []*node{graph.Linspace(g, a.dtype(), *a.Start, *a.Stop, a.N)}
	}},
	"tensor_dot":        {sums, sums, one(func(a attrs, x []*node) *node { return x[0].TensorDot(x[1], a.Axes, a.Sizes) })},
	"roll":              {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Roll(a.Axis, a.N) })},
	"repeat":            {exact, sums, one(func(a attrs, x []*node) *node { return x[0].Repeat(a.Sizes...) })},
	"tile":              {exact, sums, one(func(a attrs, x []*node) *node { return x[0].Tile(a.Sizes...) })},
	"repeat_interleave": {exact, sums, one(func(a attrs, x []*node) *node { return x[0].RepeatInterleave(a.Axis, a.Sizes...) })},
	"chunk":             {exact, exact, func(_ *graph.Graph, a attrs, x []*node) []*node { return x[0].Chunk(a.Axis, a.N) }},
	"unbind":            {exact, exact, func(_ *graph.Graph, a attrs, x []*node) []*node { return x[0].Unbind(a.Axis) }},
	"unflatten":         {exact, exact, one(func(a attrs, x []*node) *node { return x[0].Unflatten(a.Axis, a.Dims...) })},
	"move_axis":         {exact, exact, one(func(a attrs, x []*node) *node { return x[0].MoveAxis(a.A, a.B) })},
	"masked_fill":       {exact, sums, one(func(a attrs, x []*node) *node { return x[0].MaskedFill(x[1], a.C) })},

	"l1":        {sums, rounded, one(func(a attrs, x []*node) *node { return nn.L1(x[0], x[1], a.loss()...) })},
	"huber":     {sums, rounded, one(func(a attrs, x []*node) *node { return nn.Huber(x[0], x[1], append(a.loss(), nn.Delta(a.C))...) })},
	"smooth_l1": {sums, rounded, one(func(a attrs, x []*node) *node { return nn.SmoothL1(x[0], x[1], append(a.loss(), nn.Delta(a.C))...) })},
	"bce":       {chains, chains, one(func(a attrs, x []*node) *node { return nn.BCEWithLogits(x[0], x[1], a.loss()...) })},
	"bce_positive": {chains, chains, one(func(a attrs, x []*node) *node {
		return nn.BCEWithLogits(x[0], x[1], append(a.loss(), nn.PositiveWeight(a.weights(x[0])))...)
	})},
	"bce_weighted": {chains, chains, one(func(a attrs, x []*node) *node {
		return nn.BCEWithLogits(x[0], x[1], append(a.loss(), nn.Weights(a.weights(x[0]).Unsqueeze(1)))...)
	})},
	"kl_div":                        {chains, chains, one(func(a attrs, x []*node) *node { return nn.KLDiv(x[0], x[1], a.loss()...) })},
	"kl_div_log":                    {chains, chains, one(func(a attrs, x []*node) *node { return nn.KLDiv(x[0], x[1], append(a.loss(), nn.LogTarget())...) })},
	"nll":                           {sums, exact, one(func(a attrs, x []*node) *node { return nn.NLL(x[0], x[1], a.classes(x[0])...) })},
	"nll_weighted":                  {sums, rounded, one(func(a attrs, x []*node) *node { return nn.NLL(x[0], x[1], a.classes(x[0])...) })},
	"nll_ignore":                    {sums, rounded, one(func(a attrs, x []*node) *node { return nn.NLL(x[0], x[1], a.classes(x[0])...) })},
	"cross_entropy_weighted":        {chains, chains, one(func(a attrs, x []*node) *node { return nn.CrossEntropy(x[0], x[1], a.classes(x[0])...) })},
	"cross_entropy_ignore":          {chains, chains, one(func(a attrs, x []*node) *node { return nn.CrossEntropy(x[0], x[1], a.classes(x[0])...) })},
	"cross_entropy_ignore_weighted": {chains, chains, one(func(a attrs, x []*node) *node { return nn.CrossEntropy(x[0], x[1], a.classes(x[0])...) })},
}

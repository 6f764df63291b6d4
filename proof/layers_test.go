package proof

import (
	"maps"

	"dumbtorch/graph"
)

// layerAttrs are the attributes of the cases of testdata/ops/layers.py.
type layerAttrs struct {
	Dilation, Parts, Shape []int
	Scale                  []float64
	Groups, Divisor        int
	Ceil, Exclude          bool
	Eps                    float64
	Module                 string
	State, Params          []string // names of a module's variables, and of its parameters
}

func (a attrs) conv() graph.Conv {
	return graph.Conv{Stride: a.Stride, Low: a.Low, High: a.High, Dilation: a.Dilation, Groups: a.Groups}
}

func (a attrs) pool() graph.Pool {
	return graph.Pool{
		Size: a.Size, Stride: a.Stride, Low: a.Low, High: a.High, Dilation: a.Dilation,
		Ceil: a.Ceil, ExcludePadding: a.Exclude, Divisor: a.Divisor,
	}
}

// optional returns operand i, nil if there is none.
func optional(x []*node, i int) *node {
	if i < len(x) {
		return x[i]
	}
	return nil
}

func init() {
	maps.Copy(ops, map[string]op{
		"conv":              {sums, sums, one(func(a attrs, x []*node) *node { return x[0].Conv(x[1], a.conv()) })},
		"max_pool":          {exact, sums, one(func(a attrs, x []*node) *node { return x[0].MaxPool(a.pool()) })},
		"avg_pool":          {sums, sums, one(func(a attrs, x []*node) *node { return x[0].AvgPool(a.pool()) })},
		"adaptive_avg_pool": {sums, sums, one(func(a attrs, x []*node) *node { return x[0].AdaptiveAvgPool(a.Parts...) })},
		"adaptive_max_pool": {exact, sums, one(func(a attrs, x []*node) *node { return x[0].AdaptiveMaxPool(a.Parts...) })},
		"upsample": {exact, sums, one(func(a attrs, x []*node) *node {
			if a.Parts != nil {
				return x[0].Upsample(a.Parts...)
			}
			return x[0].UpsampleBy(a.Scale...)
		})},
		"layer_norm": {chains, chains, one(func(a attrs, x []*node) *node {
			return x[0].LayerNorm(a.Shape, optional(x, 1), optional(x, 2), a.Eps)
		})},
		"rms_norm": {chains, chains, one(func(a attrs, x []*node) *node { return x[0].RMSNorm(a.Shape, optional(x, 1), a.Eps) })},
		"group_norm": {chains, chains, one(func(a attrs, x []*node) *node {
			return x[0].GroupNorm(a.Groups, optional(x, 1), optional(x, 2), a.Eps)
		})},
		"batch_norm": {chains, chains, one(func(a attrs, x []*node) *node {
			mean, variance := x[0].BatchStatistics()
			return x[0].BatchNorm(mean, variance, x[1], x[2], a.Eps)
		})},
		"batch_norm_running": {chains, chains, one(func(a attrs, x []*node) *node {
			return x[0].BatchNorm(x[1].StopGradient(), x[2].StopGradient(), x[3], x[4], a.Eps)
		})},
		"module": {value: chains, grad: chains},
	})
	unchecked["module"] = "its functions are checked"
	unchecked["batch_norm_running"] = "stops what central differences see"
}

package nn

import (
	"fmt"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// Embedding is a table of vectors that are looked up by number:
// torch.nn.Embedding. Weight has shape [count,size]. The row Padding, if it is
// not negative, has no gradient.
type Embedding struct {
	Weight  *graph.Variable
	Padding int
}

// NewEmbedding returns a table of count vectors of the given size, standard
// normal at first.
func NewEmbedding(count, size int, opts ...EmbeddingOption) *Embedding {
	o := collect(opts)
	e := &Embedding{Padding: -1}
	init := Normal(0, 1)
	if o.row != nil {
		if e.Padding = *o.row; e.Padding < 0 {
			e.Padding += count
		}
		init = e.zeroPadding(init)
	}
	if e.Padding >= count || o.row != nil && e.Padding < 0 {
		e.Padding = max(count, 0) // what Forward says is out of range
	}
	e.Weight = graph.NewVariable("weight", types.Of(o.dtype, count, size), init)
	return e
}

// zeroPadding returns the initializer that sets the padding row to zero after
// another.
func (e *Embedding) zeroPadding(init graph.Initializer) graph.Initializer {
	return func(t *tensor.Tensor, seed uint64) error {
		if err := init(t, seed); err != nil {
			return err
		}
		s := t.Shape()
		if e.Padding < 0 || e.Padding >= s[0] {
			return fmt.Errorf("padding row %d is out of range for %v", e.Padding, t.Type())
		}
		row := len(t.Bytes()) / s[0]
		clear(t.Bytes()[e.Padding*row:][:row])
		return nil
	}
}

// Forward returns the rows [...,size] at the indices x [...], integers. An index
// out of range is an error when the step runs.
func (e *Embedding) Forward(x *graph.Node) *graph.Node {
	const op = "embedding"
	if e == nil || e.Weight == nil {
		graph.Fail(op, "the layer has no weight: layers are made by NewEmbedding")
	}
	t := e.Weight.Type()
	switch {
	case len(t.Shape) != 2:
		graph.Fail(op, "weight %s is %v: wants count and size", e.Weight.Name(), t)
	case !x.DType().IsInt():
		graph.Fail(op, "wants integers, got %s", x.TypeString())
	case e.Padding >= t.Shape[0]:
		graph.Fail(op, "the padding row is out of range for weight %s %v", e.Weight.Name(), t)
	}
	y := variable(x, e.Weight).Take(0, x)
	if e.Padding < 0 {
		return y
	}
	padding := x.Cast(graph.I64).Equal(graph.Scalar(x.Graph(), graph.I64, float64(e.Padding))).Unsqueeze(-1)
	return graph.Where(padding, y.StopGradient(), y)
}

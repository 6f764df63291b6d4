package nn

import "dumbtorch/graph"

// Identity returns x: torch.nn.Identity.
type Identity struct{}

// Forward returns x.
func (Identity) Forward(x *graph.Node) *graph.Node { return x }

// Flatten makes [batch,features] of [batch,...]: torch.nn.Flatten. For other
// dimensions there is [graph.Node.Flatten].
type Flatten struct{}

// Forward flattens all dimensions but the first.
func (Flatten) Forward(x *graph.Node) *graph.Node {
	if x.Rank() < 2 {
		graph.Fail("flatten", "wants [batch,...] of at least two dimensions, got %s", x.TypeString())
	}
	return x.Flatten(1, -1)
}

// Upsample is [graph.Node.Upsample] of the spatial dimensions of
// [batch,channels,...]: torch.nn.Upsample in mode "nearest". Either is set.
type Upsample struct {
	Size  []int     // one for all dimensions, or one for each
	Scale []float64 // likewise
}

// Forward applies the layer to x [batch,channels,...].
func (u Upsample) Forward(x *graph.Node) *graph.Node {
	const op = "upsample"
	dims := x.Rank() - 2
	if dims < 1 {
		graph.Fail(op, "wants [batch,channels,...], got %s", x.TypeString())
	}
	if (u.Size == nil) == (u.Scale == nil) {
		graph.Fail(op, "wants either a size or a scale, got %v and %v", u.Size, u.Scale)
	}
	if u.Size != nil {
		return x.Upsample(perDim(dims, u.Size)...)
	}
	scale := u.Scale
	if len(scale) == 1 {
		for len(scale) < dims {
			scale = append(scale[:len(scale):len(scale)], scale[0])
		}
	}
	return x.UpsampleBy(scale...)
}

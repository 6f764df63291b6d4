package nn

import "dumbtorch/graph"

// Dropout is [graph.Node.Dropout] with probability P: torch.nn.Dropout. In a
// graph that does not train it does nothing.
type Dropout struct{ P float64 }

// Forward applies the layer.
func (d Dropout) Forward(x *graph.Node) *graph.Node { return x.Dropout(d.P) }

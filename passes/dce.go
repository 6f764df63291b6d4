package passes

import "dumbtorch/ir"

// dce removes the nodes that neither an output nor an effect needs. Inputs
// stay: callers feed them.
func dce(_ *Config, g *ir.Graph) error {
	g.Nodes = g.Live()
	g.Renumber()
	return nil
}

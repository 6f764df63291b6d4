package passes

import (
	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// CompileApart compiles a graph as if no cluster could be lowered as a whole.
func CompileApart(g *ir.Graph) (*kernel.Program, error) {
	c := &Config{Check: true}
	g = cloneGraph(g)
	if err := fuse(c, g); err != nil {
		return nil, err
	}
	for _, k := range c.fusion.clusters {
		if len(k.nodes) > 1 {
			c.fusion.takeApart(k)
		}
	}
	p, err := lower(c, g)
	if err != nil {
		return nil, err
	}
	return p, memplan(c, p)
}

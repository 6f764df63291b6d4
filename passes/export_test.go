package passes

import (
	"fmt"

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

// RunPass runs one pass alone and returns the text of what it made; before a
// pass over programs go fuse, lower and the program passes that precede it.
func RunPass(name string, g *ir.Graph) (string, error) {
	c := &Config{Check: true}
	for _, p := range graphPasses {
		if p.Name != name {
			continue
		}
		if err := p.Run(c, g); err != nil {
			return "", err
		}
		return g.String(), g.Verify()
	}
	if err := fuse(c, g); err != nil {
		return "", err
	}
	p, err := lower(c, g)
	for _, q := range kernelPasses {
		if name == lowerName || err != nil {
			break
		}
		err = q.Run(c, p)
		if q.Name == name {
			break
		}
	}
	if err != nil {
		return "", err
	}
	return p.String(), p.Verify()
}

// PassNames returns the names of all passes in order.
func PassNames() []string {
	var names []string
	for _, p := range graphPasses {
		names = append(names, p.Name)
	}
	names = append(names, lowerName)
	for _, p := range kernelPasses {
		names = append(names, p.Name)
	}
	return names
}

// CheckOrder returns an error unless the tables of passes are in the order that
// is asked for, and name what exists.
func CheckOrder() error {
	at := map[string]int{}
	for i, n := range PassNames() {
		if _, twice := at[n]; twice {
			return fmt.Errorf("two passes are named %s", n)
		}
		at[n] = i
	}
	for _, o := range order {
		b, ok := at[o.before]
		a, ok2 := at[o.after]
		switch {
		case !ok || !ok2:
			return fmt.Errorf("%s before %s: no such pass", o.before, o.after)
		case b >= a:
			return fmt.Errorf("%s does not run before %s: %s", o.before, o.after, o.why)
		case o.why == "":
			return fmt.Errorf("%s before %s: why?", o.before, o.after)
		}
	}
	return nil
}

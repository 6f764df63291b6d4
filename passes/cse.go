package passes

import (
	"encoding/binary"
	"math"

	"dumbtorch/ir"
)

// cse replaces every node by the first one that computes the same value: of
// the same operation, attributes, type and operands. Opaque nodes (barriers)
// and effects stay; random numbers are functions of their operand and stream,
// so equal ones merge although nothing else may touch them.
func cse(c *Config, g *ir.Graph) error {
	g.Renumber()
	to := map[*ir.Node]*ir.Node{}
	seen := map[string]*ir.Node{}
	var key []byte
	var out []*ir.Node
	for _, n := range g.Nodes {
		c.at = n
		for i, a := range n.Args {
			if b := to[a]; b != nil {
				n.Args[i] = b
			}
		}
		pure := !n.Is(ir.Effect) && !n.Is(ir.Opaque) || n.Op == ir.OpUniform || n.Op == ir.OpNormal
		if pure && n.Op != ir.OpInput && n.Op != ir.OpVariable {
			key = nodeKey(key[:0], n)
			if m := seen[string(key)]; m != nil {
				to[n] = m
				continue
			}
			seen[string(key)] = n
		}
		out = append(out, n)
	}
	c.at = nil
	for i, o := range g.Outputs {
		if m := to[o.Node]; m != nil {
			g.Outputs[i].Node = m
		}
	}
	g.Nodes = out
	g.Renumber()
	return nil
}

// nodeKey appends what determines the value of a node; different nodes never
// have equal keys.
func nodeKey(k []byte, n *ir.Node) []byte {
	k = attrKey(k, n)
	for _, x := range n.Args {
		k = binary.AppendVarint(k, int64(x.ID))
	}
	return k
}

// attrKey appends all of a node but which operands it has.
func attrKey(k []byte, n *ir.Node) []byte {
	num := func(v int) { k = binary.AppendVarint(k, int64(v)) }
	text := func(s string) {
		num(len(s))
		k = append(k, s...)
	}
	list := func(vs []int) {
		num(len(vs))
		for _, v := range vs {
			num(v)
		}
	}
	a := &n.Attr
	k = append(k, byte(n.Op), byte(n.DType()))
	list(n.Shape())
	num(len(n.Args))
	text(a.Name)
	text(a.Labels)
	text(a.Mode)
	for _, vs := range [][]int{a.Axes, a.Dims, a.Start, a.Step, a.Size} {
		list(vs)
	}
	k = binary.LittleEndian.AppendUint64(k, math.Float64bits(a.Value))
	k = binary.LittleEndian.AppendUint64(k, uint64(a.Int))
	text(string(a.Data))
	return k
}

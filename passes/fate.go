package passes

import "dumbtorch/ir"

// Fate is the way in which fusion brings a node's value to its readers.
type Fate uint8

// The fates.
const (
	// SeenThrough: a view, a constant or a leaf; readers compute it from its
	// operands or read its own buffer.
	SeenThrough Fate = iota
	// Inside: only nodes of its own kernel read it; it never goes to memory.
	Inside
	// Recomputed: every kernel that reads it computes it again, which is cheaper
	// than a way through memory.
	Recomputed
	// Stored: its kernel writes it to memory.
	Stored
)

var fateNames = [...]string{"seen through", "inside", "recomputed", "stored"}

// String returns the fate in words.
func (f Fate) String() string { return fateNames[f] }

// Fate returns what fusion decided about a node of c.Graph.
func (c *Compiled) Fate(n *ir.Node) Fate {
	f := c.fusion
	switch {
	case f.of[n] == nil:
		return SeenThrough
	case f.stored[n]:
		return Stored
	case f.recomputed[n]:
		return Recomputed
	}
	return Inside
}

package passes

import (
	"encoding/binary"
	"slices"
	"sort"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// Fusion asks of every node: how does it read each of its producers? The
// answer is read off the node's own body, evaluated at one flat index with all
// views inlined; no pass knows what an operation does.

// A relation is one read of a producer by a node.
type relation struct {
	producer *ir.Node
	kind     relKind
	space    space // broadcast, folded, picked
	inFold   bool  // the read is under a fold of the reader
}

type relKind uint8

const (
	// general: none of the others; the producer must be in memory.
	general relKind = iota
	// identity: the element at the reader's own flat index.
	identity
	// broadcast: the producer is constant along the folded dims of space.
	broadcast
	// folded: the reader folds the producer over the folded dims of space.
	folded
	// picked: one element, found at run time, of each row over the folded dims.
	picked
)

// A space is a box of a kernel's loops, outermost first, with the dimensions
// marked that a fold removes or a broadcast repeats. Neighbours with equal
// marks are merged and sizes of 1 left out, so that equal spaces compare equal.
type space struct {
	dims   []int
	folded []bool
}

func (s *space) add(d int, folded bool) {
	if d == 1 {
		return
	}
	if n := len(s.dims); n > 0 && s.folded[n-1] == folded {
		s.dims[n-1] *= d
		return
	}
	s.dims = append(s.dims, d)
	s.folded = append(s.folded, folded)
}

func (s space) empty() bool { return len(s.dims) == 0 }

func (s space) equal(t space) bool {
	return slices.Equal(s.dims, t.dims) && slices.Equal(s.folded, t.folded)
}

// kept is the number of points that a fold over the space leaves.
func (s space) kept() int {
	n := 1
	for i, d := range s.dims {
		if !s.folded[i] {
			n *= d
		}
	}
	return n
}

// foldsInner reports whether the innermost dimension is folded.
func (s space) foldsInner() bool { return len(s.folded) > 0 && s.folded[len(s.folded)-1] }

// A digit is one mixed-radix digit of an index: (axis div stride) mod base,
// times weight.
type digit struct {
	axis         *kernel.Axis
	stride, base int
	weight       int64
}

// digitOf reads arg as a digit of one axis.
func digitOf(weight int64, arg *kernel.Expr) (digit, bool) {
	d := digit{stride: 1, weight: weight}
	mod := 0
	if arg.Kind == kernel.FloorMod {
		mod, arg = int(arg.Int), arg.Args[0]
	}
	if arg.Kind == kernel.FloorDiv {
		d.stride, arg = int(arg.Int), arg.Args[0]
	}
	if arg.Kind != kernel.Var {
		return d, false
	}
	d.axis = arg.Axes[0]
	if d.axis.Extent%d.stride != 0 {
		return d, false
	}
	d.base = d.axis.Extent / d.stride
	if mod > 0 {
		if d.base%mod != 0 {
			return d, false
		}
		d.base = mod
	}
	return d, true
}

// digits splits an index into digits, largest weight first, and what is left:
// terms that are no digits. unit is the weight that the smallest digit must
// have. ok tells that the digits form a mixed-radix number without gaps.
func digits(e *kernel.Expr) (ds []digit, rest []*kernel.Expr, unit int64, ok bool) {
	unit = 1
	lo, hi := int64(0), int64(0)
	c := e.Terms(func(coef int64, arg *kernel.Expr) {
		if d, ok := digitOf(coef, arg); ok {
			ds = append(ds, d)
			return
		}
		rest = append(rest, arg)
		l, h := arg.Range()
		lo += min(coef*l, coef*h)
		hi += max(coef*l, coef*h)
	})
	if c != 0 {
		return nil, nil, 0, false
	}
	sort.Slice(ds, func(i, j int) bool { return ds[i].weight > ds[j].weight })
	if len(rest) > 0 {
		if lo < 0 {
			return nil, nil, 0, false
		}
		unit = hi + 1
		if len(ds) > 0 {
			unit = ds[len(ds)-1].weight
		}
		if hi >= unit {
			return nil, nil, 0, false
		}
	}
	w := unit
	for i := len(ds) - 1; i >= 0; i-- {
		if ds[i].weight != w {
			return nil, nil, 0, false
		}
		w *= int64(ds[i].base)
	}
	return ds, rest, unit, true
}

// nodeInfo is what fusion knows about one node.
type nodeInfo struct {
	rels  []relation
	folds bool
	after []*ir.Node // what must be in memory before a barrier is computed
}

// An analyser analyses the nodes of a graph. Nodes that are equal but for their
// producers, as those of repeated layers and of the updates of many parameters
// are, are analysed once.
type analyser struct {
	virtual func(*ir.Node) bool
	known   map[string]*nodeInfo // producers are those of the first of its kind
	leaves  map[string][]*ir.Node
}

func newAnalyser(virtual func(*ir.Node) bool) *analyser {
	return &analyser{virtual, map[string]*nodeInfo{}, map[string][]*ir.Node{}}
}

// analyse is the function of that name.
func (an *analyser) analyse(n *ir.Node) (*nodeInfo, error) {
	if n.Op == ir.OpBarrier {
		return analyse(n, an.virtual)
	}
	k := cone{virtual: an.virtual, number: map[*ir.Node]int{}}
	k.add(n, true)
	key := string(k.key)
	first := an.known[key]
	if first == nil {
		info, err := analyse(n, an.virtual)
		if err == nil {
			an.known[key], an.leaves[key] = info, k.leaves
		}
		return info, err
	}
	info := &nodeInfo{folds: first.folds, rels: slices.Clone(first.rels)}
	for i := range info.rels {
		r := &info.rels[i]
		r.producer = k.leaves[slices.Index(an.leaves[key], r.producer)]
	}
	return info, nil
}

// A cone is a node with the views before it, down to the producers that these
// read. Equal keys have equal bodies.
type cone struct {
	virtual func(*ir.Node) bool
	number  map[*ir.Node]int // of the nodes so far
	leaves  []*ir.Node
	key     []byte
}

func (c *cone) add(n *ir.Node, root bool) {
	if i, ok := c.number[n]; ok {
		c.key = binary.AppendVarint(append(c.key, 1), int64(i))
		return
	}
	c.number[n] = len(c.number)
	if !root && !c.virtual(n) {
		c.leaves = append(c.leaves, n)
		c.key = append(c.key, 2, byte(n.DType()), byte(len(n.Shape())))
		for _, d := range n.Shape() {
			c.key = binary.AppendVarint(c.key, int64(d))
		}
		return
	}
	c.key = attrKey(append(c.key, 3), n)
	for _, a := range n.Args {
		c.add(a, false)
	}
}

// analyse reads off a node's body how it uses its producers. virtual nodes are
// looked through.
func analyse(n *ir.Node, virtual func(*ir.Node) bool) (*nodeInfo, error) {
	info := &nodeInfo{}
	if n.Op == ir.OpBarrier {
		info.after = computed(n.Args[1], virtual)
		for _, p := range info.after {
			info.rels = append(info.rels, relation{producer: p})
		}
	}
	size := n.Shape().Size()
	if size == 0 {
		return info, nil
	}
	in := newInliner(virtual)
	var root *kernel.Expr
	var out kernel.AxisSet
	err := in.build(func() {
		d := in.b.Domain("i", size)
		out = kernel.SetOf(d.Axes)
		root = in.value(n, in.b.Unravel(in.b.Index(d), n.Shape()))
	})
	if err != nil {
		return nil, err
	}
	info.folds = root.HasFold()
	var folds []*kernel.Expr
	kernel.Walk([]*kernel.Expr{root}, func(e *kernel.Expr) {
		if e.Kind == kernel.Fold {
			folds = append(folds, e)
		}
	})
	inFold := map[*kernel.Expr]bool{}
	kernel.Walk(folds, func(e *kernel.Expr) { inFold[e] = true })
	kernel.Walk([]*kernel.Expr{root}, func(e *kernel.Expr) {
		if e.Kind == kernel.Load {
			info.rels = append(info.rels, relate(e.Args[0], in.nodes[e.Param], size, out, inFold[e]))
		}
	})
	return info, nil
}

// computed returns the nodes that n is a view of, or n itself; none if n has no
// elements, since then nothing is computed.
func computed(n *ir.Node, virtual func(*ir.Node) bool) []*ir.Node {
	if n.Shape().Size() == 0 {
		return nil
	}
	if !virtual(n) {
		return []*ir.Node{n}
	}
	var ns []*ir.Node
	for _, a := range n.Args {
		ns = append(ns, computed(a, virtual)...)
	}
	return ns
}

// relate classifies a load of p at index ix by a node of the given size whose
// own flat index is made of the axes out; inFold tells that the load stands
// under a fold.
func relate(ix *kernel.Expr, p *ir.Node, size int, out kernel.AxisSet, inFold bool) relation {
	r := relation{producer: p, inFold: inFold}
	ds, rest, unit, ok := digits(ix)
	if !ok {
		return r
	}
	covered := int(unit)
	var own []digit
	for _, d := range ds {
		covered *= d.base
		if out.Has(d.axis) {
			own = append(own, d)
		}
	}
	inOrder := slices.IsSortedFunc(own, func(a, b digit) int { return b.stride - a.stride })
	if covered != p.Shape().Size() || !inOrder {
		return r
	}
	var s space
	switch {
	case len(rest) > 0:
		n := 1
		for _, d := range own {
			s.add(d.base, false)
			n *= d.base
		}
		if r.inFold || n != size || len(own) != len(ds) || len(own) > 0 && own[len(own)-1].stride != 1 {
			return r
		}
		s.add(int(unit), true)
		r.kind, r.space = picked, s
	case !r.inFold && covered == size:
		r.kind = identity
	case !r.inFold:
		at := size
		for _, d := range own {
			s.add(at/(d.stride*d.base), true)
			s.add(d.base, false)
			at = d.stride
		}
		s.add(at, true)
		r.kind, r.space = broadcast, s
	default:
		n := 1
		for _, d := range own {
			n *= d.base
		}
		if n != size || len(own) == len(ds) {
			return r
		}
		for _, d := range ds {
			s.add(d.base, !out.Has(d.axis))
		}
		r.kind, r.space = folded, s
	}
	return r
}

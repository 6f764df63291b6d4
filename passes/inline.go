package passes

import (
	"errors"
	"fmt"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// An inliner composes the bodies of nodes into one expression: a load of an
// inlined operand is the operand's own body at that index, any other a load of
// a parameter. Values are memoised on (node, index), so that sharing in the
// graph is sharing in the expression.
type inliner struct {
	b      *kernel.Builder
	inline func(*ir.Node) bool
	// prefer names the loop dimensions over which a node's folds run.
	prefer func(*ir.Node) []*kernel.Domain
	nodes  []*ir.Node // the node of every parameter, in order of first use
	param  map[*ir.Node]int
	memo   map[string]*kernel.Expr
}

func newInliner(inline func(*ir.Node) bool) *inliner {
	in := &inliner{inline: inline}
	in.reset(kernel.NewBuilder())
	return in
}

func (in *inliner) reset(b *kernel.Builder) {
	in.b = b
	in.nodes = nil
	in.param = map[*ir.Node]int{}
	in.memo = map[string]*kernel.Expr{}
}

// build runs f, which makes expressions, and returns the builder's complaint,
// if any.
func (in *inliner) build(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			if !errors.Is(r, kernel.ErrTooManyAxes) {
				panic(r)
			}
			err = r
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

// value returns node n at index idx.
func (in *inliner) value(n *ir.Node, idx []*kernel.Expr) *kernel.Expr {
	key := make([]byte, 0, 4+4*len(idx))
	key = appendInt32(key, n.ID)
	for _, e := range idx {
		key = appendInt32(key, e.ID())
	}
	if e := in.memo[string(key)]; e != nil {
		return e
	}
	body := n.Op.Def().Body
	if body == nil {
		panic(fmt.Sprintf("%s has no body", n.Op))
	}
	var ds []*kernel.Domain
	if in.prefer != nil {
		ds = in.prefer(n)
	}
	old := in.b.Prefer(ds)
	e := body(in.b, n, idx, func(arg int, ix []*kernel.Expr) *kernel.Expr {
		p := n.Args[arg]
		if in.inline(p) {
			outer := in.b.Prefer(nil)
			v := in.value(p, ix)
			in.b.Prefer(outer)
			return v
		}
		return in.b.Load(in.parameter(p), in.b.Ravel(ix, p.Shape()), p.DType())
	})
	in.b.Prefer(old)
	in.memo[string(key)] = e
	return e
}

func (in *inliner) parameter(p *ir.Node) int {
	i, ok := in.param[p]
	if !ok {
		i = len(in.nodes)
		in.param[p] = i
		in.nodes = append(in.nodes, p)
	}
	return i
}

func appendInt32(b []byte, v int) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

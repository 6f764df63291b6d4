package graph

import "dumbtorch/ir/types"

// AdaptiveAvgPool returns the means of windows that divide the last dimensions
// of x into the given numbers of parts, as even as can be: part i of n covers
// elements floor(i*size/n) up to but not including ceil((i+1)*size/n). A single
// part is global pooling. It is torch.nn.functional.adaptive_avg_pool1d and its
// kin.
func (x *Node) AdaptiveAvgPool(parts ...int) *Node {
	if y, ok := x.inF32(func(x *Node) *Node { return x.AdaptiveAvgPool(parts...) }); ok {
		return y
	}
	const op = "adaptive_avg_pool"
	parts, p, even := x.parts(op, parts)
	if even {
		return x.AvgPool(p)
	}
	g := x.g
	var counts [][]int
	for i := len(parts) - 1; i >= 0; i-- {
		a := len(x.n.Shape()) - len(parts) + i
		p := partsOf(x.n.Shape()[a], parts[i])
		shape := filled(len(x.n.Shape())-a+1, 1)
		shape[0], shape[1] = parts[i], p.most
		y := x.Take(a, Constant(g, p.index, parts[i], p.most))
		x = Where(Constant(g, p.inside, shape...), y, Scalar(g, x.n.DType(), 0)).Sum(a + 1)
		counts = append([][]int{p.count}, counts...)
	}
	return x.divideBy(counts)
}

// AdaptiveMaxPool returns the largest elements of the windows of
// [Node.AdaptiveAvgPool]; the gradient goes to the first of equal ones. It is
// torch.nn.functional.adaptive_max_pool1d and its kin.
func (x *Node) AdaptiveMaxPool(parts ...int) *Node {
	const op = "adaptive_max_pool"
	parts, p, even := x.parts(op, parts)
	if even {
		return x.MaxPool(p)
	}
	for i := len(parts) - 1; i >= 0; i-- {
		a := len(x.n.Shape()) - len(parts) + i
		p := partsOf(x.n.Shape()[a], parts[i])
		x, _ = x.Take(a, Constant(x.g, p.index, parts[i], p.most)).Max(a + 1)
	}
	return x
}

// parts checks numbers of parts. The pooling is for parts that are even.
func (x *Node) parts(op string, list []int) (n types.Shape, p Pool, even bool) {
	g := x.use(op)
	x.wantFloat(op)
	n = g.shape(op, list)
	even = true
	for i, d := range x.spatial(op, len(n)) {
		if n[i] < 1 {
			Fail(op, "%v parts of %v: wants at least 1", n, x.n.Type)
		}
		even = even && d%n[i] == 0
		p.Size = append(p.Size, max(1, d/n[i]))
	}
	for i, d := range x.spatial(op, len(n)) {
		if !even && max(d, n[i]) > maxPositions {
			Fail(op, "%d parts of %d elements of %v: more than 2^24", n[i], d, x.n.Type)
		}
	}
	return n, p, even
}

// uneven are the parts of a dimension: the elements of each, the last one
// repeated up to the size of the largest part.
type uneven struct {
	index  []int32
	inside []bool // whether an index is not repeated
	count  []int
	most   int
}

func partsOf(size, n int) uneven {
	var p uneven
	var first []int
	for i := range n {
		lo, hi := i*size/n, ((i+1)*size+n-1)/n
		first, p.count = append(first, lo), append(p.count, hi-lo)
		p.most = max(p.most, hi-lo)
	}
	for i, lo := range first {
		for k := range p.most {
			p.index = append(p.index, int32(lo+min(k, p.count[i]-1)))
			p.inside = append(p.inside, k < p.count[i])
		}
	}
	return p
}

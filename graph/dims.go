package graph

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"dumbtorch/ir/types"
)

// A named dimension is the number dimBase - i*dimStride that stands for entry i
// of dimNames. Sums, multiples, parts and products of such numbers are far from
// any size and none of them, so that arithmetic on them is noticed: with the
// addend 4 (mod 8) and the stride 0 (mod 16), the product of two is 2^63 plus
// little, modulo 2^64.
const (
	dimBase   = -1<<60 - 20004
	dimStride = 16777360
	maxDims   = 1 << 20
	// No size, axis or bound that a user means is this far from zero.
	farOut = 1 << 50
)

var dimNames struct {
	sync.Mutex
	list  []namedDim
	index map[namedDim]int
}

type namedDim struct {
	name string
	max  int // 0: any size
}

// Dim returns a number that stands for a size of the given name wherever a
// shape is wanted: g.Input("x", graph.F32, graph.Dim("batch"), 784). Dimensions
// of one name have one size, which is bound when the first value is fed. The
// number is no size: read sizes with [Node.Dim], and count with those.
func Dim(name string) int { return BoundedDim(name, 0) }

// BoundedDim is [Dim] for sizes of at most max, as where a sequence is sliced
// out of a table of max positions. No bound is 0.
func BoundedDim(name string, max int) int {
	if name == "" || max < 0 {
		Fail("dim", "named dimension %q with bound %d: wants a name and a bound of at least 0", name, max)
	}
	dimNames.Lock()
	defer dimNames.Unlock()
	d := namedDim{name, max}
	i, ok := dimNames.index[d]
	if !ok {
		if i = len(dimNames.list); i == maxDims {
			Fail("dim", "more than %d named dimensions", maxDims)
		}
		if dimNames.index == nil {
			dimNames.index = map[namedDim]int{}
		}
		dimNames.index[d] = i
		dimNames.list = append(dimNames.list, d)
	}
	return dimBase - i*dimStride
}

// lookupDim returns the named dimension that d stands for.
func lookupDim(d int) (namedDim, bool) {
	dimNames.Lock()
	defer dimNames.Unlock()
	if i := (dimBase - d) / dimStride; d <= dimBase && i < len(dimNames.list) && d == dimBase-i*dimStride {
		return dimNames.list[i], true
	}
	return namedDim{}, false
}

// checkNumber fails if v is a named dimension turned into a number.
func checkNumber(op string, v float64) {
	dimNames.Lock()
	n := len(dimNames.list)
	dimNames.Unlock()
	i := math.Round((dimBase - v) / dimStride)
	if 0 <= i && i < float64(n) && v == float64(dimBase-int(i)*dimStride) {
		Fail(op, "a named dimension is no number: compute with the result of Node.Dim instead")
	}
}

// dims holds the sizes of named dimensions during one run of a model.
type dims struct {
	order []namedDim
	sizes map[string]int // of those used
	bound map[string]int // given sizes; nil: sizes that stand for them
	used  map[int]string // size that stands for a dimension -> its name
}

func newDims(bound map[string]int) dims {
	return dims{sizes: map[string]int{}, bound: bound, used: map[int]string{}}
}

// standIns are the sizes that stand for named dimensions: divisible by what
// models divide by, small enough for products of three, and each with a prime
// factor of its own.
var standIns = func() []int {
	var s []int
	for _, p := range []int{7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67} {
		s = append(s, 960*p)
	}
	return s
}()

// size returns the size of a named dimension in this run.
func (ds *dims) size(op string, d namedDim) int {
	if n, ok := ds.sizes[d.name]; ok {
		i := slices.IndexFunc(ds.order, func(o namedDim) bool { return o.name == d.name })
		if ds.order[i] != d {
			Fail(op, "dimension %s is bounded by %d here and by %d elsewhere", d.name, d.max, ds.order[i].max)
		}
		return n
	}
	n, ok := ds.bound[d.name]
	switch {
	case ds.bound != nil && !ok:
		Fail(op, "dimension %s is not bound: is the model the same at every run?", d.name)
	case ok && d.max > 0 && n > d.max:
		Fail(op, "dimension %s is bound to %d, more than its bound %d", d.name, n, d.max)
	case !ok:
		n = ds.standIn(op, d)
		ds.used[n] = d.name
	}
	ds.order = append(ds.order, d)
	ds.sizes[d.name] = n
	return n
}

// standIn chooses a size for a dimension: the first free of the list, or the
// largest free one below the bound that many numbers divide.
func (ds *dims) standIn(op string, d namedDim) int {
	for _, n := range standIns {
		if _, taken := ds.used[n]; !taken && (d.max == 0 || n <= d.max) {
			return n
		}
	}
	if d.max == 0 {
		Fail(op, "more than %d named dimensions", len(standIns))
	}
	for _, step := range []int{960, 192, 96, 64, 48, 32, 16, 8, 4, 2, 1} {
		for n := d.max / step * step; n > 1; n -= step {
			if _, taken := ds.used[n]; !taken {
				return n
			}
		}
	}
	return d.max
}

// names returns the sizes that stand for named dimensions.
func (ds *dims) names() map[int]string {
	if len(ds.used) == 0 {
		return nil
	}
	return maps.Clone(ds.used)
}

// checkInputs fails unless the inputs give every named dimension its size.
func (ds *dims) checkInputs(inputs []InputSpec) {
	for _, d := range ds.order {
		if !slices.ContainsFunc(inputs, func(in InputSpec) bool { return slices.Contains(in.DimNames, d.name) }) {
			Fail("build", "no input has dimension %s: nothing tells its size", d.name)
		}
	}
}

var (
	number  = regexp.MustCompile(`\b[0-9]+\b`)
	bracket = regexp.MustCompile(`\[[0-9]+(,[0-9]+)*\]`)
)

// replace writes names for the sizes that stand for them: "f32[6720,784]"
// becomes "f32[batch,784]", a product with them "batch*784". Small numbers stand
// for themselves except in a shape.
func (ds *dims) replace(s string) string {
	if len(ds.used) == 0 {
		return s
	}
	s = bracket.ReplaceAllStringFunc(s, func(shape string) string {
		return number.ReplaceAllStringFunc(shape, func(tok string) string { return ds.replaceNumber(tok, 0) })
	})
	return number.ReplaceAllStringFunc(s, func(tok string) string { return ds.replaceNumber(tok, standIns[0]) })
}

func (ds *dims) replaceNumber(tok string, least int) string {
	n, err := strconv.Atoi(tok)
	if err != nil || n < max(least, 1) {
		return tok
	}
	if name, ok := ds.used[n]; ok {
		return name
	}
	out, rest := "", n
	for _, d := range ds.order {
		for size := ds.sizes[d.name]; size >= standIns[0] && rest%size == 0; rest /= size {
			out += d.name + "*"
		}
	}
	switch {
	case out == "":
		return tok
	case rest == 1:
		return out[:len(out)-1]
	}
	return out + strconv.Itoa(rest)
}

// nameSizes returns e with sizes by name.
func (ds *dims) nameSizes(e *Error) *Error {
	s := e.Err.Error()
	r := ds.replace(s)
	if r == s {
		return e
	}
	return &Error{Pos: e.Pos, Op: e.Op, Err: &renamed{r, e.Err}}
}

// renamed is an error with another text.
type renamed struct {
	text string
	err  error
}

// Error returns the text with names.
func (e *renamed) Error() string { return e.text }

// Unwrap returns the error with sizes.
func (e *renamed) Unwrap() error { return e.err }

// size returns the size or bound that one number means.
func (g *Graph) size(op string, d int) int {
	if nd, ok := lookupDim(d); ok {
		return g.dims.size(op, nd)
	}
	if d <= -farOut || d >= farOut {
		Fail(op, "a size is beyond 2^50: if it is computed from a named dimension, compute with the result of Node.Dim instead")
	}
	return d
}

// shape returns the shape that a list of sizes means.
func (g *Graph) shape(op string, list []int) types.Shape {
	if len(list) > maxRank {
		Fail(op, "%d dimensions are more than %d", len(list), maxRank)
	}
	s := make(types.Shape, len(list))
	for i, d := range list {
		s[i] = g.size(op, d)
		if s[i] < 0 {
			Fail(op, "dimension %d of %v is negative", i, types.Shape(list))
		}
	}
	if err := s.Check(); err != nil {
		Fail(op, "%w", err)
	}
	return s
}

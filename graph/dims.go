package graph

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// A named dimension is the number dimBase - i*dimStride that stands for entry i
// of dimNames. Sums, multiples and parts of such numbers are none, so that
// arithmetic on them is noticed.
const (
	dimBase   = -1 << 60
	dimStride = 1 << 30
	maxDims   = 1 << 20
)

var dimNames struct {
	sync.Mutex
	list []namedDim
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
	i := slices.Index(dimNames.list, namedDim{name, max})
	if i < 0 {
		if i = len(dimNames.list); i == maxDims {
			Fail("dim", "more than %d named dimensions", maxDims)
		}
		dimNames.list = append(dimNames.list, namedDim{name, max})
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

func (e *renamed) Error() string { return e.text }
func (e *renamed) Unwrap() error { return e.err }

// size returns the size that one number given for a dimension means.
func (g *Graph) size(op string, d int) int {
	if nd, ok := lookupDim(d); ok {
		return g.dims.size(op, nd)
	}
	return d
}

// shape returns the shape that a list of sizes means.
func (g *Graph) shape(op string, list []int) types.Shape {
	s := make(types.Shape, len(list))
	for i, d := range list {
		s[i] = g.size(op, d)
		if s[i] < 0 {
			if d <= dimBase/1024 {
				Fail(op, "dimension %d is computed from a named dimension: compute with the result of Node.Dim instead", i)
			}
			Fail(op, "dimension %d of %v is negative", i, types.Shape(list))
		}
	}
	if err := s.Check(); err != nil {
		Fail(op, "%w", err)
	}
	return s
}

// An InputSpec describes an input to whoever feeds it.
type InputSpec struct {
	Name     string
	DType    types.DType
	Dims     []int    // sizes; -1 for a named dimension
	DimNames []string // names; "" for a fixed size
	MaxDims  []int    // bounds of named dimensions; 0 for none
}

// String returns the type with names: "f32[batch,784]".
func (s InputSpec) String() string {
	out := s.DType.String() + "["
	for i, d := range s.Dims {
		if i > 0 {
			out += ","
		}
		if s.DimNames[i] != "" {
			out += s.DimNames[i]
		} else {
			out += strconv.Itoa(d)
		}
	}
	return out + "]"
}

func (g *Graph) inputSpec(name string, d types.DType, list []int) InputSpec {
	in := InputSpec{Name: name, DType: d, Dims: slices.Clone(list), DimNames: make([]string, len(list)), MaxDims: make([]int, len(list))}
	for i, v := range list {
		if nd, ok := lookupDim(v); ok {
			in.Dims[i], in.DimNames[i], in.MaxDims[i] = -1, nd.name, nd.max
		}
	}
	return in
}

// Inputs returns the inputs in the order of their declaration.
func (g *Graph) Inputs() []InputSpec { return slices.Clone(g.inputs) }

// DimNames returns the named dimensions in the order of their first use.
func (g *Graph) DimNames() []string {
	var names []string
	for _, d := range g.dims.order {
		names = append(names, d.name)
	}
	return names
}

// Bind returns the graph with the given sizes for its named dimensions: it runs
// the model again. A graph without named dimensions is returned as it was
// built. Every named dimension must be given, and no other. Besides, errors are
// those of [Build], with the sizes named; and it is an error if the model does
// not use the same inputs, outputs and variables as before.
func (g *Graph) Bind(sizes map[string]int) (*ir.Graph, error) {
	if !g.closed {
		return nil, fmt.Errorf("graph %q is not built yet", g.name)
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if _, ok := g.dims.sizes[name]; !ok {
			return nil, fmt.Errorf("graph %q has no dimension %q (it has %v)", g.name, name, g.DimNames())
		}
		if n := sizes[name]; n < 0 || n > types.MaxElements {
			return nil, fmt.Errorf("graph %q: dimension %s cannot have size %d", g.name, name, n)
		}
	}
	for _, d := range g.dims.order {
		n, ok := sizes[d.name]
		if !ok {
			return nil, fmt.Errorf("graph %q: dimension %s is not bound", g.name, d.name)
		}
		if d.max > 0 && n > d.max {
			return nil, fmt.Errorf("graph %q: dimension %s has size %d, more than its bound %d", g.name, d.name, n, d.max)
		}
	}
	if len(g.dims.order) == 0 {
		return g.b.G, nil
	}
	mode := Eval()
	if g.training {
		mode = Training()
	}
	h, err := build(g.name, g.model, []Option{mode}, maps.Clone(sizes))
	if err == nil {
		err = g.same(h)
	}
	if err != nil {
		return nil, fmt.Errorf("graph %q with %s: %w", g.name, g.dims.binding(sizes), err)
	}
	return h.b.G, nil
}

// binding prints sizes: "batch=64, seq=10".
func (ds *dims) binding(sizes map[string]int) string {
	out := ""
	for i, d := range ds.order {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%s=%d", d.name, sizes[d.name])
	}
	return out
}

package session

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// source is what a session needs to know of a graph.
type source struct {
	name   string
	inputs []input
	vars   []varSpec
	dims   []string // the named dimensions, in order of appearance in the inputs
	bind   func(map[string]int) (*ir.Graph, error)
}

// input is an input of a graph, some of whose dimensions may be named.
type input struct {
	name  string
	dtype types.DType
	dims  []dim
}

// dim is a size, or a name that the first feed gives a size of at most max, if that is not 0.
type dim struct {
	name string
	size int
	max  int
}

// varSpec is a variable of a graph; key is its identity. init gives dst its first value for the session's seed.
type varSpec struct {
	key    any
	name   string
	typ    types.Type
	init   func(dst *tensor.Tensor, seed uint64) error
	byName bool // any variable of the name and type will do
}

// named is the key of a variable that is known by its name.
type named string

// zero is the first value of a variable that is known by its name.
func zero(dst *tensor.Tensor, _ uint64) error {
	clear(dst.Bytes())
	return nil
}

// sourceOf describes a graph.
func sourceOf(g *graph.Graph) *source {
	src := &source{name: g.Name(), dims: g.DimNames(), bind: g.Bind}
	for _, spec := range g.Inputs() {
		in := input{name: spec.Name, dtype: spec.DType}
		for i, n := range spec.Dims {
			in.dims = append(in.dims, dim{name: spec.DimNames[i], size: n, max: spec.MaxDims[i]})
		}
		src.inputs = append(src.inputs, in)
	}
	// The nodes of variables stand in the order of Variables and bear the names of the time when the graph was built.
	nodes := g.IR().Variables()
	for i, v := range g.Variables() {
		src.vars = append(src.vars, varSpec{key: v, name: nodes[i].Attr.Name, typ: v.Type(), init: v.Initialize})
	}
	return src
}

// sourceOfIR describes a graph of the intermediate representation.
func sourceOfIR(g *ir.Graph) (*source, error) {
	if err := g.Verify(); err != nil {
		return nil, err
	}
	src := &source{name: g.Name, bind: func(map[string]int) (*ir.Graph, error) { return g, nil }}
	for _, n := range g.Inputs() {
		in := input{name: n.Attr.Name, dtype: n.DType()}
		for _, size := range n.Shape() {
			in.dims = append(in.dims, dim{size: size})
		}
		src.inputs = append(src.inputs, in)
	}
	for _, n := range g.Variables() {
		src.vars = append(src.vars, varSpec{key: named(n.Attr.Name), name: n.Attr.Name, typ: n.Type, init: zero, byName: true})
	}
	return src, nil
}

// String returns the type with its named dimensions: "f32[batch,784]".
func (in *input) String() string {
	var b strings.Builder
	b.WriteString(in.dtype.String())
	b.WriteByte('[')
	for i, d := range in.dims {
		if i > 0 {
			b.WriteByte(',')
		}
		if d.name != "" {
			b.WriteString(d.name)
		} else {
			b.WriteString(strconv.Itoa(d.size))
		}
	}
	b.WriteByte(']')
	return b.String()
}

// matches reports whether a tensor of type t can be fed, whatever the sizes of named dimensions.
func (in *input) matches(t types.Type) bool {
	if t.DType != in.dtype || len(t.Shape) != len(in.dims) {
		return false
	}
	for i, d := range in.dims {
		if d.name == "" && d.size != t.Shape[i] {
			return false
		}
	}
	return true
}

// inputTypes returns the types of the inputs with sizes for the named dimensions, in the order of dims.
func (src *source) inputTypes(sizes []int) []types.Type {
	ts := make([]types.Type, len(src.inputs))
	for i, in := range src.inputs {
		sh := make(types.Shape, len(in.dims))
		for j, d := range in.dims {
			sh[j] = d.size
			if d.name != "" {
				sh[j] = sizes[slices.Index(src.dims, d.name)]
			}
		}
		ts[i] = types.Type{DType: in.dtype, Shape: sh}
	}
	return ts
}

// sizesOf checks a binding given by name and returns it in the order of dims.
func (src *source) sizesOf(b Binding) ([]int, error) {
	sizes := make([]int, len(src.dims))
	for i, d := range src.dims {
		n, ok := b[d]
		if !ok {
			return nil, fmt.Errorf("dimension %q has no size (named dimensions: %s)", d, strings.Join(src.dims, ", "))
		}
		if n < 0 || n > types.MaxElements {
			return nil, fmt.Errorf("dimension %q cannot have the size %d", d, n)
		}
		if m := src.bound(d); m > 0 && n > m {
			return nil, fmt.Errorf("dimension %q has the size %d, more than its bound %d", d, n, m)
		}
		sizes[i] = n
	}
	if len(b) > len(src.dims) {
		for d := range b {
			if !slices.Contains(src.dims, d) {
				return nil, fmt.Errorf("no dimension is named %q (named dimensions: %s)", d, strings.Join(src.dims, ", "))
			}
		}
	}
	return sizes, nil
}

// bound returns the largest size of a named dimension, or 0.
func (src *source) bound(name string) int {
	for _, in := range src.inputs {
		for _, d := range in.dims {
			if d.name == name {
				return d.max
			}
		}
	}
	return 0
}

// bindingOf is the inverse of sizesOf.
func (src *source) bindingOf(sizes []int) Binding {
	b := make(Binding, len(sizes))
	for i, d := range src.dims {
		b[d] = sizes[i]
	}
	return b
}

// describe returns a binding for people: "batch=64".
func (src *source) describe(sizes []int) string {
	var parts []string
	for i, d := range src.dims {
		parts = append(parts, fmt.Sprintf("%s=%d", d, sizes[i]))
	}
	return strings.Join(parts, " ")
}

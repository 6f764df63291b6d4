package graph

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

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
	if !g.built {
		return nil, fmt.Errorf("graph %q is not built: Build has not returned, or returned an error", g.name)
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
	g.binding.Lock()
	defer g.binding.Unlock()
	h, err := build(g.name, g.model, g.options, maps.Clone(sizes))
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

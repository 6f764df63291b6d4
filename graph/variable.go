package graph

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// An Initializer fills a variable's first value; seed differs from variable to
// variable.
type Initializer func(dst *tensor.Tensor, seed uint64) error

// InitialValue returns an initializer that copies t, of the variable's type.
func InitialValue(t *tensor.Tensor) Initializer {
	return func(dst *tensor.Tensor, _ uint64) error {
		if t == nil {
			return errors.New("the initial value is nil")
		}
		if !t.Type().Equal(dst.Type()) {
			return fmt.Errorf("the initial value is %v, the variable %v", t.Type(), dst.Type())
		}
		copy(dst.Bytes(), t.Bytes())
		return nil
	}
}

// A Variable is state that lives from step to step: a parameter, or what an
// optimizer keeps. It is its pointer: graphs that use the same Variable share
// its value. A Variable may be used from several goroutines.
type Variable struct {
	name   atomic.Pointer[string]
	typ    types.Type
	init   Initializer
	frozen atomic.Bool

	mu         sync.Mutex
	companions map[any]*Variable
}

// NewVariable returns a trainable variable. Without an initializer its first
// value is zero.
func NewVariable(name string, t types.Type, init Initializer) *Variable {
	v := &Variable{typ: types.Of(t.DType, t.Shape...), init: init}
	v.name.Store(&name)
	return v
}

// Name returns the name in checkpoints.
func (v *Variable) Name() string { return *v.name.Load() }

// SetName changes the name. Graphs that are built keep the old one.
func (v *Variable) SetName(name string) { v.name.Store(&name) }

// Type returns the type of the value.
func (v *Variable) Type() types.Type { return types.Of(v.typ.DType, v.typ.Shape...) }

// Freeze declares that the variable is not trained.
func (v *Variable) Freeze() { v.frozen.Store(true) }

// Unfreeze undoes Freeze.
func (v *Variable) Unfreeze() { v.frozen.Store(false) }

// Trainable reports whether optimizers change the variable.
func (v *Variable) Trainable() bool { return !v.frozen.Load() }

// Companion returns the variable that belongs to v under a key, such as what an
// optimizer keeps for a parameter. It is made by create at the first call; every
// later one, also when a graph is built again, returns the same. Without create
// it is nil where there is none yet.
func (v *Variable) Companion(key any, create func() *Variable) *Variable {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.companions[key]
	if c == nil && create != nil {
		if v.companions == nil {
			v.companions = map[any]*Variable{}
		}
		c = create()
		v.companions[key] = c
	}
	return c
}

// Initialize fills dst, of the variable's type, with its first value. The seed
// is that of a session; the variable's name is mixed into it, so that every
// variable gets numbers of its own.
func (v *Variable) Initialize(dst *tensor.Tensor, seed uint64) error {
	name := v.Name()
	if !dst.Type().Equal(v.typ) {
		return fmt.Errorf("initialise variable %s: the tensor is %v, the variable %v", name, dst.Type(), v.typ)
	}
	if v.init == nil {
		clear(dst.Bytes())
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	if err := v.init(dst, mix(seed^h.Sum64())); err != nil {
		return fmt.Errorf("initialise variable %s: %w", name, err)
	}
	return nil
}

// mix is the finaliser of SplitMix64: Steele, Lea and Flood, "Fast splittable
// pseudorandom number generators", 2014.
func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// Var returns the value of v at the start of the step, also after an
// [Graph.Assign].
func (g *Graph) Var(v *Variable) *Node {
	const op = "variable"
	g.open(op)
	if v == nil || v.name.Load() == nil {
		Fail(op, "the variable is nil: variables are made by NewVariable")
	}
	n := g.varNodes[v]
	if n == nil {
		n = g.b.Variable(v.Name(), v.Type())
		g.varNodes[v] = n
		g.vars = append(g.vars, v)
	}
	return g.wrap(op, n)
}

// Assign gives v the value x, of exactly its type, when the step is done.
func (g *Graph) Assign(v *Variable, x *Node) {
	const op = "assign"
	g.open(op)
	g.own(op, x)
	old := g.Var(v)
	switch {
	case !x.n.Type.Equal(v.typ):
		Fail(op, "variable %s is %v, the value %v", v.Name(), v.typ, x.n.Type)
	case g.assigned[v]:
		Fail(op, "variable %s is assigned twice", v.Name())
	}
	g.assigned[v] = true
	g.b.Assign(old.n, x.n)
}

// nameVariables gives the nodes of variables the names that their variables
// have now: layers are made before the model that names them.
func (g *Graph) nameVariables() {
	for v, n := range g.varNodes {
		if v.Name() == "" {
			Fail("variable", "a variable of type %v has no name", v.typ)
		}
		n.Attr.Name = v.Name()
	}
}

// Variables returns the variables that the graph uses, in the order of their
// first use.
func (g *Graph) Variables() []*Variable { return slices.Clone(g.vars) }

// VariableByName returns the variable that the graph uses under the given name; nil
// if there is none. The name is the one that it had when the graph was built.
func (g *Graph) VariableByName(name string) *Variable { return g.varNames[name] }

// same returns an error unless another run of the model used the same inputs,
// outputs and variables.
func (g *Graph) same(h *Graph) error {
	impure := func(what string) error {
		return &Error{Op: "build", Err: fmt.Errorf("the model used other %s than when it was first run: it must do the same every time", what)}
	}
	if !slices.EqualFunc(g.inputs, h.inputs, func(a, b InputSpec) bool { return a.Name == b.Name && a.String() == b.String() }) {
		return impure("inputs")
	}
	if !slices.EqualFunc(g.b.G.Outputs, h.b.G.Outputs, func(a, b ir.Output) bool { return a.Name == b.Name }) {
		return impure("outputs")
	}
	if !slices.Equal(g.vars, h.vars) {
		return impure("variables")
	}
	return nil
}

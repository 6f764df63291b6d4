// Package graph is the API that models are written in. A model is a Go
// function that [Build] runs once; methods of [Node] broadcast and promote
// their operands, then append strict nodes to an [ir.Graph]. Gradients are
// appended by package autodiff.
//
// A mistake in a model panics with an [*Error] that carries the model's own
// source line; Build returns it. Nothing else is raised this way.
//
// # Rules that hold everywhere
//
// Operands of elementwise operations broadcast as in NumPy ([types.Broadcast])
// and are promoted as PyTorch promotes tensors ([types.Promote]): bool, then
// integers, then floating-point numbers; the wider type within a kind, F32 for
// F16 with BF16. Operations on these two compute in F32 and round their result
// once, sums and products of matrices after the last term. Axes may
// be negative and then count from the end. Where a size is wanted, the value of
// [Dim] stands for a size that is bound later.
//
// The package must not import passes, devices or the session.
package graph

import (
	"fmt"
	"slices"
	"sync"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// The element types.
const (
	Bool = types.Bool
	U8   = types.U8
	I32  = types.I32
	I64  = types.I64
	F16  = types.F16
	BF16 = types.BF16
	F32  = types.F32
	F64  = types.F64
)

// maxRank bounds the dimensions of a value: contractions name each by a letter.
const maxRank = 26

// A Graph is a model while and after it is built. A graph that is built does
// not change any more and may be used from several goroutines.
type Graph struct {
	name     string
	model    func(*Graph)
	options  []Option
	training bool

	b       *ir.Builder
	closed  bool // nothing can be added
	built   bool // without a mistake
	binding sync.Mutex
	dims    dims

	inputs   []InputSpec
	outputs  map[string]bool
	vars     []*Variable
	varNodes map[*Variable]*ir.Node
	varNames map[string]*Variable
	assigned map[*Variable]bool
	randoms  int // streams of random numbers handed out
	noGrad   int // depth of NoGrad regions
	mixed    mixed
}

// An Option changes how [Build] builds.
type Option func(*Graph)

// Training builds the graph of a training step: [Graph.Training] reports true,
// so that layers such as dropout act.
func Training() Option { return func(g *Graph) { g.training = true } }

// Eval builds the graph for inference. It is the default.
func Eval() Option { return func(g *Graph) { g.training = false } }

// Build runs model, which describes the graph by calling methods of g and of
// nodes, and returns the graph. The error is an [*Error] that names the first
// mistake in the model and its source line. A panic of the model's own code is
// not recovered.
//
// If the model uses named dimensions ([Dim]), it is run with sizes that stand
// for them, and again at each [Graph.Bind], by one goroutine at a time; it must
// do the same every time: use variables made outside, and read nothing that
// changes.
//
// Outside of Build, when there is nobody to return an error, misuse of nodes and
// graphs panics with the same [*Error].
func Build(name string, model func(g *Graph), opts ...Option) (*Graph, error) {
	return build(name, model, opts, nil)
}

func build(name string, model func(g *Graph), opts []Option, sizes map[string]int) (g *Graph, err error) {
	g = &Graph{
		name: name, model: model, options: slices.Clone(opts), b: ir.NewBuilder(name), dims: newDims(sizes), outputs: map[string]bool{},
		varNodes: map[*Variable]*ir.Node{}, varNames: map[string]*Variable{}, assigned: map[*Variable]bool{},
	}
	defer g.recoverError(&g, &err)
	for _, o := range opts {
		if o == nil {
			Fail("build", "an option is nil")
		}
		o(g)
	}
	if model == nil {
		Fail("build", "the model function of graph %q is nil", name)
	}
	model(g)
	g.autocast()
	g.finish()
	return g, nil
}

// finish checks what can only be known when the model has run.
func (g *Graph) finish() {
	if g.randoms > 0 {
		g.advanceRandom()
	}
	g.nameVariables()
	for _, v := range g.vars {
		name := g.varNodes[v].Attr.Name
		if g.varNames[name] != nil {
			Fail("build", "two variables are named %q: name the parameters of a model with nn.Params, others in NewVariable", name)
		}
		g.varNames[name] = v
	}
	if len(g.outputs) == 0 && len(g.assigned) == 0 {
		Fail("build", "graph %q has no output and assigns no variable", g.name)
	}
	g.dims.checkInputs(g.inputs)
	g.b.G.Dims = g.dims.names()
	g.closed, g.built = true, true
}

// Name returns the name given to [Build].
func (g *Graph) Name() string { return g.name }

// Training reports whether the graph is of a training step.
func (g *Graph) Training() bool { return g.training }

// IR returns the nodes appended so far, nil for a Graph that no Build made.
// They must not be changed. With named dimensions the sizes are those that stand
// for them; [Graph.Bind] returns the graph for given sizes.
func (g *Graph) IR() *ir.Graph {
	if g.b == nil {
		return nil
	}
	return g.b.G
}

// String returns the name and the number of nodes, for debugging.
func (g *Graph) String() string {
	if g == nil || g.b == nil {
		return "nil graph"
	}
	return fmt.Sprintf("graph %s (%d nodes)", g.name, len(g.b.G.Nodes))
}

// open fails unless g is a graph that is being built.
func (g *Graph) open(op string) {
	switch {
	case g == nil || g.b == nil:
		Fail(op, "the graph is nil: graphs are made by Build")
	case g.closed:
		Fail(op, "graph %q is built: nothing can be added to it", g.name)
	}
}

// Input declares a value that the caller feeds at every step, of the given
// name, element type and shape; dims may be those of [Dim].
func (g *Graph) Input(name string, d types.DType, dims ...int) *Node {
	const op = "input"
	g.open(op)
	for _, in := range g.inputs {
		if in.Name == name {
			Fail(op, "two inputs are named %q", name)
		}
	}
	shape := g.shape(op, dims)
	n := g.b.Input(name, types.Type{DType: d, Shape: shape})
	g.inputs = append(g.inputs, g.inputSpec(name, d, dims))
	return g.wrap(op, n)
}

// Output declares a result of the given name. Only outputs can be read.
func (g *Graph) Output(name string, x *Node) {
	const op = "output"
	g.open(op)
	g.own(op, x)
	switch {
	case name == "":
		Fail(op, "the name is empty")
	case g.outputs[name]:
		Fail(op, "two outputs are named %q", name)
	}
	g.outputs[name] = true
	g.b.G.Outputs = append(g.b.G.Outputs, ir.Output{Name: name, Node: x.n})
}

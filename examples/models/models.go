// Package models holds the example models, so that tools and benchmarks can
// build them by name: the MNIST classifier, the smallest lesson of autograd, and
// the workloads that the benchmarks time. It must not import passes or a device.
package models

import (
	"fmt"
	"slices"
	"strings"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/runtime/tensor"
)

// An Example is a model by name.
type Example struct {
	Name, Doc string
	// Build makes a graph with variables of its own; options such as
	// [graph.Autocast] come after its own.
	Build func(opts ...graph.Option) (*graph.Graph, error)
	// Feeds returns a value for each input, a function of the seed: normal random
	// numbers, and class labels of which each is equally likely.
	Feeds func(seed uint64) map[string]*tensor.Tensor
}

// definition is an example at any size.
type definition struct {
	name, doc string
	// full are the sizes that the example has, small are for tests.
	full, small []int
	// model returns a model function with variables of its own.
	model  func(n []int) func(g *graph.Graph)
	option graph.Option
	inputs func(n []int) []input
}

// input is an input of an example: normal random numbers, or labels below
// classes if that is not 0.
type input struct {
	name    string
	dims    []int
	classes int
}

// declare declares the inputs of an example in a graph.
func declare(g *graph.Graph, ins []input) []*graph.Node {
	var xs []*graph.Node
	for _, in := range ins {
		d := graph.F32
		if in.classes > 0 {
			d = graph.I32
		}
		xs = append(xs, g.Input(in.name, d, in.dims...))
	}
	return xs
}

var definitions = slices.Concat(mnistExamples, cnnExamples, gptExamples, lessons, workloads)

// Names returns the names of all examples.
func Names() []string {
	var names []string
	for _, d := range definitions {
		names = append(names, d.name)
	}
	return names
}

// Get returns the example of the given name.
func Get(name string) (*Example, error) {
	for i := range definitions {
		if definitions[i].name == name {
			return definitions[i].at(definitions[i].full), nil
		}
	}
	return nil, fmt.Errorf("no example is named %q; there are %s", name, strings.Join(Names(), ", "))
}

// at returns the example with the given sizes.
func (d *definition) at(n []int) *Example {
	return &Example{
		Name: d.name,
		Doc:  d.doc,
		Build: func(opts ...graph.Option) (*graph.Graph, error) {
			return graph.Build(d.name, d.model(n), append([]graph.Option{d.option}, opts...)...)
		},
		Feeds: func(seed uint64) map[string]*tensor.Tensor { return feeds(d.inputs(n), seed) },
	}
}

// feeds returns values for inputs. Their types are those of examples, so that
// nothing here can fail.
func feeds(ins []input, seed uint64) map[string]*tensor.Tensor {
	m := map[string]*tensor.Tensor{}
	for i, in := range ins {
		draw := nn.Normal(0, 1)
		if in.classes > 0 {
			draw = nn.Uniform(0, float64(in.classes))
		}
		t, err := tensor.New(types.Of(types.F32, in.dims...))
		if err == nil {
			err = draw(t, seed*uint64(len(ins))+uint64(i))
		}
		if err == nil && in.classes > 0 {
			t, err = t.Convert(types.I32)
		}
		if err != nil {
			panic(fmt.Sprintf("models: feed %s: %v", in.name, err))
		}
		m[in.name] = t
	}
	return m
}

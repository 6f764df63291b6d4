// Package dumbtorch is the root of a deep-learning framework that compiles: a
// model is a Go function that builds a static graph; autodiff appends the
// backward nodes; passes fuse the graph into a few kernels and plan all memory
// into one arena; a device runs the plan.
//
// Programs import the rooms, not this package: graph (the modelling API), nn
// and nn/optim (layers and update rules), nn/data and nn/train (datasets and
// the loop), runtime/session (compile and run). ARCHITECTURE.md shows the way
// of a model through them. The package itself holds the tests of the house
// (import order, size of files) and the whole-workload benchmarks.
package dumbtorch

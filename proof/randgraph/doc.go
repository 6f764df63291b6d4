// Package randgraph makes well-typed graphs out of bytes, for random tests and
// fuzzing: every sequence of bytes is a model with variables, assignments and
// gradients, and similar bytes give similar models, so that whatever shrinks
// bytes shrinks models.
//
// Programs that are right may differ in rounding, so each value is tracked: an
// exact one is made by operations whose result needs no rounding (small multiples
// of powers of two), whatever their order, and is the same on every device.
// Comparisons, extremes, rounding and kinks of gradients are put on exact values
// only; all others come from smooth functions of bounded values.
//
// The names of inputs, variables and outputs tell what they hold ([Feed], [Exact]),
// so that a graph in text form is a complete test.
package randgraph

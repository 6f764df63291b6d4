// Package proof holds tests of the whole: what PyTorch computes for every
// operation, gradient, layer, loss and optimizer (testdata/ops), the losses of a
// training run (testdata/parity), and random graphs that every device and every
// setting of the compiler must agree on. It has no code of its own; nothing
// imports it.
package proof

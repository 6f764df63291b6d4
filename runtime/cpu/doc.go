// Package cpu is the portable CPU device: it runs kernel programs in plain Go
// on all cores.
//
// Every kernel is compiled to a small register program whose instructions work
// on tiles, vectors of about a thousand elements, with one specialised Go loop
// per operation and element type. What interpretation costs is paid per tile.
//
// The package owns the tile programs, their scratch memory, the worker pool and
// the device's buffers. It knows kernels, not graphs: it must not import ir,
// graph, passes, or runtime/session; runtime/interp only in tests.
//
// # Order of evaluation
//
// A launch is cut into phases and a phase into tasks. Both depend on the kernel
// alone, never on the number of threads, and so does the order of every
// reduction: the same inputs give the same bits for any number of threads.
//
// # Memory shared between read and written parameters
//
// A launch may bind one region of memory to a read and to a written parameter.
// The package relies on the memory plan's promise that every element of such a
// region is read only at the point at which it is then stored (or, in form
// [kernel.Rows], in the row in which it is stored), and by the stores over the
// same axes only. It guarantees that all loads of a tile are done before the
// first store of the tile (of a row, where the kernel has form Rows) and that
// no two tiles hold the same point.
package cpu

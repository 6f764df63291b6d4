// Package native makes generated machine code callable: it tells which vector
// instructions this machine runs ([Detect]), places code in executable memory
// that is never writable at the same time ([Load]), and calls it ([Code.Call]).
//
// Code is a leaf function: it gets the address of one argument block in RDI,
// may change every register but RSP and RBP, pushes nothing, calls nothing, and
// ends with VZEROUPPER and RET. While it runs the goroutine cannot be preempted, so one call
// should not take longer than some hundred microseconds.
//
// On machines other than linux/amd64 nothing can be loaded, and callers use
// portable code. The package knows no kernels and imports nothing of ours.
package native

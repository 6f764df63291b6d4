// Package interp is the reference device: it gives the kernel IR its meaning,
// slowly and obviously. Expressions are evaluated as they are written, point by
// point, with the scalar operations of package kernel; schedules are ignored.
// Every other device is tested against it.
//
// It trusts nothing: programs are verified, and an index outside its buffer is
// an error that names kernel, parameter and index. Such an error is a bug of the
// compiler that made the program.
//
// It knows kernels, not graphs: it must not import ir, graph, passes or
// runtime/session.
package interp

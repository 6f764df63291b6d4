// Package simd compiles straight-line programs over lanes to AVX2 code: the
// elementwise part of a tile program as one loop that keeps what it computes in
// registers.
//
// A [Builder] takes loads of streams, scalars, constants, operations and stores;
// [Builder.Compile] gives a [Loop]; [Loop.Run] runs it over n elements. All
// streams are dense. Lanes are independent, so a result depends neither on n
// nor on its position: what is left beyond a multiple of eight elements is
// staged through a buffer and computed by the same code, and no load or store
// reaches beyond n elements.
//
// Values are of 32 bits, or truth values: bytes 0 and 1 in memory, lanes of
// zeros or ones in registers. Rounding is that of [kernel.Op]: no product is
// contracted into a sum, except within the polynomials of exp, log, tanh,
// sigmoid and erf, whose errors their comments give. What the package cannot
// compile it says so, and the caller computes otherwise.
//
// It imports the assembler, executable memory and the operations of ir/kernel.
package simd

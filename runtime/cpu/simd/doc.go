// Package simd compiles straight-line programs over rows of lanes to AVX2 or
// AVX-512 code: what a tile program does lane by lane, and the folds over each
// row, as one function that keeps what it computes in registers.
//
// A [Builder] takes loads of streams, scalars, constants, operations, folds and
// stores; [Builder.Compile] gives a [Loop]; [Loop.Run] runs it over a number of
// rows. The lanes of a row are dense in every stream, or the stream has one
// element per row; from row to row each has a step of its own. A program
// without folds over many lanes is one row.
//
// Lanes are independent, so a result depends neither on the number of lanes nor
// on its position: what is left beyond whole vectors is computed by the same
// instructions under a mask, and no load or store touches a byte beyond the
// last element. A fold has 32 running folds whatever the vectors' width, lane i
// in the one of number i%32, which are combined in pairs: AVX2 and AVX-512 give
// the same bits.
//
// Values are of 32 bits, or truth values: bytes 0 and 1 in memory, lanes of
// zeros or ones in registers. Numbers of 16 bits are widened to F32 as they are
// loaded, and stored once [Builder.Convert] has rounded them; F16C, which does that
// for f16, is older than AVX2. Rounding is that of [kernel.Op]: no product is
// contracted into a sum, except within the polynomials of the functions in
// functions.go, whose errors their comments give. What the package cannot
// compile it says so, and the caller computes otherwise.
//
// It imports the assembler, executable memory and the operations of ir/kernel.
package simd

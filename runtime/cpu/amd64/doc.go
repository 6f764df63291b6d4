// Package amd64 is an assembler for the instructions that generated kernels
// are made of: vector instructions in VEX (AVX, AVX2, FMA) and EVEX (AVX-512)
// encoding, and the few general-purpose ones that loops and addresses need.
//
// It turns calls into bytes and nothing else: it allocates no registers, makes
// no memory executable and knows no kernels. A vector instruction is a row of
// a table ([Op]); every row is checked against the bytes that another assembler
// gives for it. The package is portable: code can be assembled, listed and
// tested on any machine. It imports nothing of ours.
package amd64

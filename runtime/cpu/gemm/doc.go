// Package gemm is the matrix product of the CPU device: blocked, packed and register-tiled, in generated AVX2 or AVX-512 code
// for float32 and float64 where the machine runs it (package native tells), and else in plain Go.
//
// It owns the cutting of a product into tasks ([Plan]), the packing of operands ([Packer], [Strided], [Window]), the micro-kernels,
// and the hand-over of finished tiles ([Epilogue]). It starts no goroutine and keeps no memory but the generated code, which is made once
// for a process: the caller's workers claim tasks and bring the scratch.
//
// A caller makes a [Product] and has all its Pack tasks done, if there are any, then all its Run tasks:
//
//	plan, err := gemm.NewPlan[float32](m, n, k)
//	g := &gemm.Product[float32]{Plan: plan, A: a, B: b, C: c, LDC: n} // a, b: *gemm.Strided or a generated packer
//	err = g.Check()
//	shared, scratch := make([]float32, plan.SharedLen()), make([]float32, plan.ScratchLen())
//	for i := range plan.PackTasks() {
//		g.Pack(i, shared)
//	}
//	for i := range plan.Tasks() {
//		g.Run(i, shared, scratch) // one scratch per worker
//	}
//
// # Order of summation
//
// C[i,j] is the sequential sum s = +0; s = round(s + round(A[i,k]*B[k,j])) for k = 0, 1, ..., K-1 in plain Go, where no product is
// contracted into its add, and s = round(s + A[i,k]*B[k,j]), rounded once, in generated code. K is never split between partial
// sums (but see below for vectors): blocks of steps go on from the sum of the block before. The bits therefore depend on K, the operands and whether code is
// generated, not on M, N, layout, tiling, task order, worker count, or the width of vectors (the payload of a NaN excepted).
//
// # Generated code
//
// A tile of C of 12 rows by two vectors (AVX-512; 6 rows with AVX2) stays in registers. Columns of B are packed: copied where they
// are contiguous across columns, transposed in registers where they are contiguous over the steps. Rows of A are read in place,
// since a value of A is broadcast and its layout does not matter, unless their stride would crowd one set of the first-level cache.
// One pass takes at most 512 steps for at most 192 rows, so that a panel of B stays in the first-level cache and a strip in the
// second. The product of a vector with a matrix reads the matrix once, in place, if one of its strides is 1: along the columns by the
// micro-kernel of one row, along the steps by a kernel that keeps a vector of partial sums for each of four rows, whose lanes are added
// in pairs at the end of each pass: there, and only there, K is split, by K and the width of vectors.
//
// A convolution is a product of which one operand is read through windows ([Window]). What a pass needs of the array is copied
// into planes framed by zeros, a channel of an image at a time, and from there to panels, run by run, since along the columns of B
// and along the steps of A places are consecutive within a row of the image; no array of all windows is made. A product for each image,
// a task each, has the image's places as columns and the weights as A; the gradient of the weights goes through the images page by
// page, with the windows as A.
//
// What an epilogue reads beside a tile ([Ahead]) is asked for while the tile is multiplied.
//
// On one worker the rate is 7 to 8 times that of gonum's assembly, 96 to 108 GFLOP/s on a machine whose fused multiply-adds reach
// 109 (BenchmarkSgemm; NN, NT and TN, 128,256,512 to 1024,1024,1024).
//
// # Speed of the portable code
//
// Go compiles float arithmetic to scalar instructions. Of the tiles 2x4, 4x2, 3x3, 2x5, 1x8 and 1x12, with 1 to 8 steps unrolled,
// 4x2 and 2x4 were the fastest; 2x6, 3x4 and 4x3 spill and run at 0.6 of their rate. For 4x2, 16 steps gain 4 %, 24 and 32 lose
// it again. A step takes 25 instructions for 8 multiply-adds; 24 is the least, because a scalar SSE multiply overwrites an
// operand. On the machine measured (Zen 4, 6 instructions a cycle) the loop runs at about 0.9 of two multiply-adds a cycle.
//
// Rates relative to gonum's Sgemm, whose inner loops are SSE assembly, in processor time of one worker in one process, the
// shortest of twelve each (m, n, k; NN, NT, TN):
//
//	256,256,256      0.96 0.88 0.94
//	512,512,512      0.98 0.91 1.05
//	1024,1024,1024   0.97 0.85 1.22
//	128,512,784      0.98 0.86 1.03
//	128,256,512      0.94 0.86 1.03
//	512,784,128      0.98 0.83 0.94
//	256,512,128      0.93 0.82 0.97
//	128,10,256       2.6  0.54 2.7
//
// In float64 (BenchmarkDgemm) every ratio measured with one worker is above 1, 1.3 to 1.6 from 128,128,128 up. The weak case,
// 128,10,256 NT, is where gonum runs at 19 GFLOP/s from the first-level cache: more than the 14.3 that scalar instructions can
// reach there.
package gemm

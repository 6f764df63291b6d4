// Package transform holds rewrites of a graph that its author asks for, as the
// options of [dumbtorch/graph.Build]: mixed precision. A rewrite is done before
// gradients are appended, so that they follow it.
//
// The package must not import autodiff, passes, graph or runtime.
package transform

import "dumbtorch/ir"

// A precision says in which type [Autocast] has an operation computed.
type precision uint8

const (
	// full: in f32. All operations that the table does not list.
	full precision = iota
	// low: in the low type; operands are cast to it.
	low
	// follows: in the low type where that is what an operand already is, all
	// others are or are parameters and constants, and somebody wants it so.
	follows
)

// precisions is the one table of mixed precision. Contractions, which matrix
// products and convolutions are, run in the low type. What moves, selects or
// combines values follows them. Everything else is full: functions (exp, log,
// pow, sqrt, tanh, erf), hence softmax and activations; sums and means, hence
// norms and losses. In a fused kernel these cost nothing in f32.
var precisions = map[ir.Op]precision{
	ir.OpContract: low,

	ir.OpNeg: follows, ir.OpAbs: follows, ir.OpSign: follows,
	ir.OpAdd: follows, ir.OpSub: follows, ir.OpMul: follows, ir.OpDiv: follows,
	ir.OpMax: follows, ir.OpMin: follows, ir.OpWhere: follows,
	ir.OpReduceMax: follows, ir.OpReduceMin: follows,
	ir.OpBroadcast: follows, ir.OpReshape: follows, ir.OpTranspose: follows, ir.OpSlice: follows,
	ir.OpPad: follows, ir.OpConcat: follows, ir.OpWindow: follows,
	ir.OpGather: follows, ir.OpStopGradient: follows,
}

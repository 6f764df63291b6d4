package ir

// Op is an operation: an index into the table of records.
type Op uint8

// The operations. Adding one takes a line here, a record, a method in package
// graph, and a test case.
const (
	OpInvalid Op = iota
	// Leaves and effects.
	OpInput
	OpVariable
	OpAssign  // (variable, value): the variable's next value
	OpConst   // one value everywhere
	OpLiteral // dense data
	// Elementwise, unary.
	OpNeg
	OpAbs
	OpSign
	OpFloor
	OpCeil
	OpRound
	OpExp
	OpExpm1
	OpLog
	OpLog1p
	OpSqrt
	OpRsqrt
	OpSin
	OpCos
	OpTanh
	OpSigmoid
	OpErf
	OpNot
	OpCast
	// Elementwise, binary and ternary.
	OpAdd
	OpSub
	OpMul
	OpDiv
	OpRem
	OpPow
	OpMax
	OpMin
	OpLt
	OpLe
	OpEq
	OpNe
	OpAnd
	OpOr
	OpXor
	OpWhere
	// Shape.
	OpBroadcast // Axes[i]: the result's dimension of operand dimension i
	OpReshape
	OpTranspose
	OpSlice    // Start, Dims, Step (may be negative)
	OpPad      // Start (may be negative), Dims, Step >= 1, Value
	OpConcat   // along Axes[0]
	OpWindow   // over the dimensions Axes: Size, Step, Start (low padding), Dims, Value
	OpUnwindow // adjoint of window
	// Reductions over Axes.
	OpSum
	OpProd
	OpReduceMax
	OpReduceMin
	// Contraction and indexing.
	OpContract
	OpGather
	OpScatterAdd
	OpIota // along Axes[0]
	// Random.
	OpUniform
	OpNormal
	// Structure.
	OpStopGradient
	OpBarrier   // (value, after): value, not before after
	OpCustomVJP // (value, operands...): value, with a gradient of its own
	opEnd
)

package passes_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/passes"
)

func workOf(t *testing.T, text string) []passes.Work {
	g, err := ir.Parse(text)
	require.NoError(t, err)
	c, err := passes.Compile(g, &passes.Config{Check: true})
	require.NoError(t, err)
	var ws []passes.Work
	for _, l := range c.Program.Launches {
		ws = append(ws, passes.WorkOf(l.Kernel))
	}
	return ws
}

func TestWork(t *testing.T) {
	// Softmax of 8 rows of 16: per element mul, max, sub, exp (8), add and div (3).
	require.Equal(t, []passes.Work{{LoadBytes: 8 * 16 * 4, StoreBytes: 8 * 16 * 4, Ops: 8 * 16 * (1 + 1 + 1 + 8 + 1 + 3), Flops: 8 * 16 * 6}},
		workOf(t, scaledSoftmax))
	// A matrix product with bias: the bias is read once.
	require.Equal(t, []passes.Work{{LoadBytes: 4 * (5*7 + 7*3 + 3), StoreBytes: 4 * 5 * 3, Ops: 2*5*7*3 + 5*3, Flops: 2*5*7*3 + 5*3}},
		workOf(t, `graph f version=1 {
  %0 = input {name="x"} : f32[5,7]
  %1 = input {name="w"} : f32[7,3]
  %2 = input {name="b"} : f32[3]
  %3 = contract %0, %1 {labels="mk,kn->mn"} : f32[5,3]
  %4 = broadcast %2 {dims=[5,3], axes=[1]} : f32[5,3]
  %5 = add %3, %4 : f32[5,3]
  output "y" = %5
}`))
	// Rows picked from a table: of the table no more is read than is picked.
	require.Equal(t, []passes.Work{{LoadBytes: 4 * (3*5 + 3), StoreBytes: 4 * 3 * 5}},
		workOf(t, `graph f version=1 {
  %0 = input {name="t"} : f32[1000,5]
  %1 = input {name="i"} : i32[3]
  %2 = gather %0, %1 {labels="vd,n->nd"} : f32[3,5]
  output "y" = %2
}`))
}

// Large counts do not wrap around.
func TestWorkIsNeverNegative(t *testing.T) {
	ws := workOf(t, `graph f version=1 {
  %0 = input {name="x"} : f32[16000000,16000000]
  %1 = contract %0, %0 {labels="ab,bc->ac"} : f32[16000000,16000000]
  %2 = exp %1 : f32[16000000,16000000]
  output "y" = %2
}`)
	require.Len(t, ws, 1)
	require.Equal(t, int64(4*16000000*16000000), ws[0].LoadBytes)
	require.Equal(t, int64(math.MaxInt64), ws[0].Flops)
	require.Equal(t, passes.Work{LoadBytes: 2 * ws[0].LoadBytes, StoreBytes: 2 * ws[0].StoreBytes, Ops: math.MaxInt64, Flops: math.MaxInt64},
		ws[0].Plus(ws[0]))
}

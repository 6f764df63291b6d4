package passes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
)

// Graphs at the edges: nothing to compute, nothing in a value, one element, an
// operand twice, every element type.
func TestEdgeGraphs(t *testing.T) {
	for name, body := range map[string]string{
		"empty": ``,
		"outputs that are leaves": `
			%0 = input {name="x"} : f32[3]
			%1 = const {value=2.0} : f32[4]
			%2 = iota {axes=[1]} : i64[2,3]
			%3 = literal {data=0x0102} : u8[2]
			%4 = variable {name="w"} : f32[]
			output "x" = %0
			output "c" = %1
			output "i" = %2
			output "l" = %3
			output "w" = %4
			output "again" = %0`,
		"outputs that are views": `
			%0 = input {name="x"} : f32[2,3]
			%1 = transpose %0 {axes=[1,0]} : f32[3,2]
			%2 = exp %1 : f32[3,2]
			%3 = reshape %2 {dims=[6]} : f32[6]
			%4 = slice %2 {start=[2,0], dims=[2,2], step=[-2,1]} : f32[2,2]
			%5 = concat %2, %2 {axes=[1]} : f32[3,4]
			%6 = pad %3 {start=[-1], dims=[9], step=[2], value=3.0} : f32[9]
			output "t" = %1
			output "e" = %2
			output "r" = %3
			output "s" = %4
			output "c" = %5
			output "p" = %6`,
		"an updated variable is an output": `
			%0 = variable {name="w"} : f32[3]
			%1 = exp %0 : f32[3]
			%2 = assign %0, %1 : f32[3]
			output "old" = %0
			output "new" = %1`,
		"updates with constants, inputs and themselves": `
			%0 = variable {name="a"} : f32[3]
			%1 = variable {name="b"} : f32[3]
			%2 = variable {name="c"} : f32[3]
			%3 = const {value=1.0} : f32[3]
			%4 = input {name="x"} : f32[3]
			%5 = assign %0, %3 : f32[3]
			%6 = assign %1, %4 : f32[3]
			%7 = assign %2, %2 : f32[3]`,
		"updates in a ring": `
			%0 = variable {name="a"} : f32[3]
			%1 = variable {name="b"} : f32[3]
			%2 = variable {name="c"} : f32[3]
			%3 = add %0, %1 : f32[3]
			%4 = assign %0, %1 : f32[3]
			%5 = assign %1, %2 : f32[3]
			%6 = assign %2, %3 : f32[3]`,
		"no elements": `
			%0 = input {name="x"} : f32[0,3]
			%1 = input {name="w"} : f32[3,0]
			%2 = variable {name="v"} : f32[0]
			%3 = contract %0, %1 {labels="mk,kn->mn"} : f32[0,0]
			%4 = contract %1, %0 {labels="mk,kn->mn"} : f32[3,3]
			%5 = prod %1 {axes=[1]} : f32[3]
			%6 = exp %2 : f32[0]
			%7 = assign %2, %6 : f32[0]
			%8 = concat %0, %0 {axes=[0]} : f32[0,3]
			%9 = const {int=1} : i32[0]
			%10 = pad %2 {start=[0], dims=[2], step=[1], value=5.0} : f32[2]
			output "mn" = %3
			output "zeros" = %4
			output "ones" = %5
			output "cat" = %8
			output "fives" = %10
			output "i" = %9`,
		"one element": `
			%0 = input {name="x"} : f32[1,1,1]
			%1 = sum %0 {axes=[0,1,2]} : f32[]
			%2 = reduce_max %0 {axes=[1]} : f32[1,1]
			%3 = contract %2, %2 {labels="mk,kn->mn"} : f32[1,1]
			%4 = broadcast %1 {dims=[2,2], axes=[]} : f32[2,2]
			%5 = broadcast %3 {dims=[2,2], axes=[0,1]} : f32[2,2]
			%6 = mul %4, %5 : f32[2,2]
			output "y" = %6`,
		"an operand twice": `
			%0 = input {name="x"} : f32[4,4]
			%1 = tanh %0 : f32[4,4]
			%2 = contract %1, %1 {labels="mk,kn->mn"} : f32[4,4]
			%3 = transpose %1 {axes=[1,0]} : f32[4,4]
			%4 = mul %1, %3 : f32[4,4]
			%5 = sub %4, %4 : f32[4,4]
			%6 = sum %4 {axes=[1]} : f32[4]
			%7 = contract %6, %6 {labels="k,k->"} : f32[]
			%8 = contract %6, %6 {labels="m,n->mn"} : f32[4,4]
			output "a" = %2
			output "b" = %5
			output "c" = %7
			output "d" = %8`,
		"rows and columns of a square": `
			%0 = input {name="x"} : f32[4,4]
			%1 = sum %0 {axes=[0]} : f32[4]
			%2 = sum %0 {axes=[1]} : f32[4]
			%3 = broadcast %1 {dims=[4,4], axes=[1]} : f32[4,4]
			%4 = broadcast %2 {dims=[4,4], axes=[0]} : f32[4,4]
			%5 = broadcast %1 {dims=[4,4], axes=[0]} : f32[4,4]
			%6 = sub %0, %3 : f32[4,4]
			%7 = sub %6, %4 : f32[4,4]
			%8 = sub %7, %5 : f32[4,4]
			%9 = mul %8, %8 : f32[4,4]
			%10 = sum %9 {axes=[0,1]} : f32[]
			output "y" = %8
			output "s" = %10`,
		"element types": `
			%0 = input {name="d"} : f64[4,6]
			%1 = exp %0 : f64[4,6]
			%2 = sum %1 {axes=[1]} : f64[4]
			%3 = contract %1, %0 {labels="mk,nk->mn"} : f64[4,4]
			%4 = input {name="i"} : i32[4,6]
			%5 = contract %4, %4 {labels="mk,nk->mn"} : i32[4,4]
			%6 = cast %4 {mode="u8"} : u8[4,6]
			%7 = sum %6 {axes=[0]} : u8[6]
			%8 = lt %4, %4 : bool[4,6]
			%9 = not %8 : bool[4,6]
			%10 = reduce_min %9 {axes=[0,1]} : bool[]
			%11 = cast %4 {mode="i64"} : i64[4,6]
			%12 = prod %11 {axes=[1]} : i64[4]
			output "a" = %2
			output "b" = %3
			output "c" = %5
			output "d" = %7
			output "e" = %10
			output "f" = %12`,
	} {
		t.Run(name, func(t *testing.T) {
			g, err := ir.Parse("graph g version=1 {" + body + "\n}")
			require.NoError(t, err)
			dev := interp.New(interp.WithPoison())
			want := run(t, dev, compile(t, g, passes.Config{Off: offs()["all"]}).Program)
			for seed := range uint64(4) {
				p := compile(t, g, passes.Config{Seed: seed}).Program
				requireSame(t, want, run(t, dev, p), 2e-5)
			}
		})
	}
}

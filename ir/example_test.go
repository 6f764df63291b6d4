package ir_test

import (
	"fmt"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

// A program is text, and reads back as the same program; types are inferred.
func ExampleParse() {
	g, err := ir.Parse(`graph f version=1 {
  %0 = input {name="x"} : f32[2,3]
  %1 = exp %0 : f32[2,3]
  %2 = sum %1 {axes=[1]} : f32[2]
  output "y" = %2
}
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(g.Nodes), g.Outputs[0].Node.Type)
	_, err = ir.Parse("graph f version=1 {\n  %0 = expp %1\n}\n")
	fmt.Println(err)
	// Output:
	// 3 f32[2]
	// 2:8: unknown operation "expp"; did you mean exp?
}

// A builder appends strict nodes: nothing broadcasts by itself. Package graph is the convenient way to write a model.
func ExampleBuilder() {
	b := ir.NewBuilder("f")
	x := b.Input("x", types.Of(types.F32, 2, 3))
	b.G.Outputs = []ir.Output{{Name: "y", Node: b.Sum(b.Mul(x, x), 1)}}
	fmt.Print(b.G)
	// Output:
	// graph f version=1 {
	//   %0 = input {name="x"} : f32[2,3]   // example_test.go:34
	//   %1 = mul %0, %0 : f32[2,3]   // example_test.go:35
	//   %2 = sum %1 {axes=[1]} : f32[2]   // example_test.go:35
	//   output "y" = %2
	// }
}

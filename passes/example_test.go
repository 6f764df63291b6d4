package passes_test

import (
	"fmt"

	"dumbtorch/ir"
	"dumbtorch/passes"
)

// The nodes of a softmax become one kernel, which keeps its temporaries to itself.
func ExampleCompile() {
	g, err := ir.Parse(`graph softmax version=1 {
  %0 = input {name="x"} : f32[8,10]
  %1 = exp %0 : f32[8,10]
  %2 = sum %1 {axes=[1]} : f32[8]
  %3 = broadcast %2 {dims=[8,10], axes=[0]} : f32[8,10]
  %4 = div %1, %3 : f32[8,10]
  output "y" = %4
}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fused, err := passes.Compile(g, &passes.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range fused.Program.Launches {
		fmt.Println(l.Kernel.Name, l.Kernel.Sched.Form, l.Label)
	}
	fmt.Println(fused.Program.ArenaSize, "bytes of temporaries")
	// Output:
	// rows0 rows exp sum div
	// 0 bytes of temporaries
}

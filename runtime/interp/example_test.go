package interp_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// A program in text form, run on the interpreter: the rows of a matrix without
// their mean.
func Example() {
	p, err := kernel.Parse(`program centre version=1 {
  arena 0
  buffer b0 input "x" f32[6]
  buffer b1 output "y" f32[6]
  kernel rows0 (p0: f32[6], p1: f32[6] out) rows(outer: i0; inner: i1) {
    axis i0 2
    axis i1 3
    %0 = load p0[3*i0 + i1] : f32
    %1 = fold add (i1) %0 : f32
    %2 = const 3.0 : f32
    %3 = div %1, %2 : f32
    %4 = sub %0, %3 : f32
    store p1[3*i0 + i1] over (i0, i1) = %4
  }
  launch rows0(b0, b1)
}
`)
	if err != nil {
		log.Fatal(err)
	}
	dev := interp.New()
	defer dev.Close()
	exe, err := dev.Compile(p)
	if err != nil {
		log.Fatal(err)
	}
	x, err := dev.Alloc(24)
	if err != nil {
		log.Fatal(err)
	}
	y, err := dev.Alloc(24)
	if err != nil {
		log.Fatal(err)
	}
	data := make([]byte, 24)
	for i, v := range []float32{1, 2, 3, 10, 10, 40} {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(v))
	}
	if err := x.CopyFrom(data); err != nil {
		log.Fatal(err)
	}
	if err := exe.Run(context.Background(), []device.Buffer{x}, []device.Buffer{y}); err != nil {
		log.Fatal(err)
	}
	if err := y.CopyTo(data); err != nil {
		log.Fatal(err)
	}
	for i := range 6 {
		fmt.Print(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])), " ")
	}
	// Output: -1 0 1 -10 -10 20
}

package tensor_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

func Example() {
	x, err := tensor.From([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x)
	data, err := tensor.Data[float32](x)
	if err != nil {
		log.Fatal(err)
	}
	data[0] = 0.5
	y, err := x.Reshape(3, 2)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(y)
	// Output:
	// f32[2,3]
	// [[1 2 3]
	//  [4 5 6]]
	// f32[3,2]
	// [[0.5   2]
	//  [  3   4]
	//  [  5   6]]
}

func ExampleAllClose() {
	got, _ := tensor.From([]float64{1, 2.5, 3}, 3)
	want, _ := tensor.From([]float64{1, 2, 3}, 3)
	fmt.Println(tensor.AllClose(got, want, 0, 1))
	fmt.Println(tensor.AllClose(got, want, 1e-5, 1e-8))
	// Output:
	// <nil>
	// tensor: 1 of 3 elements of f64[3] differ, worst at [1]: got 2.5, want 2 (difference 0.5, tolerance 2e-05)
}

func ExampleItem() {
	loss := tensor.Scalar(float32(0.25))
	v, err := tensor.Item[float32](loss)
	fmt.Println(v, err)
	_, err = tensor.Item[float64](loss)
	fmt.Println(err)
	// Output:
	// 0.25 <nil>
	// tensor: the elements of f32[] are read as f64
}

func ExampleTensor_Convert() {
	x, _ := tensor.From([]float64{1.9, -1.9, 300}, 3)
	fmt.Println(x.Convert(types.I32))
	_, err := x.Convert(types.U8)
	fmt.Println(err)
	// Output:
	// i32[3] [  1  -1 300] <nil>
	// tensor: convert f64[3] to u8: the element at [1] is -1.9, which does not fit
}

func ExampleWriteNPY() {
	x, _ := tensor.From([]int64{1, 2}, 2)
	var file bytes.Buffer
	if err := tensor.WriteNPY(&file, x); err != nil {
		log.Fatal(err)
	}
	y, err := tensor.ReadNPY(&file)
	fmt.Println(y, err, tensor.Equal(x, y))
	// Output: i64[2] [1 2] <nil> true
}

func ExampleWriteNPZ() {
	dir, err := os.MkdirTemp("", "npz")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "weights.npz")
	bias, _ := tensor.Full(float32(0.5), 2)
	weights := map[string]*tensor.Tensor{"fc1.bias": bias, "step": tensor.Scalar(int64(7))}
	if err := tensor.WriteNPZ(path, tensor.SortByName(weights)); err != nil {
		log.Fatal(err)
	}
	m, err := tensor.ReadNPZ(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m["fc1.bias"], m["step"])
	// Output: f32[2] [0.5 0.5] i64[] 7
}

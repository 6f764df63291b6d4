package data_test

import (
	"context"
	"fmt"

	"dumbtorch/nn/data"
	"dumbtorch/runtime/tensor"
)

func samples() *data.Tensors {
	x, err := tensor.From([]float32{0, .1, .2, .3, .4}, 5)
	if err != nil {
		panic(err)
	}
	d, err := data.FromTensors(data.Column{Name: "x", Tensor: x})
	if err != nil {
		panic(err)
	}
	return d
}

func ExampleLoader_Epoch() {
	l, err := data.NewLoader(samples(), data.Options{Batch: 2, Shuffle: true, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		for b, err := range l.Epoch(context.Background()) {
			if err != nil {
				fmt.Println(err)
				return
			}
			x, _ := tensor.Data[float32](b.Tensor("x"))
			fmt.Println(b.Position.Epoch, b.Position.Batch, x)
		}
	}
	// Output:
	// 0 0 [0 0.4]
	// 0 1 [0.3 0.1]
	// 0 2 [0.2]
	// 1 0 [0 0.2]
	// 1 1 [0.1 0.4]
	// 1 2 [0.3]
}

// A run that stopped goes on at the position that it saved.
func ExampleLoader_Position() {
	o := data.Options{Batch: 2}
	first, err := data.NewLoader(samples(), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range first.Epoch(context.Background()) {
		break
	}
	saved := first.Position()
	fmt.Printf("%+v\n", saved)

	o.Start = saved
	second, err := data.NewLoader(samples(), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	for b := range second.Epoch(context.Background()) {
		x, _ := tensor.Data[float32](b.Tensors[0])
		fmt.Println(x)
	}
	// Output:
	// {Epoch:0 Batch:1}
	// [0.2 0.3]
	// [0.4]
}

func ExampleSplit() {
	train, validation, err := data.Split(samples(), 4, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), validation.Len())
	// Output: 4 1
}

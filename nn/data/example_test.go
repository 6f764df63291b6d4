package data_test

import (
	"context"
	"fmt"
	"log"
	"strings"

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

func ExampleReadCSV() {
	const flowers = `sepal,petal,species
5.1,1.4,setosa
7.0,4.7,versicolor
`
	d, err := data.ReadCSV(strings.NewReader(flowers), data.CSV{Fields: []data.CSVField{
		{Name: "x", Columns: []string{"sepal", "petal"}},
		{Name: "y", Columns: []string{"species"}, Classes: []string{"setosa", "versicolor"}},
	}})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range d.Fields() {
		fmt.Println(f.Name, f.Type)
	}
	_, err = data.ReadCSV(strings.NewReader("x,y\n1,two\n"), data.CSV{Fields: []data.CSVField{{Name: "y"}}})
	fmt.Println(err)
	// Output:
	// x f32[2]
	// y i32[]
	// data: csv: line 2, column 3: "two" is not a number (column "y", field "y")
}

func ExampleNewWindows() {
	text := "to be or not to be"
	v, err := data.NewVocabulary(text)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := v.Encode(text)
	if err != nil {
		log.Fatal(err)
	}
	w, err := data.NewWindows(tokens, 8, 8)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q %d windows\n", v, w.Len())
	l, err := data.NewLoader(w, data.Options{Batch: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	b, err := l.Next(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	x, _ := tensor.Data[int32](b.Tensor("x"))
	y, _ := tensor.Data[int32](b.Tensor("y"))
	before, _ := v.Decode(x[:8])
	after, _ := v.Decode(y[:8])
	fmt.Printf("%q is followed by %q\n", before, after)
	// Output:
	// " benort" 2 windows
	// "to be or" is followed by "o be or "
}

package nn_test

import (
	"fmt"
	"log"

	"dumbtorch/graph"
	"dumbtorch/nn"
)

// A model is a struct of layers; its parameters are named by its fields.
type classifier struct{ FC1, FC2 *nn.Linear }

func (m *classifier) Forward(x *graph.Node) *graph.Node {
	return m.FC2.Forward(m.FC1.Forward(x).ReLU())
}

func Example() {
	m := &classifier{nn.NewLinear(784, 128), nn.NewLinear(128, 10)}
	fmt.Print(nn.Summary(m))
	g, err := graph.Build("loss", func(g *graph.Graph) {
		batch := graph.Dim("batch")
		x, y := g.Input("x", graph.F32, batch, 784), g.Input("y", graph.I32, batch)
		g.Output("loss", nn.CrossEntropy(m.Forward(x), y, nn.LabelSmoothing(0.1)))
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(g.DimNames(), len(g.Variables()))
	// Output:
	// parameter   type                  elements
	// fc1.weight  f32[128,784]            100352
	// fc1.bias    f32[128]                   128
	// fc2.weight  f32[10,128]               1280
	// fc2.bias    f32[10]                     10
	// total                               101770
	// [batch] 4
}

// Layers in a row are numbered, as in PyTorch.
func ExampleSequential() {
	m := nn.Sequential{nn.NewLinear(2, 8), nn.Tanh{}, nn.NewLinear(8, 1, nn.NoBias())}
	for _, p := range nn.Params(m) {
		fmt.Println(p.Name(), p.Type())
	}
	// Output:
	// 0.weight f32[8,2]
	// 0.bias f32[8]
	// 2.weight f32[1,8]
}

// A frozen parameter is not trained.
func ExampleTrainable() {
	m := &classifier{nn.NewLinear(784, 128), nn.NewLinear(128, 10)}
	for _, p := range nn.Params(m.FC1) {
		p.Freeze()
	}
	for _, p := range nn.Trainable(m) {
		fmt.Println(p.Name())
	}
	// Output:
	// fc2.weight
	// fc2.bias
}

// A convolutional network. Its state_dict is that of the same torch.nn.Sequential.
func ExampleNewConv2d() {
	m := nn.Sequential{
		nn.NewConv2d(1, 8, 3, nn.PaddingSame(), nn.NoBias()), nn.NewBatchNorm2d(8), nn.ReLU{}, nn.NewMaxPool2d(2),
		nn.NewConv2d(8, 8, 3, nn.Groups(8), nn.Stride(2)), nn.AdaptiveAvgPool{Parts: []int{1, 1}}, nn.Flatten{}, nn.NewLinear(8, 10),
	}
	fmt.Print(nn.Summary(m))
	_, err := graph.Build("classify", func(g *graph.Graph) {
		y := m.Forward(g.Input("x", graph.F32, graph.Dim("batch"), 1, 28, 28))
		fmt.Println(y.TypeString())
		g.Output("y", y)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// parameter              type                  elements
	// 0.weight               f32[8,1,3,3]                72
	// 1.weight               f32[8]                       8
	// 1.bias                 f32[8]                       8
	// 1.running_mean         f32[8]                       8  frozen
	// 1.running_var          f32[8]                       8  frozen
	// 1.num_batches_tracked  i64[]                        1  frozen
	// 4.weight               f32[8,1,3,3]                72
	// 4.bias                 f32[8]                       8
	// 7.weight               f32[10,8]                   80
	// 7.bias                 f32[10]                     10
	// total                                             275
	// trainable                                         258
	// f32[batch,10]
}

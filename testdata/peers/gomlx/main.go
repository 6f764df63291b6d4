// Command gomlx times the workloads of the benchmarks on GoMLX's pure-Go
// backend (the library as it comes), and gonum's matrix product:
//
//	cd testdata/peers/gomlx && go run . -threads 2
package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/gomlx/backends"
	"github.com/gomlx/gomlx/backends/simplego"
	. "github.com/gomlx/gomlx/pkg/core/graph"
	"github.com/gomlx/gomlx/pkg/core/tensors"
	"github.com/gomlx/gomlx/pkg/ml/context"
	"github.com/gomlx/gomlx/pkg/ml/layers/activations"
	"github.com/gomlx/gomlx/pkg/ml/train/losses"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

const (
	rows, cols  = 1024, 4096
	chain, side = 1 << 22, 1024
	batch       = 128
)

var sizes = []int{784, 512, 256, 10}

func normal(seed uint64, std float64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(std * r.NormFloat64())
	}
	return out
}

func tensor(seed uint64, dims ...int) *tensors.Tensor {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return tensors.FromFlatDataAndDimensions(normal(seed, 1, n), dims...)
}

// median returns the median over 7 windows of about 50 ms of the time of one
// call, in ms, after 3 calls.
func median(f func()) float64 {
	for range 3 {
		f()
	}
	t := time.Now()
	f()
	n := max(1, int(0.05/time.Since(t).Seconds()))
	var ts []float64
	for range 7 {
		t := time.Now()
		for range n {
			f()
		}
		ts = append(ts, time.Since(t).Seconds()*1e3/float64(n))
	}
	slices.Sort(ts)
	return ts[len(ts)/2]
}

func run(name, mode, only string, make func() func()) {
	if strings.Contains(name, only) {
		fmt.Printf("%-24s %-14s %10.4f ms\n", name, mode, median(make()))
		runtime.GC()
	}
}

// graphOf times a graph without state.
func graphOf(b backends.Backend, fn func(in []*Node) *Node, in ...*tensors.Tensor) func() func() {
	return func() func() {
		exec := MustNewExec(b, fn)
		var args []any
		for _, t := range in {
			t.MustMaterializeOnDevice(b, false, 0)
			args = append(args, t)
		}
		return func() { exec.MustExec1(args...).MustFinalizeAll() }
	}
}

// mlpStep is one training step: cross-entropy, SGD with momentum 0.9.
func mlpStep(b backends.Backend) func() {
	ctx := context.New()
	variable := func(ctx *context.Context, name string, data []float32, dims ...int) *context.Variable {
		return ctx.VariableWithValue(name, tensors.FromFlatDataAndDimensions(data, dims...))
	}
	exec := context.MustNewExec(b, ctx, func(ctx *context.Context, x, y *Node) *Node {
		ctx = ctx.Checked(false)
		g := x.Graph()
		h := x
		var params []*context.Variable
		for i := range sizes[1:] {
			n, m := sizes[i], sizes[i+1]
			w := variable(ctx, fmt.Sprintf("w%d", i), normal(uint64(10+i), 1/math.Sqrt(float64(n)), n*m), n, m)
			c := variable(ctx, fmt.Sprintf("b%d", i), make([]float32, m), m)
			params = append(params, w, c)
			h = Add(Dot(h, w.ValueGraph(g)), Reshape(c.ValueGraph(g), 1, m))
			if i < len(sizes)-2 {
				h = activations.Relu(h)
			}
		}
		loss := ReduceAllMean(losses.SparseCategoricalCrossEntropyLogits([]*Node{y}, []*Node{h}))
		var values []*Node
		for _, p := range params {
			values = append(values, p.ValueGraph(g))
		}
		for i, grad := range Gradient(loss, values...) {
			p := params[i]
			v := variable(ctx, "v_"+p.Name(), make([]float32, p.Shape().Size()), p.Shape().Dimensions...)
			next := Add(MulScalar(v.ValueGraph(g), 0.9), grad)
			v.SetValueGraph(next)
			p.SetValueGraph(Sub(values[i], MulScalar(next, 0.1)))
		}
		return loss
	})
	labels := make([]int32, batch)
	r := rand.New(rand.NewPCG(2, 0))
	for i := range labels {
		labels[i] = r.Int32N(int32(sizes[len(sizes)-1]))
	}
	x, y := tensor(1, batch, sizes[0]), tensors.FromFlatDataAndDimensions(labels, batch, 1)
	return func() { exec.MustExec1(x, y).MustFinalizeAll() }
}

func main() {
	threads := flag.Int("threads", 2, "GOMAXPROCS and the backend's parallelism")
	only := flag.String("only", "", "run only workloads whose name contains this")
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	b, err := simplego.New(fmt.Sprintf("parallelism=%d", *threads))
	if err != nil {
		panic(err)
	}
	run("ew_gelu_chain", "gomlx", *only, graphOf(b, func(in []*Node) *Node {
		return Add(MulScalar(activations.GeluApproximate(AddScalar(MulScalar(in[0], 1.5), 0.25)), 0.5), in[1])
	}, tensor(1, chain), tensor(2, chain)))
	x := tensor(1, rows, cols)
	run("ew_broadcast", "gomlx", *only, graphOf(b, func(in []*Node) *Node {
		return activations.Relu(Sub(Mul(Add(in[0], in[1]), in[2]), MulScalar(Abs(in[0]), 0.1)))
	}, x, tensor(2, 1, cols), tensor(3, rows, 1)))
	run("softmax_rows", "gomlx", *only, graphOf(b, func(in []*Node) *Node { return Softmax(in[0], -1) }, x))
	run("layernorm_rows", "gomlx", *only, graphOf(b, func(in []*Node) *Node {
		d := Sub(in[0], ReduceAndKeep(in[0], ReduceMean, -1))
		v := ReduceAndKeep(Square(d), ReduceMean, -1)
		return Add(Mul(Div(d, Sqrt(AddScalar(v, 1e-5))), in[1]), in[2])
	}, x, tensor(2, 1, cols), tensor(3, 1, cols)))
	run("sumsq_cols", "gomlx", *only, graphOf(b, func(in []*Node) *Node { return ReduceSum(Mul(in[0], in[0]), 0) }, x))
	run("gemm_f32", "gomlx", *only, graphOf(b, func(in []*Node) *Node { return Dot(in[0], in[1]) }, tensor(1, side, side), tensor(2, side, side)))
	run("gemm_f32", "gonum-sgemm", *only, func() func() {
		general := func(seed uint64) blas32.General {
			return blas32.General{Rows: side, Cols: side, Stride: side, Data: normal(seed, 1, side*side)}
		}
		p, q, c := general(1), general(2), general(3)
		return func() { blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, p, q, 0, c) }
	})
	run("train_mlp_mnist_b128", "gomlx", *only, func() func() { return mlpStep(b) })
}

package graph_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func in(g *graph.Graph, dims ...int) *graph.Node { return g.Input("x", graph.F32, dims...) }

var shared = graph.NewVariable("w", types.Of(graph.F32, 2, 3), nil)

// mistakes are models with one mistake each, always in the last line of the
// function. Their messages stand in testdata/errors.txt, with lines counted from
// the function's first.
var mistakes = []struct {
	name string
	f    func(g *graph.Graph)
}{
	{"add shapes", func(g *graph.Graph) { in(g, 2, 3).Add(graph.Zeros(g, graph.F32, 4)) }},
	{"add bool", func(g *graph.Graph) { g.Input("m", graph.Bool, 2).Add(g.Input("n", graph.Bool, 2)) }},
	{"add named", func(g *graph.Graph) { in(g, graph.Dim("batch"), 3).Add(g.Input("y", graph.F32, graph.Dim("seq"), 3)) }},
	{"add nil", func(g *graph.Graph) { in(g, 2).Add(nil) }},
	{"nil receiver", func(g *graph.Graph) { (*graph.Node)(nil).Add(in(g, 2)) }},
	{"zero node", func(g *graph.Graph) { new(graph.Node).Exp() }},
	{"nil graph", func(g *graph.Graph) { (*graph.Graph)(nil).Input("x", graph.F32) }},
	{"two lines", func(g *graph.Graph) {
		x := in(g, 64, 784)
		w := g.Input("w", graph.F32, 10, 128)
		x.MatMul(w)
	}},
	{"matmul scalar", func(g *graph.Graph) { in(g).MatMul(in2(g)) }},
	{"matmul batch", func(g *graph.Graph) { in(g, 2, 3, 4).MatMul(g.Input("y", graph.F32, 5, 4, 3)) }},
	{"matmul named", func(g *graph.Graph) { in(g, graph.Dim("batch"), 784).MatMul(g.Input("w", graph.F32, 10, 128)) }},
	{"matmul bool", func(g *graph.Graph) { g.Input("m", graph.Bool, 2, 2).MatMul(g.Input("n", graph.Bool, 2, 2)) }},
	{"dot", func(g *graph.Graph) { in(g, 2, 2).Dot(in2(g)) }},
	{"outer", func(g *graph.Graph) { in(g, 2, 2).Outer(in2(g)) }},
	{"scalar not integer", func(g *graph.Graph) { g.Input("i", graph.I32, 2).MulScalar(0.5) }},
	{"scalar out of range", func(g *graph.Graph) { g.Input("i", graph.U8, 2).AddScalar(300) }},
	{"full nan", func(g *graph.Graph) { graph.Full(g, graph.I64, math.NaN(), 2) }},
	{"full type", func(g *graph.Graph) { graph.Full(g, types.U32, 1, 2) }},
	{"clamp", func(g *graph.Graph) { in(g, 2).Clamp(2, 1) }},
	{"relu of bool", func(g *graph.Graph) { g.Input("m", graph.Bool, 2).ReLU() }},
	{"and of floats", func(g *graph.Graph) { in(g, 2).And(in2(g)) }},
	{"where condition", func(g *graph.Graph) { graph.Where(in(g, 2), in2(g), in2(g)) }},
	{"cast", func(g *graph.Graph) { in(g, 2).Cast(types.U32) }},
	{"reshape", func(g *graph.Graph) { in(g, 2, 3).Reshape(4) }},
	{"reshape rest", func(g *graph.Graph) { in(g, 2, 3).Reshape(4, -1) }},
	{"reshape two", func(g *graph.Graph) { in(g, 2, 3).Reshape(-1, -1) }},
	{"reshape negative", func(g *graph.Graph) { in(g, 2, 3).Reshape(-2, 3) }},
	{"reshape named", func(g *graph.Graph) { in(g, graph.Dim("batch"), 784).Reshape(28, 28) }},
	{"reshape empty", func(g *graph.Graph) { in(g, 0, 3).Reshape(0, -1) }},
	{"arithmetic on a name", func(g *graph.Graph) { g.Input("x", graph.F32, 2*graph.Dim("batch"), 784) }},
	{"next to a name", func(g *graph.Graph) { in(g, graph.Dim("batch")).Reshape(graph.Dim("batch") + 1) }},
	{"half of a name", func(g *graph.Graph) { in(g, graph.Dim("batch")).Reshape(graph.Dim("batch")/2, 2) }},
	{"product of names", func(g *graph.Graph) { g.Input("x", graph.F32, graph.Dim("batch")*graph.Dim("batch")) }},
	{"product of two names", func(g *graph.Graph) { g.Input("x", graph.F32, graph.Dim("batch")*graph.Dim("seq"), 3) }},
	{"slice to before a name", func(g *graph.Graph) { in(g, graph.Dim("batch")).Slice(0, 0, graph.Dim("batch")-1, 1) }},
	{"slice from a name's end", func(g *graph.Graph) { in(g, graph.Dim("batch")).Slice(0, -graph.Dim("batch"), graph.End, 1) }},
	{"divide by a name", func(g *graph.Graph) { in(g, graph.Dim("batch")).Sum().DivScalar(float64(graph.Dim("batch"))) }},
	{"rank of a product", func(g *graph.Graph) {
		x := graph.Ones(g, graph.F32, slices.Repeat([]int{1}, 14)...)
		graph.Einsum("abcdefghijklmn,opqrstuvwxyzAB->abcdefghijklmnopqrstuvwxyzAB", x, x)
	}},
	{"huge dimension", func(g *graph.Graph) { graph.Zeros(g, graph.F32, 1<<60) }},
	{"huge product", func(g *graph.Graph) { graph.Zeros(g, graph.F32, 1<<40).Outer(graph.Zeros(g, graph.F32, 1<<40)) }},
	{"flatten", func(g *graph.Graph) { in(g, 2, 3).Flatten(1, 0) }},
	{"squeeze", func(g *graph.Graph) { in(g, 2, 1).Squeeze(0) }},
	{"squeeze nothing", func(g *graph.Graph) { in(g, 2, 1).Squeeze() }},
	{"unsqueeze", func(g *graph.Graph) { in(g, 2, 1).Unsqueeze(4) }},
	{"broadcast_to", func(g *graph.Graph) { in(g, 2, 3).BroadcastTo(3, 3) }},
	{"transpose", func(g *graph.Graph) { in(g, 2, 3).Transpose(0, 0) }},
	{"transpose rank", func(g *graph.Graph) { in(g, 2, 3).Transpose(0, 1, 2) }},
	{"t", func(g *graph.Graph) { in(g, 2).T() }},
	{"slice step", func(g *graph.Graph) { in(g, 2).Slice(0, 0, 1, 0) }},
	{"slice axis", func(g *graph.Graph) { in(g, 2).Slice(1, 0, 1, 1) }},
	{"index", func(g *graph.Graph) { in(g, 2, 3).Index(0, 2) }},
	{"split", func(g *graph.Graph) { in(g, 4).Split(0, 1, 2) }},
	{"pad count", func(g *graph.Graph) { in(g, 2, 3).Pad(0, graph.Padding{Low: 1}) }},
	{"pad too little", func(g *graph.Graph) { in(g, 2).Pad(0, graph.Padding{Low: -3}) }},
	{"pad interior", func(g *graph.Graph) { in(g, 2).Pad(0, graph.Padding{Interior: -1}) }},
	{"pad value", func(g *graph.Graph) { g.Input("i", graph.I32, 2).Pad(math.Inf(1), graph.Padding{}) }},
	{"pad huge", func(g *graph.Graph) { in(g, 3).Pad(0, graph.Padding{Interior: 1 << 48}) }},
	{"concat shapes", func(g *graph.Graph) { graph.Concat(0, in(g, 2, 3), g.Input("y", graph.F32, 2, 4)) }},
	{"concat ranks", func(g *graph.Graph) { graph.Concat(0, in(g, 2, 3), g.Input("y", graph.F32, 2)) }},
	{"concat nothing", func(g *graph.Graph) { graph.Concat(0) }},
	{"stack", func(g *graph.Graph) { graph.Stack(0, in(g, 2), g.Input("y", graph.F32, 3)) }},
	{"window size", func(g *graph.Graph) { in(g, 2).Window(graph.Window{Axes: []int{0}, Size: []int{3}}) }},
	{"window lists", func(g *graph.Graph) { in(g, 2).Window(graph.Window{Axes: []int{0}, Size: []int{1, 1}}) }},
	{"window no size", func(g *graph.Graph) { in(g, 2).Window(graph.Window{Axes: []int{0}}) }},
	{"window order", func(g *graph.Graph) { in(g, 2, 2).Window(graph.Window{Axes: []int{1, 0}, Size: []int{1, 1}}) }},
	{"unwindow", func(g *graph.Graph) { in(g, 2, 2).Unwindow(graph.Window{Axes: []int{0}, Size: []int{2}}, 4) }},
	{"sum axis", func(g *graph.Graph) { in(g, 2, 3).Sum(2) }},
	{"sum axis twice", func(g *graph.Graph) { in(g, 2, 3).Sum(1, -1) }},
	{"mean of integers", func(g *graph.Graph) { g.Input("i", graph.I64, 2).Mean() }},
	{"amax of nothing", func(g *graph.Graph) { in(g, 2, 0).Amax(1) }},
	{"argmax of nothing", func(g *graph.Graph) { in(g, 2, 0).ArgMax(-1) }},
	{"max of two", func(g *graph.Graph) { in(g, 2, 3).Max(1, 0) }},
	{"softmax of integers", func(g *graph.Graph) { g.Input("i", graph.I64, 2).Softmax(0) }},
	{"log_softmax axis", func(g *graph.Graph) { in(g, 2).LogSoftmax(-2) }},
	{"einsum count", func(g *graph.Graph) { graph.Einsum("ij,jk->ik", in(g, 2, 3)) }},
	{"einsum rank", func(g *graph.Graph) { graph.Einsum("ijk->k", in(g, 2, 3)) }},
	{"einsum sizes", func(g *graph.Graph) { graph.Einsum("ij,jk->ik", in(g, 2, 3), in2(g)) }},
	{"einsum result", func(g *graph.Graph) { graph.Einsum("ij->il", in(g, 2, 3)) }},
	{"einsum diagonal", func(g *graph.Graph) { graph.Einsum("ii->i", in(g, 2, 3)) }},
	{"einsum diagonal of one", func(g *graph.Graph) { graph.Einsum("ii->i", in(g, 1, 3)) }},
	{"einsum repeated result", func(g *graph.Graph) { graph.Einsum("ij->ii", in(g, 2, 3)) }},
	{"einsum of bool", func(g *graph.Graph) { graph.Einsum("i->i", g.Input("m", graph.Bool, 2)) }},
	{"einsum label", func(g *graph.Graph) { graph.Einsum("i0->i", in(g, 2, 2)) }},
	{"einsum two ellipses", func(g *graph.Graph) { graph.Einsum("i......->i", in(g, 2, 2)) }},
	{"einsum batch", func(g *graph.Graph) { graph.Einsum("...i,...i->...", in(g, 3, 2), g.Input("y", graph.F32, 4, 2)) }},
	{"einsum dim", func(g *graph.Graph) { graph.Einsum("ij,jk->ik", in(g, 2, 3), g.Input("y", graph.F32, 4, 2)) }},
	{"einsum ellipsis", func(g *graph.Graph) { graph.Einsum("ijk...->i", in(g, 2, 2)) }},
	{"einsum three", func(g *graph.Graph) { graph.Einsum("i,i,ij->i", in(g, 2), in2(g), in2(g)) }},
	{"gather index type", func(g *graph.Graph) { in(g, 2).Gather(0, in2(g)) }},
	{"gather rank", func(g *graph.Graph) { in(g, 2, 3).Gather(0, g.Input("i", graph.I32, 2)) }},
	{"gather size", func(g *graph.Graph) { in(g, 2, 3).Gather(0, g.Input("i", graph.I32, 2, 4)) }},
	{"take of nothing", func(g *graph.Graph) { in(g, 0, 3).Take(0, g.Input("i", graph.I32, 2)) }},
	{"scatter_add source", func(g *graph.Graph) { in(g, 2, 3).ScatterAdd(0, g.Input("i", graph.I32, 2, 2), in2(g)) }},
	{"one_hot type", func(g *graph.Graph) { in(g, 2).OneHot(3, graph.F32) }},
	{"one_hot classes", func(g *graph.Graph) { g.Input("i", graph.I32, 2).OneHot(-3, graph.F32) }},
	{"arange", func(g *graph.Graph) { graph.Arange(g, graph.F32, 0, 1, -1) }},
	{"arange step", func(g *graph.Graph) { graph.Arange(g, graph.I32, 0, 1, 0.5) }},
	{"arange of bool", func(g *graph.Graph) { graph.Arange(g, graph.Bool, 0, 2, 1) }},
	{"arange to a name", func(g *graph.Graph) { graph.Arange(g, graph.F32, 0, float64(graph.Dim("batch")), 1) }},
	{"keepdims alone", func(g *graph.Graph) { in(g, 2).Softmax(graph.KeepDims) }},
	{"floor_div of bool", func(g *graph.Graph) { g.Input("m", graph.Bool, 2).FloorDiv(g.Input("n", graph.Bool, 2)) }},
	{"iota axis", func(g *graph.Graph) { graph.Iota(g, graph.I32, 2, 1, 1) }},
	{"constant size", func(g *graph.Graph) { graph.Constant(g, []float32{1, 2, 3}, 2) }},
	{"constant nil", func(g *graph.Graph) { graph.ConstantOf(g, nil) }},
	{"zero tensor", func(g *graph.Graph) { graph.ConstantOf(g, new(tensor.Tensor)) }},
	{"huge", func(g *graph.Graph) { graph.Zeros(g, graph.F32, 1<<30, 1<<30) }},
	{"uniform bounds", func(g *graph.Graph) { graph.Uniform(g, graph.F32, 1, 0, 2) }},
	{"normal type", func(g *graph.Graph) { graph.Normal(g, graph.I32, 0, 1, 2) }},
	{"normal std", func(g *graph.Graph) { graph.Normal(g, graph.F32, 0, -1, 2) }},
	{"input twice", func(g *graph.Graph) { in(g, 2); g.Input("x", graph.I32) }},
	{"input without name", func(g *graph.Graph) { g.Input("", graph.F32, 2) }},
	{"input type", func(g *graph.Graph) { g.Input("x", types.DType(200), 2) }},
	{"input negative", func(g *graph.Graph) { g.Input("x", graph.F32, -1, 2) }},
	{"output twice", func(g *graph.Graph) {
		g.Output("y", in(g, 2))
		g.Output("y", g.Input("y", graph.F32))
	}},
	{"output nil", func(g *graph.Graph) { g.Output("y", nil) }},
	{"output without name", func(g *graph.Graph) { g.Output("", in(g, 2)) }},
	{"dim bounds", func(g *graph.Graph) { in(g, graph.BoundedDim("n", 4)).Add(g.Input("y", graph.F32, graph.Dim("n"))) }},
	{"dim without name", func(g *graph.Graph) { in(g, graph.Dim("")) }},
	{"variable nil", func(g *graph.Graph) { g.Var(nil) }},
	{"variable zero", func(g *graph.Graph) { g.Var(new(graph.Variable)) }},
	{"variable type", func(g *graph.Graph) { g.Var(graph.NewVariable("v", types.Of(types.U32), nil)) }},
	{"assign type", func(g *graph.Graph) { g.Assign(shared, in(g, 2, 3).Cast(graph.F64)) }},
	{"assign twice", func(g *graph.Graph) { g.Assign(shared, g.Var(shared)); g.Assign(shared, g.Var(shared)) }},
	{"assign nil", func(g *graph.Graph) { g.Assign(shared, nil) }},
	{"other graph", func(g *graph.Graph) { in(g, 2).Add(foreign) }},
	{"after build", func(g *graph.Graph) { foreign.Exp() }},
	{"input after build", func(g *graph.Graph) { foreign.Graph().Input("z", graph.F32) }},
	{"grad not scalar", func(g *graph.Graph) { x := in(g, 2); g.Grad(x, x) }},
	{"grad of integers", func(g *graph.Graph) { x := in(g, 2); g.Grad(x.Cast(graph.I32).Sum(), x) }},
	{"grad with respect to integers", func(g *graph.Graph) { i := g.Input("i", graph.I32); g.Grad(i.Cast(graph.F32), i) }},
	{"grad unreached", func(g *graph.Graph) { w := g.Var(shared); g.Grad(in(g), w) }},
	{"grad unreached two", func(g *graph.Graph) { w := g.Var(shared); g.Grad(in2(g).Sum(), w, in(g), w.Exp()) }},
	{"grad nil", func(g *graph.Graph) { g.Grad(nil) }},
	{"vjp count", func(g *graph.Graph) { x := in(g); graph.VJP([]*graph.Node{x}, nil, []*graph.Node{x}) }},
	{"vjp type", func(g *graph.Graph) { x := in(g); graph.VJP([]*graph.Node{x}, []*graph.Node{in2(g)}, []*graph.Node{x}) }},
	{"vjp unreached", func(g *graph.Graph) { x := in(g); graph.VJP([]*graph.Node{x}, []*graph.Node{x}, []*graph.Node{in2(g)}) }},
	{"custom_vjp nil", func(g *graph.Graph) { graph.CustomVJP(nil, nil, in(g)) }},
	{"custom_vjp returns nil", func(g *graph.Graph) {
		graph.CustomVJP(func([]*graph.Node) *graph.Node { return nil }, func(_ []*graph.Node, _, _ *graph.Node) []*graph.Node { return nil }, in(g))
	}},
	{"custom_vjp count", func(g *graph.Graph) { x := in(g); g.Grad(custom(x), x) }},
	{"custom_vjp type", func(g *graph.Graph) { x := in(g); g.Grad(custom(x, in2(g).Sum(), in2(g)), x) }},
	{"no_grad nil", func(g *graph.Graph) { g.NoGrad(nil) }},
	{"too many dimensions", func(g *graph.Graph) { graph.Zeros(g, graph.F32, make([]int, 30)...) }},
	{"square of bool", func(g *graph.Graph) { g.Input("m", graph.Bool, 2).Square() }},
	{"frac of integers", func(g *graph.Graph) { g.Input("i", graph.I32, 2).Frac() }},
	{"fmod of bool", func(g *graph.Graph) { g.Input("m", graph.Bool, 2).FMod(g.Input("n", graph.Bool, 2)) }},
	{"lerp of integers", func(g *graph.Graph) {
		g.Input("i", graph.I32, 2).Lerp(g.Input("j", graph.I32, 2), g.Input("k", graph.I32, 2))
	}},
	{"addcdiv of integers", func(g *graph.Graph) {
		g.Input("i", graph.I32, 2).AddCDiv(1, g.Input("j", graph.I32, 2), g.Input("k", graph.I32, 2))
	}},
	{"addcmul value", func(g *graph.Graph) {
		g.Input("i", graph.I32, 2).AddCMul(0.5, g.Input("j", graph.I32, 2), g.Input("k", graph.I32, 2))
	}},
	{"cumsum axis", func(g *graph.Graph) { in(g, 2).CumSum(1) }},
	{"cummax axis", func(g *graph.Graph) { in(g, 2).CumMax(-2) }},
	{"logcumsumexp of integers", func(g *graph.Graph) { g.Input("i", graph.I32, 2).LogCumSumExp(0) }},
	{"diff axis", func(g *graph.Graph) { in(g).Diff(0) }},
	{"var of integers", func(g *graph.Graph) { g.Input("i", graph.I32, 2).Var(1) }},
	{"std axis", func(g *graph.Graph) { in(g, 2).Std(0, 1) }},
	{"std correction", func(g *graph.Graph) { in(g, 2).Std(math.NaN()) }},
	{"norm of integers", func(g *graph.Graph) { g.Input("i", graph.I32, 2).Norm(2) }},
	{"norm order", func(g *graph.Graph) { in(g, 2).Norm(math.NaN()) }},
	{"norm of nothing", func(g *graph.Graph) { in(g, 2, 0).Norm(math.Inf(1), 1) }},
	{"tril of vector", func(g *graph.Graph) { in(g, 2).Tril(0) }},
	{"triu of scalar", func(g *graph.Graph) { in(g).Triu(0) }},
	{"diagonal axes", func(g *graph.Graph) { in(g, 2, 2).Diagonal(0, 1, -1) }},
	{"diagonal of vector", func(g *graph.Graph) { in(g, 2).Diagonal(0, 0, 1) }},
	{"diag_embed of scalar", func(g *graph.Graph) { in(g).DiagEmbed() }},
	{"trace of vector", func(g *graph.Graph) { in(g, 2).Trace() }},
	{"eye size", func(g *graph.Graph) { graph.Eye(g, graph.F32, -1, 2) }},
	{"tensordot pairs", func(g *graph.Graph) { in(g, 2, 3).TensorDot(in2(g), []int{0, 1}, []int{0}) }},
	{"tensordot sizes", func(g *graph.Graph) { in(g, 2, 3).TensorDot(in2(g), []int{1}, []int{0}) }},
	{"tensordot twice", func(g *graph.Graph) { in(g, 2, 2).TensorDot(in2(g), []int{1, 1}, []int{0, 0}) }},
	{"roll axis", func(g *graph.Graph) { in(g, 2).Roll(1, 1) }},
	{"repeat count", func(g *graph.Graph) { in(g, 2, 3).Repeat(2) }},
	{"repeat negative", func(g *graph.Graph) { in(g, 2).Repeat(-2) }},
	{"tile huge", func(g *graph.Graph) { in(g, 2).Tile(1 << 48) }},
	{"repeat_interleave count", func(g *graph.Graph) { in(g, 4).RepeatInterleave(0, 1, 2) }},
	{"chunk nothing", func(g *graph.Graph) { in(g, 4).Chunk(0, 0) }},
	{"unbind axis", func(g *graph.Graph) { in(g).Unbind(0) }},
	{"unflatten", func(g *graph.Graph) { in(g, 4).Unflatten(0, 3, -1) }},
	{"move_axis", func(g *graph.Graph) { in(g, 4, 2).MoveAxis(0, 2) }},
	{"masked_fill mask", func(g *graph.Graph) { in(g, 2).MaskedFill(in2(g), 1) }},
	{"masked_fill value", func(g *graph.Graph) { g.Input("i", graph.U8, 2).MaskedFill(g.Input("m", graph.Bool, 2), -1) }},
	{"masked_fill shapes", func(g *graph.Graph) { in(g, 2).MaskedFill(g.Input("m", graph.Bool, 3), 1) }},
	{"linspace of integers", func(g *graph.Graph) { graph.Linspace(g, graph.I32, 0, 1, 3) }},
	{"glu of odd", func(g *graph.Graph) { in(g, 2, 3).GLU(-1) }},
	{"glu axis", func(g *graph.Graph) { in(g).GLU(0) }},
	{"celu", func(g *graph.Graph) { in(g, 2).CELU(0) }},
	{"softplus", func(g *graph.Graph) { in(g, 2).Softplus(0) }},
	{"hardtanh", func(g *graph.Graph) { in(g, 2).HardTanh(1, math.NaN()) }},
	{"softshrink", func(g *graph.Graph) { in(g, 2).SoftShrink(-1) }},
	{"fail", func(g *graph.Graph) { graph.Fail("my_layer", "%d heads do not divide %d channels", 3, 64) }},
}

// in2 is another input of shape [2].
func in2(g *graph.Graph) *graph.Node { return g.Input(fmt.Sprint("y", len(g.Inputs())), graph.F32, 2) }

// custom has a gradient that returns its operands but the first.
func custom(xs ...*graph.Node) *graph.Node {
	return graph.CustomVJP(func(xs []*graph.Node) *graph.Node { return xs[0].Sin() },
		func(xs []*graph.Node, _, ct *graph.Node) []*graph.Node {
			if len(xs) == 1 {
				return nil
			}
			return []*graph.Node{xs[2], nil, nil}
		}, xs...)
}

var foreign = func() (x *graph.Node) {
	_, err := graph.Build("other", func(g *graph.Graph) {
		x = g.Input("x", graph.F32, 2)
		g.Output("y", x)
	})
	if err != nil {
		panic(err)
	}
	return x
}()

var position = regexp.MustCompile(`^errors_test\.go:(\d+): `)

// relative replaces the line of a message by its distance from that of f.
func relative(t *testing.T, msg string, f func(*graph.Graph)) string {
	m := position.FindStringSubmatch(msg)
	require.NotNil(t, m, "%q does not begin with the line of the model", msg)
	line, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	_, start := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).FileLine(reflect.ValueOf(f).Pointer())
	rest := regexp.MustCompile(`errors_test\.go:\d+`).ReplaceAllString(msg[len(m[0]):], "errors_test.go:N")
	return fmt.Sprintf("+%d: %s", line-start, rest)
}

// TestErrors compares the messages with testdata/errors.txt: the name of a case, then its message in an indented line.
func TestErrors(t *testing.T) {
	file := filepath.Join("testdata", "errors.txt")
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	want := map[string]string{}
	for entry := range strings.SplitSeq(string(golden), "\n\n") {
		name, msg, _ := strings.Cut(strings.TrimSpace(entry), "\n")
		want[name] = strings.TrimSpace(msg)
	}
	if !*update {
		require.Equal(t, len(mistakes), len(want), "cases in the golden file: run with -update")
	}
	var all []string
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			g, err := graph.Build("model", m.f)
			require.Nil(t, g)
			var e *graph.Error
			require.ErrorAs(t, err, &e)
			require.NotContains(t, err.Error(), "has no output", "the mistake was not noticed")
			got := relative(t, err.Error(), m.f)
			all = append(all, m.name+"\n\t"+got)
			if !*update {
				require.Equal(t, want[m.name], got)
			}
		})
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(all, "\n\n")+"\n"), 0o644))
	}
}

package interp_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
)

// Softmax over rows of 3: the row's folds run over the axis of the output loop.
func TestFoldOverAnAxisOfTheLoop(t *testing.T) {
	b := kernel.NewBuilder()
	r, i := b.NewAxis("r", 2), b.NewAxis("i", 3)
	at := b.IAdd(b.IMul(b.Var(r), 3), b.Var(i))
	x := b.Load(0, at, types.F32)
	e := b.Un(kernel.Exp, b.Bin(kernel.Sub, x, b.FoldAxes(kernel.Max, []*kernel.Axis{i}, x)))
	y := b.Bin(kernel.Div, e, b.FoldAxes(kernel.Add, []*kernel.Axis{i}, e))
	k := kern(b, []kernel.Param{f32s(6), f32s(6)}, []*kernel.Axis{r, i}, at, y)
	got, err := run(t, interp.New(), single(k), floatBytes(1, 2, 3, 10, 10, 10))
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0.09003057, 0.24472847, 0.66524096, 1. / 3, 1. / 3, 1. / 3}, got[0], 1e-7)
}

// 1 + 2^-24 is 1 in f32: a sum of f32 accumulates in f32, in order.
func TestFoldsRoundToTheirType(t *testing.T) {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", 3)
	sum := b.FoldAxes(kernel.Add, []*kernel.Axis{i}, b.Load(0, b.Var(i), types.F32))
	k := kern(b, []kernel.Param{f32s(3), f32s(1)}, nil, b.Int(0), sum)
	got, err := run(t, interp.New(), single(k), floatBytes(1, 0x1p-24, 0x1p-24))
	require.NoError(t, err)
	require.Equal(t, []float64{1}, got[0])
	got, err = run(t, interp.New(), single(k), floatBytes(0x1p-24, 0x1p-24, 1))
	require.NoError(t, err)
	require.Equal(t, []float64{1 + 0x1p-23}, got[0])
}

// A kernel reads its parameters as they were before it ran: here it swaps two
// variables.
func TestStoresComeAfterAllValues(t *testing.T) {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", 3)
	k := &kernel.Kernel{Name: "swap", Params: []kernel.Param{f32s(3), f32s(3), f32s(3), f32s(3)}, Axes: b.Axes(), Sched: kernel.Schedule{Form: kernel.Pointwise}}
	for from := range 2 {
		k.Params[2+from].Out = true
		k.Stores = append(k.Stores, kernel.Store{Axes: b.Axes(), Param: 2 + from, Index: b.Var(i), Value: b.Load(from, b.Var(i), types.F32)})
	}
	p := &kernel.Program{Name: "test", Buffers: []kernel.Buffer{buf(kernel.VariableBuffer, 3), buf(kernel.VariableBuffer, 3)}}
	p.Buffers[1].Name = "other"
	p.Launches = []kernel.Launch{launch(k, 0, 1, 1, 0)}
	got, err := run(t, interp.New(), p, floatBytes(1, 2, 3), floatBytes(4, 5, 6))
	require.NoError(t, err)
	require.Equal(t, [][]float64{{4, 5, 6}, {1, 2, 3}}, got)
}

// The known answer of Threefry-2x32-20 for key and counter zero, from the
// test vectors of Random123. As a tree the expression could not be evaluated.
func TestSharedExpressionsAreEvaluatedOnce(t *testing.T) {
	b := kernel.NewBuilder()
	zero := b.Load(0, b.Int(0), types.U32)
	w0, w1 := b.Threefry(zero, zero, zero, zero)
	k := &kernel.Kernel{
		Name: "k", Params: []kernel.Param{{DType: types.U32, Len: 1}, {DType: types.U32, Len: 2, Out: true}},
		Stores: []kernel.Store{{Param: 1, Index: b.Int(0), Value: w0}, {Param: 1, Index: b.Int(1), Value: w1}},
	}
	got, err := run(t, interp.New(), single(k), make([]byte, 4))
	require.NoError(t, err)
	require.Equal(t, []float64{word(0x6b200159), word(0x99ba4efe)}, got[0])
}

// word is the float of the given bits.
func word(bits uint32) float64 { return float64(math.Float32frombits(bits)) }

package interp_test

import (
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
	k := kern(b, []kernel.Param{f32s(6)}, f32s(6), kernel.Store{Axes: []*kernel.Axis{r, i}, Index: at, Value: y})
	outs, _, err := run(t, interp.New(), single(k), floats(1, 2, 3, 10, 10, 10))
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{0.09003057, 0.24472847, 0.66524096, 1. / 3, 1. / 3, 1. / 3}, outs[0], 1e-7)
}

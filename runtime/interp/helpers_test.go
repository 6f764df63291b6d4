package interp_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// Programs here are over f32; runtime/backendtest covers the other types.

func floatBytes(vs ...float64) []byte {
	out := []byte{}
	for _, v := range vs {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
	}
	return out
}

func floatsOf(b []byte) []float64 {
	out := []float64{}
	for ; len(b) > 0; b = b[4:] {
		out = append(out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}
	return out
}

func f32s(n int) kernel.Param { return kernel.Param{DType: types.F32, Len: n} }
func i32s(n int) kernel.Param { return kernel.Param{DType: types.I32, Len: n} }

// kern is a kernel whose last parameter is the one written.
func kern(b *kernel.Builder, params []kernel.Param, axes []*kernel.Axis, at, v *kernel.Expr) *kernel.Kernel {
	params[len(params)-1].Out = true
	k := &kernel.Kernel{
		Name: "k", Params: params, Axes: b.Axes(),
		Stores: []kernel.Store{{Axes: axes, Param: len(params) - 1, Index: at, Value: v}},
	}
	for range b.Sites {
		k.Sites = append(k.Sites, "gather")
	}
	return k
}

// scale is called k and c; it multiplies n numbers by c.
func scale(n int, c float64) *kernel.Kernel {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", n)
	k := kern(b, []kernel.Param{f32s(n), f32s(n)}, []*kernel.Axis{i}, b.Var(i), b.Bin(kernel.Mul, b.Load(0, b.Var(i), types.F32), b.Const(types.F32, c)))
	k.Name += fmt.Sprint(c)
	k.Sched = kernel.Schedule{Form: kernel.Pointwise, Outer: k.Axes}
	return k
}

func buf(kind kernel.BufferKind, n int) kernel.Buffer {
	return kernel.Buffer{Name: kind.String(), Kind: kind, DType: types.F32, Len: n}
}

func temp(n int, offset int64) kernel.Buffer {
	return kernel.Buffer{Kind: kernel.TempBuffer, DType: types.F32, Len: n, Offset: offset}
}

func launch(k *kernel.Kernel, args ...int) kernel.Launch {
	l := kernel.Launch{Kernel: k, Args: args, Label: "mul model.go:7"}
	for range k.Sites {
		l.Pos = append(l.Pos, "model.go:7: gather")
	}
	return l
}

// single is the program of one launch, whose read parameters are inputs.
func single(k *kernel.Kernel) *kernel.Program {
	p := &kernel.Program{Name: "test"}
	l := launch(k)
	for i, q := range k.Params {
		b := kernel.Buffer{Name: fmt.Sprint("p", i), Kind: kernel.InputBuffer, DType: q.DType, Len: q.Len}
		if q.Out {
			b.Kind = kernel.OutputBuffer
		}
		l.Args = append(l.Args, i)
		p.Buffers = append(p.Buffers, b)
	}
	p.Launches = []kernel.Launch{l}
	return p
}

// run runs a program on bytes for its inputs and variables and returns the
// outputs and, after them, the variables.
func run(t *testing.T, dev *interp.Device, p *kernel.Program, in ...[]byte) ([][]float64, error) {
	t.Helper()
	return runIn(t, context.Background(), dev, p, in...)
}

func runIn(t *testing.T, ctx context.Context, dev *interp.Device, p *kernel.Program, in ...[]byte) ([][]float64, error) {
	t.Helper()
	exe, err := dev.Compile(p)
	require.NoError(t, err)
	defer func() { require.NoError(t, exe.Close()) }()
	var ib, ob []device.Buffer
	alloc := func(n int64) device.Buffer {
		b, err := dev.Alloc(n)
		require.NoError(t, err)
		t.Cleanup(b.Release)
		return b
	}
	for _, a := range in {
		b := alloc(int64(len(a)))
		require.NoError(t, b.CopyFrom(a))
		ib = append(ib, b)
	}
	for _, n := range p.Of(kernel.OutputBuffer) {
		ob = append(ob, alloc(p.Buffers[n].Bytes()))
	}
	err = exe.Run(ctx, ib, ob)
	var results [][]float64
	for _, b := range append(ob, ib[len(p.Of(kernel.InputBuffer)):]...) {
		data := make([]byte, b.Bytes())
		require.NoError(t, b.CopyTo(data))
		results = append(results, floatsOf(data))
	}
	return results, err
}

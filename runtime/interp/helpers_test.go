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

// array is a value for a buffer.
type array struct {
	d types.DType
	v []float64
}

func floats(v ...float64) array { return array{types.F32, v} }
func ints(v ...float64) array   { return array{types.I32, v} }

func bytesOf(a array) []byte {
	var out []byte
	for _, v := range a.v {
		switch s := kernel.FloatScalar(a.d, v); a.d {
		case types.F32:
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
		case types.F64:
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		case types.Bool, types.U8:
			out = append(out, byte(s.Int()))
		case types.I64:
			out = binary.LittleEndian.AppendUint64(out, uint64(s.Int()))
		default:
			out = binary.LittleEndian.AppendUint32(out, uint32(s.Int()))
		}
	}
	return out
}

func valuesOf(d types.DType, b []byte) []float64 {
	var out []float64
	for ; len(b) > 0; b = b[d.Size():] {
		var v float64
		switch d {
		case types.F32:
			v = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		case types.F64:
			v = math.Float64frombits(binary.LittleEndian.Uint64(b))
		case types.Bool, types.U8:
			v = float64(b[0])
		case types.U32:
			v = float64(binary.LittleEndian.Uint32(b))
		case types.I32:
			v = float64(int32(binary.LittleEndian.Uint32(b)))
		default:
			v = float64(int64(binary.LittleEndian.Uint64(b)))
		}
		out = append(out, v)
	}
	return out
}

// single is a program of one launch, whose read parameters are inputs.
func single(k *kernel.Kernel, pos ...string) *kernel.Program {
	p := &kernel.Program{Name: "test"}
	l := kernel.Launch{Kernel: k, Pos: pos, Label: "test"}
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

// run compiles and runs a program and returns the outputs and the variables.
func run(t *testing.T, dev *interp.Device, p *kernel.Program, in ...array) (outs, vars [][]float64, err error) {
	t.Helper()
	exe, err := dev.Compile(p)
	require.NoError(t, err)
	defer func() { require.NoError(t, exe.Close()) }()
	var ib, ob []device.Buffer
	for _, a := range in {
		b, err := dev.Alloc(int64(len(bytesOf(a))))
		require.NoError(t, err)
		defer b.Release()
		require.NoError(t, b.CopyFrom(bytesOf(a)))
		ib = append(ib, b)
	}
	read := func(b device.Buffer, d types.DType) []float64 {
		data := make([]byte, b.Bytes())
		require.NoError(t, b.CopyTo(data))
		return valuesOf(d, data)
	}
	outNums := p.Of(kernel.OutputBuffer)
	for _, n := range outNums {
		b, err := dev.Alloc(p.Buffers[n].Bytes())
		require.NoError(t, err)
		defer b.Release()
		ob = append(ob, b)
	}
	err = exe.Run(context.Background(), ib, ob)
	for i, n := range outNums {
		outs = append(outs, read(ob[i], p.Buffers[n].DType))
	}
	inputs := len(p.Of(kernel.InputBuffer))
	for i, n := range p.Of(kernel.VariableBuffer) {
		vars = append(vars, read(ib[inputs+i], p.Buffers[n].DType))
	}
	return outs, vars, err
}

// kern is a kernel with one written parameter, the last.
func kern(b *kernel.Builder, params []kernel.Param, out kernel.Param, stores ...kernel.Store) *kernel.Kernel {
	out.Out = true
	for i := range stores {
		stores[i].Param = len(params)
	}
	return &kernel.Kernel{Name: "k", Params: append(params, out), Axes: b.Axes(), Stores: stores}
}

func f32s(n int) kernel.Param { return kernel.Param{DType: types.F32, Len: n} }
func i32s(n int) kernel.Param { return kernel.Param{DType: types.I32, Len: n} }

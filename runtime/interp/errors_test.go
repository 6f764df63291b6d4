package interp_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// Mistakes of a compiler are errors that name kernel, parameter and index: here
// the guard is that of another element.
func TestIndexOutsideOfItsBuffer(t *testing.T) {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", 4)
	for _, c := range []struct {
		guard    *kernel.Expr
		shift    int64
		contains string
	}{
		{b.Ge0(b.IAdd(b.Var(i), b.Int(-1))), 2, "program test: kernel k (launch 0, mul model.go:7): parameter p0: index 4 is out of range [0,4)"},
		{b.Ge0(b.ISub(b.Int(2), b.Var(i))), -1, "parameter p0: index -1 is out of range [0,4)"},
	} {
		x := b.If(c.guard, b.Load(0, b.IAdd(b.Var(i), b.Int(c.shift)), types.F32), b.Const(types.F32, 0))
		_, err := run(t, interp.New(), single(kern(b, []kernel.Param{f32s(4), f32s(4)}, []*kernel.Axis{i}, b.Var(i), x)), floatBytes(1, 2, 3, 4))
		require.ErrorContains(t, err, c.contains)
	}
}

func TestMalformedPrograms(t *testing.T) {
	good := func() *kernel.Program {
		p := &kernel.Program{Name: "test", ArenaSize: 64}
		p.Buffers = []kernel.Buffer{buf(kernel.InputBuffer, 4), temp(4, 0), buf(kernel.OutputBuffer, 4), buf(kernel.VariableBuffer, 4)}
		k := scale(4, 2)
		p.Launches = []kernel.Launch{launch(k, 0, 1), launch(k, 1, 2)}
		return p
	}
	exe, err := interp.New().Compile(good())
	require.NoError(t, err)
	require.Contains(t, exe.Source(), "kernel k2 (p0: f32[4], p1: f32[4] out)")
	for contains, spoil := range map[string]func(p *kernel.Program){
		"store 0: index from 1 to 4":       func(p *kernel.Program) { p.Launches[0].Kernel = shifted(4, 0, 1) },
		"unguarded load at index 2 to 5":   func(p *kernel.Program) { p.Launches[0].Kernel = shifted(4, 2, 0) },
		"1 updates of variables are not p": func(p *kernel.Program) { p.Updates = []kernel.Update{{Variable: 3, Value: 1}} },
		"temporaries have no memory":       func(p *kernel.Program) { p.ArenaSize = 0 },
	} {
		p := good()
		spoil(p)
		_, err := interp.New().Compile(p)
		require.ErrorContains(t, err, contains)
	}
}

// shifted copies n elements from one place to another.
func shifted(n int, from, to int64) *kernel.Kernel {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", n)
	x := b.Load(0, b.IAdd(b.Var(i), b.Int(from)), types.F32)
	return kern(b, []kernel.Param{f32s(n), f32s(n)}, []*kernel.Axis{i}, b.IAdd(b.Var(i), b.Int(to)), x)
}

// The first failure in row-major order is reported, by the launch's name for
// its site.
func TestFailedCheck(t *testing.T) {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", 4)
	row := b.CheckIndex(b.Load(1, b.Var(i), types.I32), 3, b.Site("gather"))
	k := kern(b, []kernel.Param{f32s(3), i32s(4), f32s(4)}, []*kernel.Axis{i}, b.Var(i), b.Load(0, row, types.F32))
	_, err := run(t, interp.New(), single(k), floatBytes(1, 2, 3), []byte{0, 0, 0, 0, 9, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0})
	var c *device.CheckError
	require.True(t, errors.As(err, &c))
	require.Equal(t, device.CheckError{Pos: "model.go:7: gather", Value: 9, Limit: 3}, *c)
	require.EqualError(t, err, "model.go:7: gather: index 9 is out of range [0,3)")
}

func TestMemoryLimit(t *testing.T) {
	dev := interp.New(interp.WithMemoryLimit(1000))
	require.EqualValues(t, 1000, dev.MemoryLimit())
	a, err := dev.Alloc(900)
	require.NoError(t, err)
	_, err = dev.Alloc(101)
	require.ErrorIs(t, err, device.ErrOutOfMemory)
	require.EqualError(t, err, "device interp: 101 bytes asked for, 900 in use, 100 left: out of device memory")
	a.Release()
	b, err := dev.Alloc(1000)
	require.NoError(t, err)
	b.Release()

	p := &kernel.Program{Name: "test", Buffers: []kernel.Buffer{buf(kernel.InputBuffer, 4), temp(4, 0), buf(kernel.OutputBuffer, 4)}, ArenaSize: 990}
	k := scale(4, 2)
	p.Launches = []kernel.Launch{launch(k, 0, 1), launch(k, 1, 2)}
	_, err = run(t, dev, p, floatBytes(1, 2, 3, 4))
	require.ErrorIs(t, err, device.ErrOutOfMemory)
	require.ErrorContains(t, err, "program test: arena of 990 bytes, staging of 16, local values of 0: device interp: 1006 bytes asked for, 32 in use, 968 left")
	p.ArenaSize = 944
	_, err = run(t, interp.New(interp.WithMemoryLimit(1000)), p, floatBytes(1, 2, 3, 4))
	require.NoError(t, err)
}

// A long launch before the first write of a variable can be cancelled.
func TestCancelInALaunch(t *testing.T) {
	b := kernel.NewBuilder()
	i, j := b.NewAxis("i", 1<<22), b.NewAxis("j", 1<<22)
	x := b.Bin(kernel.Mul, b.Load(0, b.Int(0), types.F32), b.Cast(b.FromIndex(b.IAdd(b.Var(i), b.Var(j)), types.I64), types.F32))
	endless := kern(b, []kernel.Param{f32s(1), f32s(1)}, nil, b.Int(0), b.FoldAxes(kernel.Add, []*kernel.Axis{i, j}, x))
	p := &kernel.Program{Name: "test", Buffers: []kernel.Buffer{buf(kernel.VariableBuffer, 1), temp(1, 0)}, ArenaSize: 64}
	p.Launches = []kernel.Launch{launch(endless, 0, 1), launch(scale(1, 2), 1, 0)}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	got, err := runIn(t, ctx, interp.New(), p, floatBytes(3))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, []float64{3}, got[0])
}

func TestOpen(t *testing.T) {
	d, err := device.Open("interp")
	require.NoError(t, err)
	require.Equal(t, "interp", d.Name())
	require.Equal(t, "interp", interp.New(nil).Name(), "a nil option asks for nothing")
	_, err = device.Open("interp:7")
	require.EqualError(t, err, `device interp takes no argument, got "7"`)
}

// With poison, memory without a live temporary holds NaN before each launch, and
// so do outputs.
func TestPoison(t *testing.T) {
	k := scale(4, 2)
	p := &kernel.Program{Name: "test", ArenaSize: 192}
	p.Buffers = []kernel.Buffer{buf(kernel.InputBuffer, 4), temp(4, 0), temp(4, 64), temp(4, 0), buf(kernel.OutputBuffer, 4)}
	p.Launches = []kernel.Launch{launch(k, 0, 1), launch(k, 1, 2), launch(k, 2, 3), launch(k, 3, 4)}
	for _, dev := range []*interp.Device{interp.New(), interp.New(interp.WithPoison())} {
		got, err := run(t, dev, p, floatBytes(1, 2, 3, 4))
		require.NoError(t, err)
		require.Equal(t, []float64{16, 32, 48, 64}, got[0])
	}

	dev := interp.New(interp.WithPoison())
	exe, err := dev.Compile(p)
	require.NoError(t, err)
	in, err := dev.Alloc(16)
	require.NoError(t, err)
	require.NoError(t, in.CopyFrom(floatBytes(1, 2, 3, 4)))
	out, err := dev.Alloc(16)
	require.NoError(t, err)
	require.NoError(t, out.CopyFrom(floatBytes(5, 5, 5, 5)))
	nan := func(b []byte) bool { return bytes.Equal(b, bytes.Repeat([]byte{0xFF}, 16)) }
	// What the arena and the output hold after each launch: temporaries die with
	// their last reader, and are poisoned before the next launch.
	want := [][]bool{{false, true, false, true}, {false, false, false, true}, {false, false, false, true}, {false, true, false, false}}
	require.NoError(t, exe.(device.Tracer).Trace(context.Background(), []device.Buffer{in}, []device.Buffer{out}, func(i int, read func(int) []byte) error {
		var got []bool
		for b := 1; b <= 4; b++ {
			got = append(got, nan(read(b)))
		}
		require.Equal(t, want[i], got, "after launch %d", i)
		return nil
	}))
}

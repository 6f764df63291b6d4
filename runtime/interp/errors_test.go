package interp_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// Mistakes of a compiler are errors that name kernel, parameter and index.
func TestIndicesOutsideOfBuffers(t *testing.T) {
	b := kernel.NewBuilder()
	i := b.NewAxis("i", 4)
	x := b.Load(0, b.Var(i), types.F32)
	shifted := b.Load(0, b.IAdd(b.Var(i), b.Int(2)), types.F32)
	axes := []*kernel.Axis{i}
	for _, c := range []struct {
		name     string
		at, v    *kernel.Expr
		contains string
	}{
		{"load", b.Var(i), shifted, "program test: kernel k (launch 0, mul model.go:7): load from parameter p0: index 4 is out of range [0,4)"},
		{"negative", b.Var(i), b.Load(0, b.IAdd(b.Var(i), b.Int(-1)), types.F32), "parameter p0: index -1 is out of range [0,4)"},
		{"guarded the wrong way", b.Var(i), b.If(b.Ge0(b.IAdd(b.Var(i), b.Int(-2))), shifted, x), "parameter p0: index 4 is out of range [0,4)"},
		{"store", b.IMul(b.Var(i), 2), x, "store to parameter p1: index 4 is out of range [0,4)"},
		{"stored twice", b.IDiv(b.Var(i), 2), x, "store to parameter p1: element 0 is stored twice"},
	} {
		_, err := run(t, interp.New(), single(kern(b, []kernel.Param{f32s(4), f32s(4)}, axes, c.at, c.v)), floatBytes(1, 2, 3, 4))
		require.ErrorContains(t, err, c.contains, c.name)
	}
}

func TestMalformedKernels(t *testing.T) {
	b := kernel.NewBuilder()
	x := b.Load(0, b.Int(0), types.F32)
	store := func(param int, v *kernel.Expr) *kernel.Kernel {
		k := kern(b, []kernel.Param{f32s(1), f32s(1)}, nil, b.Int(0), v)
		k.Stores[0].Param = param
		return k
	}
	for contains, k := range map[string]*kernel.Kernel{
		"store to parameter p0, which is not one that is written": store(0, x),
		"store to parameter p7":                                   store(7, x),
		"store of bool to parameter p1 of f32":                    store(1, b.Bin(kernel.Eq, x, x)),
		"load of f32 from parameter p5":                           store(1, b.Load(5, b.Int(0), types.F32)),
		"load of i32 from parameter p0":                           store(1, b.Cast(b.Load(0, b.Int(0), types.I32), types.F32)),
	} {
		_, err := interp.New().Compile(single(k))
		require.ErrorContains(t, err, contains)
	}
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
	require.EqualError(t, err, "device interp: 101 bytes asked for, 900 of 1000 in use: out of device memory")
	a.Release()
	b, err := dev.Alloc(1000)
	require.NoError(t, err)
	b.Release()

	p := &kernel.Program{Name: "test", Buffers: []kernel.Buffer{buf(kernel.InputBuffer, 4), temp(4, 0), buf(kernel.OutputBuffer, 4)}, ArenaSize: 990}
	p.Launches = []kernel.Launch{launch(scale(4, 2), 0, 1), launch(scale(4, 2), 1, 2)}
	_, err = run(t, dev, p, floatBytes(1, 2, 3, 4))
	require.ErrorIs(t, err, device.ErrOutOfMemory)
	require.ErrorContains(t, err, "program test: arena: device interp: 990 bytes asked for, 32 of 1000 in use")
	p.ArenaSize = 960
	_, err = run(t, interp.New(interp.WithMemoryLimit(1000)), p, floatBytes(1, 2, 3, 4))
	require.NoError(t, err)
}

// A long launch before the first write of a variable can be cancelled.
func TestCancelInALaunch(t *testing.T) {
	b := kernel.NewBuilder()
	i, j := b.NewAxis("i", 1<<30), b.NewAxis("j", 1<<30)
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
	_, err = device.Open("interp:7")
	require.EqualError(t, err, `device interp takes no argument, got "7"`)
}

// With poison, a program that reads memory after its reuse, or memory that was
// never written, gives NaN.
func TestPoison(t *testing.T) {
	four := func(offset int64, extra ...kernel.Launch) *kernel.Program {
		p := &kernel.Program{Name: "test", ArenaSize: 128}
		p.Buffers = []kernel.Buffer{buf(kernel.InputBuffer, 4), temp(4, 0), temp(4, offset), buf(kernel.OutputBuffer, 4)}
		p.Launches = append([]kernel.Launch{launch(scale(4, 2), 0, 1)}, extra...)
		p.Launches = append(p.Launches, launch(scale(4, 2), 1, 3))
		return p
	}
	in := floatBytes(1, 2, 3, 4)
	for _, dev := range []*interp.Device{interp.New(), interp.New(interp.WithPoison())} {
		got, err := run(t, dev, four(64), in)
		require.NoError(t, err)
		require.Equal(t, []float64{4, 8, 12, 16}, got[0], "a good plan")
	}

	// Buffer 2 takes the place of buffer 1 before its last reader, which then
	// gets the values of 2: both are alive, so nothing is poisoned.
	over := launch(scale(4, 3), 1, 2)
	got, err := run(t, interp.New(interp.WithPoison()), four(0, over), in)
	require.NoError(t, err)
	require.Equal(t, []float64{12, 24, 36, 48}, got[0])

	// Buffer 2 is read though nothing wrote it.
	never := four(64)
	never.Launches[1] = launch(scale(4, 2), 2, 3)
	got, err = run(t, interp.New(), never, in)
	require.NoError(t, err)
	require.Equal(t, []float64{0, 0, 0, 0}, got[0])
	got, err = run(t, interp.New(interp.WithPoison()), never, in)
	require.NoError(t, err)
	for _, v := range got[0] {
		require.True(t, math.IsNaN(v))
	}
}

// With poison, a kernel whose result depends on when it stores into memory that
// it reads is an error.
func TestPoisonFindsStoresBeforeLoads(t *testing.T) {
	build := func(read func(b *kernel.Builder, r, c *kernel.Axis) *kernel.Expr, form kernel.Form) *kernel.Program {
		b := kernel.NewBuilder()
		r, c := b.NewAxis("r", 6), b.NewAxis("c", 4)
		at := b.IAdd(b.IMul(b.Var(r), 4), b.Var(c))
		k := kern(b, []kernel.Param{f32s(24), f32s(24)}, []*kernel.Axis{r, c}, at, read(b, r, c))
		k.Sched = kernel.Schedule{Form: form, Outer: []*kernel.Axis{r, c}}
		if form == kernel.Rows {
			k.Sched.Outer, k.Sched.Inner = []*kernel.Axis{r}, []*kernel.Axis{c}
		}
		return &kernel.Program{Name: "test", Buffers: []kernel.Buffer{buf(kernel.VariableBuffer, 24)}, Launches: []kernel.Launch{launch(k, 0, 0)}}
	}
	at := func(b *kernel.Builder, r, c *kernel.Expr) *kernel.Expr {
		return b.Load(0, b.IAdd(b.IMul(r, 4), c), types.F32)
	}
	double := func(b *kernel.Builder, r, c *kernel.Axis) *kernel.Expr {
		x := at(b, b.Var(r), b.Var(c))
		return b.Bin(kernel.Add, x, x)
	}
	reverse := func(b *kernel.Builder, r, c *kernel.Axis) *kernel.Expr {
		return at(b, b.Var(r), b.ISub(b.Int(3), b.Var(c)))
	}
	upsideDown := func(b *kernel.Builder, r, c *kernel.Axis) *kernel.Expr {
		return at(b, b.ISub(b.Int(5), b.Var(r)), b.Var(c))
	}
	rowSum := func(b *kernel.Builder, r, c *kernel.Axis) *kernel.Expr {
		return b.FoldAxes(kernel.Add, []*kernel.Axis{c}, at(b, b.Var(r), b.Var(c)))
	}
	var start []float64
	for i := range 24 {
		start = append(start, float64(i+1))
	}
	for _, c := range []struct {
		name  string
		read  func(b *kernel.Builder, r, c *kernel.Axis) *kernel.Expr
		form  kernel.Form
		legal bool
	}{
		{"own element", double, kernel.Pointwise, true},
		{"own element", double, kernel.General, true},
		{"own element", double, kernel.Rows, true},
		{"own row", reverse, kernel.Rows, true},
		{"own row", rowSum, kernel.Rows, true},
		{"own row", reverse, kernel.Pointwise, false},
		{"own row", rowSum, kernel.General, false},
		{"another row", upsideDown, kernel.Rows, false},
	} {
		p := build(c.read, c.form)
		want, err := run(t, interp.New(), p, floatBytes(start...))
		require.NoError(t, err)
		got, err := run(t, interp.New(interp.WithPoison()), p, floatBytes(start...))
		if !c.legal {
			require.ErrorContains(t, err, "kernel k (launch 0, mul model.go:7): parameter p1 shares memory with one that is read: element", c.name)
			continue
		}
		require.NoError(t, err, c.name)
		require.Equal(t, want, got, c.name)
	}
}

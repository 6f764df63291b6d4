package session

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

// fakeDevice runs programs as Go functions and counts what it lends.
type fakeDevice struct {
	mu       sync.Mutex
	inUse    int
	exes     int
	compiled []string
	capacity int64 // of one buffer; 0: any
	limit    int64
	run      func(ctx context.Context, prog *kernel.Program, in, out buffers) error
	compile  func(*kernel.Program) error
}

// buffers are a run's arguments.
type buffers []device.Buffer

func (b buffers) at(i int) *fakeBuffer { return b[i].(*fakeBuffer) }

type fakeBuffer struct {
	dev      *fakeDevice
	data     []byte
	broken   atomic.Bool
	released atomic.Bool
}

func (d *fakeDevice) Name() string          { return "fake" }
func (d *fakeDevice) Target() kernel.Target { return kernel.Target{Name: "fake"} }
func (d *fakeDevice) Synchronize() error    { return nil }
func (d *fakeDevice) Close() error          { return nil }
func (d *fakeDevice) MemoryLimit() int64    { return d.limit }

func (d *fakeDevice) Alloc(n int64) (device.Buffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.capacity > 0 && n > d.capacity {
		return nil, device.ErrOutOfMemory
	}
	d.inUse++
	return &fakeBuffer{dev: d, data: make([]byte, n)}, nil
}

func (d *fakeDevice) used() (buffers, exes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inUse, d.exes
}

func (b *fakeBuffer) Bytes() int64 { return int64(len(b.data)) }

var errBroken = errors.New("bus error")

func (b *fakeBuffer) check() error {
	switch {
	case b.released.Load():
		return device.ErrReleased
	case b.broken.Load():
		return errBroken
	}
	return nil
}

func (b *fakeBuffer) CopyFrom(src []byte) error {
	if err := b.check(); err != nil {
		return err
	}
	copy(b.data, src)
	return nil
}

func (b *fakeBuffer) CopyTo(dst []byte) error {
	if err := b.check(); err != nil {
		return err
	}
	copy(dst, b.data)
	return nil
}

func (b *fakeBuffer) Release() {
	if b.released.Swap(true) {
		panic("fake: buffer released twice")
	}
	b.dev.mu.Lock()
	b.dev.inUse--
	b.dev.mu.Unlock()
}

func (b *fakeBuffer) f32(i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b.data[4*i:]))
}

func (b *fakeBuffer) setF32(i int, v float32) {
	binary.LittleEndian.PutUint32(b.data[4*i:], math.Float32bits(v))
}

type fakeExecutable struct {
	dev    *fakeDevice
	prog   *kernel.Program
	closed atomic.Bool
}

func (d *fakeDevice) Compile(p *kernel.Program) (device.Executable, error) {
	if d.compile != nil {
		if err := d.compile(p); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.compiled = append(d.compiled, p.Name)
	d.exes++
	return &fakeExecutable{dev: d, prog: p}, nil
}

func (e *fakeExecutable) Run(ctx context.Context, in, out []device.Buffer) error {
	if e.closed.Load() {
		return device.ErrClosed
	}
	return e.dev.run(ctx, e.prog, in, out)
}

func (e *fakeExecutable) Source() string { return "fake " + e.prog.Name }

func (e *fakeExecutable) Close() error {
	if e.closed.Swap(true) {
		panic("fake: executable closed twice")
	}
	e.dev.mu.Lock()
	e.dev.exes--
	e.dev.mu.Unlock()
	return nil
}

// fakeCompiler makes a program whose buffers are those of the graph, in one launch that writes outputs and assigned
// variables.
func fakeCompiler(g *ir.Graph) (*passes.Compiled, error) {
	p := &kernel.Program{Name: g.Name, ArenaSize: 1 << 10}
	k := &kernel.Kernel{Name: "all"}
	l := kernel.Launch{Kernel: k}
	add := func(kind kernel.BufferKind, name string, t types.Type, out bool) {
		l.Args = append(l.Args, len(p.Buffers))
		p.Buffers = append(p.Buffers, kernel.Buffer{Name: name, Kind: kind, DType: t.DType, Len: t.Shape.Size()})
		k.Params = append(k.Params, kernel.Param{DType: t.DType, Len: t.Shape.Size(), Out: out})
	}
	for _, n := range g.Inputs() {
		add(kernel.InputBuffer, n.Attr.Name, n.Type, false)
	}
	for _, n := range g.Variables() {
		assigned := false
		for _, a := range g.Assigns() {
			assigned = assigned || a.Args[0] == n
		}
		add(kernel.VariableBuffer, n.Attr.Name, n.Type, assigned)
	}
	for _, o := range g.Outputs {
		add(kernel.OutputBuffer, o.Name, o.Node.Type, true)
	}
	p.Launches = []kernel.Launch{l}
	return &passes.Compiled{Graph: g, Program: p}, nil
}

// weights is the key and specification of a variable of two numbers that starts at 1 and 2.
func weights(name string) varSpec {
	return varSpec{key: new(int), name: name, typ: types.Of(types.F32, 2), init: func(dst *tensor.Tensor, _ uint64) error {
		return errors.Join(dst.Set(1, 0), dst.Set(2, 1))
	}}
}

// trainSource takes x f32[batch,2] and y i32[batch], adds the columns of x to w and gives loss, the sum of y and the new w.
func trainSource(w varSpec) *source {
	return &source{
		name: "train",
		inputs: []input{
			{name: "x", dtype: types.F32, dims: []dim{{name: "batch"}, {size: 2}}},
			{name: "y", dtype: types.I32, dims: []dim{{name: "batch"}}},
		},
		vars: []varSpec{w},
		dims: []string{"batch"},
		bind: func(sizes map[string]int) (*ir.Graph, error) {
			b := ir.NewBuilder("train")
			x := b.Input("x", types.Of(types.F32, sizes["batch"], 2))
			b.Input("y", types.Of(types.I32, sizes["batch"]))
			v := b.Variable(w.name, w.typ)
			b.Assign(v, v)
			loss := &ir.Node{Type: types.Of(types.F32)} // fakeRun knows how it is computed
			b.G.Outputs = []ir.Output{{Name: "loss", Node: loss}, {Name: "x", Node: x}}
			return b.G, nil
		},
	}
}

// evalSource has no inputs and gives w.
func evalSource(w varSpec) *source {
	return &source{
		name: "eval",
		vars: []varSpec{w},
		bind: func(map[string]int) (*ir.Graph, error) {
			b := ir.NewBuilder("eval")
			v := b.Variable(w.name, w.typ)
			b.G.Outputs = []ir.Output{{Name: "w", Node: v}}
			return b.G, nil
		},
	}
}

// fakeRun is the meaning of trainSource and evalSource.
func fakeRun(ctx context.Context, prog *kernel.Program, in, out buffers) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if prog.Name == "eval" {
		copy(out.at(0).data, in.at(0).data)
		return nil
	}
	x, y, w := in.at(0), in.at(1), in.at(2)
	copy(out.at(1).data, x.data)
	loss := float32(0)
	for i := range len(y.data) / 4 {
		loss += float32(binary.LittleEndian.Uint32(y.data[4*i:]))
		w.setF32(0, w.f32(0)+x.f32(2*i))
		w.setF32(1, w.f32(1)+x.f32(2*i+1))
	}
	out.at(0).setF32(0, loss+w.f32(0)+w.f32(1))
	return nil
}

// open returns a session on a fake device; everything must be given back when the test ends.
func open(t *testing.T, opts ...Option) (*Session, *fakeDevice) {
	d := &fakeDevice{run: fakeRun}
	s := New(d, append([]Option{func(c *config) { c.compile = fakeCompiler }}, opts...)...)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		buffers, exes := d.used()
		require.Zero(t, buffers, "buffers in use after Close")
		require.Zero(t, exes, "executables open after Close")
		require.Empty(t, s.kernels.byText)
	})
	return s, d
}

// batch returns feeds of n rows, all ones.
func batch(t testing.TB, n int) Feeds {
	x, err := tensor.Full[float32](1, n, 2)
	require.NoError(t, err)
	y, err := tensor.Full[int32](1, n)
	require.NoError(t, err)
	return Feeds{"x": x, "y": y}
}

func floats(t testing.TB, v ...float32) *tensor.Tensor {
	x, err := tensor.From(v, len(v))
	require.NoError(t, err)
	return x
}

func requireValues(t testing.TB, got *tensor.Tensor, want ...float32) {
	t.Helper()
	d, err := tensor.Data[float32](got)
	require.NoError(t, err)
	require.Equal(t, want, d)
}

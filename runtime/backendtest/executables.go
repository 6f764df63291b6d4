package backendtest

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
)

// foreign is a buffer that no device knows.
type foreign struct{}

func (foreign) Bytes() int64          { return 1 << 20 }
func (foreign) CopyFrom([]byte) error { return nil }
func (foreign) CopyTo([]byte) error   { return nil }
func (foreign) Release()              {}

// testExecutables tests the contract of device.Device and device.Executable.
func testExecutables(t *testing.T, s *suite) {
	t.Run("name", func(t *testing.T) {
		d, err := device.Open(s.dev.Name())
		require.NoError(t, err)
		require.Equal(t, s.dev.Name(), d.Name())
		require.NoError(t, d.Close())
		require.NotEmpty(t, s.dev.Target().Name)
		require.NoError(t, s.dev.Synchronize())
	})
	t.Run("arguments", func(t *testing.T) { testArguments(t, s) })
	t.Run("malformed programs", func(t *testing.T) { testMalformed(t, s) })
	t.Run("arena too large", func(t *testing.T) {
		d := newDraft()
		x := d.tempAt(types.F32, 8, 1<<55)
		d.launch(double(8), d.input(whole(types.F32, 8, 1)), x)
		d.launch(double(8), x, d.output(types.F32, 8))
		_, err := runOn(s.dev, d)
		require.ErrorIs(t, err, device.ErrOutOfMemory)
		require.Regexp(t, `\d`, err.Error(), "the error must tell the size")
	})
	t.Run("run again", func(t *testing.T) {
		w, err := setUp(s.dev, accumulator(1000))
		require.NoError(t, err)
		for i := 1; i <= 5; i++ {
			require.NoError(t, w.run())
			r, err := w.results()
			require.NoError(t, err)
			require.EqualValues(t, 3*i, r[0].at(999).Float())
		}
		require.NoError(t, w.close())
	})
	t.Run("source", func(t *testing.T) {
		exe, err := s.dev.Compile(accumulator(10).p)
		require.NoError(t, err)
		require.NotEmpty(t, exe.Source())
		require.NoError(t, exe.Close())
	})
	t.Run("cancelled", func(t *testing.T) {
		d := accumulator(100)
		w, err := setUp(s.dev, d)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, w.exe.Run(ctx, w.in, w.out), context.Canceled)
		r, err := w.results()
		require.NoError(t, err)
		require.Equal(t, d.values[0], r[0], "a cancelled run wrote a variable")
		require.NoError(t, w.run())
		require.NoError(t, w.close())
	})
	t.Run("traced", func(t *testing.T) { testTrace(t, s) })
}

// accumulator adds 3 to a variable of n zeros, its buffer 0.
func accumulator(n int) *draft {
	d := newDraft()
	v := d.variable(newArray(types.F32, n))
	m := newMaker("accumulate")
	a := m.axes(n)
	m.write(m.add(m.read(types.F32, a...), m.Const(types.F32, 3)), a...)
	d.launch(m.pointwise(), v, v)
	return d
}

func testArguments(t *testing.T, s *suite) {
	d := single(double(64), whole(types.F32, 64, 1))
	w, err := setUp(s.dev, d)
	require.NoError(t, err)
	small, err := s.dev.Alloc(1)
	require.NoError(t, err)
	released, err := s.dev.Alloc(256)
	require.NoError(t, err)
	released.Release()
	ctx := context.Background()
	type bufs = []device.Buffer
	for _, c := range []struct {
		name    string
		in, out bufs
	}{
		{"too few", nil, w.out},
		{"too many", append(bufs{w.in[0]}, w.in...), w.out},
		{"no output", w.in, nil},
		{"nil", bufs{nil}, w.out},
		{"foreign", bufs{foreign{}}, w.out},
		{"foreign output", w.in, bufs{foreign{}}},
	} {
		require.Error(t, w.exe.Run(ctx, c.in, c.out), c.name)
	}
	if small.Bytes() < 256 {
		require.Error(t, w.exe.Run(ctx, bufs{small}, w.out))
		require.Error(t, w.exe.Run(ctx, w.in, bufs{small}))
	}
	require.ErrorIs(t, w.exe.Run(ctx, bufs{released}, w.out), device.ErrReleased)
	require.ErrorIs(t, w.exe.Run(ctx, w.in, bufs{released}), device.ErrReleased)
	require.NoError(t, w.run())
	small.Release()
	require.NoError(t, w.close())
	require.ErrorIs(t, w.run(), device.ErrClosed)
}

// testMalformed compiles programs that no compiler should make.
func testMalformed(t *testing.T, s *suite) {
	for name, spoil := range map[string]func(p *kernel.Program){
		"pending update":        func(p *kernel.Program) { p.Updates = []kernel.Update{{Variable: 0, Value: 1}} },
		"missing argument":      func(p *kernel.Program) { p.Launches[0].Args = p.Launches[0].Args[:1] },
		"no such buffer":        func(p *kernel.Program) { p.Launches[0].Args[0] = 99 },
		"negative buffer":       func(p *kernel.Program) { p.Launches[0].Args[0] = -1 },
		"other type":            func(p *kernel.Program) { p.Buffers[0].DType = types.F64 },
		"other length":          func(p *kernel.Program) { p.Buffers[0].Len = 7 },
		"outside of the arena":  func(p *kernel.Program) { p.Buffers[1].Offset = p.ArenaSize },
		"before the arena":      func(p *kernel.Program) { p.Buffers[1].Offset = -64 },
		"writes an input":       func(p *kernel.Program) { p.Launches[1].Args[1] = 0 },
		"constant without data": func(p *kernel.Program) { p.Buffers[0].Kind = kernel.ConstBuffer },
	} {
		d := newDraft()
		x, y, z := d.input(whole(types.F32, 8, 1)), d.temp(types.F32, 8), d.output(types.F32, 8)
		d.launch(double(8), x, y)
		d.launch(double(8), y, z)
		spoil(d.p)
		exe, err := s.dev.Compile(d.p)
		require.Error(t, err, name)
		require.Nil(t, exe, name)
	}
}

// testTrace stops after every launch of a device that can.
func testTrace(t *testing.T, s *suite) {
	d := newDraft()
	x, y, z := d.input(of(types.F32, 1, 2, 3)), d.temp(types.F32, 3), d.output(types.F32, 3)
	k := double(3)
	d.launch(k, x, y)
	d.launch(k, y, z)
	w, err := setUp(s.dev, d)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.close()) }()
	tr, ok := w.exe.(device.Tracer)
	if !ok {
		t.Skip("the device is no Tracer")
	}
	var seen []int
	require.NoError(t, tr.Trace(context.Background(), w.in, w.out, func(launch int, read func(int) []byte) error {
		seen = append(seen, launch)
		want := of(types.F32, 2, 4, 6)
		if launch == 1 {
			want = of(types.F32, 4, 8, 12)
		}
		require.Equal(t, want.bytes, read([]int{y, z}[launch]))
		if !s.dev.Target().GPU { // read gives the memory itself
			for _, b := range []int{x, y, z} {
				require.Zero(t, uintptr(unsafe.Pointer(unsafe.SliceData(read(b))))%64, "buffer %d is not aligned", b)
			}
		}
		require.Equal(t, d.values[x].bytes, read(x))
		return nil
	}))
	require.Equal(t, []int{0, 1}, seen)
	err = tr.Trace(context.Background(), w.in, w.out, func(int, func(int) []byte) error { return context.DeadlineExceeded })
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// testClose uses a device after its end.
func testClose(t *testing.T, open func() device.Device) {
	dev := open()
	w, err := setUp(dev, single(double(8), whole(types.F32, 8, 1)))
	require.NoError(t, err)
	require.NoError(t, w.run())
	require.NoError(t, dev.Close())
	_, err = dev.Alloc(8)
	require.ErrorIs(t, err, device.ErrClosed)
	_, err = dev.Compile(w.d.p)
	require.ErrorIs(t, err, device.ErrClosed)
	require.Error(t, w.run())
	require.Error(t, w.in[0].CopyFrom(make([]byte, 4)))
	require.Error(t, w.out[0].CopyTo(make([]byte, 4)))
	require.NoError(t, dev.Close())
	w.in[0].Release()
}

package backendtest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

// results are the outputs and variables after a run, by buffer number.
type results map[int]array

// margin is the number of bytes kept free behind every buffer of a run; they
// must not change.
const margin = 192

const marginByte = 0xA5

// A world is a program on a device with all its buffers.
type world struct {
	dev     device.Device
	d       *draft
	exe     device.Executable
	bufs    map[int]device.Buffer // inputs, variables, outputs
	in, out []device.Buffer
}

// setUp compiles d's program and makes its buffers.
func setUp(dev device.Device, d *draft) (*world, error) {
	exe, err := dev.Compile(d.p)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	w := &world{dev: dev, d: d, exe: exe, bufs: map[int]device.Buffer{}}
	for _, kind := range []kernel.BufferKind{kernel.InputBuffer, kernel.VariableBuffer, kernel.OutputBuffer} {
		for _, n := range d.p.Of(kind) {
			b, err := dev.Alloc(d.p.Buffers[n].Bytes() + margin)
			if err != nil {
				return nil, err
			}
			if err := b.CopyFrom(bytes.Repeat([]byte{marginByte}, int(b.Bytes()))); err != nil {
				return nil, err
			}
			if a, ok := d.values[n]; ok {
				if err := b.CopyFrom(a.bytes); err != nil {
					return nil, err
				}
			}
			w.bufs[n] = b
			if kind == kernel.OutputBuffer {
				w.out = append(w.out, b)
			} else {
				w.in = append(w.in, b)
			}
		}
	}
	return w, nil
}

func (w *world) run() error { return w.exe.Run(context.Background(), w.in, w.out) }

// close gives everything back.
func (w *world) close() error {
	for _, b := range w.bufs {
		b.Release()
	}
	return w.exe.Close()
}

// results reads all buffers. An error says that memory changed that must not.
func (w *world) results() (results, error) {
	r := results{}
	for n, buf := range w.bufs {
		b := &w.d.p.Buffers[n]
		data := make([]byte, buf.Bytes())
		if err := buf.CopyTo(data); err != nil {
			return nil, err
		}
		a := array{b.DType, data[:b.Bytes()]}
		for i, v := range data[b.Bytes():] {
			if v != marginByte {
				return nil, fmt.Errorf("%s: byte %d behind its end was written", b.Name, i)
			}
		}
		if b.Kind == kernel.InputBuffer {
			if !bytes.Equal(a.bytes, w.d.values[n].bytes) {
				return nil, fmt.Errorf("%s was written", b.Name)
			}
			continue
		}
		r[n] = a
	}
	return r, nil
}

// runOn runs a program once and returns its results.
func runOn(dev device.Device, d *draft) (results, error) {
	w, err := setUp(dev, d)
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.results()
}

// reference runs a program on the interpreter.
func reference(t tester, d *draft) results {
	t.Helper()
	dev := interp.New(interp.WithPoison())
	defer func() { require.NoError(t, dev.Close()) }()
	r, err := runOn(dev, d)
	require.NoError(t, err, "interpreter\n%s", d.p)
	return r
}

// check runs a program on the device, with canaries around its temporaries,
// and compares all outputs and variables with the interpreter's.
func (s *suite) check(t tester, d *draft, tol Tolerance) {
	t.Helper()
	if err := s.differs(t, d, tol); err != nil {
		require.NoError(t, err, "%s", d.p)
	}
}

func (s *suite) differs(t tester, d *draft, tol Tolerance) error {
	t.Helper()
	require.NoError(t, d.p.Verify())
	want := reference(t, d)
	g := &draft{guarded(d.p), d.values}
	got, err := runOn(s.dev, g)
	if err != nil {
		return err
	}
	if err := checkCanaries(got[len(g.p.Buffers)-1]); err != nil {
		return err
	}
	for n, w := range want {
		if err := tol.compare(got[n], w); err != nil {
			return fmt.Errorf("%s: %w", d.p.Buffers[n].Name, err)
		}
	}
	return nil
}

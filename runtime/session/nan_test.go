package session

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
)

// tracer is a fake device whose executables stop after every launch.
type tracer struct{ *fakeDevice }

type tracing struct{ *fakeExecutable }

func (d tracer) Compile(p *kernel.Program) (device.Executable, error) {
	e, err := d.fakeDevice.Compile(p)
	return tracing{e.(*fakeExecutable)}, err
}

// Trace runs everything at the first launch.
func (e tracing) Trace(ctx context.Context, in, out []device.Buffer, visit func(int, func(int) []byte) error) error {
	if err := e.Run(ctx, in, out); err != nil {
		return err
	}
	all := append(append([]device.Buffer{}, in...), out...)
	for i := range e.prog.Launches {
		if err := visit(i, func(b int) []byte { return all[b].(*fakeBuffer).data }); err != nil {
			return err
		}
	}
	return nil
}

func findNaN(c *config) {
	c.passes.FindNaN = true
	c.compile = func(g *ir.Graph) (*passes.Compiled, error) {
		code, err := fakeCompiler(g)
		code.Program.Launches[0].Label, code.Program.Launches[0].Nodes = "log mnist.go:12", 1
		return code, err
	}
}

func TestFindNaN(t *testing.T) {
	d := &fakeDevice{run: fakeRun}
	s := New(tracer{d}, findNaN)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	good := batch(t, 2)
	_, err = train.Run(t.Context(), good)
	require.NoError(t, err)

	bad := batch(t, 2)
	require.NoError(t, bad["x"].Set(math.NaN(), 1, 1))
	_, err = train.Run(t.Context(), bad)
	require.EqualError(t, err, `train: feed "x" holds a NaN: element 3 of 4`)
	require.NotErrorIs(t, err, ErrNeedsReload)

	require.NoError(t, s.Set("w", floats(t, float32(math.Inf(1)), 0)))
	require.NoError(t, good["x"].Set(math.Inf(-1), 0, 0))
	_, err = train.Run(t.Context(), good)
	require.EqualError(t, err, "train: launch 0 made the first NaN: log mnist.go:12 (element 0 of 2) "+
		"(variables are half updated by a step that failed: set or load them, or call Reinit)")
	require.ErrorIs(t, err, ErrNeedsReload)

	require.NoError(t, s.Set("w", floats(t, 0, float32(math.NaN()))))
	_, err = train.Run(t.Context(), batch(t, 2))
	require.EqualError(t, err, `train: variable "w" holds a NaN: element 1 of 2`)
	require.NoError(t, s.Close())

	plain, _ := open(t, findNaN)
	_, err = plain.compile(evalSource(weights("w")))
	require.EqualError(t, err, "eval: device fake cannot look for a NaN: it runs no program launch by launch")
}

func TestFirstNaN(t *testing.T) {
	nan := []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}
	require.Equal(t, 1, firstNaN(types.F64, append(make([]byte, 8), nan...)))
	require.Equal(t, 1, firstNaN(types.F16, []byte{0, 0x7c, 1, 0x7c}))
	require.Equal(t, 2, firstNaN(types.BF16, []byte{0x80, 0x7f, 0, 0, 0xc0, 0xff}))
	require.Equal(t, 2, firstNaN(types.F32, []byte{0, 0, 0, 0, 0, 0, 0x80, 0x7f, 0, 0, 0xc0, 0xff}))
	require.Equal(t, -1, firstNaN(types.I64, nan))
}

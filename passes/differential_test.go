package passes_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// A value is what a run gave for an output or left in a variable.
type value struct {
	dtype types.DType
	data  []byte
}

func (v value) at(i int) float64 {
	switch b := v.data[i*v.dtype.Size():]; v.dtype {
	case types.F32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case types.F64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case types.I32:
		return float64(int32(binary.LittleEndian.Uint32(b)))
	case types.I64:
		return float64(int64(binary.LittleEndian.Uint64(b)))
	default:
		return float64(b[0])
	}
}

// feed makes elements that depend on the name alone: normal numbers, integers
// from 0 to 7.
func feed(name string, d types.DType, n int) []byte {
	h := fnv.New64a()
	h.Write([]byte(name))
	r := rand.New(rand.NewPCG(h.Sum64(), 7))
	var b []byte
	for range n {
		v := r.NormFloat64()
		switch d {
		case types.F32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		case types.F64:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		case types.I32:
			b = binary.LittleEndian.AppendUint32(b, r.Uint32N(8))
		case types.I64:
			b = binary.LittleEndian.AppendUint64(b, r.Uint64N(8))
		case types.Bool:
			b = append(b, byte(r.Uint32N(2)))
		default:
			b = append(b, byte(r.Uint32N(8)))
		}
	}
	return b
}

// run runs a program once on dev; inputs and variables hold what feed makes.
func run(t testing.TB, dev device.Device, p *kernel.Program) map[string]value {
	t.Helper()
	values, err := execute(t, dev, p, feed)
	require.NoError(t, err)
	return values
}

// execute runs a program once on dev; fill makes what inputs and variables
// hold.
func execute(t testing.TB, dev device.Device, p *kernel.Program, fill feeder) (map[string]value, error) {
	t.Helper()
	exe, err := dev.Compile(p)
	require.NoError(t, err, "%v", p)
	defer exe.Close()
	var in, out []device.Buffer
	results := map[string]device.Buffer{}
	for _, kind := range []kernel.BufferKind{kernel.InputBuffer, kernel.VariableBuffer, kernel.OutputBuffer} {
		for _, i := range p.Of(kind) {
			b := &p.Buffers[i]
			buf, err := dev.Alloc(b.Bytes())
			require.NoError(t, err)
			defer buf.Release()
			if kind == kernel.OutputBuffer {
				out = append(out, buf)
			} else {
				require.NoError(t, buf.CopyFrom(fill(b.Name, b.DType, b.Len)))
				in = append(in, buf)
			}
			if kind != kernel.InputBuffer {
				results[fmt.Sprint(kind, " ", b.Name)] = buf
			}
		}
	}
	if err := exe.Run(context.Background(), in, out); err != nil {
		return nil, err
	}
	values := map[string]value{}
	for _, kind := range []kernel.BufferKind{kernel.VariableBuffer, kernel.OutputBuffer} {
		for _, i := range p.Of(kind) {
			b := &p.Buffers[i]
			name := fmt.Sprint(kind, " ", b.Name)
			v := value{b.DType, make([]byte, b.Bytes())}
			require.NoError(t, results[name].CopyTo(v.data))
			values[name] = v
		}
	}
	return values, nil
}

type feeder func(name string, d types.DType, n int) []byte

// requireSame compares the values of two runs; tolerance is relative to the
// largest element of a value, 0 asks for equal values, signs of zeros included; any NaN is like another. The program may lack
// variables that nothing reads.
func requireSame(t testing.TB, want, got map[string]value, tolerance float64) {
	t.Helper()
	for name, w := range want {
		g, ok := got[name]
		if !ok && strings.HasPrefix(name, kernel.VariableBuffer.String()) {
			continue // a variable that nothing reads
		}
		require.True(t, ok, "no %s", name)
		require.Equal(t, w.dtype, g.dtype, name)
		require.Len(t, g.data, len(w.data), name)
		n := len(w.data) / w.dtype.Size()
		if tolerance == 0 {
			for i := range n {
				x, y := w.at(i), g.at(i)
				same := x == y && math.Signbit(x) == math.Signbit(y) || x != x && y != y
				require.True(t, same, "%s[%d]: %v and %v", name, i, x, y)
			}
			continue
		}
		scale := 0.0
		for i := range n {
			if v := math.Abs(w.at(i)); !math.IsInf(v, 0) && v > scale {
				scale = v
			}
		}
		for i := range n {
			x, y := w.at(i), g.at(i)
			same := x == y || x != x && y != y || math.Abs(x-y) <= tolerance*scale
			require.True(t, same, "%s[%d]: %v and %v", name, i, x, y)
		}
	}
}

func compile(t testing.TB, g *ir.Graph, c passes.Config) *passes.Compiled {
	t.Helper()
	c.Check = true
	out, err := passes.Compile(g, &c)
	require.NoError(t, err)
	return out
}

// offs are the sets of passes and switches that may be left out.
func offs() map[string]map[string]bool {
	sets := map[string]map[string]bool{}
	all := map[string]bool{}
	for _, p := range passes.Passes() {
		if p.CanBeOff {
			sets[p.Name] = map[string]bool{p.Name: true}
			all[p.Name] = true
		}
	}
	sets["all"] = all
	return sets
}

// Whatever passes are left out, a program computes the same.
func TestPassesKeepValues(t *testing.T) {
	for _, m := range smallModels {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			g := build(t, m.model)
			dev := interp.New()
			want := run(t, dev, compile(t, g, passes.Config{}).Program)
			for name, off := range offs() {
				t.Run("off_"+name, func(t *testing.T) {
					p := compile(t, g, passes.Config{Off: off}).Program
					tolerance := 2e-5
					if name == "memplan-reuse" || name == "order" || name == "horizontal" || name == "dce" {
						tolerance = 0
					}
					requireSame(t, want, run(t, dev, p), tolerance)
				})
			}
			t.Run("apart", func(t *testing.T) {
				p, err := passes.CompileApart(g)
				require.NoError(t, err)
				requireSame(t, want, run(t, dev, p), 2e-5)
			})
			t.Run("poisoned", func(t *testing.T) {
				p := compile(t, g, passes.Config{}).Program
				requireSame(t, want, run(t, interp.New(interp.WithPoison()), p), 0)
			})
			for seed := range uint64(4) {
				t.Run(fmt.Sprint("shuffled_", seed+1), func(t *testing.T) {
					p := compile(t, g, passes.Config{Seed: seed + 1}).Program
					requireSame(t, want, run(t, interp.New(interp.WithPoison()), p), 2e-5)
				})
			}
		})
	}
}

// build returns the IR of a model.
func build(t testing.TB, model func(g *graph.Graph)) *ir.Graph {
	t.Helper()
	g, err := graph.Build("model", model)
	require.NoError(t, err)
	return g.IR()
}

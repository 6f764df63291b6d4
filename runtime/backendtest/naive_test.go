package backendtest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
)

// point gives every axis a value; naive evaluation of an expression at a point
// is its definition, and takes time exponential in what expressions share.
type point map[*kernel.Axis]int64

type naive struct {
	k   *kernel.Kernel
	mem []array
}

func (n *naive) loop(axes []*kernel.Axis, p point, f func(point)) {
	if len(axes) == 0 {
		f(p)
		return
	}
	for i := range axes[0].Extent {
		q := maps.Clone(p)
		q[axes[0]] = int64(i)
		n.loop(axes[1:], q, f)
	}
}

func (n *naive) index(e *kernel.Expr, p point) int64 {
	switch e.Kind {
	case kernel.Int:
		return e.Int
	case kernel.Var:
		return p[e.Axes[0]]
	case kernel.Affine:
		v := e.Int
		for i, a := range e.Args {
			v += e.Coef[i] * n.index(a, p)
		}
		return v
	case kernel.FloorMod:
		return (n.index(e.Args[0], p)%e.Int + e.Int) % e.Int
	case kernel.FloorDiv:
		x := n.index(e.Args[0], p)
		return (x - (x%e.Int+e.Int)%e.Int) / e.Int
	}
	panic(fmt.Sprint("index ", e.Kind))
}

func (n *naive) holds(e *kernel.Expr, p point) bool {
	switch e.Kind {
	case kernel.True, kernel.False:
		return e.Kind == kernel.True
	case kernel.Ge0:
		return n.index(e.Args[0], p) >= 0
	case kernel.Eq0:
		return n.index(e.Args[0], p) == 0
	}
	for _, a := range e.Args {
		if !n.holds(a, p) {
			return false
		}
	}
	return true
}

func (n *naive) data(e *kernel.Expr, p point) kernel.Scalar {
	arg := func(i int) kernel.Scalar { return n.data(e.Args[i], p) }
	choose := func(c bool) kernel.Scalar {
		if c {
			return arg(1)
		}
		return arg(2)
	}
	switch e.Kind {
	case kernel.Const:
		return e.Value()
	case kernel.Call:
		if len(e.Args) == 1 {
			return kernel.Eval1(e.Op, arg(0))
		}
		return kernel.Eval2(e.Op, arg(0), arg(1))
	case kernel.Cast:
		return kernel.EvalCast(arg(0), e.DType)
	case kernel.Select:
		return choose(arg(0).Int() != 0)
	case kernel.If:
		return choose(n.holds(e.Args[0], p))
	case kernel.FromIndex:
		return kernel.IntScalar(e.DType, n.index(e.Args[0], p))
	case kernel.FromPred:
		if n.holds(e.Args[0], p) {
			return kernel.IntScalar(e.DType, 1)
		}
		return kernel.IntScalar(e.DType, 0)
	case kernel.Load:
		return n.mem[e.Param].at(int(n.index(e.Args[0], p)))
	case kernel.Fold:
		acc := kernel.Identity(e.Op, e.DType)
		n.loop(e.Axes, p, func(q point) { acc = kernel.Eval2(e.Op, acc, n.data(e.Args[0], q)) })
		return acc
	}
	panic(fmt.Sprint("data ", e.Kind))
}

// TestReference compares the suite's reference with naive evaluation.
func TestReference(t *testing.T) {
	for name, form := range map[string]func(*generator) *kernel.Kernel{
		"pointwise": randomPointwise, "groups": randomGroups, "general": randomGeneral, "rows": randomRows,
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				g := &generator{T: rt, maker: newMaker("random"), points: 32}
				d := g.program(form(g))
				got := reference(rt, d)
				n := &naive{k: g.k}
				for i := range g.k.Params {
					if g.k.Params[i].Out {
						n.mem = append(n.mem, newArray(g.k.Params[i].DType, g.k.Params[i].Len))
					} else {
						n.mem = append(n.mem, d.values[i])
					}
				}
				for _, s := range g.k.Stores {
					n.loop(s.Axes, point{}, func(p point) { n.mem[s.Param].set(int(n.index(s.Index, p)), n.data(s.Value, p)) })
				}
				for i, q := range g.k.Params {
					if q.Out {
						require.NoError(rt, Exact.compare(got[i], n.mem[i]), "%s", g.k)
					}
				}
			})
		})
	}
}

// A careless device writes a byte into the last temporary of every program,
// after its second launch.
type careless struct{ *interp.Device }

type carelessExecutable struct {
	device.Executable
	temp int
}

func (c careless) Compile(p *kernel.Program) (device.Executable, error) {
	exe, err := c.Device.Compile(p)
	temps := p.Of(kernel.TempBuffer)
	return carelessExecutable{exe, temps[len(temps)-1]}, err
}

func (c carelessExecutable) Run(ctx context.Context, in, out []device.Buffer) error {
	return c.Executable.(device.Tracer).Trace(ctx, in, out, func(launch int, read func(int) []byte) error {
		if launch == 1 {
			read(c.temp)[8]++
		}
		return nil
	})
}

const f32 = types.F32

var nan, negZero = math.NaN(), math.Copysign(0, -1)

// TestSuiteNotices makes mistakes that the suite must find.
func TestSuiteNotices(t *testing.T) {
	d := newDraft()
	x := d.input(whole(f32, 16, 1))
	y, z := d.temp(f32, 16), d.temp(f32, 16)
	d.launch(double(16), x, y)
	d.launch(double(16), y, z)
	d.launch(double(16), z, d.output(f32, 16))
	s := &suite{dev: interp.New()}
	require.NoError(t, s.differs(t, d, Exact))
	s.dev = careless{interp.New()}
	require.ErrorContains(t, s.differs(t, d, Exact), "memory outside of the temporaries was written: canary 2, byte 8")

	require.ErrorContains(t, Exact.compare(of(f32, 1, 2), of(f32, 1, 2.0000002)), "element 1 of f32[2] is 2.0, want 2.0000002")
	require.NoError(t, Tolerance{Ulps: 1}.compare(of(f32, 2), of(f32, 2.0000002)))
	require.Error(t, Tolerance{Ulps: 1 << 40}.compare(of(f32, 2), of(f32, nan)))
	require.Error(t, Exact.compare(of(f32, 0), of(f32, negZero)))
}

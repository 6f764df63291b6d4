package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/tensor"
)

func vector[T tensor.Element](t *testing.T, v ...T) *tensor.Tensor {
	x, err := tensor.From(v, len(v))
	require.NoError(t, err)
	return x
}

func TestWorst(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name      string
		got, want *tensor.Tensor
		err       float64
		where     string
		bad       bool
	}{
		{"equal", vector[float32](t, 1, 2), vector[float32](t, 1, 2), 0, "", false},
		{"relative to the element", vector[float32](t, 1, 101), vector[float32](t, 1, 100), 0.01, "v[1]", true},
		{"relative to the tensor", vector[float32](t, 0.01, 100), vector[float32](t, 0, 100), 0.01 / math.Sqrt(5000), "v[0]", false},
		{"two NaN", vector(t, nan, 1), vector(t, nan, 1), 0, "", false},
		{"one NaN", vector(t, nan, 1), vector[float32](t, 2, 1), math.Inf(1), "v[0]", true},
		{"equal infinities", vector(t, inf, 1), vector(t, inf, 1.5), 1. / 3, "v[1]", true},
		{"infinity", vector(t, 1, inf), vector[float32](t, 1, 1), math.Inf(1), "v[1]", true},
		{"zero of other sign", vector(t, float32(math.Copysign(0, -1))), vector[float32](t, 0), 0, "", false},
		{"integers", vector[int32](t, 1, 5), vector[int32](t, 1, 7), 2, "v[1]", true},
		{"large integers", vector[int64](t, 1<<60, 1<<60+1), vector[int64](t, 1<<60, 1<<60), 1, "v[1]", true},
		{"far integers", vector[int64](t, math.MinInt64), vector[int64](t, math.MaxInt64), math.MaxUint64, "v[0]", true},
		{"truth values", vector(t, true), vector(t, false), 1, "v[0]", true},
	} {
		d, err := worst([]tensor.Named{{Name: "v", Tensor: c.got}}, []tensor.Named{{Name: "v", Tensor: c.want}}, func(_ int, d types.DType) float64 {
			if d.IsFloat() {
				return 1e-3
			}
			return 0
		})
		require.NoError(t, err, c.name)
		require.InDelta(t, c.err, d.err, 1e-6, c.name)
		require.Equal(t, c.where, d.where, c.name)
		require.Equal(t, c.bad, d.bad, c.name)
	}
}

// A value beyond its tolerance counts more than a larger error within another's.
func TestWorstOfSeveral(t *testing.T) {
	got := []tensor.Named{{Name: "f", Tensor: vector[float32](t, 1.5)}, {Name: "d", Tensor: vector(t, 1.1)}}
	want := []tensor.Named{{Name: "f", Tensor: vector[float32](t, 1)}, {Name: "d", Tensor: vector(t, 1.0)}}
	d, err := worst(got, want, func(_ int, d types.DType) float64 {
		if d == types.F32 {
			return 1
		}
		return 1e-9
	})
	require.NoError(t, err)
	require.Equal(t, "d[0]", d.where)
	require.True(t, d.bad)
	_, err = worst(got, []tensor.Named{want[1], want[0]}, func(int, types.DType) float64 { return 0 })
	require.ErrorContains(t, err, "f: is f32[1], and f64[1] in the reference")
}

// Bits are compared, not values.
func TestDifferentBits(t *testing.T) {
	zero, minus := vector[float32](t, 1, 0), vector(t, 1, float32(math.Copysign(0, -1)))
	same := tensor.Named{Name: "s", Tensor: zero}
	d, err := differentBits([]tensor.Named{same, {Name: "z", Tensor: zero}}, []tensor.Named{same, {Name: "z", Tensor: minus}})
	require.NoError(t, err)
	require.Equal(t, difference{where: "z", bad: true}, d)
	d, err = differentBits([]tensor.Named{same}, []tensor.Named{{Name: "s", Tensor: zero.Clone()}})
	require.NoError(t, err)
	require.Equal(t, difference{}, d)
}

func TestUsesOf(t *testing.T) {
	g := parse(t, `graph f version=1 {
  %0 = input {name="plain"} : i32[4]
  %1 = input {name="row"} : i32[4]
  %2 = input {name="table"} : f32[7,3]
  %3 = cast %1 {mode="i64"} : i64[4]
  %4 = gather %2, %3 {labels="vd,n->nd"} : f32[4,3]
  %5 = input {name="bin"} : u8[4]
  %6 = scatter_add %5, %4 {labels="n,nd->vd", dims=[5,3]} : f32[5,3]
  %7 = input {name="state"} : i64[2]
  %8 = uniform %7 {dims=[5,3], mode="f32", int=1} : f32[5,3]
  %9 = input {name="positive"} : f32[5,3]
  %10 = transpose %9 {axes=[1,0]} : f32[3,5]
  %11 = log %10 : f32[3,5]
  %12 = input {name="sum"} : i32[4]
  %13 = add %12, %12 : i32[4]
  %14 = gather %2, %13 {labels="vd,n->nd"} : f32[4,3]
  output "a" = %6
}`)
	uses := usesOf(g)
	byName := map[string]use{}
	for _, n := range g.Inputs() {
		byName[n.Attr.Name] = uses[n]
		v, err := randomValue(n, uses[n], 3)
		require.NoError(t, err)
		data, err := float64s(v)
		require.NoError(t, err)
		for i, x := range data {
			if l := uses[n].limit; l > 0 {
				require.GreaterOrEqual(t, x, 0.0)
				require.Less(t, x, float64(l))
			}
			if uses[n].positive {
				require.Positive(t, x)
			}
			if uses[n].state {
				require.Equal(t, []float64{3, 0}[i], x)
			}
		}
	}
	require.Equal(t, map[string]use{
		"plain": {}, "row": {limit: 7}, "table": {}, "bin": {limit: 5}, "state": {state: true}, "positive": {positive: true}, "sum": {limit: 3},
	}, byName)
}

// The gradient test finds a wrong gradient, and names whose it is.
func TestGradientTestFindsMistakes(t *testing.T) {
	const text = `graph f version=1 {
  %0 = input {name="x"} : f32[4]
  %1 = input {name="y"} : f32[4]
  %2 = mul %0, %1 : f32[4]
  %3 = exp %2 : f32[4]
  output "z" = %3
}`
	c := &checker{p: &program{graph: parse(t, text)}}
	var err error
	c.feeds, c.vars, _, err = c.p.values(nil, nil, 1)
	require.NoError(t, err)
	g, err := c.newGradTest(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"x", "y"}, g.names)
	e, err := g.compare(t.Context(), g.names)
	require.NoError(t, err)
	require.LessOrEqual(t, e, tolGrad)
	g.grads["y"][2] *= 1.01
	for name, want := range map[string]bool{"x": true, "y": false} {
		e, err := g.compare(t.Context(), []string{name})
		require.NoError(t, err)
		require.Equal(t, want, e <= tolGrad, name)
	}
}

// A program that magnifies rounding is told from one that is wrong; integers and
// what has no form in f64 are not forgiven.
func TestReferenceOfUnstableProgram(t *testing.T) {
	const text = `graph f version=1 {
  %0 = input {name="x"} : f32[1000]
  %1 = mul %0, %0 : f32[1000]
  %2 = sum %1 {axes=[0]} : f32[]
  %3 = sin %2 : f32[]
  output "unstable" = %3
  output "stable" = %0
}`
	c := &checker{p: &program{graph: parse(t, text)}}
	var err error
	c.feeds, c.vars, _, err = c.p.values(nil, nil, 1)
	require.NoError(t, err)
	c.want, _, err = execute(t.Context(), interp.New(), passes.Config{}, c.p.graph, c.feeds, c.vars)
	require.NoError(t, err)
	off := c.inexact(t.Context())
	require.Len(t, off, 2)
	require.Greater(t, off[0], 1e-6)
	require.Less(t, off[0], hopeless)
	require.Zero(t, off[1])

	tolerance := forgiving(off, func(int, types.DType) float64 { return 1e-7 })
	require.InEpsilon(t, inexactFactor*off[0], tolerance(0, types.F32), 1e-9)
	require.Equal(t, 1e-7, tolerance(1, types.F32))
	require.Equal(t, 1e-7, tolerance(0, types.I32))
	require.Equal(t, 1e-7, forgiving([]float64{1}, func(int, types.DType) float64 { return 1e-7 })(0, types.F32), "nothing can be told")
	require.Equal(t, 1e-7, forgiving(nil, func(int, types.DType) float64 { return 1e-7 })(0, types.F32))
	require.Nil(t, (&checker{p: c.p, checkOptions: checkOptions{strict: true}}).inexact(t.Context()))
}

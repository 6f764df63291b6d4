package graph_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
)

// indices calls f for every index below dims.
func indices(dims []int, f func(at []int)) {
	at := make([]int, len(dims))
	for range types.Shape(dims).Size() {
		f(at)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < dims[i] {
				break
			}
			at[i] = 0
		}
	}
}

// array is a drawn value of small whole numbers, whose sums are exact.
type array struct {
	dims []int
	data []float64
}

func drawArray(t *rapid.T, dims []int) array {
	n := types.Shape(dims).Size()
	return array{dims, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-4, 4).Draw(t, "x")) }), n, n).Draw(t, "data")}
}

func (a array) node(g *graph.Graph) *graph.Node { return f64(g, a.data, a.dims...) }

func (a array) at(ix []int) float64 {
	p := 0
	for i, d := range a.dims {
		p = p*d + ix[i]
	}
	return a.data[p]
}

// value builds and runs f.
func value(t *rapid.T, tt *testing.T, f func(g *graph.Graph) *graph.Node) (types.Shape, []float64) {
	var s types.Shape
	g, err := graph.Build("rapid", func(g *graph.Graph) {
		y := f(g)
		s = y.Shape()
		g.Output("y", y)
	})
	require.NoError(t, err)
	return s, run(tt, g.IR(), nil)["y"]
}

// A random subscript sums what its definition says.
func TestEinsumIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		labels := "abcd"[:rapid.IntRange(1, 4).Draw(rt, "labels")]
		size := map[rune]int{}
		for _, l := range labels {
			size[l] = rapid.IntRange(0, 3).Draw(rt, "size")
		}
		letter := rapid.SampledFrom([]rune(labels))
		var parts []string
		var xs []array
		seen := ""
		for range rapid.IntRange(1, 3).Draw(rt, "operands") {
			part := string(rapid.SliceOfN(letter, 0, 3).Draw(rt, "part"))
			dims := []int{}
			ones := rapid.IntRange(0, 5).Draw(rt, "ones") == 0
			for _, l := range part {
				d := size[l]
				if ones && len(parts) > 0 && strings.ContainsRune(seen, l) {
					d = 1
				}
				dims = append(dims, d)
			}
			parts, xs, seen = append(parts, part), append(xs, drawArray(rt, dims)), seen+part
		}
		var out []rune
		for _, l := range labels {
			if strings.ContainsRune(seen, l) && rapid.Bool().Draw(rt, "kept") {
				out = append(out, l)
			}
		}
		out = rapid.Permutation(out).Draw(rt, "out")
		spec := strings.Join(parts, ",") + "->" + string(out)
		dims, all := []int{}, slices.Clone(out)
		for _, l := range labels {
			if !slices.Contains(all, l) && strings.ContainsRune(seen, l) {
				all = append(all, l)
			}
		}
		loops := []int{}
		for i, l := range all {
			loops = append(loops, size[l])
			if i < len(out) {
				dims = append(dims, size[l])
			}
		}
		want := array{dims, make([]float64, types.Shape(dims).Size())}
		indices(loops, func(at []int) {
			term := 1.0
			for i, part := range parts {
				ix := []int{}
				for k, l := range part {
					p := at[slices.Index(all, l)]
					if xs[i].dims[k] == 1 {
						p = 0
					}
					ix = append(ix, p)
				}
				term *= xs[i].at(ix)
			}
			p := 0
			for i, d := range dims {
				p = p*d + at[i]
			}
			want.data[p] += term
		})
		shape, got := value(rt, t, func(g *graph.Graph) *graph.Node {
			var ns []*graph.Node
			for _, x := range xs {
				ns = append(ns, x.node(g))
			}
			return graph.Einsum(spec, ns...)
		})
		require.True(rt, shape.Equal(dims), "%s: %v, want %v", spec, shape, dims)
		require.Equal(rt, want.data, append([]float64{}, got...), spec)
	})
}

// Moves of elements, by where each comes from: -1 is a zero.
func TestMovesAreTheirDefinitions(t *testing.T) {
	mod := func(a, n int) int { return (a%n + n) % n }
	rapid.Check(t, func(rt *rapid.T) {
		dims := rapid.SliceOfN(rapid.IntRange(1, 4), 2, 3).Draw(rt, "dims")
		x := drawArray(rt, dims)
		axis := rapid.IntRange(0, len(dims)-1).Draw(rt, "axis")
		k := rapid.IntRange(-5, 5).Draw(rt, "k")
		times := rapid.SliceOfN(rapid.IntRange(0, 3), len(dims), len(dims)).Draw(rt, "times")
		r, c := len(dims)-2, len(dims)-1
		for name, m := range map[string]struct {
			f    func(x *graph.Node) *graph.Node
			dims func() []int
			from func(at []int) []int // nil: 0
		}{
			"roll": {func(x *graph.Node) *graph.Node { return x.Roll(axis, k) }, func() []int { return dims }, func(at []int) []int {
				at[axis] = mod(at[axis]-k, dims[axis])
				return at
			}},
			"tril": {func(x *graph.Node) *graph.Node { return x.Tril(k) }, func() []int { return dims }, func(at []int) []int {
				if at[c]-at[r] > k {
					return nil
				}
				return at
			}},
			"triu": {func(x *graph.Node) *graph.Node { return x.Triu(k) }, func() []int { return dims }, func(at []int) []int {
				if at[c]-at[r] < k {
					return nil
				}
				return at
			}},
			"repeat": {func(x *graph.Node) *graph.Node { return x.Repeat(times...) }, func() []int {
				out := slices.Clone(dims)
				for i := range out {
					out[i] *= times[i]
				}
				return out
			}, func(at []int) []int {
				for i := range at {
					at[i] %= dims[i]
				}
				return at
			}},
			"repeat_interleave": {func(x *graph.Node) *graph.Node { return x.RepeatInterleave(axis, times[axis]) }, func() []int {
				out := slices.Clone(dims)
				out[axis] *= times[axis]
				return out
			}, func(at []int) []int {
				at[axis] /= times[axis]
				return at
			}},
			"diagonal": {func(x *graph.Node) *graph.Node { return x.Diagonal(k, r, c) }, func() []int {
				n := max(0, min(dims[r]+min(0, k), dims[c]-max(0, k)))
				return append(slices.Clone(dims[:r]), n)
			}, func(at []int) []int {
				i := at[r]
				return append(at[:r], i+max(0, -k), i+max(0, k))
			}},
			"diag_embed": {(*graph.Node).DiagEmbed, func() []int { return append(slices.Clone(dims), dims[c]) }, func(at []int) []int {
				if at[c] != at[c+1] {
					return nil
				}
				return at[:c+1]
			}},
		} {
			want := array{dims: m.dims()}
			indices(want.dims, func(at []int) {
				v := 0.0
				if from := m.from(slices.Clone(at)); from != nil {
					v = x.at(from)
				}
				want.data = append(want.data, v)
			})
			shape, got := value(rt, t, func(g *graph.Graph) *graph.Node { return m.f(x.node(g)) })
			require.True(rt, shape.Equal(want.dims), "%s: %v, want %v", name, shape, want.dims)
			require.Equal(rt, append([]float64{}, want.data...), append([]float64{}, got...), name)
		}
	})
}

// Scans are loops.
func TestScansAreTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := drawArray(rt, []int{rapid.IntRange(0, 40).Draw(rt, "n")})
		type step func(sofar, v float64) float64
		for name, m := range map[string]struct {
			f func(x *graph.Node) *graph.Node
			s step
		}{
			"cumsum":  {func(x *graph.Node) *graph.Node { return x.CumSum(0) }, func(a, v float64) float64 { return a + v }},
			"cumprod": {func(x *graph.Node) *graph.Node { return x.Sign().CumProd(0) }, func(a, v float64) float64 { return a * float64(sign(v)) }},
			"cummax":  {func(x *graph.Node) *graph.Node { v, _ := x.CumMax(0); return v }, func(a, v float64) float64 { return max(a, v) }},
			"cummin":  {func(x *graph.Node) *graph.Node { v, _ := x.CumMin(0); return v }, func(a, v float64) float64 { return min(a, v) }},
		} {
			want := []float64{}
			for i, v := range x.data {
				if i == 0 && name == "cumprod" {
					v = float64(sign(v))
				} else if i > 0 {
					v = m.s(want[i-1], v)
				}
				want = append(want, v)
			}
			_, got := value(rt, t, func(g *graph.Graph) *graph.Node { return m.f(x.node(g)) })
			require.Equal(rt, fmt.Sprint(plus(want)), fmt.Sprint(plus(got)), name)
		}
		_, last := value(rt, t, func(g *graph.Graph) *graph.Node { _, i := x.node(g).CumMax(0); return i })
		at := 0
		for i, v := range x.data {
			if v >= x.data[at] {
				at = i
			}
			require.Equal(rt, float64(at), last[i])
		}
	})
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// plus makes 0 of -0.
func plus(xs []float64) []float64 {
	out := []float64{}
	for _, v := range xs {
		out = append(out, v+0)
	}
	return out
}

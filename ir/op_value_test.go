package ir

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Bodies against plain loops. A reference tells the value at one index of the
// result; at reads an operand.

type reference func(at func(arg int, ix ...int) float64, ix []int) float64

func eachIndex(s types.Shape, f func(ix []int)) {
	ix := make([]int, len(s))
	for flat := range s.Size() {
		for i, st := range s.Strides() {
			ix[i] = flat / max(1, st) % s[i]
		}
		f(ix)
	}
}

// same reports equality with NaN equal to itself, up to rounding.
func same(a, b float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= 1e-12*(math.Abs(a)+math.Abs(b))
}

// check evaluates n, alone and composed, and compares with the reference.
func check(t rapid.TB, n *Node, feeds map[*Node]array, ref reference) {
	var want []float64
	at := func(arg int, ix ...int) float64 {
		x := n.Args[arg]
		flat := 0
		for i, st := range x.Shape().Strides() {
			require.True(t, 0 <= ix[i] && ix[i] < x.Shape()[i])
			flat += st * ix[i]
		}
		return feeds[x][flat].Float()
	}
	eachIndex(n.Shape(), func(ix []int) { want = append(want, kernel.FloatScalar(n.DType(), ref(at, ix)).Float()) })
	for _, deep := range []bool{false, true} {
		vs := newValues(t, deep)
		vs.of = feeds
		got := vs.compute(n)
		require.Len(t, got, len(want))
		for i := range want {
			require.True(t, same(want[i], got[i].Float()), "element %d: want %v, got %v", i, want[i], got[i])
		}
		require.Empty(t, vs.fired)
	}
}

// operand appends an input with small whole numbers in it.
func operand(t *rapid.T, b *Builder, feeds map[*Node]array, d types.DType, dims ...int) *Node {
	x := b.Input("x", types.Of(d, dims...))
	feeds[x] = make(array, x.Shape().Size())
	for i := range feeds[x] {
		feeds[x][i] = kernel.FloatScalar(d, float64(rapid.IntRange(-3, 3).Draw(t, "v")))
	}
	return x
}

func sub(t *rapid.T, rank int) []int {
	axes := []int{}
	for i := range rank {
		if rapid.Bool().Draw(t, "axis") {
			axes = append(axes, i)
		}
	}
	return axes
}

func draw(t *rapid.T, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, "n") }

func TestViewsEqualLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, feeds := NewBuilder("views"), map[*Node]array{}
		dims := shapes(4, 4).Draw(t, "dims")
		x := operand(t, b, feeds, types.F64, dims...)
		rank := len(dims)

		perm := rapid.Permutation(seq(rank)).Draw(t, "perm")
		check(t, b.Transpose(x, perm...), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			in := make([]int, rank)
			for i, p := range perm {
				in[p] = ix[i]
			}
			return at(0, in...)
		})

		start, size, step := make([]int, rank), make([]int, rank), make([]int, rank)
		padStart, padSize, padStep := make([]int, rank), make([]int, rank), make([]int, rank)
		for i, d := range dims {
			step[i] = rapid.SampledFrom([]int{1, 2, 3, -1, -2}).Draw(t, "step")
			if d > 0 {
				start[i] = draw(t, 0, d-1)
				room := start[i]
				if step[i] > 0 {
					room = d - 1 - start[i]
				}
				size[i] = draw(t, 0, room/max(step[i], -step[i])+1)
			}
			padStart[i], padSize[i], padStep[i] = draw(t, -3, 3), draw(t, 0, 5), draw(t, 1, 3)
		}
		check(t, b.Slice(x, start, size, step), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			in := make([]int, rank)
			for i := range ix {
				in[i] = start[i] + ix[i]*step[i]
			}
			return at(0, in...)
		})
		check(t, b.Pad(x, 7, padStart, padSize, padStep), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			v := 7.0
			eachIndex(dims, func(in []int) {
				hit := true
				for i := range in {
					hit = hit && padStart[i]+in[i]*padStep[i] == ix[i]
				}
				if hit {
					v = at(0, in...)
				}
			})
			return v
		})
	})
}

func seq(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func TestBroadcastReshapeConcatEqualLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, feeds := NewBuilder("views"), map[*Node]array{}
		dims := shapes(4, 3).Draw(t, "dims")
		axes := sub(t, len(dims))
		in := []int{}
		for _, ax := range axes {
			in = append(in, rapid.SampledFrom([]int{1, dims[ax]}).Draw(t, "in"))
		}
		check(t, b.Broadcast(operand(t, b, feeds, types.F32, in...), dims, axes), feeds,
			func(at func(int, ...int) float64, ix []int) float64 {
				var from []int
				for i, ax := range axes {
					from = append(from, ix[ax]%in[i])
				}
				return at(0, from...)
			})

		// A reshape: any factors of the same size in another order.
		factors := rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 3, 2, 0}), 0, 5).Draw(t, "factors")
		group := func(fs []int) []int {
			out := []int{}
			for i := 0; i < len(fs); {
				n := draw(t, 1, len(fs)-i)
				out = append(out, types.Shape(fs[i:i+n]).Size())
				i += n
			}
			return out
		}
		from, to := group(factors), group(rapid.Permutation(factors).Draw(t, "order"))
		x := operand(t, b, feeds, types.I32, from...)
		check(t, b.New(OpReshape, Attr{Dims: to}, x), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			flat := 0
			for i, st := range types.Shape(to).Strides() {
				flat += ix[i] * st
			}
			return feeds[x][flat].Float()
		})

		rank := draw(t, 1, 3)
		ax := draw(t, 0, rank-1)
		base := rapid.SliceOfN(rapid.IntRange(0, 3), rank, rank).Draw(t, "base")
		var parts []*Node
		for range draw(t, 1, 4) {
			base[ax] = draw(t, 0, 3)
			parts = append(parts, operand(t, b, feeds, types.U8, base...))
		}
		check(t, b.Concat(ax, parts...), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			in := slices.Clone(ix)
			for i, p := range parts {
				if in[ax] < p.Shape()[ax] {
					return at(i, in...)
				}
				in[ax] -= p.Shape()[ax]
			}
			return math.NaN()
		})
	})
}

func TestWindowsEqualLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, feeds := NewBuilder("window"), map[*Node]array{}
		dims := shapes(3, 5).Draw(t, "dims")
		axes := sub(t, len(dims))
		if len(axes) > 2 {
			axes = axes[:2]
		}
		var size, step, low []int
		pos := slices.Clone(dims)
		for _, ax := range axes {
			size = append(size, draw(t, 1, 4))
			step = append(step, draw(t, 1, 3))
			low = append(low, draw(t, -2, 3))
			pos[ax] = draw(t, 0, 4)
		}
		pos = append(pos, size...)
		// source is the operand's index for a window's element.
		source := func(ix []int) ([]int, bool) {
			in, ok := slices.Clone(ix[:len(dims)]), true
			for i, ax := range axes {
				in[ax] = ix[ax]*step[i] + ix[len(dims)+i] - low[i]
				ok = ok && 0 <= in[ax] && in[ax] < dims[ax]
			}
			return in, ok
		}
		x := operand(t, b, feeds, types.F64, dims...)
		check(t, b.New(OpWindow, Attr{Axes: axes, Size: size, Step: step, Start: low, Dims: pos, Value: -9}, x), feeds,
			func(at func(int, ...int) float64, ix []int) float64 {
				if in, ok := source(ix); ok {
					return at(0, in...)
				}
				return -9
			})
		w := operand(t, b, feeds, types.F64, pos...)
		check(t, b.Unwindow(w, dims, axes, size, step, low), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			sum := 0.0
			eachIndex(pos, func(in []int) {
				if to, ok := source(in); ok && slices.Equal(to, ix) {
					sum += at(0, in...)
				}
			})
			return sum
		})
	})
}

func TestReductionsEqualLoops(t *testing.T) {
	fold := map[Op]func(a, b float64) float64{
		OpSum:       func(a, b float64) float64 { return a + b },
		OpProd:      func(a, b float64) float64 { return a * b },
		OpReduceMax: func(a, b float64) float64 { return max(a, b) },
		OpReduceMin: func(a, b float64) float64 { return min(a, b) },
	}
	from := map[Op]float64{OpProd: 1, OpReduceMax: math.Inf(-1), OpReduceMin: math.Inf(1)}
	rapid.Check(t, func(t *rapid.T) {
		b, feeds := NewBuilder("reduce"), map[*Node]array{}
		op := rapid.SampledFrom([]Op{OpSum, OpProd, OpReduceMax, OpReduceMin}).Draw(t, "op")
		dims := shapes(4, 3).Draw(t, "dims")
		axes := sub(t, len(dims))
		if op == OpReduceMax || op == OpReduceMin {
			for _, ax := range axes {
				dims[ax] = max(1, dims[ax])
			}
		}
		x := operand(t, b, feeds, rapid.SampledFrom([]types.DType{types.F64, types.I64, types.F32}).Draw(t, "d"), dims...)
		if n := len(feeds[x]); n > 0 && x.DType().IsFloat() && rapid.Bool().Draw(t, "nan") {
			feeds[x][draw(t, 0, n-1)] = kernel.FloatScalar(x.DType(), math.NaN())
		}
		check(t, b.New(op, Attr{Axes: axes}, x), feeds, func(at func(int, ...int) float64, ix []int) float64 {
			v := from[op]
			eachIndex(dims, func(in []int) {
				var rest []int
				for i := range in {
					if !slices.Contains(axes, i) {
						rest = append(rest, in[i])
					}
				}
				if slices.Equal(rest, ix) {
					v = fold[op](v, at(0, in...))
				}
			})
			return v
		})
	})
}

func TestContractEqualsLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, feeds := NewBuilder("contract"), map[*Node]array{}
		all := "abcd"
		part := func() (s string) {
			for _, i := range sub(t, len(all)) {
				s += all[i : i+1]
			}
			return s
		}
		la, lb := part(), part()
		var out []string
		for _, c := range all {
			if strings.ContainsRune(la+lb, c) && rapid.Bool().Draw(t, "kept") {
				out = append(out, string(c))
			}
		}
		lo := strings.Join(rapid.Permutation(out).Draw(t, "order"), "")
		size := map[byte]int{}
		for i := range len(all) {
			size[all[i]] = draw(t, 0, 3)
		}
		of := func(labels string) (s []int) {
			for i := range len(labels) {
				s = append(s, size[labels[i]])
			}
			return s
		}
		x, y := operand(t, b, feeds, types.F64, of(la)...), operand(t, b, feeds, types.F64, of(lb)...)
		n := b.Contract(la+","+lb+"->"+lo, x, y)
		require.True(t, n.Shape().Equal(of(lo)))
		used := ""
		for i := range len(all) {
			if strings.ContainsRune(la+lb, rune(all[i])) {
				used += all[i : i+1]
			}
		}
		check(t, n, feeds, func(at func(int, ...int) float64, ix []int) float64 {
			sum := 0.0
			eachIndex(of(used), func(full []int) {
				sel := func(labels string) []int {
					s := []int{}
					for i := range len(labels) {
						s = append(s, full[strings.IndexByte(used, labels[i])])
					}
					return s
				}
				if slices.Equal(sel(lo), ix) {
					sum += at(0, sel(la)...) * at(1, sel(lb)...)
				}
			})
			return sum
		})
	})
}

func TestIotaEqualsLoops(t *testing.T) {
	for _, d := range types.DTypes() {
		if d == types.Bool {
			continue
		}
		b := NewBuilder("iota")
		check(t, b.Iota(types.Of(d, 3, 300, 2), 1), nil, func(_ func(int, ...int) float64, ix []int) float64 {
			if d == types.U8 {
				return float64(ix[1] % 256)
			}
			return float64(ix[1])
		})
		check(t, b.Iota(types.Of(d, 2, 0), 0), nil, nil)
	}
}

func TestElementwise(t *testing.T) {
	b, feeds := NewBuilder("elementwise"), map[*Node]array{}
	in := func(d types.DType, fs ...float64) *Node {
		x := b.Input("x", types.Of(d, len(fs)))
		feeds[x] = floatsOf(d, fs...)
		return x
	}
	nan, inf := math.NaN(), math.Inf(1)
	x, y := in(types.F64, -2.5, 0, 0.5, 7, nan), in(types.F64, 2, 3, 0.5, -2, 1)
	i, j := in(types.I32, -7, 7, -7, 7, 0), in(types.I32, 2, -2, -2, 2, 5)
	p, q := in(types.Bool, 0, 0, 1, 1, 1), in(types.Bool, 0, 1, 0, 1, 1)
	for _, c := range []struct {
		n    *Node
		want []float64
	}{
		{b.Neg(x), []float64{2.5, 0, -0.5, -7, nan}},
		{b.Un(OpRound, x), []float64{-2, 0, 0, 7, nan}},
		{b.Un(OpNot, p), []float64{1, 1, 0, 0, 0}},
		{b.Un(OpNot, i), []float64{6, -8, 6, -8, -1}},
		{b.Bin(OpRem, x, y), []float64{1.5, 0, 0, -1, nan}},
		{b.Bin(OpRem, i, j), []float64{1, -1, -1, 1, 0}},
		{b.Div(i, j), []float64{-4, -4, 3, 3, 0}},
		{b.Bin(OpMax, x, y), []float64{2, 3, 0.5, 7, nan}},
		{b.Bin(OpMin, y, x), []float64{-2.5, 0, 0.5, -2, nan}},
		{b.Bin(OpNe, x, x), []float64{0, 0, 0, 0, 1}},
		{b.Bin(OpXor, p, q), []float64{0, 1, 1, 0, 0}},
		{b.Bin(OpAnd, p, q), []float64{0, 0, 0, 1, 1}},
		{b.Where(p, x, y), []float64{2, 3, 0.5, 7, nan}},
		{b.Cast(x, types.I32), []float64{-2, 0, 0, 7, 0}},
		{b.Cast(x, types.U8), []float64{0, 0, 0, 7, 0}},
		{b.Cast(i, types.U8), []float64{249, 7, 249, 7, 0}},
		{b.Cast(x, types.Bool), []float64{1, 0, 1, 1, 1}},
		{b.Cast(p, types.F32), []float64{0, 0, 1, 1, 1}},
		{b.Cast(in(types.F64, inf, -inf, 3e9, -1e300, 1), types.I32), []float64{math.MaxInt32, math.MinInt32, math.MaxInt32, math.MinInt32, 1}},
		{b.StopGradient(x), []float64{-2.5, 0, 0.5, 7, nan}},
		{b.Barrier(x, p), []float64{-2.5, 0, 0.5, 7, nan}},
		{b.CustomVJP(x, nil, p), []float64{-2.5, 0, 0.5, 7, nan}},
		{b.Const(x.Type, 0.1), []float64{0.1, 0.1, 0.1, 0.1, 0.1}},
		{b.ConstInt(types.Of(types.U8, 2), 300), []float64{44, 44}},
	} {
		check(t, c.n, feeds, func(_ func(int, ...int) float64, ix []int) float64 { return c.want[ix[0]] })
	}
}

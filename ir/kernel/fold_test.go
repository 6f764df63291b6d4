package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

// fold is the meaning of a fold: row-major from the identity.
func fold(op Op, d types.DType, vs []Scalar) Scalar {
	acc := Identity(op, d)
	for _, v := range vs {
		acc = Eval2(op, acc, v)
	}
	return acc
}

// The fold that the builder makes, whatever it does to it, has the value of the
// plain loop: also over axes that the value does not depend on, for integers
// that wrap, infinities and NaN.
func TestFolds(t *testing.T) {
	floats := []float64{0, 1, -2, 0.5, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64}
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBuilder()
		op := rapid.SampledFrom([]Op{Add, Mul, Max, Min}).Draw(rt, "op")
		d := rapid.SampledFrom([]types.DType{types.U8, types.I32, types.I64, types.F32, types.F64}).Draw(rt, "type")
		dims := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(rt, "dims")
		mem := make([]Scalar, 64)
		for i := range mem {
			if d.IsFloat() {
				mem[i] = FloatScalar(d, rapid.SampledFrom(floats).Draw(rt, "element"))
			} else {
				mem[i] = IntScalar(d, rapid.Int64().Draw(rt, "element"))
			}
		}
		coef := rapid.SliceOfN(rapid.Int64Range(0, 6), len(dims), len(dims)).Draw(rt, "strides")
		outer := b.NewAxis("o", 3)
		at := func(k []*Expr) *Expr {
			ix := b.Var(outer)
			for i := range k {
				ix = b.IAdd(ix, b.IMul(k[i], coef[i]))
			}
			return ix
		}
		e := b.Fold(op, d, dims, outer.Bit(), func(k []*Expr) *Expr { return b.Load(0, at(k), d) })
		require.Equal(rt, d, e.DType)
		require.False(rt, e.Free()&^outer.Bit() != 0)
		for o := range 3 {
			var vs []Scalar
			var walk func(i int, ix int64)
			walk = func(i int, ix int64) {
				if i == len(dims) {
					vs = append(vs, mem[ix])
					return
				}
				for k := range dims[i] {
					walk(i+1, ix+coef[i]*int64(k))
				}
			}
			walk(0, int64(o))
			m := &machine{axes: map[*Axis]int64{outer: int64(o)}, mem: [][]Scalar{mem}}
			want, got := fold(op, d, vs), m.data(e)
			if op == Add && d.IsFloat() {
				requireClose(rt, want, got)
			} else {
				if !math.IsNaN(want.Float()) || !math.IsNaN(got.Float()) {
					require.Equal(rt, want.String(), got.String(), "%v of %v", op, vs)
				}
			}
		}
	})
}

// requireClose allows for sums in another order, which may overflow where the
// other does not.
func requireClose(t require.TestingT, want, got Scalar) {
	w, g := want.Float(), got.Float()
	if math.IsNaN(w) || math.IsInf(w, 0) || math.IsInf(g, 0) {
		require.Equal(t, math.IsNaN(w), math.IsNaN(g), "%v and %v", want, got)
		require.False(t, !math.IsNaN(w) && math.Signbit(w) != math.Signbit(g))
		return
	}
	require.InDelta(t, w, g, 1e-6*math.Abs(w))
}

func TestFoldsShareAxes(t *testing.T) {
	b := NewBuilder()
	row, col := b.Domain("row", 4), b.Domain("col", 4)
	i, j := b.Index(row), b.Index(col)
	load := func(k []*Expr) *Expr { return b.Load(0, b.IAdd(b.IMul(i, 4), k[0]), types.F32) }
	used := i.Free()
	// Of the dimensions of equal extent the first that is free is taken.
	sum := b.Fold(Add, types.F32, []int{4}, used, load)
	require.Equal(t, col.Axes, sum.Axes)
	require.Same(t, b.Load(0, b.IAdd(b.IMul(i, 4), j), types.F32), sum.Args[0], "the fold and the loop have one load")
	// A preference decides between them; it counts only where it fits.
	old := b.Prefer([]*Domain{row})
	require.Nil(t, old)
	column := b.Fold(Add, types.F32, []int{4}, j.Free(), func(k []*Expr) *Expr { return b.Load(0, b.IAdd(b.IMul(k[0], 4), j), types.F32) })
	require.Equal(t, row.Axes, column.Axes)
	require.Equal(t, sum, b.Fold(Add, types.F32, []int{4}, used, load), "the row is in use, the preference does not fit")
	require.Equal(t, []*Domain{row}, b.Prefer(nil))
	// All in use: a dimension of its own, shared by the next fold like it.
	both := func(k []*Expr) *Expr { return b.Load(0, b.IAdd(b.IAdd(i, j), k[0]), types.F32) }
	own := b.Fold(Max, types.F32, []int{4}, used|j.Free(), both)
	require.Equal(t, "k4.0", own.Axes[0].Name)
	require.Same(t, own, b.Fold(Max, types.F32, []int{4}, used|j.Free(), both))
	nested := b.Fold(Max, types.F32, []int{4}, used|j.Free()|own.Axes[0].Bit(), both)
	require.Equal(t, "k4.1", nested.Axes[0].Name)
}

func TestSumsOfSumsAreOneSum(t *testing.T) {
	b := NewBuilder()
	i, j, k := b.NewAxis("i", 2), b.NewAxis("j", 3), b.NewAxis("k", 4)
	x := b.Load(0, b.Ravel([]*Expr{b.Var(i), b.Var(j), b.Var(k)}, []int{2, 3, 4}), types.F32)
	inner := b.FoldAxes(Add, []*Axis{k}, x)
	require.Equal(t, []*Axis{j, k}, b.FoldAxes(Add, []*Axis{j}, inner).Axes)
	// Also through a guard of the outer axes, but not one of the inner.
	zero := b.Const(types.F32, 0)
	guard := b.Ge0(b.ISub(b.Int(1), b.Var(j)))
	sum := b.FoldAxes(Add, []*Axis{j}, b.If(guard, inner, zero))
	require.Equal(t, []*Axis{j, k}, sum.Axes)
	require.Equal(t, If, sum.Args[0].Kind)
	other := b.If(b.Ge0(b.ISub(b.Int(1), b.Var(k))), inner, zero) // this k is free
	require.Equal(t, []*Axis{j}, b.FoldAxes(Add, []*Axis{j}, other).Axes)
	// A sum of maxima stays two folds; so does a sum over an axis of one name.
	largest := b.FoldAxes(Max, []*Axis{k}, x)
	require.Equal(t, []*Axis{j}, b.FoldAxes(Add, []*Axis{j}, largest).Axes)
	// Sums over too many points stay apart.
	m, n := b.NewAxis("m", 1<<30), b.NewAxis("n", 1<<30)
	at := b.FromIndex(b.IAdd(b.Var(m), b.Var(n)), types.I64)
	huge := b.FoldAxes(Add, []*Axis{m}, b.FoldAxes(Add, []*Axis{n}, at))
	require.Len(t, huge.Axes, 1)
}

func TestFoldsOverNothing(t *testing.T) {
	b := NewBuilder()
	none, one, i := b.NewAxis("none", 0), b.NewAxis("one", 1), b.NewAxis("i", 5)
	x := b.Load(0, b.Var(i), types.I32)
	for op, want := range map[Op]int64{Add: 0, Mul: 1, Max: math.MinInt32, Min: math.MaxInt32} {
		require.Equal(t, want, b.FoldAxes(op, []*Axis{i, none}, x).Value().Int(), op)
		require.Equal(t, want, b.Fold(op, types.I32, []int{3, 0}, 0, nil).Value().Int(), op)
		require.Same(t, x, b.FoldAxes(op, []*Axis{one}, x), op)
	}
	// Repeats: a multiple that wraps, an extreme, a power.
	c := b.ConstInt(types.I32, 1<<30)
	require.Equal(t, int64(1<<30), b.FoldAxes(Add, []*Axis{i}, c).Value().Int(), "5*2^30 wraps")
	require.Same(t, c, b.FoldAxes(Max, []*Axis{i}, c))
	require.Equal(t, Fold, b.FoldAxes(Mul, []*Axis{i}, c).Kind)
	require.True(t, math.IsInf(b.FoldAxes(Add, []*Axis{i}, b.Const(types.F32, math.Inf(-1))).Value().Float(), -1))
}

func TestRefine(t *testing.T) {
	b := NewBuilder()
	d := b.Domain("i", 24)
	ix := b.Unravel(b.Index(d), []int{2, 3, 4})
	load := b.Load(0, b.Ravel([]*Expr{ix[1], ix[0], ix[2]}, []int{3, 2, 4}), types.F32)
	require.Nil(t, b.Refine([]*Expr{b.Load(0, b.Index(d), types.F32)}), "nothing to split")
	rounds := 0
	for next := b.Refine([]*Expr{load}); next != nil; next = b.Refine([]*Expr{load}) {
		b = next
		d = b.Domain("i", 24)
		ix = b.Unravel(b.Index(d), []int{2, 3, 4})
		load = b.Load(0, b.Ravel([]*Expr{ix[1], ix[0], ix[2]}, []int{3, 2, 4}), types.F32)
		rounds++
		require.Less(t, rounds, 4)
	}
	var extents []int
	for _, a := range d.Axes {
		extents = append(extents, a.Extent)
	}
	require.Equal(t, []int{2, 3, 4}, extents)
	require.Equal(t, "4*i_0 + 8*i_1 + i_2", text(load.Args[0]))
	require.Equal(t, "12*i_0 + 4*i_1 + i_2", text(b.Index(d)), "the flat index stays affine")
}

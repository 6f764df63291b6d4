package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

// Data arithmetic on indices moves into the index world only where it has the
// value that wrapping data has.
func TestIndexDataArithmetic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBuilder()
		axes := drawAxes(rt, b)
		d := rapid.SampledFrom([]types.DType{types.U8, types.U32, types.I32, types.I64}).Draw(rt, "type")
		type pair struct {
			e *Expr
			f func(at []int64) Scalar
		}
		v := drawIndex(rt, b, axes)
		scale := rapid.SampledFrom([]int64{1, 1, 40, 1 << 28}).Draw(rt, "scale")
		vs := []pair{{b.FromIndex(b.IMul(v.e, scale), d), func(at []int64) Scalar { return IntScalar(d, scale*v.f(at)) }}}
		for range rapid.IntRange(1, 5).Draw(rt, "steps") {
			x := vs[rapid.IntRange(0, len(vs)-1).Draw(rt, "x")]
			y := vs[rapid.IntRange(0, len(vs)-1).Draw(rt, "y")]
			if rapid.Bool().Draw(rt, "constant") {
				c := IntScalar(d, rapid.OneOf(rapid.Int64Range(-9, 9), rapid.Int64()).Draw(rt, "c"))
				y = pair{b.ConstScalar(c), func([]int64) Scalar { return c }}
			}
			op := rapid.SampledFrom([]Op{Add, Sub, Mul, Div, Rem, Lt, Le, Eq, Ne, Max}).Draw(rt, "op")
			e, f := b.Bin(op, x.e, y.e), func(at []int64) Scalar { return Eval2(op, x.f(at), y.f(at)) }
			if op.Info().Compare {
				if rapid.Bool().Draw(rt, "not") {
					n, g := b.Un(Not, e), f
					e, f = n, func(at []int64) Scalar { return Eval1(Not, g(at)) }
				}
				n, g := b.Cast(e, d), f
				e, f = n, func(at []int64) Scalar { return EvalCast(g(at), d) }
			}
			require.Equal(rt, d, e.DType)
			vs = append(vs, pair{e, f})
		}
		to := rapid.SampledFrom([]types.DType{types.Bool, types.U8, types.U32, types.I32, types.I64, types.F16, types.BF16, types.F32, types.F64}).Draw(rt, "cast")
		last := vs[len(vs)-1]
		cast := b.Cast(last.e, to)
		everywhere(axes, func(m *machine, at []int64) {
			require.Equal(rt, last.f(at), m.data(last.e), "at %v", at)
			require.Equal(rt, EvalCast(last.f(at), to), m.data(cast), "cast at %v", at)
		})
	})
}

func TestEqualExpressionsAreOne(t *testing.T) {
	b := NewBuilder()
	i := b.NewAxis("i", 8)
	x, y := b.Load(0, b.Var(i), types.F32), b.Load(1, b.Var(i), types.F32)
	require.Same(t, b.Bin(Add, x, y), b.Bin(Add, y, x))
	require.NotSame(t, b.Bin(Sub, x, y), b.Bin(Sub, y, x))
	require.NotSame(t, x, b.Load(0, b.Var(i), types.F64), "another type")
	require.NotSame(t, b.Const(types.F32, 0), b.Const(types.F32, math.Copysign(0, -1)))
	require.Same(t, b.Const(types.F32, math.NaN()), b.Const(types.F32, math.NaN()))
	require.NotSame(t, b.CheckIndex(b.Load(2, b.Var(i), types.I64), 4, 0), b.CheckIndex(b.Load(2, b.Var(i), types.I64), 4, 1), "another site")
	require.NotSame(t, b.Var(i), b.Var(b.NewAxis("i", 8)), "axes have identity")
	for _, e := range []*Expr{x, y} {
		require.Less(t, e.Args[0].ID(), e.ID(), "operands come first")
	}
	require.Equal(t, 0, b.Site("a"))
	require.Equal(t, 1, b.Site("b"))
	require.Equal(t, 0, b.Site("a"))
	for range MaxAxes - 2 {
		b.NewAxis("more", 2)
	}
	require.PanicsWithValue(t, ErrTooManyAxes, func() { b.NewAxis("last", 2) })
}

func TestBranches(t *testing.T) {
	b := NewBuilder()
	i := b.NewAxis("i", 8)
	x, y := b.Load(0, b.Var(i), types.F32), b.Const(types.F32, 0)
	p, q := b.Ge0(b.ISub(b.Var(i), b.Int(2))), b.Ge0(b.ISub(b.Int(5), b.Var(i)))
	require.Same(t, x, b.If(b.True(), x, y))
	require.Same(t, y, b.If(b.False(), x, y))
	require.Same(t, x, b.If(p, x, x))
	require.Same(t, b.If(b.AllOf(p, q), x, y), b.If(p, b.If(q, x, y), y), "guards of one branch join")
	// What the inner guard loads may be in range under the outer one only.
	late := b.Eq0(b.CheckIndex(b.Load(1, b.Var(i), types.I64), 3, 0))
	require.Equal(t, If, b.If(p, b.If(late, x, y), y).Args[1].Kind)
	require.Same(t, b.FromPred(p), b.If(p, b.ConstInt(types.Bool, 1), b.ConstInt(types.Bool, 0)))
	require.Same(t, b.Un(Not, b.FromPred(p)), b.If(p, b.ConstInt(types.Bool, 0), b.ConstInt(types.Bool, 1)))
	require.Same(t, b.If(p, x, y), b.Select(b.FromPred(p), x, y))
	require.Same(t, y, b.Select(b.ConstInt(types.Bool, 0), x, y))
	require.Same(t, b.FromPred(b.AllOf(p, q)), b.Bin(And, b.FromPred(q), b.FromPred(p)))
	require.Same(t, b.False(), b.AllOf(p, b.False(), q))
	require.Same(t, b.True(), b.AllOf())
}

func TestChecksOfKnownIndices(t *testing.T) {
	b := NewBuilder()
	i := b.NewAxis("i", 8)
	require.Same(t, b.Var(i), b.CheckIndex(b.FromIndex(b.Var(i), types.I32), 8, 0), "in range already")
	require.Equal(t, CheckIndex, b.CheckIndex(b.FromIndex(b.Var(i), types.I32), 7, 0).Kind)
	require.Equal(t, CheckIndex, b.CheckIndex(b.ConstInt(types.I64, -1), 7, 0).Kind)
	require.Equal(t, int64(3), b.CheckIndex(b.ConstInt(types.I64, 3), 7, 0).Int)
}

// Predicates and indices that grow from data stay of bounded size.
func TestGrowthIsBounded(t *testing.T) {
	b := NewBuilder()
	i := b.NewAxis("i", 1<<20)
	sum, all := b.FromIndex(b.Var(i), types.I64), b.Load(0, b.Var(i), types.F32)
	zero := b.Const(types.F32, 0)
	for n := int64(2); n < 2000; n++ {
		sum = b.Bin(Add, sum, b.FromIndex(b.IMod(b.Var(i), n), types.I64))
		all = b.If(b.Ge0(b.IMod(b.IAdd(b.Var(i), b.Int(-n)), 3*n-1)), all, zero)
		all = b.If(b.Ge0(b.ISub(b.IMod(b.Var(i), n), b.Int(1))), all, zero)
	}
	Walk([]*Expr{sum, all}, func(e *Expr) { require.LessOrEqual(t, len(e.Args), 2*maxJoined) })
}

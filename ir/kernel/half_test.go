package kernel

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

var halfs = []types.DType{types.F16, types.BF16}

// An operation on halves is one on f32 whose result is rounded: what the scalar
// evaluator gives for the half type itself.
func TestHalfOperations(t *testing.T) {
	values := []float64{0, math.Copysign(0, -1), 1, -2.5, 0.1, 300, 6e4, 1e-7, math.Inf(1), math.NaN()}
	for _, d := range halfs {
		b := NewBuilder()
		x, y := b.Load(0, b.Int(0), d), b.Load(1, b.Int(0), d)
		for _, op := range Ops() {
			switch op {
			case Not, And, Or, Xor, Shl, Shr, Bitcast:
				continue
			}
			var e *Expr
			if op.Info().Arity == 1 {
				e = b.Un(op, x)
			} else {
				e = b.Bin(op, x, y)
			}
			require.Equal(t, op.Result(d), e.DType, op)
			call := e
			if !op.Info().Compare {
				require.Equal(t, Cast, e.Kind, op)
				call = e.Args[0]
			}
			require.Equal(t, types.F32, call.Args[0].DType, op)
			Walk([]*Expr{e}, func(e *Expr) { require.NoError(t, e.check()) })
			for _, u := range values {
				for _, v := range values {
					p, q := FloatScalar(d, u), FloatScalar(d, v)
					want := Eval2(op, p, q)
					if op.Info().Arity == 1 {
						want = Eval1(op, p)
					}
					got := (&machine{mem: [][]Scalar{{p}, {q}}}).data(e)
					require.Equal(t, want.String(), got.String(), "%v of %v and %v in %v", op, p, q, d)
				}
			}
		}
	}
}

func TestHalfCasts(t *testing.T) {
	for _, d := range halfs {
		b := NewBuilder()
		x := b.Load(0, b.Int(0), d)
		require.Same(t, x, b.Cast(b.Cast(x, types.F32), d), "nothing to round")
		require.NotSame(t, x, b.Cast(b.Cast(x, types.I32), d))
		for _, to := range []types.DType{types.Bool, types.U8, types.I64, types.F64, halfs[0], halfs[1]} {
			for _, e := range []*Expr{b.Cast(x, to), b.Cast(b.Load(1, b.Int(0), to), d)} {
				Walk([]*Expr{e}, func(e *Expr) { require.NoError(t, e.check()) })
			}
		}
		direct := &Expr{Kind: Cast, DType: types.F64, Args: []*Expr{x}}
		require.EqualError(t, direct.check(), "cast of "+d.String()+" to f64, which goes through f32")
		sum := &Expr{Kind: Call, Op: Add, DType: d, Args: []*Expr{x, x}}
		require.EqualError(t, sum.check(), "add of "+d.String()+", which is converted to f32 first")
		bits := &Expr{Kind: Call, Op: Bitcast, DType: halfs[0], Args: []*Expr{b.Load(0, b.Int(0), halfs[1])}}
		require.ErrorContains(t, bits.check(), "bitcast of bf16 to f16")
		fold := &Expr{Kind: Fold, Op: Max, DType: d, Axes: []*Axis{b.NewAxis("i", 2)}, Args: []*Expr{x}}
		require.EqualError(t, fold.check(), "fold max of "+d.String())
	}
}

// A fold of halves keeps f32 until its end: 1,000 ones, whose sum in bf16 would
// stop at 256.
func TestHalfFolds(t *testing.T) {
	for _, d := range halfs {
		b := NewBuilder()
		ones := make([]Scalar, 1000)
		for i := range ones {
			ones[i] = FloatScalar(d, 1)
		}
		e := b.Fold(Add, d, []int{1000}, 0, func(k []*Expr) *Expr { return b.Load(0, k[0], d) })
		require.Equal(t, Cast, e.Kind)
		require.Equal(t, types.F32, e.Args[0].DType)
		m := &machine{axes: map[*Axis]int64{}, mem: [][]Scalar{ones}}
		require.Equal(t, 1000.0, m.data(e).Float())
		require.Equal(t, d, b.Fold(Mul, d, nil, 0, func([]*Expr) *Expr { return b.Const(types.F32, 2) }).DType, "one element")
		require.Equal(t, FloatScalar(d, 0), b.Fold(Add, d, []int{0}, 0, nil).Value(), "no element")
		require.Equal(t, 3.0, b.FoldAxes(Add, []*Axis{b.NewAxis("i", 3)}, b.Const(d, 1)).Value().Float())
	}
}

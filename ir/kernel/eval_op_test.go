package kernel

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

var intTypes = []types.DType{types.U8, types.U32, types.I32, types.I64}

// wrap reduces an integer to the width of d.
func wrap(d types.DType, v *big.Int) int64 {
	bits := uint(8 * d.Size())
	m := new(big.Int).Lsh(big.NewInt(1), bits)
	v = new(big.Int).Mod(v, m)
	if d.Kind() == types.KindInt && v.Bit(int(bits-1)) == 1 {
		v.Sub(v, m)
	}
	return v.Int64()
}

func TestIntegerArithmetic(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := rapid.SampledFrom(intTypes).Draw(rt, "type")
		number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 40), rapid.SampledFrom([]int64{minInt(d), maxInt(d)}))
		x, y := IntScalar(d, number.Draw(rt, "x")), IntScalar(d, number.Draw(rt, "y"))
		a, b := big.NewInt(x.Int()), big.NewInt(y.Int())
		big2 := func(f func(z, a, b *big.Int) *big.Int) int64 { return wrap(d, f(new(big.Int), a, b)) }
		want := map[Op]int64{
			Add: big2((*big.Int).Add), Sub: big2((*big.Int).Sub), Mul: big2((*big.Int).Mul),
			And: big2((*big.Int).And), Or: big2((*big.Int).Or), Xor: big2((*big.Int).Xor),
			Max: max(x.Int(), y.Int()), Min: min(x.Int(), y.Int()), Div: 0, Rem: 0, Shl: 0, Shr: 0,
		}
		if b.Sign() != 0 { // Python's // and %
			q, m := new(big.Int).DivMod(a, b, new(big.Int))
			if b.Sign() < 0 && m.Sign() != 0 {
				q.Sub(q, big.NewInt(1))
				m.Add(m, b)
			}
			want[Div], want[Rem] = wrap(d, q), wrap(d, m)
		}
		if n := y.Int(); n >= 0 && n < int64(8*d.Size()) {
			want[Shl], want[Shr] = wrap(d, new(big.Int).Lsh(a, uint(n))), wrap(d, new(big.Int).Rsh(a, uint(n)))
		}
		for op, w := range want {
			got := Eval2(op, x, y)
			require.Equal(rt, d, got.DType)
			require.Equal(rt, w, got.Int(), "%v %v %v of %v", x, op, y, d)
		}
		for op, w := range map[Op]bool{Lt: x.Int() < y.Int(), Le: x.Int() <= y.Int(), Eq: x == y, Ne: x != y} {
			require.Equal(rt, IntScalar(types.Bool, boolInt(w)), Eval2(op, x, y), op)
		}
		abs := new(big.Int).Abs(a)
		for op, w := range map[Op]int64{Neg: wrap(d, new(big.Int).Neg(a)), Abs: wrap(d, abs), Not: wrap(d, new(big.Int).Not(a)), Sign: int64(a.Sign())} {
			require.Equal(rt, w, Eval1(op, x).Int(), "%v %v of %v", op, x, d)
		}
		// Powers, by repeated multiplication; 1/x^n truncates towards 0.
		n := rapid.Int64Range(-4, 9).Draw(rt, "n")
		e := IntScalar(d, n)
		if e.Int() > 1000 {
			return
		}
		p := big.NewInt(0)
		switch {
		case e.Int() >= 0:
			p.Exp(a, big.NewInt(e.Int()), nil)
		case abs.Cmp(big.NewInt(1)) == 0:
			p.Exp(a, big.NewInt(-e.Int()), nil)
		}
		require.Equal(rt, wrap(d, p), Eval2(Pow, x, e).Int(), "%v ** %v of %v", x, e, d)
	})
}

func TestCasts(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		from Scalar
		to   types.DType
		want string
	}{
		{FloatScalar(types.F64, 2.9), types.I32, "2"},
		{FloatScalar(types.F64, -2.9), types.I32, "-2"},
		{FloatScalar(types.F32, 3e9), types.I32, "2147483647"},
		{FloatScalar(types.F32, -inf), types.I64, "-9223372036854775808"},
		{FloatScalar(types.F64, 1<<63), types.I64, "9223372036854775807"},
		{FloatScalar(types.F64, nan), types.I64, "0"},
		{FloatScalar(types.F64, -1), types.U8, "0"},
		{FloatScalar(types.F64, 300), types.U8, "255"},
		{FloatScalar(types.F64, 1<<32), types.U32, "4294967295"},
		{FloatScalar(types.F64, nan), types.Bool, "true"},
		{FloatScalar(types.F64, math.Copysign(0, -1)), types.Bool, "false"},
		{FloatScalar(types.F64, 1e-300), types.Bool, "true"},
		{FloatScalar(types.F64, 0.1), types.F32, "0.1"},
		{FloatScalar(types.F32, 0.1), types.F64, "0.10000000149011612"},
		{FloatScalar(types.F64, 1e300), types.F32, "inf"},
		{IntScalar(types.I64, -1), types.U8, "255"},
		{IntScalar(types.I64, 1<<40+7), types.I32, "7"},
		{IntScalar(types.I64, 256), types.Bool, "true"},
		{IntScalar(types.U32, math.MaxUint32), types.I32, "-1"},
		{IntScalar(types.I64, 1<<24+1), types.F32, "1.6777216e+07"},
		{IntScalar(types.I64, math.MaxInt64), types.F64, "9.223372036854776e+18"},
		// One rounding, not two: by way of float64 this would be a tie.
		{IntScalar(types.I64, 1<<60+1<<36+1), types.F32, FormatFloat(types.F32, 1<<60+1<<37)},
		{IntScalar(types.Bool, 1), types.F32, "1.0"},
		{FloatScalar(types.F64, 1+0x1p-11+0x1p-40), types.F16, "1.0"}, // through f32
		{FloatScalar(types.F32, 1e5), types.F16, "inf"},
		{FloatScalar(types.F32, 0.1), types.BF16, "0.100097656"},
		{FloatScalar(types.F16, 0.1), types.F32, "0.099975586"},
		{FloatScalar(types.BF16, 300), types.U8, "255"},
		{IntScalar(types.I64, 257), types.BF16, "256.0"},
	} {
		require.Equal(t, c.want, EvalCast(c.from, c.to).String(), "%v %v to %v", c.from.DType, c.from, c.to)
	}
	for _, v := range []float64{0, 1, -1.5, inf, nan, math.Copysign(0, -1), 1e-45} {
		bits := EvalBitcast(FloatScalar(types.F32, v), types.U32)
		require.Equal(t, int64(math.Float32bits(float32(v))), bits.Int())
		require.Equal(t, FloatScalar(types.F32, v).String(), EvalBitcast(bits, types.F32).String())
		wide := EvalBitcast(FloatScalar(types.F64, v), types.I64)
		require.Equal(t, math.Float64bits(v), uint64(wide.Int()))
		require.Equal(t, FloatScalar(types.F64, v), EvalBitcast(wide, types.F64))
	}
}

func TestFloatArithmetic(t *testing.T) {
	inf, nan, zero := math.Inf(1), math.NaN(), math.Copysign(0, -1)
	f := func(v float64) Scalar { return FloatScalar(types.F64, v) }
	text := func(s Scalar) string { // the bits of a NaN are the machine's
		if s.DType.IsFloat() && math.IsNaN(s.Float()) {
			return "nan"
		}
		return s.String()
	}
	for _, c := range []struct {
		op   Op
		x, y float64
		want float64
	}{
		{Rem, 5, 3, 2}, {Rem, -5, 3, 1}, {Rem, 5, -3, -1}, {Rem, -5, -3, -2}, {Rem, 5, inf, 5}, {Rem, -5, inf, inf}, {Rem, 5, 0, nan},
		{Max, nan, 1, nan}, {Max, 1, nan, nan}, {Min, nan, 1, nan}, {Min, zero, 0, zero}, {Max, zero, 0, 0}, {Max, inf, 1, inf},
		{Div, 1, 0, inf}, {Div, 1, zero, -inf}, {Div, 0, 0, nan}, {Pow, 0, 0, 1}, {Pow, nan, 0, 1}, {Pow, -8, 1.0 / 3, nan}, {Pow, 2, -1, 0.5},
	} {
		require.Equal(t, text(f(c.want)), text(Eval2(c.op, f(c.x), f(c.y))), "%v %v %v", c.x, c.op, c.y)
	}
	for _, c := range []struct {
		op      Op
		x, want float64
	}{
		{Sign, -3, -1}, {Sign, nan, nan}, {Sign, 0, 0}, {Round, 0.5, 0}, {Round, 1.5, 2}, {Round, -2.5, -2}, {Floor, -0.5, -1}, {Ceil, -0.5, zero},
		{Sigmoid, -1000, 0}, {Sigmoid, 1000, 1}, {Sigmoid, 0, 0.5}, {Rsqrt, 0, inf}, {Rsqrt, 4, 0.5}, {Sqrt, -1, nan}, {Log, 0, -inf}, {Log1p, -1, -inf},
		{Expm1, 1e-20, 1e-20}, {Erf, inf, 1}, {Abs, zero, 0}, {Neg, 0, zero}, {Exp, -inf, 0}, {Tanh, inf, 1}, {Sin, 0, 0}, {Cos, 0, 1},
	} {
		require.Equal(t, text(f(c.want)), text(Eval1(c.op, f(c.x))), "%v %v", c.op, c.x)
	}
	// Comparisons with NaN are false, but for "not equal".
	for op, want := range map[Op]string{Lt: "false", Le: "false", Eq: "false", Ne: "true"} {
		require.Equal(t, want, Eval2(op, f(nan), f(nan)).String(), op)
	}
	// Every operation on f32 rounds to f32.
	third := Eval2(Div, FloatScalar(types.F32, 1), FloatScalar(types.F32, 3))
	require.Equal(t, float64(float32(1)/3), third.Float())
	require.True(t, math.IsInf(Eval2(Mul, FloatScalar(types.F32, 1e30), FloatScalar(types.F32, 1e30)).Float(), 1))
}

package kernel

import (
	"math"

	"dumbtorch/ir/types"
)

// Eval1 returns op of a: the meaning of unary operations.
func Eval1(op Op, a Scalar) Scalar {
	d := a.DType
	if d.IsFloat() {
		return FloatScalar(d, float1(op, a.Float()))
	}
	i := a.Int()
	switch op {
	case Neg:
		i = -i
	case Abs:
		i = max(i, -i)
	case Sign:
		i = int64(cmpInt(i, 0))
	case Not:
		if d == types.Bool {
			i = 1 - i
		} else {
			i = ^i
		}
	}
	return IntScalar(d, i)
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func float1(op Op, x float64) float64 {
	switch op {
	case Neg:
		return -x
	case Abs:
		return math.Abs(x)
	case Sign:
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	case Floor:
		return math.Floor(x)
	case Ceil:
		return math.Ceil(x)
	case Round:
		return math.RoundToEven(x)
	case Exp:
		return math.Exp(x)
	case Expm1:
		return math.Expm1(x)
	case Log:
		return math.Log(x)
	case Log1p:
		return math.Log1p(x)
	case Sqrt:
		return math.Sqrt(x)
	case Rsqrt:
		return 1 / math.Sqrt(x)
	case Sin:
		return math.Sin(x)
	case Cos:
		return math.Cos(x)
	case Tanh:
		return math.Tanh(x)
	case Sigmoid:
		if x < 0 {
			e := math.Exp(x)
			return e / (1 + e)
		}
		return 1 / (1 + math.Exp(-x))
	case Erf:
		return math.Erf(x)
	}
	return math.NaN()
}

// Eval2 returns op of a and b, which have one type.
func Eval2(op Op, a, b Scalar) Scalar {
	d := a.DType
	if opInfo[op].Compare {
		return IntScalar(types.Bool, boolInt(compare(op, a, b)))
	}
	if d.IsFloat() {
		return FloatScalar(d, float2(op, a.Float(), b.Float()))
	}
	return IntScalar(d, int2(op, d, a.Int(), b.Int()))
}

func boolInt(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

func compare(op Op, a, b Scalar) bool {
	lt, eq := a.Int() < b.Int(), a.Int() == b.Int()
	if a.DType.IsFloat() {
		lt, eq = a.Float() < b.Float(), a.Float() == b.Float()
	}
	switch op {
	case Lt:
		return lt
	case Le:
		return lt || eq
	case Eq:
		return eq
	}
	return !eq
}

func float2(op Op, x, y float64) float64 {
	switch op {
	case Add:
		return x + y
	case Sub:
		return x - y
	case Mul:
		return x * y
	case Div:
		return x / y
	case Rem:
		r := math.Mod(x, y)
		if r != 0 && (r < 0) != (y < 0) {
			r += y
		}
		return r
	case Pow:
		return math.Pow(x, y)
	case Max:
		return max(x, y)
	case Min:
		return min(x, y)
	}
	return math.NaN()
}

func int2(op Op, d types.DType, x, y int64) int64 {
	logical := d == types.Bool
	switch op {
	case Add:
		if logical {
			return x | y
		}
		return x + y
	case Sub:
		return x - y
	case Mul:
		return x * y
	case Div:
		if y == 0 {
			return 0
		}
		if y == -1 {
			return -x
		}
		return floorDiv(x, y)
	case Rem:
		if y == 0 || y == -1 {
			return 0
		}
		return floorMod(x, y)
	case Pow:
		return powInt(x, y)
	case Max:
		return max(x, y)
	case Min:
		return min(x, y)
	case And:
		return x & y
	case Or:
		return x | y
	case Xor:
		return x ^ y
	case Shl:
		if y < 0 || y >= int64(8*d.Size()) {
			return 0
		}
		return x << uint(y)
	case Shr:
		if y < 0 || y >= int64(8*d.Size()) {
			return 0
		}
		return x >> uint(y)
	}
	return 0
}

// powInt returns x to the power y, wrapping; a negative y truncates 1/x^|y|.
func powInt(x, y int64) int64 {
	if y < 0 {
		switch x {
		case 1:
			return 1
		case -1:
			return 1 - 2*(y&1)
		}
		return 0
	}
	r := int64(1)
	for ; y > 0; y >>= 1 {
		if y&1 != 0 {
			r *= x
		}
		x *= x
	}
	return r
}

// EvalCast returns a converted to d; see [Builder.Cast].
func EvalCast(a Scalar, d types.DType) Scalar {
	switch {
	case a.DType.IsFloat() && d == types.Bool:
		return IntScalar(d, boolInt(a.Float() != 0))
	case a.DType.IsFloat() && !d.IsFloat():
		v := a.Int()
		return IntScalar(d, min(max(v, minInt(d)), maxInt(d)))
	case a.DType.IsFloat():
		return FloatScalar(d, a.Float())
	case d.IsFloat():
		if d.Arith() == types.F32 {
			return FloatScalar(d, float64(float32(a.Int())))
		}
		return FloatScalar(d, float64(a.Int()))
	}
	return IntScalar(d, a.Int())
}

// EvalBitcast returns the bits of a as a value of type d, of the same size.
func EvalBitcast(a Scalar, d types.DType) Scalar {
	var bits uint64
	switch a.DType {
	case types.F32:
		bits = uint64(math.Float32bits(float32(a.Float())))
	default:
		bits = a.bits
	}
	switch d {
	case types.F32:
		return FloatScalar(d, float64(math.Float32frombits(uint32(bits))))
	case types.F64:
		return Scalar{d, bits}
	}
	return IntScalar(d, int64(bits))
}

// Bitcast returns the bits of a as a value of type d, of the same size.
func (b *Builder) Bitcast(a *Expr, d types.DType) *Expr {
	if a.Kind == Const {
		return b.ConstScalar(EvalBitcast(a.Value(), d))
	}
	return b.intern(Expr{Kind: Call, Op: Bitcast, DType: d, Args: []*Expr{a}})
}

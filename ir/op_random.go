package ir

import (
	"fmt"
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// Random numbers are a function of (seed, counter), a stream's number and the
// position: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", 2011) keyed by the seed maps the stream to a
// key, which maps the counter to a key, which maps the row-major position to two
// words. All 64-bit numbers enter as (low word, high word).

func init() {
	random := func(op Op, name, doc string, value func(b *kernel.Builder, d types.DType, w0, w1 *kernel.Expr) *kernel.Expr) {
		define(op, OpDef{Name: name, Doc: doc, Arity: 1, Flags: NoGrad | Opaque, Attrs: []string{"int", "dims", "mode"}, Infer: inferRandom,
			Body: func(b *kernel.Builder, n *Node, idx []*kernel.Expr, ld Load) *kernel.Expr {
				seed, counter := ld(0, []*kernel.Expr{b.Int(0)}), ld(0, []*kernel.Expr{b.Int(1)})
				k0, k1 := words(b, seed)
				for _, v := range []*kernel.Expr{b.ConstInt(types.I64, n.Attr.Int), counter} {
					c0, c1 := words(b, v)
					k0, k1 = b.Threefry(k0, k1, c0, c1)
				}
				c0, c1 := words(b, b.FromIndex(b.Ravel(idx, n.Shape()), types.I64))
				w0, w1 := b.Threefry(k0, k1, c0, c1)
				return b.Cast(value(b, n.DType(), w0, w1), n.DType())
			}})
	}
	random(OpUniform, "uniform", "Random numbers uniform in [0, 1) from the state i64[2] = (seed, counter) and the stream int.", uniform)
	random(OpNormal, "normal", "Random numbers of the standard normal distribution from the state i64[2] = (seed, counter) and the stream int.", normal)
}

func inferRandom(args []types.Type, a *Attr) (types.Type, error) {
	t, err := inferLeaf(args, a)
	switch {
	case err != nil:
	case !args[0].Equal(types.Of(types.I64, 2)):
		err = fmt.Errorf("the state is i64[2], not %v", args[0])
	case !t.DType.IsFloat():
		err = fmt.Errorf("makes floating-point numbers, not %v", t)
	}
	return t, err
}

// words returns the low and the high word of an i64.
func words(b *kernel.Builder, v *kernel.Expr) (lo, hi *kernel.Expr) {
	return b.Cast(v, types.U32), b.Cast(b.Bin(kernel.Shr, v, b.ConstInt(types.I64, 32)), types.U32)
}

// bitsOf returns the upper n bits of a word as a number of type d, exactly.
func bitsOf(b *kernel.Builder, w *kernel.Expr, n int64, d types.DType) *kernel.Expr {
	return b.Cast(b.Bin(kernel.Shr, w, b.ConstInt(types.U32, 32-n)), d)
}

// uniform is k*2^-n for the upper n bits k of w0, as many as the type's fraction has
// with its leading bit: 8 (bf16), 11 (f16), 24 (f32); or k*2^-53 for 27 bits of w0
// followed by 26 of w1 (f64). No step rounds.
func uniform(b *kernel.Builder, d types.DType, w0, w1 *kernel.Expr) *kernel.Expr {
	if n, ok := map[types.DType]int64{types.BF16: 8, types.F16: 11, types.F32: 24}[d]; ok {
		return b.Bin(kernel.Mul, bitsOf(b, w0, n, types.F32), b.Const(types.F32, math.Ldexp(1, -int(n))))
	}
	hi := b.Bin(kernel.Mul, bitsOf(b, w0, 27, d), b.Const(d, 0x1p26))
	return b.Bin(kernel.Mul, b.Bin(kernel.Add, hi, bitsOf(b, w1, 26, d)), b.Const(d, 0x1p-53))
}

// symmetric is p-1/2 for p = (2k+1)/2^(n+1), the midpoint of the k-th of 2^n equal
// parts of (0, 1), with k as in uniform: odd multiples of 2^-25 (f32) or 2^-54 (f64).
// No step rounds.
func symmetric(b *kernel.Builder, d types.DType, w0, w1 *kernel.Expr) *kernel.Expr {
	num := func(v float64) *kernel.Expr { return b.Const(d, v) }
	add := func(x, y *kernel.Expr) *kernel.Expr { return b.Bin(kernel.Add, x, y) }
	mul := func(x *kernel.Expr, v float64) *kernel.Expr { return b.Bin(kernel.Mul, x, num(v)) }
	if d == types.F32 {
		k := mul(add(bitsOf(b, w0, 24, d), num(-0x1p23)), 2) // even, at most 2^24
		return mul(add(k, num(1)), 0x1p-25)
	}
	hi := mul(add(bitsOf(b, w0, 27, d), num(-0x1p26)), 0x1p27)
	lo := add(mul(bitsOf(b, w1, 26, d), 2), num(1))
	return mul(add(hi, lo), 0x1p-54)
}

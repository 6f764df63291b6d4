package simd

import (
	"math"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/cpu/amd64"
)

// The coefficients are minimax fits with relative weight by Remez' algorithm,
// rounded to float32. Errors are the largest over every 251st float32.

const (
	signBit = 1 << 31
	// magic is 1.5*2^23: adding it rounds a number below 2^22 to an integer, which
	// then stands in the low bits.
	magic = 12582912.0

	infinity   = 0x7F800000
	notANumber = 0x7FC00000
)

// pow2 returns p * 2^n, where the low bits of t hold n, |n| <= 151 and p is in
// [1/2, 2] or NaN: in two factors, so that results beyond the range of normal
// numbers are rounded once.
func (b *Builder) pow2(p, t Value) Value {
	if b.wide {
		return b.bin(amd64.VSCALEFPS, p, b.sub(t, b.f(magic)))
	}
	s := b.shift(amd64.VPSLLD, t, 23)
	half := b.and(b.shift(amd64.VPSRAD, s, 1), b.Const(0xFF800000))
	rest := b.bin(amd64.VPSUBD, s, half)
	one := b.f(1)
	return b.mul(b.mul(p, b.bin(amd64.VPADDD, half, one)), b.bin(amd64.VPADDD, rest, one))
}

// expParts returns e^r and the number whose low bits hold n, x = n*ln 2 + r,
// |x| <= 105.
func (b *Builder) expParts(x Value) (p, t Value) {
	p, t = b.expParts1(x)
	return b.add2(p, b.f(1)), t
}

// expParts1 returns e^r - 1 in place of e^r.
func (b *Builder) expParts1(x Value) (p, t Value) { return b.expAround(x, magic) }

// expAround is expParts1 with n + m in place of the number whose low bits hold n;
// m is an even number about as large as magic.
func (b *Builder) expAround(x Value, m float32) (p, t Value) {
	const high = float32(math.Ln2)
	low := float32(math.Ln2 - float64(high))
	t = b.fma(x, b.f(math.Log2E), b.f(m))
	n := b.sub(t, b.f(m))
	r := b.fnma(n, b.f(low), b.fnma(n, b.f(high), x))
	q := b.horner(r, .49999994, .16666521, .04166839, .008368745, .0013814538)
	return b.fma(q, b.mul(r, r), r), t
}

// exp: 0.97 ulp.
func (b *Builder) exp(x Value) Value {
	if b.belowItsMax(x) {
		return b.expNegative(x)
	}
	return b.pow2(b.expParts(b.bin(amd64.VMAXPS, b.f(-104), b.bin(amd64.VMINPS, b.f(89), x))))
}

// expNegative has the bits of exp for x <= 0 and NaN. The power of two is scaled
// by 2^65, to be a normal number.
func (b *Builder) expNegative(x Value) Value {
	x = b.bin(amd64.VMAXPS, b.f(-104), x)
	if b.wide {
		return b.pow2(b.expParts(x))
	}
	p, t := b.expAround(x, magic+127+65)
	return b.mul(b.mul(b.add2(p, b.f(1)), b.shift(amd64.VPSLLD, t, 23)), b.f(0x1p-65))
}

// belowItsMax reports whether x is a number less the greatest one of its row.
func (b *Builder) belowItsMax(x Value) bool {
	n := &b.nodes[x]
	if n.kind != kRVM || n.op != amd64.VSUBPS {
		return false
	}
	m := &b.nodes[n.b]
	return m.kind == kFold && m.extremes() && m.fold == kernel.Max && m.a == n.a
}

// orNaN returns y, or x where that is NaN: integer arithmetic on bits loses a
// NaN.
func (b *Builder) orNaN(y, x Value) Value { return b.sel(b.cmp(cmpUnord, x, x), x, y) }

// expSmall is exp where the result is a normal number.
func (b *Builder) expSmall(x Value) Value {
	p, t := b.expParts(x)
	return b.bin(amd64.VPADDD, p, b.shift(amd64.VPSLLD, t, 23))
}

// log: 0.88 ulp. x = 2^e * (1+f) with f in [-1/4, 1/2).
func (b *Builder) log(x Value) Value {
	tiny := b.cmp(cmpLT, x, b.Const(0x00800000))
	scaled := b.sel(tiny, b.mul(x, b.f(1<<23)), x)
	i := b.bin(amd64.VPSUBD, scaled, b.Const(0x3F400000))
	e := b.shift(amd64.VPSRAD, i, 23)
	m := b.bin(amd64.VPSUBD, scaled, b.shift(amd64.VPSLLD, e, 23))
	ef := b.sub(b.un(amd64.VCVTDQ2PS, e), b.and(tiny, b.f(23)))
	y := b.logOf(b.sub(m, b.f(1)), ef)
	y = b.sel(b.cmp(cmpLT, x, b.Const(infinity)), y, x)                 // infinity, NaN
	y = b.sel(b.cmp(cmpLT, x, b.f(0)), b.Const(notANumber), y)          // negative
	return b.sel(b.cmp(cmpEQ, x, b.f(0)), b.Const(signBit|infinity), y) // zero
}

// logOf returns log(2^e * (1+f)), f in [-1/4, 1/2).
func (b *Builder) logOf(f, e Value) Value {
	q := b.horner(f, .3333345, -.25000095, .19990861, -.16647312, .14478394, -.13161193, .10463023, -.045074813)
	y := b.fma(b.fma(f, q, b.f(-.5)), b.mul(f, f), b.mul(e, b.f(-2.12194440e-4)))
	return b.fma(e, b.f(0.693359375), b.add2(f, y))
}

// tanh: 1.31 ulp; an odd polynomial below 0.625, above 1 - 2/(e^2x + 1).
func (b *Builder) tanh(x Value) Value {
	abs, sign := b.and(x, b.Const(^uint32(signBit))), b.and(x, b.Const(signBit))
	x2 := b.mul(x, x)
	q := b.horner(x2, -.33333284, .13331491, -.053743497, .020650588, -.005717045)
	small := b.or(b.and(b.fma(b.mul(q, x2), x, x), b.Const(^uint32(signBit))), sign) // -0 stays
	y := b.expSmall(b.add2(b.bin(amd64.VMINPS, b.f(9.2), abs), b.bin(amd64.VMINPS, b.f(9.2), abs)))
	big := b.or(b.sub(b.f(1), b.div(b.f(2), b.add2(y, b.f(1)))), sign)
	return b.orNaN(b.sel(b.cmp(cmpLT, abs, b.f(0.625)), small, big), x)
}

// sigmoid: 2.3 ulp. With e = exp(-|x|) it is 1/(1+e), or e/(1+e) for negative
// x, whose tail thus goes down to the denormal numbers.
func (b *Builder) sigmoid(x Value) Value {
	e := b.expNegative(b.or(x, b.Const(signBit)))
	num := b.sel(b.shift(amd64.VPSRAD, x, 31), e, b.f(1)) // by the sign of x
	return b.div(num, b.add2(b.f(1), e))
}

// erf: 2.3 ulp; an odd polynomial below 1, above 1 - 2^p(|x|), where p
// approximates the binary logarithm of erfc up to 4.
func (b *Builder) erf(x Value) Value {
	abs, sign := b.and(x, b.Const(^uint32(signBit))), b.and(x, b.Const(signBit))
	small := b.mul(x, b.horner(b.mul(x, x), 1.1283791, -.37612218, .11278968, -.026661405, .004824145, -.00048226674, -2.6328738e-05))
	a := b.bin(amd64.VMINPS, b.f(4), abs)
	y := b.horner(a, .00025201452, -1.6295456, -.9137265, -.15621504, .036239587, -.006017531, .00062678533, -3.0432244e-05)
	t := b.add2(y, b.f(magic))
	f := b.sub(y, b.sub(t, b.f(magic)))
	p := b.horner(f, 1, .69314724, .24022655, .055502728, .009617026, .0013418504, .0001583711)
	e := b.bin(amd64.VPADDD, p, b.shift(amd64.VPSLLD, t, 23))
	big := b.or(b.sub(b.f(1), e), sign)
	return b.orNaN(b.sel(b.cmp(cmpLT, abs, b.f(1)), small, big), x)
}

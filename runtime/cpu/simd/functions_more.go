package simd

import (
	"math"

	"dumbtorch/runtime/cpu/amd64"
)

// expm1: 1.4 ulp. With x = n*ln 2 + r and p = e^r - 1 it is 2^n*p + (2^n - 1),
// written with 2^(n-1), which does not overflow; p itself where n is 0.
func (b *Builder) expm1(x Value) Value {
	sign := b.and(x, b.Const(signBit))
	limited := b.bin(amd64.VMAXPS, b.f(-30), b.bin(amd64.VMINPS, b.f(89), x))
	p, t := b.expParts1(limited)
	s := b.bin(amd64.VPADDD, b.shift(amd64.VPSLLD, t, 23), b.Const(126<<23))
	y := b.fma(p, s, b.sub(s, b.f(.5)))
	small := b.cmp(cmpLT, b.and(x, b.Const(^uint32(signBit))), b.f(.34))
	return b.orNaN(b.sel(small, b.or(p, sign), b.add2(y, y)), x)
}

// log1p: 0.9 ulp. With 1+x = 2^e*(1+f) the fraction is f = 2^-e*x + (2^-e - 1),
// rounded once; then as log.
func (b *Builder) log1p(x Value) Value {
	sign := b.and(x, b.Const(signBit))
	e := b.shift(amd64.VPSRAD, b.bin(amd64.VPSUBD, b.add2(x, b.f(1)), b.Const(0x3F400000)), 23)
	// Where 2^-e would not be a normal number, 64 of e go to x.
	huge := b.cmp(cmpLT, b.f(0x1p100), x)
	some := b.bin(amd64.VPSUBD, e, b.and(huge, b.Const(64)))
	s := b.bin(amd64.VPSUBD, b.f(1), b.shift(amd64.VPSLLD, some, 23))
	f := b.fma(b.sel(huge, b.mul(x, b.f(0x1p-64)), x), s, b.sel(huge, b.f(-1), b.sub(s, b.f(1))))
	y := b.or(b.logOf(f, b.un(amd64.VCVTDQ2PS, e)), sign)
	y = b.sel(b.cmp(cmpLT, x, b.Const(infinity)), y, x)
	y = b.sel(b.cmp(cmpLT, x, b.f(-1)), b.Const(notANumber), y)
	return b.sel(b.cmp(cmpEQ, x, b.f(-1)), b.Const(signBit|infinity), y)
}

// mulHigh returns the upper halves of the products of unsigned words.
func (b *Builder) mulHigh(x, y Value) Value {
	even := b.shift(amd64.VPSRLQ, b.bin(amd64.VPMULUDQ, x, y), 32)
	odd := b.bin(amd64.VPMULUDQ, b.shift(amd64.VPSRLQ, x, 32), b.shift(amd64.VPSRLQ, y, 32))
	ones := ^uint32(0)
	return b.or(even, b.and(odd, b.table([8]uint32{1: ones, 3: ones, 5: ones, 7: ones})))
}

// twoOverPi is the binary fraction 2/pi behind 32 zeros.
var twoOverPi = [8]uint32{0, 0xA2F9836E, 0x4E441529, 0xFC2757D1, 0xF534DDC0, 0xDB629599, 0x3C439041, 0xFE5163AB}

// quarters takes x >= 0 apart into n quarter turns, n modulo 4, and the rest r,
// |r| <= pi/4, within 0.6 ulp for every finite x (M. H. Payne and R. N. Hanek,
// "Radian reduction for trigonometric functions", 1983). Of x = m*2^e times 2/pi
// only the bits from 2 on downwards matter: 96 bits of 2/pi times the 24 of m.
func (b *Builder) quarters(x Value) (n, r Value) {
	word := func(v uint32) Value { return b.Const(v) }
	add := func(x, y Value) Value { return b.bin(amd64.VPADDD, x, y) }
	sub := func(x, y Value) Value { return b.bin(amd64.VPSUBD, x, y) }
	m := b.or(b.and(x, word(0x7FFFFF)), word(0x800000))
	// The bit of 2/pi of weight 2, counted with the zeros.
	at := b.bin(amd64.VPMAXSD, sub(b.shift(amd64.VPSRLD, x, 23), word(120)), word(0))
	first, left := b.shift(amd64.VPSRLD, at, 5), b.and(at, word(31))
	right := sub(word(32), left)
	var t [4]Value
	for i := range t {
		t[i] = b.bin(amd64.VPERMD, add(first, word(uint32(i))), b.table(twoOverPi))
	}
	var a [3]Value
	for i := range a {
		a[i] = b.or(b.bin(amd64.VPSLLVD, t[i], left), b.bin(amd64.VPSRLVD, t[i+1], right))
	}
	low := b.mulHigh(m, a[2])
	mid := add(b.bin(amd64.VPMULLD, m, a[1]), low)
	carry := b.bin(amd64.VPCMPGTD, b.xor(low, word(signBit)), b.xor(mid, word(signBit)))
	high := sub(add(b.bin(amd64.VPMULLD, m, a[0]), b.mulHigh(m, a[1])), carry)
	n = b.shift(amd64.VPSRLD, add(high, word(1<<29)), 30)
	// The fraction of a quarter in 64 bits, signed, to the sum of two numbers.
	fh := b.or(b.shift(amd64.VPSLLD, high, 2), b.shift(amd64.VPSRLD, mid, 30))
	fl := b.shift(amd64.VPSRLD, b.shift(amd64.VPSLLD, mid, 2), 1)
	big := b.un(amd64.VCVTDQ2PS, fh)
	rest := b.un(amd64.VCVTDQ2PS, sub(fh, b.un(amd64.VCVTPS2DQ, big)))
	rest = b.fma(b.un(amd64.VCVTDQ2PS, fl), b.f(0x1p-31), rest)
	const c = float32(math.Pi / 2 * 0x1p-32)
	cLow := float32(math.Pi/2*0x1p-32 - float64(c))
	product := b.mul(big, b.f(c))
	tail := b.sub(b.fma(big, b.f(cLow), b.mul(rest, b.f(c))), b.fnma(big, b.f(c), product))
	return n, b.add2(product, tail)
}

// sine returns sin(x), or cos(x): 1.5 ulp for every x.
func (b *Builder) sine(x Value, cosine bool) Value {
	abs, sign := b.and(x, b.Const(^uint32(signBit))), b.and(x, b.Const(signBit))
	n, r := b.quarters(abs)
	small := b.cmp(cmpLE, abs, b.f(math.Pi/4))
	n, r = b.and(n, b.xor(small, b.Const(^uint32(0)))), b.sel(small, abs, r)
	if cosine {
		n, sign = b.bin(amd64.VPADDD, n, b.Const(1)), b.Const(0)
	}
	z := b.mul(r, r)
	s := b.fma(b.mul(b.horner(z, -1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4), z), r, r)
	c := b.horner(z, 4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5)
	c = b.add2(b.fma(b.mul(z, z), c, b.mul(z, b.f(-.5))), b.f(1))
	odd := b.shift(amd64.VPSRAD, b.shift(amd64.VPSLLD, n, 31), 31)
	turn := b.and(b.shift(amd64.VPSLLD, n, 30), b.Const(signBit))
	y := b.xor(b.xor(b.sel(odd, c, s), turn), sign)
	return b.sel(b.cmp(cmpLT, abs, b.Const(infinity)), y, b.Const(notANumber))
}

// pow: 1.1 ulp. The binary logarithm of |x| is the sum of two numbers, good to
// about 2^-32: with x = 2^k*m, m in [sqrt(1/2), sqrt(2)), and s = (m-1)/(m+1) it is
// k + log2(e)*(2s + s^3*P(s^2)).
func (b *Builder) pow(x, y Value) Value {
	ones := b.Const(^uint32(0))
	abs := b.and(x, b.Const(^uint32(signBit)))
	tiny := b.cmp(cmpLT, abs, b.Const(0x00800000))
	scaled := b.sel(tiny, b.mul(abs, b.f(1<<23)), abs)
	k := b.shift(amd64.VPSRAD, b.bin(amd64.VPSUBD, scaled, b.Const(0x3F3504F3)), 23)
	m := b.bin(amd64.VPSUBD, scaled, b.shift(amd64.VPSLLD, k, 23))
	kf := b.sub(b.un(amd64.VCVTDQ2PS, k), b.and(tiny, b.f(23)))
	f, d := b.sub(m, b.f(1)), b.add2(m, b.f(1))
	dLow := b.sub(m, b.sub(d, b.f(1)))
	s := b.div(f, d)
	sLow := b.div(b.fnma(s, dLow, b.fnma(s, d, f)), d)
	z := b.mul(s, s)
	p := b.horner(z, 0.961796694, 0.577078016, 0.412198583, 0.320598898, 0.262308189) // times log2(e)
	const l = float32(math.Log2E)
	lLow := float32(math.Log2E - float64(l))
	s2 := b.add2(s, s)
	hi := b.mul(s2, b.f(l))
	lo := b.fnma(s2, b.f(l), hi) // minus what rounding took, as below
	cube := b.mul(s, z)
	cubeLow := b.fma(s, b.fnma(s, s, z), b.fnma(s, z, cube))
	small := b.fma(s2, b.f(lLow), b.mul(sLow, b.fma(b.mul(z, p), b.f(3), b.f(2*l))))
	third := b.mul(cube, p)
	rest := b.sub(b.sub(b.fnma(cubeLow, p, small), lo), b.fnma(cube, p, third))
	sum := b.add2(kf, hi)
	t := b.add2(sum, third)
	tLow := b.add2(b.add2(b.sub(sum, t), third), b.add2(b.add2(b.sub(kf, sum), hi), rest))
	t = b.sel(b.cmp(cmpEQ, abs, b.f(0)), b.Const(signBit|infinity), t)
	t = b.sel(b.cmp(cmpEQ, abs, b.Const(infinity)), abs, t)
	w := b.mul(y, t)
	wLow := b.sub(b.mul(y, tLow), b.fnma(y, t, w))
	in := b.cmp(cmpLT, b.and(w, b.Const(^uint32(signBit))), b.f(160))
	w = b.bin(amd64.VMAXPS, b.f(-151), b.bin(amd64.VMINPS, b.f(129), w))
	n := b.add2(w, b.f(magic))
	g := b.add2(b.sub(w, b.sub(n, b.f(magic))), b.and(in, wLow))
	r := b.pow2(b.horner(g, 1, .69314724, .24022655, .055502728, .009617026, .0013418504, .0001583711), n)
	// Signs and the cases that the logarithm does not tell.
	whole := b.cmp(cmpEQ, b.unImm(amd64.VROUNDPS, y, roundEven), y)
	half := b.mul(y, b.f(.5))
	odd := b.and(whole, b.cmp(cmpNEQ, b.unImm(amd64.VROUNDPS, half, roundEven), half))
	one := b.cmp(cmpEQ, abs, b.f(1))
	r = b.sel(one, b.f(1), r)
	r = b.or(r, b.and(odd, b.and(x, b.Const(signBit))))
	root := b.and(b.and(b.cmp(cmpLT, x, b.f(0)), b.cmp(cmpLT, abs, b.Const(infinity))), b.xor(whole, ones))
	r = b.sel(root, b.Const(notANumber), r)
	r = b.sel(b.cmp(cmpUnord, x, y), b.Const(notANumber), r)
	return b.sel(b.or(b.cmp(cmpEQ, x, b.f(1)), b.cmp(cmpEQ, y, b.f(0))), b.f(1), r)
}

package ir

import (
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// The normal distribution's quantile function is written in +, -, *, /, sqrt and
// bit operations alone, which every device rounds the same way, so that the same
// seed gives the same bits everywhere.

// A quantile holds the rational approximations of M. J. Wichura, "Algorithm AS
// 241: the percentage points of the normal distribution", Applied Statistics 37
// (1988): PPND7 for f32 (about 1 part in 10^7) and PPND16 for f64 (10^16). Lowest
// coefficient first; with q = p-1/2 and s = sqrt(-log(min(p, 1-p))):
//
//	|q| <= 0.425:  q * A(r)/B(r)        with r = 0.425^2 - q^2
//	s <= 5:        sign(q) * C(r)/D(r)  with r = s - 1.6
//	otherwise:     sign(q) * E(r)/F(r)  with r = s - 5; f32 never gets there
type quantile struct{ a, b, c, d, e, f []float64 }

var ppnd7 = quantile{
	a: []float64{3.3871327179, 50.434271938, 159.29113202, 59.109374720},
	b: []float64{1, 17.895169469, 78.757757664, 67.187563600},
	c: []float64{1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103},
	d: []float64{1, 0.73700164250, 0.12021132975},
}

var ppnd16 = quantile{
	a: []float64{3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
		45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727},
	b: []float64{1, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
		21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610},
	c: []float64{1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
		1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4},
	d: []float64{1, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
		0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9},
	e: []float64{6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 0.296560571828504891230,
		0.0265321895265761230930, 0.00124266094738807843860, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
	f: []float64{1, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525,
		7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15},
}

// normal is the quantile of the number that symmetric makes, in f32 for the halves. The
// largest magnitudes are 5.4 (f32) and 8.3 (f64).
func normal(b *kernel.Builder, d types.DType, w0, w1 *kernel.Expr) *kernel.Expr {
	d = d.Arith()
	m := arith{b, d}
	tab := &ppnd7
	if d == types.F64 {
		tab = &ppnd16
	}
	q := symmetric(b, d, w0, w1)
	size := b.Un(kernel.Abs, q)
	s := b.Un(kernel.Sqrt, b.Un(kernel.Neg, m.log(m.sub(m.num(0.5), size))))
	inner := b.Bin(kernel.Le, size, m.num(0.425))
	near := b.Bin(kernel.Le, s, m.num(5))
	r := m.sub(s, m.num(1.6))
	if tab.e != nil {
		r = b.Select(near, r, m.sub(s, m.num(5)))
	}
	r = b.Select(inner, m.sub(m.num(0.180625), m.mul(q, q)), r)
	of := func(in, mid, far []float64) *kernel.Expr {
		v := m.poly(mid, r)
		if far != nil {
			v = b.Select(near, v, m.poly(far, r))
		}
		return b.Select(inner, m.poly(in, r), v)
	}
	scale := b.Select(inner, q, b.Select(b.Bin(kernel.Lt, q, m.num(0)), m.num(-1), m.num(1)))
	return m.mul(scale, m.div(of(tab.a, tab.c, tab.e), of(tab.b, tab.d, tab.f)))
}

// arith writes arithmetic on one floating-point type.
type arith struct {
	b *kernel.Builder
	d types.DType
}

func (m arith) num(v float64) *kernel.Expr         { return m.b.Const(m.d, v) }
func (m arith) add(x, y *kernel.Expr) *kernel.Expr { return m.b.Bin(kernel.Add, x, y) }
func (m arith) sub(x, y *kernel.Expr) *kernel.Expr { return m.b.Bin(kernel.Sub, x, y) }
func (m arith) mul(x, y *kernel.Expr) *kernel.Expr { return m.b.Bin(kernel.Mul, x, y) }
func (m arith) div(x, y *kernel.Expr) *kernel.Expr { return m.b.Bin(kernel.Div, x, y) }

// poly evaluates a polynomial, lowest coefficient first, by Horner's rule.
func (m arith) poly(c []float64, x *kernel.Expr) *kernel.Expr {
	v := m.num(c[len(c)-1])
	for i := len(c) - 2; i >= 0; i-- {
		v = m.add(m.mul(v, x), m.num(c[i]))
	}
	return v
}

// A logarithm holds what the natural logarithm of one type needs; see
// arith.log.
type logarithm struct {
	bits         types.DType // the integer type as wide
	mantissa     int64       // bits of the fraction
	one, root    int64       // the bit patterns of 1 and of about sqrt(1/2)
	ln2Hi, ln2Lo float64
	series       []float64 // of s^2
}

var logF32 = logarithm{
	bits: types.I32, mantissa: 23, one: 0x3f800000, root: 0x3f3504f3,
	ln2Hi: 6.9313812256e-01, ln2Lo: 9.0580006145e-06,
	series: []float64{0xaaaaaa.0p-24, 0xccce13.0p-25, 0x91e9ee.0p-25, 0xf89e26.0p-26},
}

var logF64 = logarithm{
	bits: types.I64, mantissa: 52, one: 0x3ff0000000000000, root: 0x3fe6a09e00000000,
	ln2Hi: 6.93147180369123816490e-01, ln2Lo: 1.90821492927058770002e-10,
	series: []float64{6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
		1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01},
}

// log is the natural logarithm of a positive normal number, below 1 ulp off: x =
// 2^k*(1+f) with 1+f in [sqrt(1/2), sqrt(2)), s = f/(2+f), R = s^2*series(s^2),
// log(1+f) = f - (f^2/2 - s*(f^2/2+R)). It is the method of FreeBSD's e_log.c and
// e_logf.c (Sun Microsystems, 1993).
func (m arith) log(x *kernel.Expr) *kernel.Expr {
	t := &logF32
	if m.d == types.F64 {
		t = &logF64
	}
	b := m.b
	in := arith{b, t.bits}
	whole := func(v int64) *kernel.Expr { return b.ConstInt(t.bits, v) }
	u := in.add(b.Bitcast(x, t.bits), whole(t.one-t.root))
	k := b.Cast(in.sub(b.Bin(kernel.Shr, u, whole(t.mantissa)), whole(t.one>>t.mantissa)), m.d)
	u = in.add(b.Bin(kernel.And, u, whole(1<<t.mantissa-1)), whole(t.root))
	f := m.sub(b.Bitcast(u, m.d), m.num(1))
	s := m.div(f, m.add(f, m.num(2)))
	z := m.mul(s, s)
	half := m.mul(m.num(0.5), m.mul(f, f))
	r := m.mul(z, m.poly(t.series, z))
	tail := m.add(m.mul(s, m.add(half, r)), m.mul(k, m.num(t.ln2Lo)))
	return m.sub(m.mul(k, m.num(t.ln2Hi)), m.sub(m.sub(half, tail), f))
}

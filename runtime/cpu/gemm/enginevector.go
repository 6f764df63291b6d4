package gemm

import (
	"math"
	"unsafe"
)

// engineDots is addDots in generated code. Of each block of steps lane l of a
// vector sums the steps l, l+lanes, ...; the lanes are added in pairs, then to
// the old sum, then the steps that fill no vector.
func engineDots[T Element](e *engine, s *Strided[T], sums, x []T, i0, k0 int) {
	v := e.lanes()
	vectors := len(x) / v
	var lanes [dotRows * maxLanes]T
	for i := 0; i < len(sums); i += dotRows {
		rows := min(dotRows, len(sums)-i)
		at := (i0+i)*s.Stride + k0
		_ = s.Data[at+(rows-1)*s.Stride+len(x)-1]
		clear(lanes[:])
		args := kernelArgs{a: unsafe.Pointer(&s.Data[at]), b: unsafe.Pointer(&x[0]), c: unsafe.Pointer(&lanes), k: int64(vectors)}
		for r := 0; r < rows; {
			// Fewer than dotRows rows are read one by one, with stride 0.
			n := 1
			if rows == dotRows {
				n, args.rowStride = rows, int64(s.Stride*e.elem)
			}
			args.a = unsafe.Pointer(&s.Data[at+r*s.Stride])
			if vectors > 0 {
				e.dots(&args)
			}
			for j := range n {
				sums[i+r+j] += pairSum(lanes[j*v : (j+1)*v])
			}
			clear(lanes[:])
			r += n
		}
		for r := range rows {
			row := s.Data[at+r*s.Stride:]
			for k := vectors * v; k < len(x); k++ {
				sums[i+r] += T(x[k] * row[k])
			}
		}
	}
}

// pairSum adds neighbours, then their sums, and so on; the length is a power of
// two.
func pairSum[T Element](a []T) T {
	if len(a) == 1 {
		return a[0]
	}
	h := len(a) / 2
	return pairSum(a[:h]) + pairSum(a[h:])
}

// engineScaled is addScaled in generated code.
func engineScaled[T Element](e *engine, s *Strided[T], sums, x []T, i0, k0 int) {
	v := e.lanes()
	at := k0*s.KStride + i0
	_ = s.Data[at+(len(x)-1)*s.KStride+len(sums)-1]
	args := kernelArgs{
		a: unsafe.Pointer(&x[0]), step: int64(e.elem), k: int64(len(x)), panelStep: int64(s.KStride * e.elem),
	}
	i := 0
	for len(sums)-i >= v {
		vectors := min(2, (len(sums)-i)/v)
		args.b, args.c = unsafe.Pointer(&s.Data[at+i]), unsafe.Pointer(&sums[i])
		e.runInPlace(vectors, &args)
		i += vectors * v
	}
	for ; i < len(sums); i++ {
		sum := sums[i]
		for k, a := range x {
			sum = fusedAdd(a, s.Data[at+k*s.KStride+i], sum)
		}
		sums[i] = sum
	}
}

// fusedAdd returns a*b + c, rounded once, for floating-point types.
func fusedAdd[T Element](a, b, c T) T {
	if unsafe.Sizeof(a) == 8 {
		return T(math.FMA(float64(a), float64(b), float64(c)))
	}
	// The exact sum is rounded to odd in float64 and then to float32, which is
	// rounding once: Boldo and Melquiond, "Emulation of FMA and correctly rounded
	// sums: proved algorithms using rounding to odd", 2008.
	p := float64(a) * float64(b) // exact
	z := float64(c)
	s := p + z
	t := s - p
	rest := (p - (s - t)) + (z - t)
	if bits := math.Float64bits(s); rest != 0 && bits&1 == 0 && !math.IsInf(s, 0) && s == s {
		if (rest > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return T(s)
}

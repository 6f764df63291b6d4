package backendtest

import (
	"math"
	"math/rand/v2"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// An array is the value of a buffer: little-endian elements.
type array struct {
	d     types.DType
	bytes []byte
}

func newArray(d types.DType, n int) array { return array{d, make([]byte, n*d.Size())} }

func (a array) len() int { return len(a.bytes) / a.d.Size() }

func (a array) at(i int) kernel.Scalar { return kernel.ReadScalar(a.d, a.bytes[i*a.d.Size():]) }

func (a array) set(i int, v kernel.Scalar) { v.Write(a.bytes[i*a.d.Size():]) }

// of returns an array of the given values.
func of(d types.DType, vs ...float64) array {
	a := newArray(d, len(vs))
	for i, v := range vs {
		a.set(i, kernel.FloatScalar(d, v))
	}
	return a
}

// ints returns an array of the given integers.
func ints(d types.DType, vs ...int64) array {
	a := newArray(d, len(vs))
	for i, v := range vs {
		a.set(i, kernel.IntScalar(d, v))
	}
	return a
}

// whole returns n whole numbers of small magnitude: sums and products of many
// of them are exact in every type (of halves in f32, where they are done), so
// their order cannot matter.
func whole(d types.DType, n int, seed uint64) array {
	r := rand.New(rand.NewPCG(seed, 1))
	a := newArray(d, n)
	for i := range n {
		v := r.Int64N(9) - 4
		if d == types.Bool || d == types.U8 || d == types.U32 {
			v = r.Int64N(5)
		}
		a.set(i, kernel.IntScalar(d, v))
	}
	return a
}

// normal returns n numbers around 0 (truncated for integers).
func normal(d types.DType, n int, seed uint64) array {
	r := rand.New(rand.NewPCG(seed, 2))
	a := newArray(d, n)
	for i := range n {
		v := r.NormFloat64()
		if !d.IsFloat() {
			v = math.Abs(v) * 50
		}
		a.set(i, kernel.FloatScalar(d, v))
	}
	return a
}

// indices returns n integers in [0, limit).
func indices(d types.DType, n, limit int, seed uint64) array {
	r := rand.New(rand.NewPCG(seed, 3))
	a := newArray(d, n)
	for i := range n {
		a.set(i, kernel.IntScalar(d, r.Int64N(int64(limit))))
	}
	return a
}

// extremes returns the values of d at which operations change their behaviour.
func extremes(d types.DType) array {
	switch d {
	case types.Bool:
		return ints(d, 0, 1)
	case types.U8:
		return ints(d, 0, 1, 2, 3, 7, 8, 100, 127, 128, 200, 254, 255)
	case types.U32:
		return ints(d, 0, 1, 2, 3, 31, 32, 1<<16, 1<<31-1, 1<<31, 1<<32-2, 1<<32-1)
	case types.I32:
		return ints(d, 0, 1, -1, 2, -2, 3, -7, 7, 31, 32, 1000, -1000, math.MaxInt32, math.MinInt32, math.MinInt32+1)
	case types.I64:
		return ints(d, 0, 1, -1, 2, -2, 3, -7, 7, 63, 64, 1<<40, -1<<40, math.MaxInt64, math.MinInt64, math.MinInt64+1)
	}
	vs := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3, -3, 1e-8, -1e-8, 1e-3, -1e-3, 0.1, -0.1, 0.9, 10, -10,
		33.3, -33.3, 88, -88, 100, -100, 1000.5, -1000.5, 8388607.5, -8388608.5, 1e9, -1e9, 1e19, -1e19, 1e30, -1e30,
		math.Pi, math.Pi / 2, math.Inf(1), math.Inf(-1), math.NaN(),
	}
	switch d {
	case types.F16:
		vs = append(vs, 65504, -65504, 65520, 0x1p-14, 0x1p-24, -0x1p-24, 1+0x1p-10)
	case types.BF16:
		vs = append(vs, 0x1.fep127, -0x1.fep127, 0x1p-126, 0x1p-133, -0x1p-133, 1+0x1p-7)
	case types.F32:
		vs = append(vs, math.MaxFloat32, -math.MaxFloat32, 0x1p-126, 0x1p-149, -0x1p-149, 0x1p-24, 1+0x1p-23)
	default:
		vs = append(vs, math.MaxFloat64, -math.MaxFloat64, 0x1p-1022, 0x1p-1074, -0x1p-1074, 0x1p-53, 1+0x1p-52, 700, -700, -745)
	}
	return of(d, vs...)
}

// pairs returns every pair of elements of a, as two arrays.
func pairs(a array) (x, y array) {
	n := a.len()
	x, y = newArray(a.d, n*n), newArray(a.d, n*n)
	for i := range n * n {
		x.set(i, a.at(i/n))
		y.set(i, a.at(i%n))
	}
	return x, y
}

// allTypes are the element types of kernels.
var allTypes = append(types.DTypes(), types.U32)

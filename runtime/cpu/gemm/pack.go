package gemm

import (
	"errors"
	"fmt"
	"math/bits"
)

// ErrBounds reports an operand or a destination whose memory is too small for its extents and strides.
var ErrBounds = errors.New("gemm: matrix exceeds its memory")

// A Packer is one operand of a product, seen as rows of K values: row i of A, or column i of B.
//
// Pack writes rows [i0,i1) and steps [k0,k1) into dst as micro-panels of width rows: the value of row i0+p*width+r at
// step k goes to dst[(p*(k1-k0)+(k-k0))*width+r]. Rows from i1 up to the end of the last panel are written as zero.
// i0 is a multiple of width, and dst is exactly as long as the panels. Calls for different parts may run at the same time.
type Packer[T Element] interface {
	Pack(dst []T, width, i0, i1, k0, k1 int)
}

// PackerFunc makes a function a [Packer].
type PackerFunc[T Element] func(dst []T, width, i0, i1, k0, k1 int)

// Pack calls f.
func (f PackerFunc[T]) Pack(dst []T, width, i0, i1, k0, k1 int) { f(dst, width, i0, i1, k0, k1) }

// Strided is an operand in memory: row i at step k is Data[i*Stride+k*KStride], or with pages of Page steps
// Data[i*Stride+k/Page*PageStride+k%Page*KStride]. A row-major A[M,K] has Stride lda and KStride 1,
// its transpose Stride 1 and KStride lda; a row-major B[K,N] has Stride 1 and KStride ldb. Strides are in elements, and 0 repeats
// a value. Use a pointer, so that storing it in a [Packer] does not allocate.
type Strided[T Element] struct {
	Data             []T
	Stride, KStride  int
	Page, PageStride int
}

// step returns the place of step k of row 0.
func (s *Strided[T]) step(k int) int {
	if s.Page == 0 {
		return k * s.KStride
	}
	return k/s.Page*s.PageStride + k%s.Page*s.KStride
}

// pageEnd returns the end of the page of step k, or end if it is earlier.
func (s *Strided[T]) pageEnd(k, end int) int {
	if s.Page == 0 {
		return end
	}
	return min(end, (k/s.Page+1)*s.Page)
}

// Check reports, by an error that wraps [ErrBounds], whether rows x k values lie within s.Data.
func (s *Strided[T]) Check(rows, k int) error {
	if rows > 0 && k > 0 && s.Page > 0 {
		if s.Stride < 0 || s.KStride < 0 || s.PageStride < 0 ||
			!fits(len(s.Data)-(k-1)/s.Page*s.PageStride, rows, s.Stride, min(k, s.Page), s.KStride) {
			return fmt.Errorf("%w: %d x %d values with strides %d, %d, %d in %d", ErrBounds, rows, k, s.Stride, s.KStride, s.PageStride, len(s.Data))
		}
		return nil
	}
	if rows < 0 || k < 0 || s.Stride < 0 || s.KStride < 0 || !fits(len(s.Data), rows, s.Stride, k, s.KStride) {
		return fmt.Errorf("%w: %d x %d values with strides %d, %d in %d", ErrBounds, rows, k, s.Stride, s.KStride, len(s.Data))
	}
	return nil
}

// fits reports whether index (rows-1)*rs + (cols-1)*cs is below n; without rows or columns nothing is read.
func fits(n, rows, rs, cols, cs int) bool {
	if rows == 0 || cols == 0 {
		return true
	}
	h0, x := bits.Mul64(uint64(rows-1), uint64(rs))
	h1, y := bits.Mul64(uint64(cols-1), uint64(cs))
	sum, carry := bits.Add64(x, y, 0)
	return h0|h1|carry == 0 && sum < uint64(n)
}

// Pack implements [Packer].
func (s *Strided[T]) Pack(dst []T, width, i0, i1, k0, k1 int) {
	depth := k1 - k0
	if depth <= 0 || i1 <= i0 {
		return
	}
	full := (i1 - i0) / width
	switch {
	case s.Page > 0:
		full = 0
	case s.KStride == 1 && width == MR:
		for p := range full {
			s.packRows4(dst[p*MR*depth:][:MR*depth], i0+p*MR, k0, depth)
		}
	case s.KStride == 1 && width == NR:
		for p := range full {
			s.packRows2(dst[p*NR*depth:][:NR*depth], i0+p*NR, k0, depth)
		}
	case s.Stride == 1 && width == MR:
		s.packCols4(dst, full, i0, k0, depth)
	case s.Stride == 1 && width == NR:
		s.packCols2(dst, full, i0, k0, depth)
	default:
		full = 0
	}
	for i := i0 + full*width; i < i1; i += width {
		s.packPanel(dst[(i-i0)*depth:][:width*depth], width, i, min(i+width, i1), k0, depth)
	}
}

// packPanel fills one panel of any width, padding its missing rows.
func (s *Strided[T]) packPanel(dst []T, width, i0, i1, k0, depth int) {
	if i1-i0 < width {
		clear(dst)
	}
	for i := i0; i < i1; i++ {
		if s.Page > 0 {
			for k := range depth {
				dst[k*width+i-i0] = s.Data[i*s.Stride+s.step(k0+k)]
			}
			continue
		}
		src := s.Data[i*s.Stride+k0*s.KStride:]
		if width == 1 && s.KStride == 1 {
			copy(dst, src[:depth])
			return
		}
		for k, d := 0, i-i0; k < depth; k, d = k+1, d+width {
			dst[d] = src[k*s.KStride]
		}
	}
}

// packRows4 fills one full panel from four rows that are contiguous over the steps, a square of 4 x 4 at a time.
func (s *Strided[T]) packRows4(dst []T, i, k0, depth int) {
	r0, r1 := s.row(i, k0, depth), s.row(i+1, k0, depth)
	r2, r3 := s.row(i+2, k0, depth), s.row(i+3, k0, depth)
	for len(dst) >= 4*MR && len(r0) >= 4 && len(r1) >= 4 && len(r2) >= 4 && len(r3) >= 4 {
		d := (*[4 * MR]T)(dst)
		x0, x1, x2, x3 := (*[4]T)(r0), (*[4]T)(r1), (*[4]T)(r2), (*[4]T)(r3)
		d[0], d[1], d[2], d[3] = x0[0], x1[0], x2[0], x3[0]
		d[4], d[5], d[6], d[7] = x0[1], x1[1], x2[1], x3[1]
		d[8], d[9], d[10], d[11] = x0[2], x1[2], x2[2], x3[2]
		d[12], d[13], d[14], d[15] = x0[3], x1[3], x2[3], x3[3]
		dst, r0, r1, r2, r3 = dst[4*MR:], r0[4:], r1[4:], r2[4:], r3[4:]
	}
	for k := range r0 {
		d := (*[MR]T)(dst[k*MR:])
		d[0], d[1], d[2], d[3] = r0[k], r1[k], r2[k], r3[k]
	}
}

// packRows2 is packRows4 for panels of width NR.
func (s *Strided[T]) packRows2(dst []T, i, k0, depth int) {
	r0, r1 := s.row(i, k0, depth), s.row(i+1, k0, depth)
	for len(dst) >= 8*NR && len(r0) >= 8 && len(r1) >= 8 {
		d := (*[8 * NR]T)(dst)
		x0, x1 := (*[8]T)(r0), (*[8]T)(r1)
		d[0], d[1], d[2], d[3] = x0[0], x1[0], x0[1], x1[1]
		d[4], d[5], d[6], d[7] = x0[2], x1[2], x0[3], x1[3]
		d[8], d[9], d[10], d[11] = x0[4], x1[4], x0[5], x1[5]
		d[12], d[13], d[14], d[15] = x0[6], x1[6], x0[7], x1[7]
		dst, r0, r1 = dst[8*NR:], r0[8:], r1[8:]
	}
	for k := range r0 {
		d := (*[NR]T)(dst[k*NR:])
		d[0], d[1] = r0[k], r1[k]
	}
}

// row returns n steps of row i from step k0 on; KStride is 1.
func (s *Strided[T]) row(i, k0, n int) []T { return s.Data[i*s.Stride+k0:][:n] }

// packSteps is how many steps of a source that is contiguous across panels are packed before the next panels: the lines and
// pages they touch stay at hand until they are used up.
const packSteps = 32

// packCols4 fills full panels from a source that is contiguous across them, four panels at a time.
func (s *Strided[T]) packCols4(dst []T, full, i0, k0, depth int) {
	for kb := 0; kb < depth; kb += packSteps {
		ke := min(kb+packSteps, depth)
		p := 0
		for ; p+4 <= full; p += 4 {
			group := dst[p*MR*depth:][:4*MR*depth]
			d0, d1 := group[kb*MR:ke*MR], group[(depth+kb)*MR:(depth+ke)*MR]
			d2, d3 := group[(2*depth+kb)*MR:(2*depth+ke)*MR], group[(3*depth+kb)*MR:(3*depth+ke)*MR]
			at := (k0+kb)*s.KStride + i0 + p*MR
			for len(d0) >= MR && len(d1) >= MR && len(d2) >= MR && len(d3) >= MR {
				src := (*[4 * MR]T)(s.Data[at:])
				*(*[MR]T)(d0) = [MR]T(src[0:4])
				*(*[MR]T)(d1) = [MR]T(src[4:8])
				*(*[MR]T)(d2) = [MR]T(src[8:12])
				*(*[MR]T)(d3) = [MR]T(src[12:16])
				d0, d1, d2, d3 = d0[MR:], d1[MR:], d2[MR:], d3[MR:]
				at += s.KStride
			}
		}
		for ; p < full; p++ {
			d := dst[p*MR*depth:][:MR*depth]
			for k := kb; k < ke; k++ {
				*(*[MR]T)(d[k*MR:]) = [MR]T(s.Data[(k0+k)*s.KStride+i0+p*MR:])
			}
		}
	}
}

// packCols2 is packCols4 for panels of width NR.
func (s *Strided[T]) packCols2(dst []T, full, i0, k0, depth int) {
	for kb := 0; kb < depth; kb += packSteps {
		ke := min(kb+packSteps, depth)
		p := 0
		for ; p+4 <= full; p += 4 {
			group := dst[p*NR*depth:][:4*NR*depth]
			d0, d1 := group[kb*NR:ke*NR], group[(depth+kb)*NR:(depth+ke)*NR]
			d2, d3 := group[(2*depth+kb)*NR:(2*depth+ke)*NR], group[(3*depth+kb)*NR:(3*depth+ke)*NR]
			at := (k0+kb)*s.KStride + i0 + p*NR
			for len(d0) >= NR && len(d1) >= NR && len(d2) >= NR && len(d3) >= NR {
				src := (*[4 * NR]T)(s.Data[at:])
				*(*[NR]T)(d0) = [NR]T(src[0:2])
				*(*[NR]T)(d1) = [NR]T(src[2:4])
				*(*[NR]T)(d2) = [NR]T(src[4:6])
				*(*[NR]T)(d3) = [NR]T(src[6:8])
				d0, d1, d2, d3 = d0[NR:], d1[NR:], d2[NR:], d3[NR:]
				at += s.KStride
			}
		}
		for ; p < full; p++ {
			d := dst[p*NR*depth:][:NR*depth]
			for k := kb; k < ke; k++ {
				*(*[NR]T)(d[k*NR:]) = [NR]T(s.Data[(k0+k)*s.KStride+i0+p*NR:])
			}
		}
	}
}

package gemm

// vectorTile computes a tile of a product with one row or one column without packing the matrix, whose values are used only
// once; it reports false if this is not such a product or the matrix has no unit stride. The order of every sum is that
// of the micro-kernel, but for generated code where the steps are contiguous: see engineDots. buf has room for a block of the vector and for the tile.
func (g *Product[T]) vectorTile(buf, c []T, ldc, m0, m1, n0, n1 int) bool {
	x, y, i0, i1, step := g.A, g.B, n0, n1, 1
	if g.Plan.M != 1 {
		if g.Plan.N != 1 {
			return false
		}
		x, y, i0, i1, step = g.B, g.A, m0, m1, ldc
	}
	mat, ok := y.(*Strided[T])
	if !ok || (mat.KStride != 1 && mat.Stride != 1) {
		return false
	}
	depth := min(g.Plan.K, vectorDepth)
	sums := buf[depth:][:i1-i0]
	clear(sums)
	for k0 := 0; k0 < g.Plan.K; k0 += vectorDepth {
		k1 := min(k0+vectorDepth, g.Plan.K)
		v := buf[:k1-k0]
		x.Pack(v, 1, 0, 1, k0, k1)
		switch e := g.Plan.engine; {
		case mat.KStride == 1 && e != nil:
			engineDots(e, mat, sums, v, i0, k0)
		case mat.KStride == 1:
			mat.addDots(sums, v, i0, k0)
		case e != nil:
			engineScaled(e, mat, sums, v, i0, k0)
		default:
			mat.addScaled(sums, v, i0, k0)
		}
	}
	for i, s := range sums {
		c[i*step] = s
	}
	return true
}

// addDots adds to sums the products of x with the rows from i0, contiguous from step k0 on. Six sums run side by side,
// because one alone waits for each of its adds; eight rows would spill.
func (s *Strided[T]) addDots(sums, x []T, i0, k0 int) {
	for ; len(sums) >= 6; sums, i0 = sums[6:], i0+6 {
		r0, r1, r2 := s.row(i0, k0, len(x)), s.row(i0+1, k0, len(x)), s.row(i0+2, k0, len(x))
		r3, r4, r5 := s.row(i0+3, k0, len(x)), s.row(i0+4, k0, len(x)), s.row(i0+5, k0, len(x))
		d := (*[6]T)(sums)
		c0, c1, c2, c3, c4, c5 := d[0], d[1], d[2], d[3], d[4], d[5]
		for k, v := range x {
			c0 += T(v * r0[k])
			c1 += T(v * r1[k])
			c2 += T(v * r2[k])
			c3 += T(v * r3[k])
			c4 += T(v * r4[k])
			c5 += T(v * r5[k])
		}
		*d = [6]T{c0, c1, c2, c3, c4, c5}
	}
	for i := range sums {
		r, sum := s.row(i0+i, k0, len(x)), sums[i]
		for k, v := range x {
			sum += T(v * r[k])
		}
		sums[i] = sum
	}
}

// addScaled is addDots for rows that lie side by side at each step: it walks the steps four at a time, in memory order.
func (s *Strided[T]) addScaled(sums, x []T, i0, k0 int) {
	at := k0*s.KStride + i0
	for ; len(x) >= 4; x, at = x[4:], at+4*s.KStride {
		v0, v1, v2, v3 := x[0], x[1], x[2], x[3]
		r0 := s.Data[at:][:len(sums)]
		r1 := s.Data[at+s.KStride:][:len(sums)]
		r2 := s.Data[at+2*s.KStride:][:len(sums)]
		r3 := s.Data[at+3*s.KStride:][:len(sums)]
		for i, sum := range sums {
			sum += T(v0 * r0[i])
			sum += T(v1 * r1[i])
			sum += T(v2 * r2[i])
			sum += T(v3 * r3[i])
			sums[i] = sum
		}
	}
	for j, v := range x {
		r := s.Data[at+j*s.KStride:][:len(sums)]
		for i := range sums {
			sums[i] += T(v * r[i])
		}
	}
}

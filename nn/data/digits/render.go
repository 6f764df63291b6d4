package digits

import (
	"math"

	"dumbtorch/nn/internal/splitmix"
)

// The arithmetic of this file has the same bits everywhere. A compiler may
// fuse x*y+z into one rounding unless the product is converted explicitly, so
// every product that meets a sum goes through mul, and no function of package
// math but the correctly rounded Sqrt is called. (Compile for arm64 with
// -gcflags=-S: there must be no FMADDD and no FMSUBD.)

func mul(x, y float64) float64 { return float64(x * y) }

// lerp returns a at t = 0 and b at t = 1.
func lerp(a, b, t float64) float64 { return a + mul(b-a, t) }

// sin and cos are Taylor polynomials for small angles: below |x| = 0.6 the
// error is under 1e-7.
func sin(x float64) float64 {
	x2 := mul(x, x)
	return mul(x, 1-mul(x2/6, 1-mul(x2/20, 1-x2/42)))
}

func cos(x float64) float64 {
	x2 := mul(x, x)
	return 1 - mul(x2/2, 1-mul(x2/12, 1-mul(x2/30, 1-x2/56)))
}

// uniform returns a number in [lo, hi).
func uniform(r *splitmix.Source, lo, hi float64) float64 { return lerp(lo, hi, r.Float64()) }

const sqrt3 = 1.7320508075688772

// bell returns a number of mean 0 and standard deviation 1, nearly normal and
// never beyond 3.5: the scaled sum of four uniform numbers of 16 bits.
func bell(r *splitmix.Source) float64 {
	b := r.Uint64()
	sum := b&0xffff + b>>16&0xffff + b>>32&0xffff + b>>48
	return mul((float64(sum)-2*0xffff)/0x10000, sqrt3)
}

// The ranges that a way of writing is drawn from. They set the difficulty, which
// the package comment states: a linear classifier must stay well behind an MLP.
const (
	minHeight = 15.5 // of a glyph, pixels
	maxHeight = 21
	minAspect = .55 // width over height
	maxAspect = .95
	rotation  = .15 // standard deviation, radians
	slant     = .12 // mean shear: most people lean to the right
	shearing  = .19 // standard deviation of the shear
	shifting  = 1.3 // standard deviation, pixels
	warping   = .08 // standard deviation of a coefficient of the deformation
	minJitter = .005
	maxJitter = .035 // standard deviation of a point's own displacement, glyph heights
	minRadius = .65  // of the pen, pixels
	maxRadius = 1.6
	tapering  = .15 // standard deviation of the radius' relative change
	minInk    = 190 // brightness out of 255
	maxInk    = 255
	minBlur   = .9 // half the width of a stroke's edge, pixels
	maxBlur   = 1.5
	maxNoise  = 45 // amplitude out of 255
)

// hand is how one image is written: everything that varies but the glyph.
type hand struct {
	// A glyph's point p goes to the image as m*(warp(p) - 1/2) + shift.
	mxx, mxy, myx, myy float64
	shiftX, shiftY     float64
	warp               [2][7]float64 // coefficients of x², xy, y², x³, x²y, xy², y³
	jitter             float64       // standard deviation of a point's own displacement
	radius             float64       // of the pen, in pixels
	taper              float64       // relative change of the radius along a stroke
	ink                float64       // brightness of a covered pixel, 0 to 255
	blur               float64       // width of the edge, in pixels
	noise              float64       // amplitude of the noise, 0 to 255
}

// newHand draws a way of writing.
func newHand(r *splitmix.Source) hand {
	var h hand
	scale := uniform(r, minHeight, maxHeight)
	aspect := uniform(r, minAspect, maxAspect)
	angle := mul(bell(r), rotation)
	shear := slant + mul(bell(r), shearing)
	s, c := sin(angle), cos(angle)
	w := mul(scale, aspect)
	// Rotation of (scaling after shearing): a slant moves the top to the right.
	h.mxx = mul(w, c)
	h.mxy = -mul(scale, mul(shear, c)) - mul(scale, s)
	h.myx = mul(w, s)
	h.myy = mul(scale, c) - mul(scale, mul(shear, s))
	h.shiftX = Side/2 + mul(bell(r), shifting)
	h.shiftY = Side/2 + mul(bell(r), shifting)
	for d := range h.warp {
		for k := range h.warp[d] {
			h.warp[d][k] = mul(bell(r), warping)
		}
	}
	h.jitter = uniform(r, minJitter, maxJitter)
	h.radius = uniform(r, minRadius, maxRadius)
	h.taper = mul(bell(r), tapering)
	h.ink = uniform(r, minInk, maxInk)
	h.blur = uniform(r, minBlur, maxBlur)
	h.noise = uniform(r, 0, maxNoise)
	return h
}

// place maps a glyph's point to pixels.
func (h *hand) place(r *splitmix.Source, p point) point {
	// Centred and doubled, so that the powers below are at most about 1.
	x := mul(2, p.x) - 1 + mul(bell(r), 2*h.jitter)
	y := mul(2, p.y) - 1 + mul(bell(r), 2*h.jitter)
	xx, xy, yy := mul(x, x), mul(x, y), mul(y, y)
	basis := [7]float64{xx, xy, yy, mul(xx, x), mul(xx, y), mul(x, yy), mul(yy, y)}
	u, v := x, y
	for k, b := range basis {
		u += mul(h.warp[0][k], b)
		v += mul(h.warp[1][k], b)
	}
	u, v = u/2, v/2
	return point{
		h.shiftX + (mul(h.mxx, u) + mul(h.mxy, v)),
		h.shiftY + (mul(h.myx, u) + mul(h.myy, v)),
	}
}

// canvas is the scratch of one goroutine.
type canvas struct {
	edge   [Side * Side]float64 // signed distance to the ink's outline, see segment
	placed []point
}

// far is the value of a pixel that no stroke comes near.
const far = 1e9

// draw writes the digit into dst, Side*Side bytes, row by row.
func (c *canvas) draw(dst []byte, digit int, r *splitmix.Source) {
	for i := range c.edge {
		c.edge[i] = far
	}
	g := glyphs[digit][r.Uintn(uint64(len(glyphs[digit])))]
	h := newHand(r)
	for _, s := range g {
		c.placed = c.placed[:0]
		for _, p := range s {
			c.placed = append(c.placed, h.place(r, p))
		}
		c.curve(&h)
	}
	c.develop(dst, &h, r)
}

// steps is how many straight segments stand for one span of a curve.
const steps = 5

// curve draws the Catmull-Rom curve through the placed points; the curve's
// ends have the direction of their chords.
func (c *canvas) curve(h *hand) {
	ps := c.placed
	n := len(ps)
	segs := float64((n - 1) * steps)
	last := ps[0]
	done := 0.0
	for i := 0; i+1 < n; i++ {
		p0, p1, p2, p3 := ps[max(i-1, 0)], ps[i], ps[i+1], ps[min(i+2, n-1)]
		for k := 1; k <= steps; k++ {
			t := float64(k) / steps
			q := point{spline(p0.x, p1.x, p2.x, p3.x, t), spline(p0.y, p1.y, p2.y, p3.y, t)}
			pressure := 1 + mul(h.taper, mul(2, done)/segs-1)
			c.segment(last, q, mul(h.radius, pressure), h.blur)
			last = q
			done++
		}
	}
}

// spline is one coordinate of a uniform Catmull-Rom span from b to c.
func spline(a, b, c, d, t float64) float64 {
	k1 := mul(.5, c-a)
	k2 := a - mul(2.5, b) + mul(2, c) - mul(.5, d)
	k3 := mul(1.5, b-c) + mul(.5, d-a)
	return b + mul(t, k1+mul(t, k2+mul(t, k3)))
}

// segment lowers edge to the signed distance, in pixels, from each pixel's
// middle to the outline of a segment drawn with a round pen of the radius.
func (c *canvas) segment(a, b point, radius, blur float64) {
	reach := radius + blur
	x0, x1 := span(min(a.x, b.x)-reach, max(a.x, b.x)+reach)
	y0, y1 := span(min(a.y, b.y)-reach, max(a.y, b.y)+reach)
	dx, dy := b.x-a.x, b.y-a.y
	length2 := mul(dx, dx) + mul(dy, dy)
	inv := 0.0
	if length2 > 1e-12 {
		inv = 1 / length2
	}
	reach2 := mul(reach, reach)
	for y := y0; y < y1; y++ {
		py := float64(y) + .5 - a.y
		row := c.edge[y*Side : (y+1)*Side]
		for x := x0; x < x1; x++ {
			px := float64(x) + .5 - a.x
			t := mul(mul(px, dx)+mul(py, dy), inv)
			t = max(0, min(1, t))
			ex, ey := px-mul(t, dx), py-mul(t, dy)
			d2 := mul(ex, ex) + mul(ey, ey)
			if d2 < reach2 {
				row[x] = min(row[x], math.Sqrt(d2)-radius)
			}
		}
	}
}

// span returns the pixels whose middles may lie in [lo, hi], cut to the image.
func span(lo, hi float64) (int, int) {
	clamp := func(v float64) int { return int(max(0, min(Side, v))) }
	return clamp(lo), clamp(hi + 1)
}

// develop turns distances to brightness, adds noise, and rounds.
func (c *canvas) develop(dst []byte, h *hand, r *splitmix.Source) {
	var bits uint64
	for i, d := range c.edge {
		if i%8 == 0 {
			bits = r.Uint64()
		}
		v := mul(h.ink, max(0, min(1, .5-d/(2*h.blur))))
		// Two 4-bit numbers make a triangular distribution from -15 to 15.
		grain := float64(int(bits&15)+int(bits>>4&15)-15) / 15
		bits >>= 8
		v += mul(h.noise, grain)
		dst[i] = byte(max(0, min(255, v+.5)))
	}
}

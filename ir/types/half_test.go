package types

import (
	"hash/crc32"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// halfFormat is a half type as the properties below see it.
type halfFormat struct {
	d        DType
	from     func(float32) uint16
	float    func(uint16) float32
	text     func(uint16) string
	inf      uint16
	quiet    uint16
	fraction int // bits
	bias     int
}

var halfFormats = []halfFormat{
	{F16, func(f float32) uint16 { return uint16(ToFloat16(f)) }, func(h uint16) float32 { return Float16(h).Float32() },
		func(h uint16) string { return Float16(h).String() }, 0x7c00, 0x200, 10, 15},
	{BF16, func(f float32) uint16 { return uint16(ToBFloat16(f)) }, func(h uint16) float32 { return BFloat16(h).Float32() },
		func(h uint16) string { return BFloat16(h).String() }, 0x7f80, 0x40, 7, 127},
}

// Every one of the 65,536 patterns has the value that the format's definition
// gives it, comes back from float32 unchanged, and is the nearest to all between
// it and its neighbours.
func TestHalfAllValues(t *testing.T) {
	for _, h := range halfFormats {
		t.Run(h.d.String(), func(t *testing.T) {
			for u := range 1 << 16 {
				u := uint16(u)
				f, mag := h.float(u), u&0x7fff
				if math.Signbit(float64(f)) != (u>>15 == 1) {
					t.Fatalf("sign of %#x: %v", u, f)
				}
				if mag > h.inf {
					if f == f || h.from(f) != u|h.quiet {
						t.Fatalf("%#x is no NaN of the same payload: %v, %#x", u, f, h.from(f))
					}
					continue
				}
				exp, frac := int(mag>>h.fraction), float64(mag&(1<<h.fraction-1))
				want := math.Ldexp(1+math.Ldexp(frac, -h.fraction), exp-h.bias)
				switch {
				case mag == h.inf:
					want = math.Inf(1)
				case exp == 0:
					want = math.Ldexp(frac, 1-h.bias-h.fraction)
				}
				if math.Abs(float64(f)) != want || h.from(f) != u {
					t.Fatalf("%#x is %v, want %v; back: %#x", u, f, want, h.from(f))
				}
				if mag < h.inf {
					h.checkAbove(t, u)
				}
			}
		})
	}
}

// checkAbove checks the rounding of what lies between u and the next number of
// larger magnitude; beyond the largest that is the power of two.
func (h *halfFormat) checkAbove(t *testing.T, u uint16) {
	low, high := float64(h.float(u)), math.Copysign(math.Ldexp(1, h.bias+1), float64(h.float(u)))
	if u&0x7fff < h.inf-1 {
		high = float64(h.float(u + 1))
	}
	middle := float32((low + high) / 2)
	if h.d == BF16 && float64(middle) != (low+high)/2 {
		return // subnormal: float32 has a number between only at the middle or above it
	}
	even := u + u&1
	away := math.Float32frombits(math.Float32bits(middle) + 1)
	near := math.Float32frombits(math.Float32bits(middle) - 1)
	if h.from(middle) != even || h.from(away) != u+1 || h.from(near) != u {
		t.Fatalf("between %#x and the next: %v gives %#x, above %#x, below %#x", u, middle, h.from(middle), h.from(away), h.from(near))
	}
}

// Checksums, made by torch 2.15, over all patterns: of the float32 values, little endian, a NaN
// as 0x7fc00000,
//
//	torch.arange(1<<16).to(torch.int16).view(dtype).float()
//
// and of the patterns to which the float32 values of bits 65537*i are rounded, a NaN as
// 0x7fff,
//
//	(torch.arange(1<<16)*65537).to(torch.int32).view(torch.float32).to(dtype).view(torch.int16)
func TestHalfAgainstPyTorch(t *testing.T) {
	want := map[DType][2]uint32{F16: {0x3020c7a7, 0xc1da09a0}, BF16: {0x28c5ed34, 0x672262d6}}
	for _, h := range halfFormats {
		var floats, patterns []byte
		for i := range uint32(1 << 16) {
			b := math.Float32bits(h.float(uint16(i)))
			if f := math.Float32frombits(b); f != f {
				b = 0x7fc00000
			}
			floats = append(floats, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
			f := math.Float32frombits(i * 65537)
			p := h.from(f)
			if f != f {
				p = 0x7fff
			}
			patterns = append(patterns, byte(p), byte(p>>8))
		}
		require.Equal(t, want[h.d], [2]uint32{crc32.ChecksumIEEE(floats), crc32.ChecksumIEEE(patterns)}, "%v", h.d)
	}
}

func TestHalfText(t *testing.T) {
	require.Equal(t, "0.1", ToBFloat16(0.1).String())
	require.Equal(t, "0.1", ToFloat16(0.1).String())
	require.Equal(t, "65500", ToFloat16(65504).String())
	require.Equal(t, "3.39e+38", ToBFloat16(3.39e38).String())
	require.Equal(t, "-Inf", ToFloat16(-1e6).String())
	require.Equal(t, "NaN", ToBFloat16(float32(math.NaN())).String())
	for _, h := range halfFormats {
		for u := range int(h.inf) + 1 {
			s := h.text(uint16(u))
			f, err := strconv.ParseFloat(s, 32)
			if err != nil || h.from(float32(f)) != uint16(u) {
				t.Fatalf("%v %#x is written %q, read %#x (%v)", h.d, u, s, h.from(float32(f)), err)
			}
		}
	}
}

func TestRound(t *testing.T) {
	for _, h := range halfFormats {
		require.Equal(t, float64(h.float(h.from(math.Pi))), h.d.Round(math.Pi))
		require.True(t, math.IsInf(h.d.Round(1e300), 1))
		require.Equal(t, F32, h.d.Arith())
		require.True(t, h.d.IsHalf())
	}
	require.Equal(t, float64(float32(math.Pi)), F32.Round(math.Pi))
	require.Equal(t, math.Pi, F64.Round(math.Pi))
	require.Equal(t, F64, F64.Arith())
}

// Package splitmix is the random number generator of nn and its data packages:
// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014). It is written out here, and not taken from
// math/rand, so that an order of samples is the same in every version of Go
// and on every platform. It imports nothing of ours.
package splitmix

import "math/bits"

// gamma is the increment of the counter: 2^64 divided by the golden ratio,
// made odd.
const gamma = 0x9e3779b97f4a7c15

// Mix is SplitMix64's output function, a bijection of the 64-bit integers.
func Mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// Source is a stream of random numbers. Its k-th number, counted from 1, is
// Mix(start + k*gamma).
type Source struct{ state uint64 }

// New returns the source that starts at seed: New(0) gives the published
// sequence of SplitMix64.
func New(seed uint64) Source { return Source{seed} }

// Stream returns one of many sources that belong to the same seed: it starts
// at Mix(Mix(seed+gamma) + stream*gamma).
func Stream(seed, stream uint64) Source {
	return Source{Mix(Mix(seed+gamma) + stream*gamma)}
}

// Uint64 returns the next 64 random bits.
func (s *Source) Uint64() uint64 {
	s.state += gamma
	return Mix(s.state)
}

// Uintn returns a number below n, every one equally likely; n must be positive.
// The method is Lemire's, "Fast random integer generation in an interval",
// ACM TOMACS 2019: the high half of a product, with a rejection.
func (s *Source) Uintn(n uint64) uint64 {
	hi, lo := bits.Mul64(s.Uint64(), n)
	if lo < n {
		for floor := -n % n; lo < floor; {
			hi, lo = bits.Mul64(s.Uint64(), n)
		}
	}
	return hi
}

// Float64 returns a number in [0,1), a multiple of 2^-53.
func (s *Source) Float64() float64 {
	return float64(s.Uint64()>>11) * (1.0 / (1 << 53))
}

// Perm fills p with a random permutation of 0..len(p)-1: the Fisher-Yates
// shuffle of the identity, from the last element down.
func (s *Source) Perm(p []int) {
	for i := range p {
		p[i] = i
	}
	for i := len(p) - 1; i > 0; i-- {
		j := int(s.Uintn(uint64(i) + 1))
		p[i], p[j] = p[j], p[i]
	}
}

package splitmix

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The published sequence of SplitMix64 from seed 0, as in Vigna's splitmix64.c.
func TestPublishedSequence(t *testing.T) {
	r := New(0)
	for _, want := range []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec} {
		require.Equal(t, want, r.Uint64())
	}
}

func TestStreamsDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(50) {
		for stream := range uint64(50) {
			r := Stream(seed, stream)
			seen[r.Uint64()] = true
		}
	}
	require.Len(t, seen, 2500)
}

func TestUintnIsUniform(t *testing.T) {
	r := New(1)
	// A bound just above 2^63 rejects almost half of all draws.
	const n = 1<<63 + 1
	low := 0
	for range 10000 {
		v := r.Uintn(n)
		require.Less(t, v, uint64(n))
		if v < n/2 {
			low++
		}
	}
	require.InDelta(t, 5000, low, 200) // four standard deviations

	var count [7]int
	for range 70000 {
		count[r.Uintn(7)]++
	}
	for _, c := range count {
		require.InDelta(t, 10000, c, 400)
	}
}

func TestFloat64(t *testing.T) {
	r := New(2)
	sum := 0.0
	for range 10000 {
		v := r.Float64()
		require.GreaterOrEqual(t, v, 0.0)
		require.Less(t, v, 1.0)
		sum += v
	}
	require.InDelta(t, 5000, sum, 120)
}

func TestPerm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := make([]int, rapid.IntRange(0, 50).Draw(t, "n"))
		r := New(rapid.Uint64().Draw(t, "seed"))
		r.Perm(p)
		sorted := slices.Sorted(slices.Values(p))
		for i, v := range sorted {
			require.Equal(t, i, v)
		}
	})
}

// All 24 orders of four elements come equally often.
func TestPermIsUniform(t *testing.T) {
	r := New(3)
	count := map[[4]int]int{}
	var p [4]int
	for range 24000 {
		r.Perm(p[:])
		count[p]++
	}
	require.Len(t, count, 24)
	for _, c := range count {
		require.InDelta(t, 1000, c, 130)
	}
}

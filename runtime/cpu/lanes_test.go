package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// indexOf is the index of a flat position.
func indexOf(dims []dim, pos int) int {
	at := 0
	for i := len(dims) - 1; i >= 0; i-- {
		at += pos % dims[i].extent * int(dims[i].coef)
		pos /= dims[i].extent
	}
	return at
}

// TestSplitDims compares every index with that of its row and lane.
func TestSplitDims(t *testing.T) {
	split := 0
	rapid.Check(t, func(t *rapid.T) {
		var dims []dim
		total := 1
		for range rapid.IntRange(0, 4).Draw(t, "dims") {
			d := dim{rapid.IntRange(2, 6).Draw(t, "extent"), int64(rapid.IntRange(-2, 12).Draw(t, "coef"))}
			dims = append(dims, d)
			total *= d.extent
		}
		var widths []int
		for w := 1; w <= total; w++ {
			if total%w == 0 {
				widths = append(widths, w)
			}
		}
		width := rapid.SampledFrom(widths).Draw(t, "width")
		rows, lane, ok := splitDims(dims, width)
		if !ok {
			return
		}
		split++
		m := memStream{dims: rows}
		if n := len(rows); n > 0 {
			m.step = int(rows[n-1].coef)
		}
		for r := 0; r < total/width; {
			at, k := m.row(0, r, total/width-r)
			require.Positive(t, k)
			for range k {
				for i := range width {
					require.Equal(t, indexOf(dims, r*width+i), at+i*int(lane), "row %d, lane %d of %v", r, i, dims)
				}
				at += m.step
				r++
			}
		}
	})
	require.Positive(t, split)
}

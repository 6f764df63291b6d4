package passes

import (
	"cmp"
	"slices"

	"dumbtorch/ir/kernel"
)

// place gives every block an offset and returns the size of the arena. Packing
// intervals is NP-hard; first fit in a few orders, the largest block first
// among them, then some rounds that move the block on top of the arena to the
// front, come within a few percent of the largest live set.
func place(p *kernel.Program, blocks []*block) int64 {
	bound := largestLive(blocks)
	order := slices.Clone(blocks)
	best := int64(-1)
	offsets := make([]int64, len(blocks))
	try := func() *block {
		size, top := firstFit(order)
		if best < 0 || size < best {
			best = size
			for i, b := range blocks {
				offsets[i] = b.offset
			}
		}
		return top
	}
	life := func(b *block) int64 { return int64(b.last - b.first + 1) }
	keys := []func(*block) int64{
		func(b *block) int64 { return b.size },
		func(b *block) int64 { return b.size * life(b) },
		life,
		func(b *block) int64 { return int64(-b.first) },
		func(b *block) int64 { return int64(b.last) },
	}
	for _, key := range keys {
		slices.SortStableFunc(order, func(a, b *block) int {
			return cmp.Or(cmp.Compare(key(b), key(a)), cmp.Compare(b.size, a.size), cmp.Compare(a.first, b.first))
		})
		if try(); best == bound {
			break
		}
		const maxRounds, maxBlocks = 16, 2000
		for range maxRounds {
			if best == bound || len(blocks) > maxBlocks {
				break
			}
			top := try()
			i := slices.Index(order, top)
			if i <= 0 {
				break
			}
			copy(order[1:i+1], order[:i])
			order[0] = top
		}
	}
	for i, b := range blocks {
		b.offset = offsets[i]
		for _, n := range b.buffers {
			p.Buffers[n].Offset = b.offset
		}
	}
	return max(best, 0)
}

// firstFit puts every block at the lowest offset that is free during its life.
// It returns the size and the block that reaches it.
func firstFit(order []*block) (size int64, top *block) {
	placed := make([]*block, 0, len(order)) // by offset
	for _, b := range order {
		at := int64(0)
		for _, o := range placed {
			if !o.overlaps(b) {
				continue
			}
			if o.offset-at >= b.size {
				break
			}
			at = max(at, o.offset+o.size)
		}
		b.offset = at
		i, _ := slices.BinarySearchFunc(placed, at, func(o *block, at int64) int { return cmp.Compare(o.offset, at) })
		placed = slices.Insert(placed, i, b)
		if at+b.size > size {
			size, top = at+b.size, b
		}
	}
	return size, top
}

// largestLive returns the largest sum of sizes of blocks alive at one launch:
// no arena can be smaller.
func largestLive(blocks []*block) int64 {
	delta := map[int]int64{}
	end := 0
	for _, b := range blocks {
		delta[b.first] += b.size
		delta[b.last+1] -= b.size
		end = max(end, b.last+1)
	}
	live, peak := int64(0), int64(0)
	for i := 0; i <= end; i++ {
		live += delta[i]
		peak = max(peak, live)
	}
	return peak
}

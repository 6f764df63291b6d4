package cpu

import (
	"cmp"
	"slices"

	"dumbtorch/ir/kernel"
)

// A local is the part of a local value that belongs to one block, at an offset
// in a worker's memory.
type local struct {
	offset, bytes int64
	len           int
}

// A slot is memory that local values take one after the other: each writes over
// the one before.
type slot struct {
	locals      []*local
	bytes       int64
	first, last int // stages between which it is in use
}

// placeLocals gives every local value of one block an offset and returns the
// bytes that they take together. Values that are not in use at the same stage
// share memory, and so does what a stage writes with what it is the last to read,
// if it may write in place. Stages are those of one block.
func placeLocals(stages []kernel.Stage, params int, values []kernel.Param) ([]*local, int64) {
	locals := make([]*local, len(values))
	slots := make([]*slot, len(values))
	lastUse := make([]int, len(values))
	for i, q := range values {
		locals[i] = &local{bytes: int64(q.Len) * int64(q.DType.Size()), len: q.Len}
	}
	for i, s := range stages {
		for _, a := range s.Args {
			if a >= params {
				lastUse[a-params] = i
			}
		}
	}
	var all []*slot
	for i, s := range stages {
		l := &kernel.Launch{Kernel: s.Kernel, Args: s.Args}
		for j, q := range s.Kernel.Params {
			w := s.Args[j] - params
			if !q.Out || w < 0 {
				continue
			}
			for _, a := range s.Args {
				r := a - params
				if r < 0 || r == w || slots[r] == nil || slots[r].last != i || lastUse[r] != i ||
					values[r].DType.Size() != values[w].DType.Size() || values[r].Len != values[w].Len || !l.InPlace(j, a) {
					continue
				}
				slots[w] = slots[r]
				break
			}
			if slots[w] == nil {
				slots[w] = &slot{bytes: alignUp(locals[w].bytes), first: i}
				all = append(all, slots[w])
			}
			t := slots[w]
			t.locals = append(t.locals, locals[w])
			t.last = max(i, lastUse[w])
			if t.last == i && t.first < i {
				t.last = i + 1 // no second value of this stage goes here
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *slot) int { return cmp.Compare(b.bytes, a.bytes) })
	total := int64(0)
	for i, t := range all {
		at := int64(0)
		for moved := true; moved; {
			moved = false
			for _, o := range all[:i] {
				if from := o.locals[0].offset; o.first <= t.last && t.first <= o.last && from < at+t.bytes && at < from+o.bytes {
					at, moved = from+o.bytes, true
				}
			}
		}
		for _, v := range t.locals {
			v.offset = at
		}
		total = max(total, at+t.bytes)
	}
	return locals, total
}

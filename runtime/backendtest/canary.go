package backendtest

import (
	"fmt"
	"slices"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// canaryLen is the length of a canary, of i32 elements: 64 bytes.
const canaryLen = 16

// guarded returns d's program with its temporaries moved apart and a canary in
// front of, between and behind them: temporaries that the first launch fills
// and the last one copies to an output, which is the last output. A device that
// writes outside of a temporary changes a canary.
func guarded(p *kernel.Program) *kernel.Program {
	q := *p
	q.Buffers = slices.Clone(p.Buffers)
	var temps []int
	for i := range q.Buffers {
		if q.Buffers[i].Kind == kernel.TempBuffer {
			temps = append(temps, i)
		}
	}
	slices.SortStableFunc(temps, func(a, b int) int { return int(p.Buffers[a].Offset - p.Buffers[b].Offset) })
	var canaries []int
	top := int64(0) // of the new arena
	canary := func() {
		canaries = append(canaries, len(q.Buffers))
		q.Buffers = append(q.Buffers, kernel.Buffer{Kind: kernel.TempBuffer, DType: types.I32, Len: canaryLen, Offset: top})
		top += 4 * canaryLen
	}
	canary()
	for len(temps) > 0 {
		// Temporaries that share memory move together.
		start := p.Buffers[temps[0]].Offset
		end := start
		for first := true; len(temps) > 0 && (first || p.Buffers[temps[0]].Offset < end); first = false {
			b := &q.Buffers[temps[0]]
			end = max(end, b.Offset+b.Bytes())
			b.Offset += top - start
			temps = temps[1:]
		}
		top += alignUp(end - start)
		canary()
	}
	q.ArenaSize = top
	result := len(q.Buffers)
	q.Buffers = append(q.Buffers, kernel.Buffer{Name: "canaries", Kind: kernel.OutputBuffer, DType: types.I32, Len: canaryLen * len(canaries)})
	q.Launches = slices.Concat(
		[]kernel.Launch{{Kernel: fillCanaries(len(canaries)), Args: canaries, Label: "canaries"}},
		p.Launches,
		[]kernel.Launch{{Kernel: copyCanaries(len(canaries)), Args: append(slices.Clone(canaries), result), Label: "canaries"}},
	)
	return &q
}

// canaryAt is what element i of canary c must hold.
func canaryAt(c, i int64) int64 { return 0x5A5A0000 + 256*c + i }

func fillCanaries(n int) *kernel.Kernel {
	m := newMaker("fillCanaries")
	a := m.axes(canaryLen)
	for c := range n {
		m.write(m.FromIndex(m.IAdd(m.at(a...), m.Int(canaryAt(int64(c), 0))), types.I32), a...)
	}
	return m.pointwise()
}

func copyCanaries(n int) *kernel.Kernel {
	m := newMaker("copyCanaries")
	a := m.axes(canaryLen)
	for range n {
		m.in(types.I32, canaryLen)
	}
	out := m.out(types.I32, n*canaryLen)
	for c := range n {
		m.store(out, m.IAdd(m.at(a...), m.Int(int64(c*canaryLen))), m.load(c, m.at(a...)), a...)
	}
	return m.pointwise()
}

// checkCanaries returns an error if one has changed.
func checkCanaries(a array) error {
	for i := range a.len() {
		if c, j := i/canaryLen, i%canaryLen; a.at(i).Int() != canaryAt(int64(c), int64(j)) {
			return fmt.Errorf("memory outside of the temporaries was written: canary %d, byte %d", c, 4*j)
		}
	}
	return nil
}

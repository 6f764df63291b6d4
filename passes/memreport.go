package passes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir/kernel"
)

// A MemoryReport says what a planned program needs besides its resident
// buffers. Sizes are in bytes, every temporary rounded up to 64.
type MemoryReport struct {
	Peak       int64 // the arena
	Sum        int64 // all temporaries, each in memory of its own
	LowerBound int64 // the largest set of temporaries alive at one launch

	InPlaceTemps     int // results written over an operand in the arena
	InPlaceVariables int // variables that the computing launch writes itself
	CopiedVariables  int // variables that a copy updates

	// PeakLaunch is the launch with the largest live set, and Largest its
	// temporaries, the largest first, at most 10; -1 without any.
	PeakLaunch int
	Largest    []LiveBuffer
}

// A LiveBuffer is a temporary that is alive at a program's memory peak.
type LiveBuffer struct {
	Buffer      int // number in the program
	Bytes       int64
	First, Last int    // the launches that write it and read it last
	Label       string // of the launch that writes it
}

// Memory reads the report off a planned program.
func Memory(p *kernel.Program) MemoryReport {
	r := MemoryReport{Peak: p.ArenaSize, PeakLaunch: -1}
	spans, err := lifetimes(p)
	if err != nil {
		return r
	}
	for i, s := range spans {
		if s.first >= 0 {
			r.Sum += alignUp(p.Buffers[i].Bytes())
		}
	}
	for i := range p.Launches {
		live := liveAt(p, spans, i)
		if n := unionBytes(p, live); n > r.LowerBound {
			r.LowerBound, r.PeakLaunch = n, i
		}
		r.countWrites(p, &p.Launches[i])
	}
	if r.PeakLaunch >= 0 {
		for _, b := range liveAt(p, spans, r.PeakLaunch) {
			s := spans[b]
			r.Largest = append(r.Largest, LiveBuffer{b, p.Buffers[b].Bytes(), s.first, s.last, p.Launches[s.first].Label})
		}
		slices.SortStableFunc(r.Largest, func(a, b LiveBuffer) int { return cmp.Compare(b.Bytes, a.Bytes) })
		const most = 10
		r.Largest = r.Largest[:min(most, len(r.Largest))]
	}
	return r
}

// liveAt returns the temporaries alive at launch i, by offset.
func liveAt(p *kernel.Program, spans []span, i int) []int {
	var live []int
	for b, s := range spans {
		if s.first >= 0 && s.first <= i && i <= s.last {
			live = append(live, b)
		}
	}
	slices.SortFunc(live, func(a, b int) int { return cmp.Compare(p.Buffers[a].Offset, p.Buffers[b].Offset) })
	return live
}

// unionBytes returns the bytes of the arena that the buffers, sorted by offset,
// take together.
func unionBytes(p *kernel.Program, live []int) int64 {
	total, end := int64(0), int64(0)
	for _, b := range live {
		at := max(p.Buffers[b].Offset, end)
		stop := p.Buffers[b].Offset + alignUp(p.Buffers[b].Bytes())
		total += max(0, stop-at)
		end = max(end, stop)
	}
	return total
}

func (r *MemoryReport) countWrites(p *kernel.Program, l *kernel.Launch) {
	for j, q := range l.Kernel.Params {
		if !q.Out {
			continue
		}
		out := &p.Buffers[l.Args[j]]
		switch out.Kind {
		case kernel.VariableBuffer:
			if copiedParam(l.Kernel, j) >= 0 {
				r.CopiedVariables++
			} else {
				r.InPlaceVariables++
			}
		case kernel.TempBuffer:
			for i, in := range l.Args {
				b := &p.Buffers[in]
				if !l.Kernel.Params[i].Out && b.Kind == kernel.TempBuffer && b.Offset == out.Offset && out.Len > 0 {
					r.InPlaceTemps++
					break
				}
			}
		}
	}
}

// String returns the report as text for people.
func (r MemoryReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "arena %d bytes, %d without reuse, lower bound %d\n", r.Peak, r.Sum, r.LowerBound)
	fmt.Fprintf(&b, "in place: %d temporaries, %d variables; copied variables: %d\n", r.InPlaceTemps, r.InPlaceVariables, r.CopiedVariables)
	if r.PeakLaunch >= 0 {
		fmt.Fprintf(&b, "largest buffers at the peak, launch %d:\n", r.PeakLaunch)
	}
	for _, l := range r.Largest {
		fmt.Fprintf(&b, "  b%-5d %12d bytes, launches %d to %d, %s\n", l.Buffer, l.Bytes, l.First, l.Last, l.Label)
	}
	return b.String()
}

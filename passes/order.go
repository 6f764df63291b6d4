package passes

import (
	"math/bits"
	"slices"

	"dumbtorch/ir/kernel"
)

// orderLaunches puts the launches into the order in which the fewest bytes are
// alive: a launch that frees at least as much as it allocates (an update, the
// last reader of something large) runs as soon as its operands are there, all
// others in the order they had. Readers of a variable come before the launch
// that computes its next value, so that the update can be done in place. Where
// that does not lower the peak, the launches keep the order they had.
func orderLaunches(_ *Config, p *kernel.Program) error {
	s := newScheduler(p)
	s.readersFirst()
	best := s.run(false)
	if o := s.run(true); s.peak(o) < s.peak(best) {
		best = o
	}
	ls := make([]kernel.Launch, len(best))
	for i, j := range best {
		ls[i] = p.Launches[j]
	}
	p.Launches = ls
	return nil
}

// A scheduler orders launches. Only temporaries count as memory.
type scheduler struct {
	p      *kernel.Program
	after  []bitset // after[i] holds the launches that come before i, transitively
	temps  [][]int  // per launch: the temporaries it uses
	writes [][]int  // per launch: those of them that it writes
	users  []int    // per buffer: launches that use it
	bytes  []int64  // per buffer: 0 for one that will be written into a variable
	pinned []bool   // per buffer: alive to the end
}

func newScheduler(p *kernel.Program) *scheduler {
	n := len(p.Buffers)
	s := &scheduler{
		p: p, after: dependences(p), temps: make([][]int, len(p.Launches)), writes: make([][]int, len(p.Launches)),
		users: make([]int, n), bytes: make([]int64, n), pinned: make([]bool, n),
	}
	for i := range p.Buffers {
		s.bytes[i] = alignUp(p.Buffers[i].Bytes())
	}
	for i, l := range p.Launches {
		for j, q := range l.Kernel.Params {
			a := l.Args[j]
			if p.Buffers[a].Kind != kernel.TempBuffer || slices.Contains(s.temps[i], a) {
				continue
			}
			s.temps[i] = append(s.temps[i], a)
			s.users[a]++
			if q.Out {
				s.writes[i] = append(s.writes[i], a)
			}
		}
	}
	for _, u := range p.Updates {
		s.pinned[u.Value] = true
	}
	return s
}

// readersFirst makes the launch that computes a variable's next value come
// after all readers of the old value, where none of them depends on it.
func (s *scheduler) readersFirst() {
	writer := map[int]int{}
	readers := map[int][]int{}
	for i, l := range s.p.Launches {
		for j, q := range l.Kernel.Params {
			if q.Out {
				writer[l.Args[j]] = i
			} else {
				readers[l.Args[j]] = append(readers[l.Args[j]], i)
			}
		}
	}
	for _, u := range s.p.Updates {
		w, ok := writer[u.Value]
		if !ok || s.p.Buffers[u.Value].Kind != kernel.TempBuffer {
			continue
		}
		early, own := true, true
		for _, r := range readers[u.Variable] {
			early = early && !s.after[r].has(w)
			if r == w {
				l := &s.p.Launches[w]
				own = own && l.InPlace(slices.Index(l.Args, u.Value), u.Variable)
			}
		}
		if !early || !own {
			continue
		}
		s.bytes[u.Value] = 0
		for _, r := range readers[u.Variable] {
			if r != w {
				s.before(r, w)
			}
		}
	}
}

// before makes launch i come before launch j.
func (s *scheduler) before(i, j int) {
	if s.after[j].has(i) {
		return
	}
	for k := range s.after {
		if k == j || s.after[k].has(j) {
			s.after[k].set(i)
			s.after[k].or(s.after[i])
		}
	}
}

// run returns the launches in order: always the first one that is ready or, if
// greedy, the one that frees most, if one frees at least what it allocates.
func (s *scheduler) run(greedy bool) []int {
	n := len(s.after)
	waits := make([]int, n)
	for i, b := range s.after {
		for _, w := range b {
			waits[i] += bits.OnesCount64(w)
		}
	}
	left := slices.Clone(s.users)
	done := make([]bool, n)
	var order []int
	for range n {
		pick, freed := -1, int64(0)
		for i := range n {
			if done[i] || waits[i] > 0 {
				continue
			}
			if pick < 0 {
				pick, freed = i, s.net(i, left)
			} else if f := s.net(i, left); f >= 0 && f > freed {
				pick, freed = i, f
			}
			if !greedy {
				break
			}
		}
		done[pick] = true
		order = append(order, pick)
		for _, t := range s.temps[pick] {
			left[t]--
		}
		for i := range n {
			if !done[i] && s.after[i].has(pick) {
				waits[i]--
			}
		}
	}
	return order
}

// net returns the bytes that launch i frees less those that it allocates; left
// counts the uses of every buffer that are still to come.
func (s *scheduler) net(i int, left []int) int64 {
	n := int64(0)
	for _, t := range s.temps[i] {
		if left[t] == 1 && !s.pinned[t] {
			n += s.bytes[t]
		}
	}
	for _, t := range s.writes[i] {
		n -= s.bytes[t]
	}
	return n
}

// peak returns the most bytes alive at one launch in the given order.
func (s *scheduler) peak(order []int) int64 {
	left := slices.Clone(s.users)
	live, peak := int64(0), int64(0)
	for _, i := range order {
		shared := int64(0)
		for _, t := range s.writes[i] {
			live += s.bytes[t]
			l := &s.p.Launches[i]
			for _, in := range s.temps[i] {
				if in != t && left[in] == 1 && !s.pinned[in] && sameLayout(s.p, in, t) && s.bytes[t] > 0 &&
					l.InPlace(slices.Index(l.Args, t), in) {
					shared += s.bytes[t]
					break
				}
			}
		}
		peak = max(peak, live-shared)
		for _, t := range s.temps[i] {
			if left[t]--; left[t] == 0 && !s.pinned[t] {
				live -= s.bytes[t]
			}
		}
	}
	return peak
}

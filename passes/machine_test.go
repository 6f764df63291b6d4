package passes

import (
	"maps"
	"math/rand/v2"
	"slices"

	"dumbtorch/ir/kernel"
)

// A machine runs programs on memory laid out as planned, the points of every
// kernel in random order.
type machine struct {
	p     *kernel.Program
	arena []float32
	mem   map[int][]float32
	rand  *rand.Rand
}

func newMachine(p *kernel.Program, seed uint64) *machine {
	m := &machine{p: p, arena: make([]float32, p.ArenaSize/4), mem: map[int][]float32{}, rand: rand.New(rand.NewPCG(seed, 1))}
	for i := range m.arena {
		m.arena[i] = float32(-1e6 * m.rand.Float64())
	}
	resident := 0
	for i, b := range p.Buffers {
		if b.Kind == kernel.TempBuffer {
			m.mem[i] = m.arena[b.Offset/4:][:b.Len]
			continue
		}
		m.mem[i] = make([]float32, b.Len)
		if b.Kind == kernel.OutputBuffer {
			continue
		}
		resident++
		for j := range m.mem[i] {
			m.mem[i][j] = float32(100*resident + j)
		}
	}
	return m
}

func (m *machine) run() {
	for i := range m.p.Launches {
		l := &m.p.Launches[i]
		if l.Kernel.Sched.Form == kernel.Rows {
			m.rows(l)
			continue
		}
		together := l.Kernel.Sched.Form != kernel.General
		for s := 0; s < len(l.Kernel.Stores); {
			e := s + 1
			for together && e < len(l.Kernel.Stores) && slices.Equal(l.Kernel.Stores[s].Axes, l.Kernel.Stores[e].Axes) {
				e++
			}
			m.group(l, l.Kernel.Stores[s:e])
			s = e
		}
	}
}

// group runs stores over equal axes, point by point: all loads of a point, then
// its stores.
func (m *machine) group(l *kernel.Launch, ss []kernel.Store) {
	n := 1
	for _, a := range ss[0].Axes {
		n *= a.Extent
	}
	for _, pt := range m.rand.Perm(n) {
		at := map[*kernel.Axis]int64{}
		for i := len(ss[0].Axes) - 1; i >= 0; i-- {
			a := ss[0].Axes[i]
			at[a] = int64(pt % a.Extent)
			pt /= a.Extent
		}
		vs := make([]float32, len(ss))
		for i, s := range ss {
			vs[i] = m.data(l, s.Value, at)
		}
		for i, s := range ss {
			m.mem[l.Args[s.Param]][m.index(s.Index, at)] = vs[i]
		}
	}
}

func (m *machine) index(e *kernel.Expr, at map[*kernel.Axis]int64) int64 {
	if e.Kind == kernel.Var {
		return at[e.Axes[0]]
	}
	v := int64(0)
	c := e.Terms(func(coef int64, arg *kernel.Expr) { v += coef * m.index(arg, at) })
	return v + c
}

func (m *machine) data(l *kernel.Launch, e *kernel.Expr, at map[*kernel.Axis]int64) float32 {
	switch e.Kind {
	case kernel.Const:
		return float32(e.Value().Float())
	case kernel.Load:
		return m.mem[l.Args[e.Param]][m.index(e.Args[0], at)]
	case kernel.Fold:
		sum := float32(0)
		points(e.Axes, func(pt map[*kernel.Axis]int64) {
			old := maps.Clone(at)
			maps.Copy(at, pt)
			sum += m.data(l, e.Args[0], at)
			clear(at)
			maps.Copy(at, old)
		})
		return sum
	}
	x, y := m.data(l, e.Args[0], at), m.data(l, e.Args[1], at)
	if e.Op == kernel.Mul {
		return x * y
	}
	return x + y
}

// points calls f for every point of axes, the last one fastest.
func points(axes []*kernel.Axis, f func(at map[*kernel.Axis]int64)) {
	n := 1
	for _, a := range axes {
		n *= a.Extent
	}
	for pt := range n {
		f(point(axes, pt))
	}
}

func point(axes []*kernel.Axis, pt int) map[*kernel.Axis]int64 {
	at := map[*kernel.Axis]int64{}
	for i := len(axes) - 1; i >= 0; i-- {
		at[axes[i]] = int64(pt % axes[i].Extent)
		pt /= axes[i].Extent
	}
	return at
}

// rows runs a row program, rows in random order: sinks take what a row holds,
// all values of the row are computed, then they are stored. The value of a sink
// is a fold over outer axes.
func (m *machine) rows(l *kernel.Launch) {
	k := l.Kernel
	isSink := func(s *kernel.Store) bool {
		return s.Value.Kind == kernel.Fold && kernel.SetOf(s.Value.Axes)&kernel.SetOf(k.Sched.Outer) != 0
	}
	type write struct {
		mem []float32
		at  int64
		v   float32
	}
	sums := map[int]map[int64]float32{}
	n := 1
	for _, a := range k.Sched.Outer {
		n *= a.Extent
	}
	for _, r := range m.rand.Perm(n) {
		outer := point(k.Sched.Outer, r)
		var writes []write
		for i := range k.Stores {
			s := &k.Stores[i]
			sink := isSink(s)
			axes := s.Axes
			if sink {
				axes = append(slices.Clone(s.Axes), s.Value.Axes...)
			}
			axes = slices.DeleteFunc(slices.Clone(axes), func(a *kernel.Axis) bool { return slices.Contains(k.Sched.Outer, a) })
			points(axes, func(at map[*kernel.Axis]int64) {
				maps.Copy(at, outer)
				to := m.index(s.Index, at)
				if !sink {
					writes = append(writes, write{m.mem[l.Args[s.Param]], to, m.data(l, s.Value, at)})
					return
				}
				if sums[i] == nil {
					sums[i] = map[int64]float32{}
				}
				sums[i][to] += m.data(l, s.Value.Args[0], at)
			})
		}
		for _, w := range writes {
			w.mem[w.at] = w.v
		}
	}
	for i, sum := range sums {
		for at, v := range sum {
			m.mem[l.Args[k.Stores[i].Param]][at] = v
		}
	}
}

// results returns what outputs and variables hold.
func (m *machine) results() [][]float32 {
	var out [][]float32
	for _, i := range append(m.p.Of(kernel.OutputBuffer), m.p.Of(kernel.VariableBuffer)...) {
		out = append(out, m.mem[i])
	}
	return out
}

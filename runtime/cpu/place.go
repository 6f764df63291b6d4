package cpu

// Registers are memory of the worker that runs a task. A register needs its
// memory from the instruction that defines it to the last that uses it; one
// that is used in a loop but defined outside needs it until the loop's end.

type life struct{ from, to int }

// A liveness finds the lives of registers. Positions count instructions in the
// order in which they stand.
type liveness struct {
	lives []life
	at    int
	order []reg          // by definition
	lane  map[int]*instr // lanewise instructions by position
}

func (l *liveness) use(r reg) {
	if r != none && l.lives[r].from >= 0 {
		l.lives[r].to = max(l.lives[r].to, l.at)
	}
}

func (l *liveness) visit(code []instr) {
	for i := range code {
		in := &code[i]
		l.at++
		if in.body != nil {
			begin := l.at
			l.visit(in.body)
			l.at++
			for r := range l.lives {
				if v := &l.lives[r]; v.from >= 0 && v.from <= begin && v.to > begin {
					v.to = l.at
				}
			}
			continue
		}
		in.eachRead(l.use)
		in.eachWritten(func(r reg) {
			if l.lives[r].from >= 0 {
				l.use(r)
				return
			}
			l.lives[r] = life{l.at, l.at}
			l.order = append(l.order, r)
			if in.lanewise {
				l.lane[l.at] = in
			}
		})
	}
}

// place gives every register its place in scratch.
func (p *phase) place(b *builder) {
	l := &liveness{lives: make([]life, len(b.regs)), lane: map[int]*instr{}}
	for i := range l.lives {
		l.lives[i] = life{-1, -1}
	}
	l.visit(p.code)
	p.offset = make([]int32, len(b.regs))
	var live []placed
	for _, r := range l.order {
		v := l.lives[r]
		if b.regs[r].placed {
			p.offset[r] = -1
			continue
		}
		kept := live[:0]
		for _, o := range live {
			ends := o.to < v.from
			if in := l.lane[v.from]; in != nil && o.to == v.from && o.cl == in.cl && b.regs[r].cl == in.cl && b.regs[o.r].size == b.regs[r].size {
				ends = true // lane i is read before it is written
			}
			if !ends {
				kept = append(kept, o)
			}
		}
		live = kept
		size := b.bytes(r)
		off := fit(live, size)
		p.offset[r] = int32(off)
		p.scratch = max(p.scratch, off+size)
		live = insert(live, placed{r, off, size, v.to, b.regs[r].cl})
	}
}

type placed struct {
	r        reg
	off, len int
	to       int
	cl       class
}

// fit returns the lowest free offset of the given size; live is sorted.
func fit(live []placed, size int) int {
	off := 0
	for _, o := range live {
		if off+size <= o.off {
			break
		}
		off = max(off, o.off+o.len)
	}
	return off
}

func insert(live []placed, p placed) []placed {
	i := 0
	for i < len(live) && live[i].off < p.off {
		i++
	}
	live = append(live, placed{})
	copy(live[i+1:], live[i:])
	live[i] = p
	return live
}

// bytes is the memory of a register, a multiple of a cache line but for
// scalars.
func (b *builder) bytes(r reg) int {
	g := &b.regs[r]
	if g.fixed > 0 {
		return (g.fixed + 63) &^ 63
	}
	n := 1
	switch g.cl {
	case row:
		n = b.rows
	case full:
		n = b.lanes
	default:
		return 8
	}
	return (n*g.size + 63) &^ 63
}

// eachRead calls f for the registers that the instruction reads.
func (in *instr) eachRead(f func(reg)) {
	for _, r := range []reg{in.a, in.b, in.c} {
		if r != none {
			f(r)
		}
	}
	if in.aff != nil {
		for _, t := range in.aff.regs {
			f(reg(t.at))
		}
	}
	for _, t := range in.terms {
		f(reg(t.at))
	}
	if in.check != nil {
		for _, t := range in.check.at.regs {
			f(reg(t.at))
		}
	}
	if in.accumulates {
		f(in.dst)
	}
	if in.lane != nil {
		in.lane.eachRead(f)
	}
}

// eachWritten calls f for the registers that the instruction writes.
func (in *instr) eachWritten(f func(reg)) {
	if in.dst != none {
		f(in.dst)
	}
	if in.lane != nil {
		in.lane.eachWritten(f)
	}
}

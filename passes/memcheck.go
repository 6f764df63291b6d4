package passes

import (
	"errors"
	"fmt"

	"dumbtorch/ir/kernel"
)

// checkMemory proves a memory plan: it runs the program before the plan and
// the planned one side by side on names of values instead of numbers. Every
// launch must find in memory the values that it found before; at the end the
// outputs and the variables must hold what they should. A launch that writes
// memory it reads must do so in place by the rule of [kernel.Program]. Launches
// that the plan added are copies.
func checkMemory(before, after *kernel.Program) error {
	old, now := newMemory(before), newMemory(after)
	old.separate = true
	n := len(before.Launches)
	if len(after.Launches) < n {
		return errors.New("the memory plan lost launches")
	}
	for i := range after.Launches {
		l := &after.Launches[i]
		fail := func(err error) error { return fmt.Errorf("launch %d (%s): %w", i, l.Label, err) }
		if err := now.overlaps(l); err != nil {
			return fail(err)
		}
		var in, want []value
		for j, q := range l.Kernel.Params {
			if q.Out {
				continue
			}
			v, err := now.read(l.Args[j])
			if err != nil {
				return fail(err)
			}
			in = append(in, v)
			if i < n {
				v, err = old.read(before.Launches[i].Args[j])
				if err != nil {
					return fail(err)
				}
				want = append(want, v)
			}
		}
		for j := range want {
			if in[j] != want[j] {
				return fail(fmt.Errorf("operand %d is %v and should be %v", j, in[j], want[j]))
			}
		}
		for j, q := range l.Kernel.Params {
			if !q.Out {
				continue
			}
			v := value{launch: i, param: j}
			if i < n {
				old.write(before.Launches[i].Args[j], v)
			} else if from := copiedParam(l.Kernel, j); from >= 0 {
				v = in[from]
			} else {
				return fail(errors.New("the memory plan added a launch that is no copy"))
			}
			now.write(l.Args[j], v)
		}
	}
	return checkResults(before, old, after, now)
}

// checkResults compares what outputs and variables hold in the end.
func checkResults(before *kernel.Program, old *memory, after *kernel.Program, now *memory) error {
	next := map[int]int{}
	for _, u := range before.Updates {
		next[u.Variable] = u.Value
	}
	for _, kind := range []kernel.BufferKind{kernel.InputBuffer, kernel.ConstBuffer, kernel.OutputBuffer, kernel.VariableBuffer} {
		bs, as := before.Of(kind), after.Of(kind)
		if len(bs) != len(as) {
			return fmt.Errorf("%d %v buffers, were %d", len(as), kind, len(bs))
		}
		for i, b := range bs {
			if before.Buffers[b].Len == 0 {
				continue
			}
			src := b
			if u, ok := next[b]; ok {
				src = u
			}
			want, err := old.read(src)
			if err != nil {
				return err
			}
			got, err := now.read(as[i])
			if err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("%v %q holds %v in the end and should hold %v", kind, before.Buffers[b].Name, got, want)
			}
		}
	}
	return nil
}

// A value names what a launch wrote, or what a resident buffer held at first.
type value struct {
	launch, param int // written by the launch; initially -1
	kind          kernel.BufferKind
	number        int // among the buffers of that kind
}

func (v value) String() string {
	if v.launch < 0 {
		return fmt.Sprintf("the initial value of %v %d", v.kind, v.number)
	}
	return fmt.Sprintf("result %d of launch %d", v.param, v.launch)
}

// memory is the state of a program's memory.
type memory struct {
	p        *kernel.Program
	separate bool // temporaries lie in memory of their own
	held     map[int]value
}

func newMemory(p *kernel.Program) *memory {
	m := &memory{p: p, held: map[int]value{}}
	for _, kind := range []kernel.BufferKind{kernel.InputBuffer, kernel.VariableBuffer, kernel.ConstBuffer} {
		for i, b := range p.Of(kind) {
			m.held[b] = value{launch: -1, kind: kind, number: i}
		}
	}
	return m
}

func (m *memory) read(b int) (value, error) {
	v, ok := m.held[b]
	if !ok {
		return v, fmt.Errorf("buffer b%d is read but holds nothing, or was overwritten", b)
	}
	return v, nil
}

// write stores v in b; temporaries that overlap b lose theirs.
func (m *memory) write(b int, v value) {
	for o := range m.held {
		if o != b && m.collide(o, b) {
			delete(m.held, o)
		}
	}
	m.held[b] = v
}

// collide reports whether two different buffers share memory.
func (m *memory) collide(a, b int) bool {
	x, y := &m.p.Buffers[a], &m.p.Buffers[b]
	if m.separate || x.Kind != kernel.TempBuffer || y.Kind != kernel.TempBuffer {
		return false
	}
	return x.Offset < y.Offset+y.Bytes() && y.Offset < x.Offset+x.Bytes()
}

// overlaps checks the memory of one launch's buffers against each other.
func (m *memory) overlaps(l *kernel.Launch) error {
	for j, q := range l.Kernel.Params {
		out := l.Args[j]
		b := &m.p.Buffers[out]
		if !q.Out {
			continue
		}
		switch {
		case b.Kind == kernel.InputBuffer || b.Kind == kernel.ConstBuffer:
			return fmt.Errorf("writes buffer b%d, an %v", out, b.Kind)
		case b.Kind == kernel.TempBuffer && (b.Offset%kernel.ArenaAlign != 0 || b.Offset < 0 || b.Offset+b.Bytes() > m.p.ArenaSize):
			return fmt.Errorf("buffer b%d at %d does not lie in the arena of %d bytes", out, b.Offset, m.p.ArenaSize)
		}
		for i, p := range l.Kernel.Params {
			in := l.Args[i]
			if i == j || in != out && !m.collide(in, out) {
				continue
			}
			if p.Out {
				return fmt.Errorf("writes buffers b%d and b%d in one place", in, out)
			}
			if m.p.Buffers[in].Offset != b.Offset || !sameLayout(m.p, in, out) || !l.InPlace(j, in) {
				return fmt.Errorf("reads b%d after parts of b%d are written over it", in, out)
			}
		}
	}
	return nil
}

// copiedParam returns the parameter whose elements the one store of parameter
// out copies, or -1.
func copiedParam(k *kernel.Kernel, out int) int {
	from := -1
	for _, s := range k.Stores {
		if s.Param != out {
			continue
		}
		points := 1
		for _, a := range s.Axes {
			points *= a.Extent
		}
		if from >= 0 || s.Value.Kind != kernel.Load || s.Value.Args[0] != s.Index || points != k.Params[out].Len ||
			k.Params[s.Value.Param].Len != k.Params[out].Len {
			return -1
		}
		from = s.Value.Param
	}
	return from
}

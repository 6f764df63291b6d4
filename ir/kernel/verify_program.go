package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dumbtorch/ir/types"
)

// ArenaAlign is the alignment in bytes of the arena and of all buffers in it.
const ArenaAlign = 64

// Verify checks that the program is well formed:
//
//   - kernels are (see [Kernel.Verify]), and no two have one name;
//   - inputs, outputs and variables have names, one each; constants have their
//     data;
//   - launches give every parameter a buffer of its type and length, and every
//     site its place; they write no inputs and no constants, and no buffer
//     twice;
//   - what is read was written, and no other temporary was written over it
//     since; outputs and updates have their values in the end;
//   - once the arena has a size, temporaries are aligned and within it, and a
//     launch writes memory that it reads only in place; see [Launch.InPlace].
//     Before, every temporary has memory of its own;
//   - updates are of variables, with values of their types, once each.
func (pr *Program) Verify() error {
	err := pr.check()
	if err == nil {
		return nil
	}
	return fmt.Errorf("program %s: %w\nnear\n%s", pr.Name, err, pr.around(err))
}

// around returns the lines of the text around the place of a mistake.
func (pr *Program) around(err error) string {
	at := 0
	var kernel *kernelError
	if errors.As(err, &kernel) {
		return kernel.around()
	}
	lines := strings.SplitAfter(pr.String(), "\n")
	var launch *launchError
	if errors.As(err, &launch) {
		n := 0
		for i, l := range lines {
			if strings.HasPrefix(l, "  launch ") {
				if n == launch.launch {
					at = i
				}
				n++
			}
		}
	}
	return strings.Join(lines[max(0, at-nearLines):min(len(lines), at+nearLines+1)], "")
}

// A launchError is a mistake in one launch.
type launchError struct {
	launch int
	label  string
	err    error
}

func (e *launchError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("launch %d (%s)", e.launch, e.label), " ()") + ": " + e.err.Error()
}

func (e *launchError) Unwrap() error { return e.err }

func (pr *Program) check() error {
	if err := pr.checkBuffers(); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, k := range pr.kernels() {
		if names[k.Name] {
			return fmt.Errorf("two kernels are called %q", k.Name)
		}
		names[k.Name] = true
		if err := k.check(); err != nil {
			return err
		}
	}
	m := newMemory(pr)
	for i := range pr.Launches {
		l := &pr.Launches[i]
		err := pr.checkLaunch(l)
		if err == nil {
			err = m.run(i, l)
		}
		if err != nil {
			return &launchError{i, l.Label, err}
		}
	}
	return pr.checkEnd(m)
}

func (pr *Program) checkBuffers() error {
	type key struct {
		kind BufferKind
		name string
	}
	names := map[key]bool{}
	if pr.ArenaSize < 0 || pr.ArenaSize > maxOffset {
		return fmt.Errorf("an arena of %d bytes", pr.ArenaSize)
	}
	for i := range pr.Buffers {
		b := &pr.Buffers[i]
		named := b.Kind == InputBuffer || b.Kind == OutputBuffer || b.Kind == VariableBuffer
		switch {
		case int(b.Kind) >= len(bufferKinds):
			return fmt.Errorf("buffer b%d has the role %d", i, b.Kind)
		case b.DType.Kind() == types.KindInvalid || b.Len < 0 || b.Len > types.MaxElements:
			return fmt.Errorf("buffer b%d is %v[%d]", i, b.DType, b.Len)
		case named && b.Name == "":
			return fmt.Errorf("buffer b%d, %s, has no name", i, b.Kind)
		case named && names[key{b.Kind, b.Name}]:
			return fmt.Errorf("two buffers are %s %q", b.Kind, b.Name)
		case b.Kind == ConstBuffer && int64(len(b.Data)) != b.Bytes():
			return fmt.Errorf("buffer b%d has %d bytes of data for %v[%d]", i, len(b.Data), b.DType, b.Len)
		case b.Kind != TempBuffer && b.Offset != 0:
			return fmt.Errorf("buffer b%d, %s, has an offset", i, b.Kind)
		case b.Kind == TempBuffer && pr.ArenaSize > 0 && b.Len > 0 &&
			(b.Offset < 0 || b.Offset%ArenaAlign != 0 || b.Offset > pr.ArenaSize-b.Bytes()):
			return fmt.Errorf("buffer b%d of %d bytes at %d is not aligned to %d within the arena of %d bytes", i, b.Bytes(), b.Offset, ArenaAlign, pr.ArenaSize)
		}
		names[key{b.Kind, b.Name}] = true
	}
	return nil
}

func (pr *Program) checkLaunch(l *Launch) error {
	k := l.Kernel
	switch {
	case k == nil:
		return errors.New("no kernel")
	case len(l.Args) != len(k.Params):
		return fmt.Errorf("%d buffers for the %d parameters of kernel %s", len(l.Args), len(k.Params), k.Name)
	case len(l.Pos) != len(k.Sites):
		return fmt.Errorf("%d places for the %d sites of kernel %s", len(l.Pos), len(k.Sites), k.Name)
	case l.Nodes < 0:
		return fmt.Errorf("%d nodes", l.Nodes)
	}
	for j, q := range k.Params {
		a := l.Args[j]
		if a < 0 || a >= len(pr.Buffers) {
			return fmt.Errorf("buffer b%d of %d", a, len(pr.Buffers))
		}
		b := &pr.Buffers[a]
		switch {
		case b.DType != q.DType || b.Len != q.Len:
			return fmt.Errorf("buffer b%d of type %v[%d] for parameter p%d of type %v[%d]", a, b.DType, b.Len, j, q.DType, q.Len)
		case q.Out && (b.Kind == InputBuffer || b.Kind == ConstBuffer):
			return fmt.Errorf("writes buffer b%d, which is %s", a, b.Kind)
		}
	}
	return nil
}

// memory is which buffers hold their values as launches run.
type memory struct {
	p    *Program
	held []bool
	over []int // the launch that wrote over a buffer, or -1
	live []int // temporaries that hold their values
}

func newMemory(p *Program) *memory {
	m := &memory{p: p, held: make([]bool, len(p.Buffers)), over: make([]int, len(p.Buffers))}
	for i := range p.Buffers {
		m.over[i] = -1
		switch p.Buffers[i].Kind {
		case InputBuffer, VariableBuffer, ConstBuffer:
			m.held[i] = true
		}
	}
	return m
}

// run checks what the launch reads, and what it writes over.
func (m *memory) run(i int, l *Launch) error {
	for j, q := range l.Kernel.Params {
		if !q.Out {
			if err := m.read(l.Args[j]); err != nil {
				return err
			}
		}
	}
	for j, q := range l.Kernel.Params {
		if q.Out {
			if err := m.checkShared(l, j); err != nil {
				return err
			}
		}
	}
	for j, q := range l.Kernel.Params {
		if q.Out {
			m.write(i, l.Args[j])
		}
	}
	return nil
}

func (m *memory) read(b int) error {
	switch {
	case m.held[b] || m.p.Buffers[b].Len == 0:
		return nil
	case m.over[b] >= 0:
		return fmt.Errorf("reads buffer b%d after launch %d has written over it", b, m.over[b])
	}
	return fmt.Errorf("reads buffer b%d before it is written", b)
}

func (m *memory) write(launch, b int) {
	kept := m.live[:0]
	for _, o := range m.live {
		switch {
		case o == b:
		case m.collide(o, b):
			m.held[o], m.over[o] = false, launch
		default:
			kept = append(kept, o)
		}
	}
	m.live, m.held[b] = kept, true
	if m.p.Buffers[b].Kind == TempBuffer {
		m.live = append(m.live, b)
	}
}

// collide reports whether two buffers share memory.
func (m *memory) collide(a, b int) bool {
	x, y := &m.p.Buffers[a], &m.p.Buffers[b]
	if a == b || x.Kind != TempBuffer || y.Kind != TempBuffer || m.p.ArenaSize == 0 {
		return a == b
	}
	return x.Offset < y.Offset+y.Bytes() && y.Offset < x.Offset+x.Bytes()
}

// checkShared checks the memory of written parameter j of a launch against the
// memory of the others.
func (m *memory) checkShared(l *Launch, j int) error {
	out := l.Args[j]
	for i, q := range l.Kernel.Params {
		in := l.Args[i]
		if i == j || !m.collide(in, out) {
			continue
		}
		x, y := &m.p.Buffers[in], &m.p.Buffers[out]
		switch {
		case q.Out:
			return fmt.Errorf("writes buffers b%d and b%d in one place", in, out)
		case x.Offset != y.Offset || x.Len != y.Len || x.DType.Size() != y.DType.Size() || !l.InPlace(j, in):
			return fmt.Errorf("reads buffer b%d after parts of b%d are written over it", in, out)
		}
	}
	return nil
}

// checkEnd checks outputs and updates.
func (pr *Program) checkEnd(m *memory) error {
	for _, b := range pr.Of(OutputBuffer) {
		if !m.held[b] && pr.Buffers[b].Len > 0 {
			return fmt.Errorf("output %q, buffer b%d, is not written", pr.Buffers[b].Name, b)
		}
	}
	var done []int
	for _, u := range pr.Updates {
		for _, b := range []int{u.Variable, u.Value} {
			if b < 0 || b >= len(pr.Buffers) {
				return fmt.Errorf("an update with buffer b%d of %d", b, len(pr.Buffers))
			}
		}
		v, x := &pr.Buffers[u.Variable], &pr.Buffers[u.Value]
		switch {
		case v.Kind != VariableBuffer:
			return fmt.Errorf("an update of buffer b%d, which is %s and no variable", u.Variable, v.Kind)
		case v.DType != x.DType || v.Len != x.Len:
			return fmt.Errorf("variable %q of type %v[%d] is updated with %v[%d]", v.Name, v.DType, v.Len, x.DType, x.Len)
		case slices.Contains(done, u.Variable):
			return fmt.Errorf("variable %q is updated twice", v.Name)
		}
		if err := m.read(u.Value); err != nil {
			return fmt.Errorf("the update of variable %q %w", v.Name, err)
		}
		done = append(done, u.Variable)
	}
	return nil
}

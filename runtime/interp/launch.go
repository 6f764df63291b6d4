package interp

import (
	"context"
	"errors"
	"fmt"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
)

// launch runs one launch: every value is computed, then all are stored.
func (e *executable) launch(ctx context.Context, i int, mem *memory) error {
	l := &e.prog.Launches[i]
	stop := func() error { return nil }
	if i <= e.first {
		stop = ctx.Err
	}
	if err := stop(); err != nil {
		return err
	}
	if e.dead != nil {
		for _, s := range e.dead[i] {
			fill(mem.arena[s.from:s.to])
		}
	}
	params := make([][]byte, len(l.Args))
	for j, a := range l.Args {
		params[j] = mem.of[a]
	}
	m := newMachine(e.codes[i], params, stop)
	values, err := m.run()
	if err == nil && e.dead != nil && e.sharesMemory(l) {
		err = m.runInPlace(values)
	}
	var bad *badIndex
	switch {
	case errors.As(err, &bad):
		return e.failedCheck(i, bad)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case err != nil:
		return fmt.Errorf("program %s: kernel %s (launch %d, %s): %w", e.prog.Name, l.Kernel.Name, i, l.Label, err)
	}
	for _, v := range values {
		put(params[v.param], v.index, v.value)
	}
	return nil
}

func (e *executable) failedCheck(i int, bad *badIndex) error {
	l := &e.prog.Launches[i]
	pos := fmt.Sprintf("kernel %s, site %d", l.Kernel.Name, bad.site)
	if bad.site >= 0 && bad.site < len(l.Pos) {
		pos = l.Pos[bad.site]
	}
	return &device.CheckError{Pos: pos, Value: bad.value, Limit: bad.limit, VariablesWritten: i > e.first}
}

// An element is a value on its way to memory.
type element struct {
	param int
	index int64
	value kernel.Scalar
}

// recovered sets err to that of a failure.
func recovered(err *error) {
	switch r := recover().(type) {
	case nil:
	case failure:
		*err = r.err
	default:
		panic(r)
	}
}

// run computes the elements that the kernel stores.
func (m *machine) run() (out []element, err error) {
	defer recovered(&err)
	written := make([][]bool, len(m.code.Params))
	for i, p := range m.code.Params {
		if p.Out {
			written[i] = make([]bool, p.Len)
		}
	}
	for _, s := range m.code.stores {
		m.loop(s.axes, func() {
			i := m.index(s.index)
			w := written[s.param]
			switch {
			case i < 0 || i >= int64(len(w)):
				fail("store to parameter p%d: index %d is out of range [0,%d)", s.param, i, len(w))
			case w[i]:
				fail("store to parameter p%d: element %d is stored twice", s.param, i)
			}
			w[i] = true
			out = append(out, element{s.param, i, m.data(s.value)})
		})
	}
	return out, nil
}

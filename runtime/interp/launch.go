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
	values, err := newMachine(e.codes[i], params, stop).run()
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
	pos := e.prog.Launches[i].Pos[bad.site]
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
	for _, s := range m.code.stores {
		m.loop(s.axes, func() { out = append(out, element{s.param, m.place(s.param, s.index), m.data(s.value)}) })
	}
	return out, nil
}

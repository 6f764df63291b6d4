package interp

import (
	"context"
	"errors"
	"fmt"

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
	staged := make([][]byte, len(params))
	rest := mem.staged
	for j, q := range l.Kernel.Params {
		if q.Out {
			staged[j], rest = rest[:bytesOf(q)], rest[bytesOf(q):]
		}
	}
	err := newMachine(e.codes[i], params, stop).run(staged)
	var bad *badIndex
	switch {
	case errors.As(err, &bad):
		return e.failedCheck(i, bad)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case err != nil:
		return fmt.Errorf("program %s: kernel %s (launch %d, %s): %w", e.prog.Name, l.Kernel.Name, i, l.Label, err)
	}
	for j := range staged {
		copy(params[j], staged[j])
	}
	return nil
}

func (e *executable) failedCheck(i int, bad *badIndex) error {
	pos := e.prog.Launches[i].Pos[bad.site]
	return &device.CheckError{Pos: pos, Value: bad.value, Limit: bad.limit, VariablesWritten: i > e.first}
}

// run computes what the kernel stores and puts it into staged, the memory of the
// written parameters.
func (m *machine) run(staged [][]byte) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.err
		default:
			panic(r)
		}
	}()
	for _, s := range m.code.stores {
		m.loop(s.axes, func() { put(staged[s.param], m.place(s.param, s.index), m.data(s.value)) })
	}
	return nil
}

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
	params := make([][]byte, len(l.Args), len(l.Args)+len(l.Kernel.Locals))
	for j, a := range l.Args {
		params[j] = mem.of[a]
	}
	rest := mem.locals
	for _, q := range l.Kernel.Locals {
		params, rest = append(params, rest[:bytesOf(q)]), rest[bytesOf(q):]
	}
	if e.dead != nil {
		fill(mem.locals)
	}
	for n, s := range stages(l.Kernel) {
		if err := e.stage(ctx, i, e.codes[i][n], s, params, mem.staged, stop); err != nil {
			return err
		}
	}
	return nil
}

// stages returns the stages of a tiled kernel; any other kernel is one of its own.
func stages(k *kernel.Kernel) []kernel.Stage {
	if k.Sched.Form == kernel.Tiles {
		return k.Stages
	}
	s := kernel.Stage{Kernel: k}
	for i := range k.Params {
		s.Args = append(s.Args, i)
	}
	return []kernel.Stage{s}
}

// stage runs one kernel on the values that s.Args names.
func (e *executable) stage(ctx context.Context, i int, c *code, s kernel.Stage, values [][]byte, memory []byte, stop func() error) error {
	l := &e.prog.Launches[i]
	params, staged := make([][]byte, len(s.Args)), make([][]byte, len(s.Args))
	for j, q := range s.Kernel.Params {
		params[j] = values[s.Args[j]]
		if q.Out {
			staged[j], memory = memory[:bytesOf(q)], memory[bytesOf(q):]
		}
	}
	err := newMachine(c, params, stop).run(staged)
	var bad *badIndex
	switch {
	case errors.As(err, &bad):
		return e.failedCheck(i, bad)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case err != nil:
		return fmt.Errorf("program %s: kernel %s (launch %d, %s): %w", e.prog.Name, s.Kernel.Name, i, l.Label, err)
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

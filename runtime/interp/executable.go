package interp

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
)

type executable struct {
	dev    *Device
	prog   *kernel.Program
	codes  [][]*code // per launch, those of the stages of a tiled kernel
	dead   [][]span  // per launch; nil without poison
	first  int       // launch that writes a variable first
	staged int64     // bytes that the largest launch writes
	locals int64     // bytes of the most local values
	in     []int     // buffer numbers
	out    []int
	closed atomic.Bool
}

// Compile verifies the program and prepares it for evaluation.
func (d *Device) Compile(p *kernel.Program) (device.Executable, error) {
	if err := d.Synchronize(); err != nil {
		return nil, err
	}
	if err := p.Verify(); err != nil {
		return nil, err
	}
	switch temps := p.Of(kernel.TempBuffer); {
	case len(p.Updates) > 0:
		return nil, fmt.Errorf("program %s: %d updates of variables are not planned", p.Name, len(p.Updates))
	case p.ArenaSize == 0 && slices.ContainsFunc(temps, func(b int) bool { return p.Buffers[b].Len > 0 }):
		return nil, fmt.Errorf("program %s: temporaries have no memory", p.Name)
	}
	e := &executable{dev: d, prog: p, first: p.FirstWrite()}
	e.in = append(p.Of(kernel.InputBuffer), p.Of(kernel.VariableBuffer)...)
	e.out = p.Of(kernel.OutputBuffer)
	codes := map[*kernel.Kernel][]*code{}
	for i := range p.Launches {
		k := p.Launches[i].Kernel
		if codes[k] == nil {
			for _, s := range stages(k) {
				codes[k] = append(codes[k], newCode(s.Kernel))
				written := int64(0)
				for _, q := range s.Kernel.Params {
					if q.Out {
						written += bytesOf(q)
					}
				}
				e.staged = max(e.staged, written)
			}
			locals := int64(0)
			for _, q := range k.Locals {
				locals += bytesOf(q)
			}
			e.locals = max(e.locals, locals)
		}
		e.codes = append(e.codes, codes[k])
	}
	if d.poison {
		e.dead = dead(p)
	}
	return e, nil
}

// Source returns the text of the program.
func (e *executable) Source() string { return e.prog.String() }

// Close makes the executable unusable.
func (e *executable) Close() error {
	e.closed.Store(true)
	return nil
}

// Run runs the program's launches in order.
func (e *executable) Run(ctx context.Context, in, out []device.Buffer) error {
	return e.Trace(ctx, in, out, nil)
}

// Trace is Run, with a visit after every launch.
func (e *executable) Trace(ctx context.Context, in, out []device.Buffer, visit func(int, func(int) []byte) error) error {
	if e.closed.Load() {
		return fmt.Errorf("program %s: %w", e.prog.Name, device.ErrClosed)
	}
	mem, err := e.bind(in, out)
	if err != nil {
		return fmt.Errorf("program %s: %w", e.prog.Name, err)
	}
	defer e.dev.free(e.prog.ArenaSize + e.staged + e.locals)
	for i := range e.prog.Launches {
		if err := e.launch(ctx, i, mem); err != nil {
			return err
		}
		if visit != nil {
			if err := visit(i, func(buffer int) []byte { return mem.of[buffer] }); err != nil {
				return err
			}
		}
	}
	return nil
}

// memory is that of one run.
type memory struct {
	arena  []byte
	of     [][]byte // per buffer of the program
	staged []byte   // what a launch writes, until all of it is computed
	locals []byte
}

// bind finds the memory of all buffers and takes that of the run.
func (e *executable) bind(in, out []device.Buffer) (*memory, error) {
	if len(in) != len(e.in) || len(out) != len(e.out) {
		return nil, fmt.Errorf("%d buffers in and %d out, want %d and %d", len(in), len(out), len(e.in), len(e.out))
	}
	m := &memory{of: make([][]byte, len(e.prog.Buffers))}
	for list, nums := range [][]int{e.in, e.out} {
		for i, n := range nums {
			b := &e.prog.Buffers[n]
			given, ok := [][]device.Buffer{in, out}[list][i].(*buffer)
			switch {
			case !ok || given.dev != e.dev:
				return nil, fmt.Errorf("%s %q: buffer of another device", b.Kind, b.Name)
			case given.usable() != nil:
				return nil, fmt.Errorf("%s %q: %w", b.Kind, b.Name, given.usable())
			case given.Bytes() < b.Bytes():
				return nil, fmt.Errorf("%s %q: buffer of %d bytes, want %d", b.Kind, b.Name, given.Bytes(), b.Bytes())
			}
			m.of[n] = given.data[:b.Bytes()]
			if e.dev.poison && b.Kind == kernel.OutputBuffer {
				fill(m.of[n])
			}
		}
	}
	if err := e.dev.reserve(e.prog.ArenaSize + e.staged + e.locals); err != nil {
		return nil, fmt.Errorf("arena of %d bytes, staging of %d, local values of %d: %w", e.prog.ArenaSize, e.staged, e.locals, err)
	}
	m.arena, m.staged, m.locals = aligned(e.prog.ArenaSize), aligned(e.staged), aligned(e.locals)
	for n := range e.prog.Buffers {
		switch b := &e.prog.Buffers[n]; b.Kind {
		case kernel.TempBuffer:
			m.of[n] = m.arena[b.Offset : b.Offset+b.Bytes()]
		case kernel.ConstBuffer:
			m.of[n] = b.Data
		}
	}
	return m, nil
}

package session

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"dumbtorch/ir"
	"dumbtorch/runtime/device"
)

// Run executes the step once and returns its outputs in fresh buffers of the device's pool; the caller releases them.
//
// Errors: wrong feeds ([ErrFeed]); the context's, while no variable was written; a failed run-time check
// ([*device.CheckError]); no memory ([device.ErrOutOfMemory], [ErrMemoryLimit] at the first feed of a binding);
// [ErrNeedsReload], alone or together with the error of a step that failed half way; [ErrClosed].
func (st *Step) Run(ctx context.Context, feeds Feeds) (*Results, error) {
	out := &Results{}
	if err := st.RunInto(ctx, feeds, out); err != nil {
		out.Release()
		return nil, err
	}
	return out, nil
}

// RunInto is [Step.Run] with results to fill: their old values are lost, their buffers are reused where sizes are equal. It
// allocates nothing once a call with this binding and these results has run. After an error the results hold no values.
func (st *Step) RunInto(ctx context.Context, feeds Feeds, out *Results) error {
	if err := st.begin(); err != nil {
		return err
	}
	defer st.end()
	if err := st.run(ctx, feeds, out); err != nil {
		return fmt.Errorf("%s: %w", st.src.name, err)
	}
	return nil
}

func (st *Step) run(ctx context.Context, feeds Feeds, out *Results) error {
	if out == nil {
		return errors.New("no results to fill")
	}
	if ctx == nil {
		return errors.New("the context is nil")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := st.programFor(ctx, feeds)
	if err != nil {
		return err
	}
	defer st.release(p)
	f, err := st.frameOf(p)
	if err != nil {
		return err
	}
	defer st.putFrame(p, f)
	for i, n := range p.feeds {
		if err := f.in[i].CopyFrom(feeds[p.src.inputs[n].name].Bytes()); err != nil {
			return fmt.Errorf("feed %q: %w", p.src.inputs[n].name, err)
		}
	}
	b := out.block()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.prepare(st.s, p.outs); err != nil {
		return err
	}
	if err := st.execute(ctx, p, f, b.bufs); err != nil {
		return err
	}
	b.err = nil
	return nil
}

// execute runs the program: alone if it assigns variables.
func (st *Step) execute(ctx context.Context, p *program, f *frame, out []device.Buffer) (err error) {
	s := st.s
	if len(p.writes) > 0 {
		s.state.Lock()
		defer s.state.Unlock()
	} else {
		s.state.RLock()
		defer s.state.RUnlock()
	}
	if len(s.dirty) > 0 {
		return ErrNeedsReload
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error of device %s: %v\n%s", s.dev.Name(), r, debug.Stack())
		}
		if err != nil {
			err = s.failed(p, err)
		}
	}()
	if s.cfg.passes.FindNaN {
		return p.trace(ctx, f.in, out)
	}
	return p.exe.Run(ctx, f.in, out)
}

// failed marks the variables that a program may have left half updated, and returns the error for the caller. Whoever runs a
// program that writes holds the state alone.
func (s *Session) failed(p *program, err error) error {
	clean := len(p.writes) == 0 || !mayHaveWritten(p, err)
	err = explain(err)
	if clean {
		return err
	}
	for _, v := range p.writes {
		s.dirty[v] = true
	}
	return fmt.Errorf("%w (%w)", err, ErrNeedsReload)
}

// mayHaveWritten reports whether a run that failed with err may have begun to update variables.
func mayHaveWritten(p *program, err error) bool {
	var check *device.CheckError
	if errors.As(err, &check) {
		return check.VariablesWritten
	}
	var nan *NaNError
	if errors.As(err, &nan) {
		return nan.Launch >= p.code.Program.FirstWrite()
	}
	// Devices honour a context before the first write only, and take memory before the first launch.
	return !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, device.ErrOutOfMemory)
}

// explain gives a failed check of an integer division, which is a check of an index as any other to devices, a text of its
// own.
func explain(err error) error {
	var check *device.CheckError
	if errors.As(err, &check) {
		for _, op := range []ir.Op{ir.OpDiv, ir.OpRem} {
			if name := op.String(); check.Pos == name || strings.HasSuffix(check.Pos, ": "+name) {
				return &tagged{err, check.Pos + ": integer division by zero"}
			}
		}
	}
	return err
}

package main

import (
	"context"
	"fmt"
	"time"

	"dumbtorch/ir/kernel"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

// A machine is a program on a device with all its buffers, ready to be timed.
type machine struct {
	prog     *kernel.Program
	exe      device.Executable
	in, out  []device.Buffer
	compiled time.Duration // what the device's compiler took
}

// newMachine compiles a program and copies inputs and variables to the device.
func newMachine(dev device.Device, p *kernel.Program, feeds, vars map[string]*tensor.Tensor) (m *machine, err error) {
	m = &machine{prog: p}
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	start := time.Now()
	if m.exe, err = dev.Compile(p); err != nil {
		return nil, err
	}
	m.compiled = time.Since(start)
	add := func(list *[]device.Buffer, kind kernel.BufferKind, values map[string]*tensor.Tensor) error {
		for _, i := range p.Of(kind) {
			b := &p.Buffers[i]
			buf, err := dev.Alloc(b.Bytes())
			if err != nil {
				return fmt.Errorf("%s %q: %w", kind, b.Name, err)
			}
			*list = append(*list, buf)
			if v := values[b.Name]; v != nil {
				if err := buf.CopyFrom(v.Bytes()); err != nil {
					return fmt.Errorf("%s %q: %w", kind, b.Name, err)
				}
			}
		}
		return nil
	}
	if err = add(&m.in, kernel.InputBuffer, feeds); err != nil {
		return nil, err
	}
	if err = add(&m.in, kernel.VariableBuffer, vars); err != nil {
		return nil, err
	}
	return m, add(&m.out, kernel.OutputBuffer, nil)
}

func (m *machine) close() {
	for _, b := range append(m.in, m.out...) {
		b.Release()
	}
	if m.exe != nil {
		m.exe.Close()
	}
}

// time returns what steps take; steps is their number, 0: see [benchTime].
func (m *machine) time(ctx context.Context, steps int) ([]time.Duration, error) {
	const warmUp, fewest, most = 3, 5, 10_000
	one := func() (time.Duration, error) {
		start := time.Now()
		err := m.exe.Run(ctx, m.in, m.out)
		if err == nil {
			err = ctx.Err()
		}
		return time.Since(start), err
	}
	for i := range warmUp {
		t, err := one()
		if err != nil {
			return nil, err
		}
		if i == 0 && t > benchTime {
			break
		}
	}
	var ts []time.Duration
	total := time.Duration(0)
	for len(ts) < steps || steps == 0 && (len(ts) < fewest || total < benchTime && len(ts) < most) {
		t, err := one()
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
		total += t
	}
	return ts, nil
}

// launchTimes returns the median time of every launch over some runs; nil if
// the device cannot stop between launches.
func (m *machine) launchTimes(ctx context.Context, runs int) ([]time.Duration, error) {
	tracer, ok := m.exe.(device.Tracer)
	if !ok {
		return nil, nil
	}
	samples := make([][]time.Duration, len(m.prog.Launches))
	for range runs {
		last := time.Now()
		err := tracer.Trace(ctx, m.in, m.out, func(launch int, _ func(int) []byte) error {
			now := time.Now()
			samples[launch] = append(samples[launch], now.Sub(last))
			last = time.Now()
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	times := make([]time.Duration, len(samples))
	for i, s := range samples {
		times[i] = median(s)
	}
	return times, nil
}

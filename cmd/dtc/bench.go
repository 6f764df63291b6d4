package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dumbtorch/passes"
	"dumbtorch/runtime/tensor"
)

type benchOptions struct {
	dims, feeds, vars []string
	device            string
	threads, steps    int
	seed              uint64
}

func (a *app) benchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench PROGRAM",
		Short: "Time a program, whole and by kernel",
		Long: `bench compiles a program, runs it some times and prints the time of a step (the
median and the shortest), then the time of every launch, measured in further
runs that stop after each one; so the sum may be larger than the step.

Inputs stay on the device. Bytes are those that a launch has to read and write
at least, each once; flops are floating-point operations, each counted once. Both
come from the kernels, not from counters of the machine.`,
		Example: `  dtc bench mnist:train
  dtc bench softmax_rows --threads 1
  dtc bench f.dt --device interp --steps 3`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.bench(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.feeds, "feed", nil, "an input: `NAME=FILE.npy`, FILE.npz or FILE.safetensors; random by default")
	f.StringArrayVar(&o.vars, "var", nil, "a variable: `NAME=FILE.npy`, FILE.npz or FILE.safetensors; random by default")
	f.StringVar(&o.device, "device", defaultDevice(), "run on this `DEVICE`")
	f.IntVar(&o.threads, "threads", 0, "threads of the device cpu; 0: all cores")
	f.IntVar(&o.steps, "steps", 0, "timed steps; 0: as many as fit in a second, at least 5")
	f.Uint64Var(&o.seed, "seed", 1, "seed of what is random")
	a.programFlags(cmd, &o.dims)
	complete(cmd, "device", deviceKinds)
	return cmd
}

// benchTime is how long steps are timed if their number is not given.
const benchTime = time.Second

// traces is the most runs in which launches are timed one by one.
const traces = 5

func (a *app) bench(ctx context.Context, arg string, o benchOptions) error {
	switch {
	case o.threads < 0:
		return misusef("flag --threads: %d is negative", o.threads)
	case o.steps < 0:
		return misusef("flag --steps: %d is negative", o.steps)
	case o.threads > 0 && o.device != "cpu":
		return misusef("--threads goes with --device cpu, not %s", o.device)
	case o.threads > 0:
		o.device = fmt.Sprintf("cpu:%d", o.threads)
	}
	p, err := a.loadGraph(arg, o.dims)
	if err != nil {
		return err
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	feeds, vars, _, err := p.values(o.feeds, o.vars, o.seed)
	if err != nil {
		return err
	}
	dev, err := openDevice(o.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	cfg.Target = dev.Target()
	start := time.Now()
	done, err := passes.Compile(p.graph, &cfg)
	if err != nil {
		return err
	}
	lowered := time.Since(start)
	m, err := newMachine(dev, done.Program, feeds, vars)
	if err != nil {
		return err
	}
	defer m.close()
	times, err := m.time(ctx, o.steps)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s on %s: %s median, %s shortest of %d steps; passes %s, device compile %s\n", p.graph.Name, dev.Name(),
		ms(median(times)), ms(slices.Min(times)), len(times), ms(lowered), ms(m.compiled))
	launches, err := m.launchTimes(ctx, min(traces, len(times)))
	if err != nil || launches == nil {
		return err
	}
	a.benchTable(done, launches)
	return nil
}

func (a *app) benchTable(done *passes.Compiled, times []time.Duration) {
	var total time.Duration
	for _, t := range times {
		total += t
	}
	fmt.Fprintf(a.out, "\n%6s  %-14s %10s %5s %11s %8s %13s %9s  %s\n", "launch", "kernel", "time", "%", "bytes", "GB/s", "flop", "GFLOP/s", "what")
	var all passes.Work
	row := func(launch, name string, t time.Duration, w passes.Work, what string) {
		moved := w.LoadBytes + w.StoreBytes
		s := fmt.Sprintf("%6s  %-14s %10s %5.1f %11s %8.2f %13s %9.2f  %s", launch, name, ms(t), 100*share(t, total),
			tensor.FormatBytes(moved), rate(moved, t), count(float64(w.Flops), "flop"), rate(w.Flops, t), what)
		fmt.Fprintln(a.out, strings.TrimRight(s, " "))
	}
	for i := range done.Program.Launches {
		l := &done.Program.Launches[i]
		w := passes.WorkOf(l.Kernel)
		all = all.Plus(w)
		row(fmt.Sprint(i), l.Kernel.Name, times[i], w, l.Label)
	}
	row("all", "", total, all, "")
}

func share(part, whole time.Duration) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// rate returns n per nanosecond: 1e9 a second.
func rate(n int64, t time.Duration) float64 {
	if t <= 0 {
		return 0
	}
	return float64(n) / float64(t.Nanoseconds())
}

func ms(t time.Duration) string { return fmt.Sprintf("%.3f ms", float64(t.Nanoseconds())/1e6) }

func median(ts []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(ts))
	return s[len(s)/2]
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

type checkOptions struct {
	dims, feeds, vars, devices []string
	seed                       uint64
	tol                        float64
	gradients                  bool
	strict                     bool // tol was given
}

// Tolerances of relative errors. Those of f32 allow for sums of a few thousand
// terms in another order.
const (
	tolF16  = 0x1p-8 // a few roundings that fall the other way
	tolBF16 = 0x1p-5
	tolF32  = 3e-5
	tolF64  = 1e-11
	tolGrad = 1e-6
)

func (a *app) checkCommand() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check PROGRAM",
		Short: "Compare every device and every pass with the interpreter",
		Long: `check parses and verifies a program, then runs it once with each device and each
setting of the passes and compares outputs and variables with the interpreter,
which runs it without any pass: no fusion, no reuse of memory. It prints the
worst error of every setting and exits with 1 if one is too large. What is within
a few times of the reference's own distance from the values in f64 is due to
rounding in a program that magnifies it, and passes with a note, unless --tol is
given.

Settings: all passes, none, each one off, independent nodes shuffled. Runs that
must give the same bits are compared bit by bit: the arena poisoned before every
launch, memory of its own for every value, other numbers of threads.

Gradients of all floating-point outputs are compared with finite differences in
a random direction, in f64 whatever the types of the program.

Inputs and variables that are not given are random, chosen by --seed: indices
within the range of what they index, positive numbers for logarithms, roots and
powers, normal ones elsewhere. Examples bring their own; with --dim, theirs are
random too.`,
		Example: `  dtc check f.dt
  dtc check mnist:train --dim batch=4
  dtc check f.dt --feed labels=labels.npy --seed 7`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.strict = cmd.Flags().Changed("tol")
			return a.check(cmd.Context(), args[0], o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.feeds, "feed", nil, "an input: `NAME=FILE.npy`, FILE.npz or FILE.safetensors")
	f.StringArrayVar(&o.vars, "var", nil, "a variable: `NAME=FILE.npy`, FILE.npz or FILE.safetensors")
	f.StringArrayVar(&o.devices, "device", nil, "check this `DEVICE` only; may be given several times")
	f.Uint64Var(&o.seed, "seed", 1, "seed of what is random")
	f.Float64Var(&o.tol, "tol", tolF32, "largest relative error of f32 values")
	f.BoolVar(&o.gradients, "grad", true, "compare gradients with finite differences")
	a.programFlags(cmd, &o.dims)
	complete(cmd, "device", deviceKinds)
	return cmd
}

// A checker is one run of the command.
type checker struct {
	*app
	checkOptions
	p           *program
	feeds, vars map[string]*tensor.Tensor
	want        []tensor.Named // the reference's outputs, then its variables
	random      []string       // the integers that nobody gave
	failed      int

	measured bool
	rounding []float64 // see inexact
}

var errCheck = errors.New("the check failed")

func (a *app) check(ctx context.Context, arg string, o checkOptions) error {
	if !(o.tol >= 0) {
		return misusef("flag --tol: %v is negative or no number", o.tol)
	}
	p, err := a.loadGraph(arg, o.dims)
	if err != nil {
		return err
	}
	if _, err := a.config(); err != nil {
		return err
	}
	if len(o.devices) == 0 {
		o.devices = device.Kinds()
	}
	for _, d := range o.devices {
		dev, err := openDevice(d)
		var m misuse
		if errors.As(err, &m) {
			return err
		}
		if err == nil {
			dev.Close()
		}
	}
	c := &checker{app: a, checkOptions: o, p: p}
	if c.feeds, c.vars, c.random, err = p.values(o.feeds, o.vars, o.seed); err != nil {
		return err
	}
	if err := c.text(); err != nil {
		return err
	}
	if err := c.settings(ctx); err != nil {
		return err
	}
	if o.gradients {
		if err := c.gradient(ctx); err != nil {
			return err
		}
	}
	if c.failed > 0 {
		return fmt.Errorf("%w: %d of the rows above", errCheck, c.failed)
	}
	return nil
}

// text checks that the text form reads back as the same program.
func (c *checker) text() error {
	text := c.p.graph.String()
	g, err := ir.Parse(text)
	if err != nil {
		return fmt.Errorf("the text form of the program does not read back: %w", err)
	}
	if g.String() != text {
		return errors.New("the text form of the program reads back as another program")
	}
	c.line("device", "setting", "worst error", "where", "time", "result")
	c.row("", "parse, verify, print", "", "", "ok", 0)
	return nil
}

// row prints a line of the table; took is 0 where the time means nothing.
func (c *checker) row(dev, what, worst, where, verdict string, took time.Duration) {
	t := ""
	if took > 0 {
		t = ms(took)
	}
	c.line(dev, what, worst, where, t, verdict)
}

func (c *checker) line(dev, what, worst, where, time, verdict string) {
	fmt.Fprintf(c.out, "%-8s  %-24s  %-11s  %-28s  %12s  %s\n", dev, what, worst, where, time, verdict)
}

func (c *checker) tolerance(_ int, d types.DType) float64 {
	switch d {
	case types.F16:
		return max(c.tol, tolF16)
	case types.BF16:
		return max(c.tol, tolBF16)
	case types.F32:
		return c.tol
	case types.F64:
		return min(tolF64, c.tol)
	}
	return 0
}

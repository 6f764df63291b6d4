package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"dumbtorch/ir"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

type runOptions struct {
	dims, feeds, vars []string
	out, varsOut      string
	device            string
	seed              uint64
	findNaN           bool
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run PROGRAM",
		Short: "Run a program once on arrays in npy, npz or safetensors files",
		Long: `run executes a program once and prints a summary of its outputs.

--feed gives inputs and --var gives variables: NAME=FILE.npy, or FILE.npz or
FILE.safetensors for all arrays of a file, and with NAME= for one. An example without --feed runs on inputs
of its own, chosen by --seed, which also chooses the first values of its
variables. Variables of a file that are not given are zero; states of random
number generators are made of --seed.

--find-nan runs operation by operation, without fusion, and names the first one
that made a NaN, with its source line.`,
		Example: `  dtc run f.dt --feed x=x.npy --feed y=y.npy --out out.npz
  dtc run mnist:train --vars-out weights.safetensors
  dtc run f.dt --feed inputs.npz --find-nan`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.feeds, "feed", nil, "an input: `NAME=FILE.npy`, FILE.npz or FILE.safetensors")
	f.StringArrayVar(&o.vars, "var", nil, "a variable: `NAME=FILE.npy`, FILE.npz or FILE.safetensors")
	f.StringVar(&o.out, "out", "", "write the outputs to this .npz or .safetensors `FILE`")
	f.StringVar(&o.varsOut, "vars-out", "", "write the variables after the step to this .npz or .safetensors `FILE`")
	f.StringVar(&o.device, "device", defaultDevice(), "run on this `DEVICE`")
	f.Uint64Var(&o.seed, "seed", 0, "seed of random numbers, and of an example's inputs and variables")
	f.BoolVar(&o.findNaN, "find-nan", false, "name the operation and source line that made the first NaN")
	a.programFlags(cmd, &o.dims)
	complete(cmd, "device", deviceKinds)
	return cmd
}

func (a *app) run(ctx context.Context, arg string, o runOptions) error {
	p, err := a.loadGraph(arg, o.dims)
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	if o.findNaN {
		c = oneByOne(c)
	}
	feeds, err := p.inputs(o.feeds, o.seed)
	if err != nil {
		return err
	}
	vars, err := p.state(o.vars, o.seed)
	if err != nil {
		return err
	}
	if list := missing(feeds, p.graph.Inputs()); len(list) > 0 {
		return misusef("missing: --feed for %s", strings.Join(list, ", "))
	}
	if list := missing(vars, p.graph.Variables()); len(list) > 0 {
		fmt.Fprintf(a.log, "dtc: not given and therefore zero: %s\n", strings.Join(list, ", "))
	}
	dev, err := openDevice(o.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	outs, after, err := execute(ctx, dev, c, p.graph, feeds, vars)
	if err != nil {
		return err
	}
	if o.findNaN {
		fmt.Fprintln(a.log, "dtc: no operation made a NaN")
	}
	if err := a.summarise(outs); err != nil {
		return err
	}
	if o.out != "" {
		if err := writeFile(o.out, outs); err != nil {
			return err
		}
	}
	if o.varsOut != "" {
		return writeFile(o.varsOut, after)
	}
	return nil
}

// oneByOne makes every operation a launch of its own, in the graph's order, and
// looks for the first that makes a NaN.
func oneByOne(c passes.Config) passes.Config {
	c.Off = map[string]bool{}
	for _, name := range offNames() {
		c.Off[name] = true
	}
	c.FindNaN = true
	return c
}

// inputs returns the arrays given for inputs, or an example's own.
func (p *program) inputs(list []string, seed uint64) (map[string]*tensor.Tensor, error) {
	if len(list) == 0 && p.feeds != nil {
		return p.feeds(seed), nil
	}
	feeds, err := readArrays("feed", list)
	if err != nil {
		return nil, err
	}
	return feeds, checkArrays("input", "feed", feeds, p.graph.Inputs())
}

// state returns the arrays given for variables. For the others it returns an
// example's own; of a file, only the states of random number generators.
func (p *program) state(list []string, seed uint64) (map[string]*tensor.Tensor, error) {
	given, err := readArrays("var", list)
	if err != nil {
		return nil, err
	}
	if err := checkArrays("variable", "var", given, p.graph.Variables()); err != nil {
		return nil, err
	}
	vars, err := p.variables(seed)
	if err != nil {
		return nil, err
	}
	uses := usesOf(p.graph)
	for _, n := range p.graph.Variables() {
		if p.model == nil && uses[n].state {
			if vars[n.Attr.Name], err = randomValue(n, uses[n], seed); err != nil {
				return nil, err
			}
		}
	}
	maps.Copy(vars, given)
	return vars, nil
}

// execute runs a graph once in a session of its own and returns its outputs and
// the variables afterwards, both in the graph's order.
func execute(ctx context.Context, dev device.Device, c passes.Config, g *ir.Graph, feeds, vars map[string]*tensor.Tensor) (outs, after []tensor.Named, err error) {
	s := session.New(dev, session.WithPasses(c))
	defer s.Close()
	step, err := s.CompileIR(g)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range g.Variables() {
		if t := vars[n.Attr.Name]; t != nil {
			if err := s.Set(n.Attr.Name, t); err != nil {
				return nil, nil, err
			}
		}
	}
	res, err := step.Run(ctx, feeds)
	if err != nil {
		return nil, nil, err
	}
	defer res.Release()
	for _, o := range g.Outputs {
		t, err := res.Tensor(o.Name)
		if err != nil {
			return nil, nil, err
		}
		outs = append(outs, tensor.Named{Name: o.Name, Tensor: t})
	}
	for _, n := range g.Variables() {
		t, err := s.Get(n.Attr.Name)
		if err != nil {
			return nil, nil, err
		}
		after = append(after, tensor.Named{Name: n.Attr.Name, Tensor: t})
	}
	return outs, after, nil
}

// maxShown is the most elements of an output that are printed one by one.
const maxShown = 8

// summarise prints a line for every output.
func (a *app) summarise(outs []tensor.Named) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, o := range outs {
		fmt.Fprintf(w, "%s\t%s\t%s\n", o.Name, o.Tensor.Type(), summary(o.Tensor))
	}
	return w.Flush()
}

// summary describes the elements of t: all of them if they are few, else their
// range, their mean and how many are NaN.
func summary(t *tensor.Tensor) string {
	data, err := float64s(t)
	if err != nil {
		return err.Error()
	}
	if len(data) <= maxShown {
		s := t.String()
		s = strings.Join(strings.Fields(strings.TrimPrefix(s, t.Type().String())), " ")
		return strings.ReplaceAll(s, "[ ", "[")
	}
	lo, hi, sum, nans := math.Inf(1), math.Inf(-1), 0.0, 0
	for _, x := range data {
		if x != x {
			nans++
			continue
		}
		lo, hi, sum = min(lo, x), max(hi, x), sum+x
	}
	if nans == len(data) {
		return "all NaN"
	}
	short := func(x float64) string { return strconv.FormatFloat(x, 'g', 6, 64) }
	s := fmt.Sprintf("min %s  max %s  mean %s", short(lo), short(hi), short(sum/float64(len(data)-nans)))
	if nans > 0 {
		s += fmt.Sprintf("  NaN %d of %d", nans, len(data))
	}
	return s
}

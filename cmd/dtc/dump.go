package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"dumbtorch/passes"
)

// lastGraphPass is the pass after which a program is shown unless another is
// asked for: every later one works on kernels.
const lastGraphPass = "fuse"

var dumpFormats = []string{"text", "dot", "json", "kernel", "source"}

type dumpOptions struct {
	dims          []string
	after, before string
	all           bool
	format        string
	memory        bool
	device        string
}

func (a *app) dumpCommand() *cobra.Command {
	var o dumpOptions
	cmd := &cobra.Command{
		Use:   "dump PROGRAM",
		Short: "Print a program before or after any pass",
		Long: `dump prints a program as a pass of the compiler leaves it; without --after and
--before, after ` + lastGraphPass + `, the last pass over the graph. The name "` + asRead + `" stands for the
program as it was read. The passes from lower on work on kernels. A file may also
hold kernels, as --format kernel prints them; they are shown as they are.

Formats:
  text    the text form, which reads back
  dot     a drawing for Graphviz; after fuse, nodes are grouped by kernel; the
          model's source lines are in the tooltips
  json    for other programs; the fields are described in cmd/dtc/README.md
  kernel  the kernels, in the text form of ir/kernel; by default after the last pass
  source  the device's code or listing

--memory prints the memory plan instead: the size of the arena, the sum without
reuse and the lower bound, then when every temporary lives.`,
		Example: `  dtc dump mnist
  dtc dump mnist --before cse
  dtc dump mnist --format dot | dot -Tsvg >mnist.svg
  dtc dump mnist:train --memory`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE:              func(_ *cobra.Command, args []string) error { return a.dump(args[0], o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.after, "after", "", "print the program after this `PASS`")
	f.StringVar(&o.before, "before", "", "print the program before this `PASS`")
	f.BoolVar(&o.all, "all", false, "print the program as read and after every pass")
	f.StringVar(&o.format, "format", "text", "the `FORMAT`: text, dot, json, kernel or source")
	f.BoolVar(&o.memory, "memory", false, "print the memory plan")
	f.StringVar(&o.device, "device", defaultDevice(), "compile for this `DEVICE`")
	a.programFlags(cmd, &o.dims)
	complete(cmd, "after", stageNames)
	complete(cmd, "before", passNames)
	complete(cmd, "format", func() []string { return dumpFormats })
	complete(cmd, "device", deviceKinds)
	return cmd
}

// check looks for contradictions among the flags.
func (o *dumpOptions) check() error {
	if err := oneOf("format", "format", o.format, dumpFormats); err != nil {
		return err
	}
	chosen := 0
	for _, is := range []bool{o.after != "", o.before != "", o.all} {
		if is {
			chosen++
		}
	}
	switch {
	case chosen > 1:
		return misusef("only one of --after, --before and --all can be given")
	case o.memory && (chosen > 0 || o.format != "text"):
		return misusef("--memory is about the finished program: it goes with neither --format nor --after, --before, --all")
	case o.format == "source" && chosen > 0:
		return misusef("--format source is about the finished program: it does not go with --after, --before, --all")
	}
	if o.after != "" {
		return oneOf("after", "pass", o.after, stageNames())
	}
	if o.before != "" {
		return oneOf("before", "pass", o.before, passNames())
	}
	return nil
}

func (a *app) dump(arg string, o dumpOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	p, err := a.load(arg, o.dims)
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	dev, err := openDevice(o.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	c.Target = dev.Target()
	list, done, failed := compileStages(p, c)
	if p.kernels != nil {
		if o.after != "" && o.after != asRead || o.before != "" {
			return misusef("%s holds kernels, to which no pass is applied: --after and --before do not go with it", arg)
		}
		o.after = asRead
	}
	if (o.memory || o.format == "source") && failed != nil {
		return failed
	}
	switch {
	case o.memory:
		a.printMemory(done)
		return nil
	case o.format == "source":
		exe, err := dev.Compile(done.Program)
		if err != nil {
			return err
		}
		defer exe.Close()
		fmt.Fprint(a.out, exe.Source())
		return nil
	}
	wanted, err := o.choose(list)
	if err != nil {
		if failed != nil {
			return failed
		}
		return err
	}
	if err := a.printStages(wanted, o, done); err != nil {
		return err
	}
	if o.all {
		return failed
	}
	return nil
}

// choose returns the stages that the flags ask for.
func (o *dumpOptions) choose(list []stage) ([]stage, error) {
	if o.format == "kernel" {
		list = slices.DeleteFunc(slices.Clone(list), stage.isGraph)
		if o.all {
			return list, nil
		}
		if o.after == "" && o.before == "" {
			if len(list) == 0 {
				return nil, misusef("no pass made kernels")
			}
			return list[len(list)-1:], nil
		}
	}
	if o.all {
		return list, nil
	}
	name := o.after
	switch {
	case o.before != "":
		i := slices.IndexFunc(list, func(s stage) bool { return s.pass == o.before })
		if i < 1 {
			return nil, misusef("--before %s: the pass is off, or there are no kernels before it", o.before)
		}
		return list[i-1 : i], nil
	case name == "":
		name = lastGraphPass
	}
	s, err := findStage(list, name)
	if err != nil && o.format == "kernel" {
		return nil, misusef("after pass %s there are no kernels yet: --format kernel goes with %v", name, kernelPassNames())
	}
	return []stage{s}, err
}

// printStages prints stages; done is nil if compiling failed.
func (a *app) printStages(list []stage, o dumpOptions, done *passes.Compiled) error {
	if o.format == "json" {
		return a.printJSON(list, o.all)
	}
	for i, s := range list {
		if o.all && o.format != "dot" {
			if i > 0 {
				fmt.Fprintln(a.out)
			}
			fmt.Fprintf(a.out, "# after %s\n", s.pass)
		}
		text := s.text
		if o.format == "dot" {
			var err error
			if text, err = draw(s, done); err != nil {
				return fmt.Errorf("after %s: %w", s.pass, err)
			}
		}
		fmt.Fprint(a.out, text)
	}
	return nil
}

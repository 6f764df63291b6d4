package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"dumbtorch/passes"
	_ "dumbtorch/runtime/cpu"    // registers the device
	_ "dumbtorch/runtime/interp" // registers the device
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitMisuse = 2
)

// A misuse is a mistake in the command line itself.
type misuse struct{ error }

func (m misuse) Unwrap() error { return m.error }

func misusef(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

// An app is one run of the command.
type app struct {
	in    io.Reader
	out   *outWriter // results
	log   io.Writer  // everything else
	debug string     // the flag -d
	// precision is the flag --precision.
	precision string
}

// An outWriter remembers the first error, so that a full disk is not taken for
// success.
type outWriter struct {
	w   io.Writer
	err error
}

func (o *outWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// run executes one command line and returns the exit code.
func run(args []string, in io.Reader, out, log io.Writer) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(log, "dtc: internal error, a bug of dtc or of the compiler: %v\n%s", r, debug.Stack())
			code = exitFailed
		}
	}()
	a := &app{in: in, out: &outWriter{w: out}, log: log}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(context.Background())
	if err == nil && a.out.err != nil {
		err = fmt.Errorf("write the output: %w", a.out.err)
	}
	if err == nil {
		return exitFine
	}
	fmt.Fprintf(log, "dtc: %v\n", err)
	var m misuse
	if errors.As(err, &m) {
		fmt.Fprintf(log, "See %q.\n", cmd.CommandPath()+" --help")
		return exitMisuse
	}
	return exitFailed
}

// root returns the command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "dtc",
		Short: "Look into the compiler: print, draw, run, differentiate, check, explain and time programs",
		Long: `dtc looks into the compiler: it prints, draws, runs, differentiates, checks,
explains and times programs.

A PROGRAM is a file in text form (see ir/README.md), "-" for standard input, or
an example: ` + strings.Join(exampleNames(), ", ") + `.

Results go to standard output, everything else to standard error. The exit code
is 0 if all went well, 1 if something failed, 2 if the command line is wrong.`,
		Example:       "  dtc dump mnist --format dot | dot -Tsvg >mnist.svg\n  dtc check mnist --dim batch=4\n  dtc bench mnist:train",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misusef("a command is missing: %s", strings.Join(commandNames(cmd), ", "))
			}
			return misusef("unknown command %q%s", args[0], didYouMean(args[0], commandNames(cmd)))
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.log)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misuse{err} })
	root.PersistentFlags().StringVarP(&a.debug, "debug", "d", "", "change the compilation by `SETTINGS`, as DTC does: check, time, nan, PASS/dump, PASS/off, ... (\"dtc passes\" lists them)")
	root.AddCommand(
		a.dumpCommand(), a.drawCommand(), a.explainCommand(), a.runCommand(), a.gradCommand(), a.checkCommand(), a.benchCommand(),
		a.opsCommand(), a.passesCommand(),
	)
	root.SetHelpCommand(&cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Explain a command",
		Example: "  dtc help dump",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandNames(root), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				name := args[len(args)-len(rest)]
				return misusef("unknown command %q%s", name, didYouMean(name, commandNames(cmd)))
			}
			return cmd.Help()
		},
	})
	return root
}

func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// config returns how to compile: as the environment and the flag -d say.
func (a *app) config() (passes.Config, error) {
	c := passes.Config{Log: a.log}
	if err := passes.ParseDebug(os.Getenv(passes.DebugVariable), &c); err != nil {
		return c, misusef("environment variable %s: %w", passes.DebugVariable, err)
	}
	if err := passes.ParseDebug(a.debug, &c); err != nil {
		return c, misusef("flag -d: %w", err)
	}
	return c, nil
}

// none is the arguments of a command that takes none.
func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misusef("unexpected argument %q: the command takes none", args[0])
	}
	return nil
}

// one is the arguments of a command that takes a program.
func one(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misusef("a program is missing: a file in text form, - or an example (%s)", strings.Join(exampleNames(), ", "))
	case 1:
		return nil
	}
	return misusef("one program at a time, not %d: unexpected argument %q", len(args), args[1])
}

// completePrograms completes names of examples and of files.
func completePrograms(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return exampleNames(), cobra.ShellCompDirectiveDefault
}

// complete sets the values offered for a flag.
func complete(cmd *cobra.Command, flag string, values func() []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err)
	}
}

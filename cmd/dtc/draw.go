package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"dumbtorch/runtime/tensor"
)

func (a *app) drawCommand() *cobra.Command {
	o := dumpOptions{format: "dot"}
	var svg string
	cmd := &cobra.Command{
		Use:   "draw PROGRAM",
		Short: "Draw a program, nodes grouped by kernel",
		Long: `draw prints a drawing for Graphviz, as "dump --format dot" does. With --svg it runs
Graphviz's dot, which must be installed, and writes the picture.`,
		Example: `  dtc draw mnist --svg mnist.svg
  dtc draw mnist --after memplan | dot -Tpng >launches.png`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE: func(cmd *cobra.Command, args []string) error {
			if svg == "" {
				return a.dump(args[0], o)
			}
			var buf bytes.Buffer
			b := &app{in: a.in, out: &outWriter{w: &buf}, log: a.log, debug: a.debug, precision: a.precision}
			if err := b.dump(args[0], o); err != nil {
				return err
			}
			picture, err := graphviz(cmd.Context(), buf.Bytes(), "svg")
			if err != nil {
				return err
			}
			err = tensor.WriteFileAtomic(svg, func(w io.Writer) error {
				_, err := w.Write(picture)
				return err
			})
			if err != nil {
				return fmt.Errorf("write %s: %w", svg, err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.after, "after", "", "draw the program after this `PASS`")
	f.StringVar(&o.before, "before", "", "draw the program before this `PASS`")
	f.StringVar(&o.device, "device", defaultDevice(), "compile for this `DEVICE`")
	f.StringVar(&svg, "svg", "", "write a picture to this `FILE`")
	a.programFlags(cmd, &o.dims)
	complete(cmd, "after", stageNames)
	complete(cmd, "before", passNames)
	complete(cmd, "device", deviceKinds)
	return cmd
}

// graphviz runs dot on a drawing.
func graphviz(ctx context.Context, drawing []byte, format string) ([]byte, error) {
	path, err := exec.LookPath("dot")
	if err != nil {
		return nil, errors.New("the program dot is not installed: it comes with Graphviz, https://graphviz.org; without --svg the drawing itself is printed")
	}
	cmd := exec.CommandContext(ctx, path, "-T"+format)
	var picture, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(drawing), &picture, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("dot: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	return picture.Bytes(), nil
}

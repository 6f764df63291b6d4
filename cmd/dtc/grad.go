package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"dumbtorch/autodiff"
	"dumbtorch/ir"
)

func (a *app) gradCommand() *cobra.Command {
	var (
		of   string
		wrt  []string
		dims []string
	)
	cmd := &cobra.Command{
		Use:   "grad PROGRAM",
		Short: "Print a program that also computes gradients",
		Long: `grad appends the backward pass to a program and prints the result, a program like
any other: it can be run, checked, dumped and differentiated again.

--of names an output that is one floating-point number; --wrt names inputs,
variables, outputs, or nodes as they are printed (%12). The gradient with
respect to w is the output w.grad, or w.grad.grad if there is one already.`,
		Example: `  dtc grad f.dt --of loss --wrt w,b >g.dt
  dtc grad f.dt --of loss --wrt x | dtc run - --feed x=x.npy
  dtc grad mnist --of loss --wrt image --dim batch=2 | dtc check -`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case of == "":
				return misusef("--of is missing: the output to differentiate")
			case len(wrt) == 0:
				return misusef("--wrt is missing: what to differentiate with respect to")
			}
			p, err := a.loadGraph(args[0], dims)
			if err != nil {
				return err
			}
			if err := appendGradients(p.graph, of, wrt); err != nil {
				return err
			}
			if err := p.graph.Verify(); err != nil {
				return fmt.Errorf("bug of autodiff: %w", err)
			}
			fmt.Fprint(a.out, p.graph.String())
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&of, "of", "", "the `OUTPUT` to differentiate")
	f.StringSliceVar(&wrt, "wrt", nil, "what to differentiate with respect to: `NAME,...`")
	a.programFlags(cmd, &dims)
	return cmd
}

// unplaced stands for the source line of nodes that have none while gradients
// are appended, so that they do not get a line of this program.
var unplaced = ir.Pos{File: "?", Line: -1}

// appendGradients appends the gradients of an output to a graph as outputs
// named after what they belong to.
func appendGradients(g *ir.Graph, of string, wrt []string) error {
	loss, err := lookUp(g, "of", of)
	if err != nil {
		return err
	}
	var targets []*ir.Node
	for i, name := range wrt {
		n, err := lookUp(g, "wrt", name)
		if err != nil {
			return err
		}
		if slices.Contains(wrt[:i], name) {
			return misusef("flag --wrt: %q is given twice", name)
		}
		targets = append(targets, n)
	}
	grads, err := differentiate(g, loss, targets)
	if err != nil {
		return err
	}
	for i, n := range grads {
		g.Outputs = append(g.Outputs, ir.Output{Name: gradName(g, wrt[i]), Node: n})
	}
	return nil
}

// differentiate appends the gradients of loss with respect to targets.
func differentiate(g *ir.Graph, loss *ir.Node, targets []*ir.Node) (grads []*ir.Node, err error) {
	for _, n := range g.Nodes {
		if n.Pos == (ir.Pos{}) {
			n.Pos = unplaced
		}
	}
	defer func() {
		for _, n := range g.Nodes {
			if n.Pos == unplaced {
				n.Pos = ir.Pos{}
			}
		}
	}()
	g.Renumber()
	grads, err = autodiff.Grad(&ir.Builder{G: g, At: loss.Pos}, loss, targets)
	var e *ir.Error
	if errors.As(err, &e) && (e.Pos == unplaced || e.Pos.File == ir.Caller().File) {
		e.Pos = ir.Pos{}
	}
	return grads, err
}

// gradName returns a free name for the gradient of a value: w.grad, w.grad.grad.
func gradName(g *ir.Graph, of string) string {
	name := strings.TrimPrefix(of, "%") + ".grad"
	for slices.ContainsFunc(g.Outputs, func(o ir.Output) bool { return o.Name == name }) {
		name += ".grad"
	}
	return name
}

// lookUp finds a node by the name of an output, input or variable, or by its
// number.
func lookUp(g *ir.Graph, flag, name string) (*ir.Node, error) {
	if digits, ok := strings.CutPrefix(name, "%"); ok {
		i, err := strconv.Atoi(digits)
		if err != nil || i < 0 || i >= len(g.Nodes) {
			return nil, misusef("flag --%s: there is no node %s: they are numbered %%0 to %%%d", flag, name, len(g.Nodes)-1)
		}
		return g.Nodes[i], nil
	}
	var names []string
	for _, n := range g.Nodes {
		if n.Op == ir.OpInput || n.Op == ir.OpVariable {
			if n.Attr.Name == name && flag != "of" {
				return n, nil
			}
			names = append(names, n.Attr.Name)
		}
	}
	if flag == "of" {
		names = nil
	}
	for _, o := range g.Outputs {
		if o.Name == name {
			return o.Node, nil
		}
		names = append(names, o.Name)
	}
	return nil, misusef("flag --%s: nothing is named %q%s", flag, name, didYouMean(name, names))
}

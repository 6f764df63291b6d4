package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/passes"
	"dumbtorch/runtime/tensor"
)

func (a *app) explainCommand() *cobra.Command {
	var (
		dims   []string
		device string
	)
	cmd := &cobra.Command{
		Use:   "explain PROGRAM",
		Short: "Say what became one kernel, why, and what it costs",
		Long: `explain compiles a program and describes every launch of a kernel: the loops, the
operations that were fused and their source lines, what is stored and who reads
it, what is computed again instead of being read, and the work: bytes read and
written once each, floating-point operations, and how many of those there are
per byte.`,
		Example: `  dtc explain mnist:train
  dtc explain f.dt -d fuse/off`,
		Args:              one,
		ValidArgsFunction: completePrograms,
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := a.loadGraph(args[0], dims)
			if err != nil {
				return err
			}
			done, err := a.compile(p, device)
			if err != nil {
				return err
			}
			a.explain(done)
			return nil
		},
	}
	cmd.Flags().StringVar(&device, "device", defaultDevice(), "compile for this `DEVICE`")
	a.programFlags(cmd, &dims)
	complete(cmd, "device", deviceKinds)
	return cmd
}

// compile compiles a program for a device as the settings say.
func (a *app) compile(p *program, name string) (*passes.Compiled, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	dev, err := openDevice(name)
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	c.Target = dev.Target()
	return passes.Compile(p.graph, &c)
}

// An explainer knows who computes and who reads what.
type explainer struct {
	*app
	done    *passes.Compiled
	members map[int][]*ir.Node // per cluster, by number
	readers map[int][]int      // per buffer: the launches that read it
}

func (a *app) explain(done *passes.Compiled) {
	x := &explainer{app: a, done: done, members: map[int][]*ir.Node{}, readers: map[int][]int{}}
	for _, n := range done.Graph.Nodes {
		if n.Cluster >= 0 {
			x.members[n.Cluster] = append(x.members[n.Cluster], n)
		}
	}
	p := done.Program
	var total passes.Work
	for i := range p.Launches {
		l := &p.Launches[i]
		for j, q := range l.Kernel.Params {
			if b := l.Args[j]; !q.Out && !slices.Contains(x.readers[b], i) {
				x.readers[b] = append(x.readers[b], i)
			}
		}
		total = total.Plus(passes.WorkOf(l.Kernel))
	}
	fmt.Fprintf(a.out, "%s: %d nodes in %d launches of %d kernels, arena %s\n", p.Name, len(done.Graph.Nodes), len(p.Launches), kernelCount(p), tensor.FormatBytes(p.ArenaSize))
	fmt.Fprintf(a.out, "in all: %s\n", work(total))
	for i := range p.Launches {
		x.launch(i)
	}
}

func kernelCount(p *kernel.Program) int {
	seen := map[*kernel.Kernel]bool{}
	for i := range p.Launches {
		seen[p.Launches[i].Kernel] = true
	}
	return len(seen)
}

// launch describes one launch.
func (x *explainer) launch(i int) {
	l := &x.done.Program.Launches[i]
	fmt.Fprintf(x.out, "\nlaunch %d: %s, %s\n", i, l.Kernel.Name, loops(l.Kernel))
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(x.out, "  %-11s %s\n", what, text)
		}
	}
	var nodes []*ir.Node
	for _, c := range l.Clusters {
		nodes = append(nodes, x.members[c]...)
	}
	if len(nodes) == 0 {
		line("computes", l.Label)
	}
	line("computes", opList(nodes))
	line("lines", strings.Join(sourceLines(nodes), " "))
	line("work", work(passes.WorkOf(l.Kernel)))
	x.stores(l, line)
	var inside []*ir.Node
	for _, n := range nodes {
		if x.done.Fate(n) == passes.Inside {
			inside = append(inside, n)
		}
	}
	if len(inside) > 0 {
		line("kept inside", opList(inside)+": only this kernel reads them")
	}
	if again := x.recomputed(nodes, l.Clusters); len(again) > 0 {
		line("recomputes", opList(again)+": cheaper than a way through memory")
	}
}

// stores describes the values that a launch writes to memory, and why.
func (x *explainer) stores(l *kernel.Launch, line func(what, text string)) {
	var stored []*ir.Node
	for _, c := range l.Clusters {
		for _, n := range x.members[c] {
			if x.done.Fate(n) == passes.Stored && n.Shape().Size() > 0 {
				stored = append(stored, n)
			}
		}
	}
	at := 0
	for _, j := range written(l.Kernel) {
		var what string
		if at < len(stored) {
			what = fmt.Sprintf("%s %s", stored[at].Op, stored[at].Type)
		}
		at++
		if j >= len(l.Args) {
			line("local", what+": one block of it per worker is in memory")
			continue
		}
		b := &x.done.Program.Buffers[l.Args[j]]
		if what == "" {
			what = fmt.Sprintf("%s[%d]", b.DType, b.Len)
		}
		var why []string
		switch b.Kind {
		case kernel.OutputBuffer:
			why = append(why, fmt.Sprintf("the output %q", b.Name))
		case kernel.VariableBuffer:
			why = append(why, fmt.Sprintf("the next value of the variable %q", b.Name))
		}
		if r := x.readers[l.Args[j]]; len(r) > 0 && b.Kind != kernel.VariableBuffer {
			why = append(why, "read by "+launchList(r))
		}
		line("stores", what+": "+strings.Join(why, ", "))
	}
}

// written returns the numbers of the parameters that a kernel writes, in order; a
// tiled kernel's locals follow its parameters.
func written(k *kernel.Kernel) []int {
	var out []int
	for _, s := range k.Stages {
		for j, q := range s.Kernel.Params {
			if q.Out {
				out = append(out, s.Args[j])
			}
		}
	}
	for j, q := range k.Params {
		if q.Out && len(k.Stages) == 0 {
			out = append(out, j)
		}
	}
	return out
}

// recomputed returns the nodes of other clusters that the given ones compute
// again.
func (x *explainer) recomputed(nodes []*ir.Node, clusters []int) []*ir.Node {
	var out []*ir.Node
	seen := map[*ir.Node]bool{}
	var visit func(n *ir.Node)
	visit = func(n *ir.Node) {
		for _, a := range n.Args {
			if seen[a] {
				continue
			}
			seen[a] = true
			switch fate := x.done.Fate(a); {
			case fate == passes.Recomputed && !slices.Contains(clusters, a.Cluster):
				out = append(out, a)
				visit(a)
			case fate == passes.SeenThrough:
				visit(a)
			}
		}
	}
	for _, n := range nodes {
		visit(n)
	}
	slices.SortFunc(out, func(a, b *ir.Node) int { return a.ID - b.ID })
	return out
}

// opList names operations in order, equal ones with their number.
func opList(nodes []*ir.Node) string {
	var names []string
	count := map[string]int{}
	for _, n := range nodes {
		name := n.Op.String()
		if count[name]++; count[name] == 1 {
			names = append(names, name)
		}
	}
	for i, name := range names {
		if count[name] > 1 {
			names[i] = fmt.Sprintf("%s (%d)", name, count[name])
		}
	}
	return strings.Join(names, ", ")
}

// sourceLines returns the lines of nodes, each once, in order.
func sourceLines(nodes []*ir.Node) []string {
	var ps []ir.Pos
	for _, n := range nodes {
		if n.Pos.Line > 0 && !slices.Contains(ps, n.Pos) {
			ps = append(ps, n.Pos)
		}
	}
	slices.SortFunc(ps, func(a, b ir.Pos) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return lines
}

// loops describes a kernel's form and the extents of its loops.
func loops(k *kernel.Kernel) string {
	s := k.Sched.Form.String()
	list := func(what string, axes []*kernel.Axis) {
		if len(axes) == 0 {
			return
		}
		var es []string
		for _, a := range axes {
			es = append(es, fmt.Sprint(a.Extent))
		}
		s += fmt.Sprintf(", %s %s", what, strings.Join(es, " x "))
	}
	if c := k.Sched.Contract; c != nil {
		list("batch", c.Batch)
		list("m", c.M)
		list("n", c.N)
		list("k", c.K)
		return s
	}
	if k.Sched.Form == kernel.Tiles {
		return s + fmt.Sprintf(", %d stages, %d blocks", len(k.Stages), k.Sched.Blocks)
	}
	list("outer", k.Sched.Outer)
	list("inner", k.Sched.Inner)
	if len(k.Sched.Outer)+len(k.Sched.Inner) == 0 {
		list("loops", k.Axes)
	}
	return s
}

// work describes work: bytes, operations, and their ratio.
func work(w passes.Work) string {
	moved := w.LoadBytes + w.StoreBytes
	s := fmt.Sprintf("reads %s, writes %s, %s", tensor.FormatBytes(w.LoadBytes), tensor.FormatBytes(w.StoreBytes), count(float64(w.Flops), "flop"))
	if moved > 0 {
		s += fmt.Sprintf(", %.2f flop/byte", float64(w.Flops)/float64(moved))
	}
	return s
}

// count returns a number with a decimal prefix of its unit.
func count(x float64, unit string) string {
	prefix := 0
	for x >= 1000 && prefix < 5 {
		x /= 1000
		prefix++
	}
	if prefix == 0 {
		return fmt.Sprintf("%.0f %s", x, unit)
	}
	return fmt.Sprintf("%.2f %c%s", x, " kMGTP"[prefix], unit)
}

// launchList names launches: "launch 3", "launches 3, 4".
func launchList(ns []int) string {
	var ss []string
	for _, n := range ns {
		ss = append(ss, fmt.Sprint(n))
	}
	if len(ss) == 1 {
		return "launch " + ss[0]
	}
	return "launches " + strings.Join(ss, ", ")
}

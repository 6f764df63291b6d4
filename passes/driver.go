package passes

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
)

// Compiled is the result of [Compile].
type Compiled struct {
	Graph   *ir.Graph // after the graph passes, nodes marked with their clusters
	Program *kernel.Program
	Memory  MemoryReport
	Times   []PassTime

	fusion *fusion
}

// A PassTime is what one pass took.
type PassTime struct {
	Pass string
	Time time.Duration
}

// A PassError is a failed pass: a bug in the compiler, not in the model.
type PassError struct {
	Pass string
	Err  error
	// IR shows the program near the place where the pass failed.
	IR string
	// Stack is the stack of a panic; nil when the pass returned the error.
	Stack []byte
}

func (e *PassError) Error() string {
	s := fmt.Sprintf("compiler bug in pass %s: %v", e.Pass, e.Err)
	if e.IR != "" {
		s += "\nnear\n" + e.IR
	}
	return s
}

// Unwrap returns the cause.
func (e *PassError) Unwrap() error { return e.Err }

// Compile turns a graph into a program. The graph is not changed. An error is
// a [*PassError], or says that the configuration is wrong.
func Compile(g *ir.Graph, c *Config) (*Compiled, error) {
	d := &driver{Config: *c}
	if err := d.checkNames(); err != nil {
		return nil, err
	}
	out := &Compiled{Graph: cloneGraph(g)}
	d.shuffle = rand.New(rand.NewPCG(c.Seed, 0))
	graph := out.Graph
	show := func() string { return graphNear(graph, d.at) }
	for _, p := range graphPasses {
		if d.Off[p.Name] && !p.Required {
			continue
		}
		err := d.step(p.Name, show, func() error {
			if d.Check && d.Seed != 0 {
				shuffleNodes(graph, d.shuffle)
			}
			if err := p.Run(&d.Config, graph); err != nil || !d.Check {
				return err
			}
			return graph.Verify()
		}, func() string { return graph.String() })
		if err != nil {
			return nil, err
		}
	}
	err := d.step(lowerName, show, func() (err error) {
		if out.Program, err = lower(&d.Config, graph); err == nil && d.Check {
			err = out.Program.Verify()
		}
		return err
	}, func() string { return out.Program.String() })
	if err != nil {
		return nil, err
	}
	program := out.Program
	show = func() string { return head(program.String()) }
	for _, p := range kernelPasses {
		if d.Off[p.Name] && !p.Required {
			continue
		}
		err := d.step(p.Name, show, func() error {
			if d.Check && d.Seed != 0 {
				shuffleLaunches(program, d.shuffle)
			}
			if err := p.Run(&d.Config, program); err != nil || !d.Check {
				return err
			}
			return program.Verify()
		}, func() string { return program.String() })
		if err != nil {
			return nil, err
		}
	}
	out.Memory = Memory(program)
	out.Times = d.times
	out.fusion = d.fusion
	return out, nil
}

type driver struct {
	Config
	shuffle *rand.Rand
	times   []PassTime
}

// checkNames rejects names of passes that do not exist or cannot be off.
func (d *driver) checkNames() error {
	known, can := map[string]bool{}, map[string]bool{}
	for _, p := range Passes() {
		known[p.Name] = true
		can[p.Name] = can[p.Name] || p.CanBeOff
	}
	for name, off := range d.Off {
		switch {
		case !known[name]:
			return fmt.Errorf("no pass %q; %s", name, passNames())
		case off && !can[name]:
			return fmt.Errorf("pass %q is required and cannot be off", name)
		}
	}
	for name := range d.DumpAfter {
		if !known[name] {
			return fmt.Errorf("no pass %q to dump after; %s", name, passNames())
		}
	}
	return nil
}

// step runs one pass: times it, turns a panic into an error that shows the
// program, and dumps.
func (d *driver) step(name string, show func() string, run func() error, text func() string) (err error) {
	d.at = nil
	defer func() {
		var stack []byte
		if r := recover(); r != nil {
			stack = debug.Stack()
			if e, ok := r.(error); ok {
				err = e
			} else {
				err = fmt.Errorf("%v", r)
			}
		}
		if err != nil {
			err = &PassError{Pass: name, Err: err, IR: safely(show), Stack: stack}
		}
	}()
	start := time.Now()
	err = run()
	t := time.Since(start)
	d.times = append(d.times, PassTime{name, t})
	if d.Time && d.Log != nil {
		fmt.Fprintf(d.Log, "%-14s %10.3f ms\n", name, float64(t.Microseconds())/1000)
	}
	if err == nil && d.Dump != nil && (d.DumpAfter == nil || d.DumpAfter[name]) {
		d.Dump(name, text())
	}
	return err
}

// safely returns f's text; a broken program may not print.
func safely(f func() string) (s string) {
	defer func() {
		if r := recover(); r != nil {
			s = fmt.Sprintf("(the program cannot be printed: %v)", r)
		}
	}()
	return f()
}

// maxShown is the number of lines of a program in an error message.
const maxShown = 24

func head(text string) string {
	lines := strings.SplitAfterN(text, "\n", maxShown+1)
	if len(lines) > maxShown {
		lines = append(lines[:maxShown], "...\n")
	}
	return strings.Join(lines, "")
}

// graphNear prints the nodes around n, or the beginning of the graph.
func graphNear(g *ir.Graph, n *ir.Node) string {
	if n == nil {
		return head(g.String())
	}
	want := map[*ir.Node]bool{}
	var collect func(n *ir.Node, depth int)
	collect = func(n *ir.Node, depth int) {
		if n == nil || want[n] || len(want) >= maxShown {
			return
		}
		want[n] = true
		for _, a := range n.Args {
			if depth > 0 {
				collect(a, depth-1)
			}
		}
	}
	collect(n, 3)
	near := &ir.Graph{Name: g.Name, Dims: g.Dims}
	for _, m := range g.Nodes {
		if want[m] {
			near.Nodes = append(near.Nodes, m)
			delete(want, m)
		}
	}
	for m := range want {
		if m != n {
			near.Nodes = append(near.Nodes, m)
		}
	}
	if want[n] {
		near.Nodes = append(near.Nodes, n)
	}
	return near.String()
}

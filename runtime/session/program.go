package session

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/tensor"
)

// compiler turns a graph without named dimensions into a program; it is passes.Compile outside tests.
type compiler func(*ir.Graph) (*passes.Compiled, error)

// program is a step compiled for one binding of its named dimensions.
type program struct {
	src   *source
	sizes []int        // of the named dimensions
	types []types.Type // of the inputs
	ready chan struct{}

	// Set before ready is closed. If err is set, nothing else is.
	err    error
	code   *passes.Compiled
	held   []*sharedKernel
	exe    device.Executable
	feeds  []int       // per input of the program: the number of the source's input
	vars   []*variable // per variable of the program
	writes []*variable // those that it assigns
	outs   []output
	memory MemoryReport

	// Guarded by the step.
	refs int // calls that use it
	gone bool
	free []*frame
}

// output is a value that a program gives to its caller.
type output struct {
	name string
	typ  types.Type
}

// frame is what one call needs: the buffers of the inputs, which it owns, then those of the variables.
type frame struct {
	in    []device.Buffer
	owned int
}

func (f *frame) release() {
	for _, b := range f.in[:f.owned] {
		b.Release()
	}
}

// newFrame allocates a call's buffers.
func (p *program) newFrame(dev device.Device) (*frame, error) {
	f := &frame{in: make([]device.Buffer, 0, len(p.feeds)+len(p.vars))}
	for _, i := range p.feeds {
		b, err := dev.Alloc(p.types[i].Bytes())
		if err != nil {
			f.release()
			return nil, fmt.Errorf("feed %q %s: %w", p.src.inputs[i].name, p.types[i], err)
		}
		f.in = append(f.in, b)
		f.owned++
	}
	for _, v := range p.vars {
		f.in = append(f.in, v.buf)
	}
	return f, nil
}

// close gives back what the program holds; nobody uses it any more.
func (p *program) close(kernels *kernelCache) error {
	kernels.release(p.held)
	p.held = nil
	for _, f := range p.free {
		f.release()
	}
	p.free = nil
	if p.exe == nil {
		return nil
	}
	err := p.exe.Close()
	p.exe = nil
	return err
}

// build compiles the step for one binding. No panic of a pass or a device leaves it.
func (st *Step) build(sizes []int, ts []types.Type) (p *program, err error) {
	p = &program{src: st.src, sizes: sizes, types: ts, ready: make(chan struct{})}
	st.fill(p)
	return p, p.err
}

// fill compiles and marks the program as ready.
func (st *Step) fill(p *program) {
	defer close(p.ready)
	defer func() {
		if r := recover(); r != nil {
			p.err = fmt.Errorf("internal error while compiling: %v\n%s", r, debug.Stack())
		}
		if p.err != nil {
			p.close(&st.s.kernels)
		}
	}()
	start := time.Now()
	p.err = st.lower(p)
	if p.err != nil {
		return
	}
	var shared int
	p.held, shared = st.s.kernels.share(p.code.Program)
	if p.exe, p.err = st.s.dev.Compile(p.code.Program); p.err != nil {
		p.err = fmt.Errorf("device %s: %w", st.s.dev.Name(), p.err)
		return
	}
	if _, ok := p.exe.(device.Tracer); !ok && st.s.cfg.passes.FindNaN {
		p.err = fmt.Errorf("device %s cannot look for a NaN: it runs no program launch by launch", st.s.dev.Name())
		return
	}
	st.s.cfg.log.Info("compiled", "step", st.src.name, "binding", st.src.describe(p.sizes),
		"launches", len(p.code.Program.Launches), "kernels", len(p.held), "shared", shared,
		"arena", tensor.FormatBytes(p.memory.Arena), "took", time.Since(start).Round(10*time.Microsecond))
}

// lower makes the program and connects its buffers with inputs, variables and outputs.
func (st *Step) lower(p *program) error {
	g, err := st.src.bind(st.src.bindingOf(p.sizes))
	if err != nil {
		return err
	}
	// The passes may rewrite the graph; the types of its outputs stay.
	declared := make([]output, len(g.Outputs))
	for i, o := range g.Outputs {
		declared[i] = output{o.Name, types.Of(o.Node.Type.DType, o.Node.Type.Shape...)}
	}
	vars, err := st.variablesOf(g)
	if err != nil {
		return err
	}
	if p.code, err = st.s.cfg.compile(g); err != nil {
		return err
	}
	if err := p.connect(vars, declared); err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	p.memory = p.report()
	return st.checkMemory(&p.memory)
}

// variablesOf returns the variables by the names that they have in a bound graph. It lists them in the order of the source;
// a name may be another one, if it was changed since the graph was built.
func (st *Step) variablesOf(g *ir.Graph) (map[string]*variable, error) {
	nodes := g.Variables()
	if len(nodes) != len(st.vars) {
		return nil, fmt.Errorf("internal error: the bound graph has %d variables, the graph %d", len(nodes), len(st.vars))
	}
	vars := make(map[string]*variable, len(nodes))
	for i, n := range nodes {
		vars[n.Attr.Name] = st.vars[i]
	}
	return vars, nil
}

// connect finds the meaning of the program's buffers by their names.
func (p *program) connect(vars map[string]*variable, declared []output) error {
	prog := p.code.Program
	check := func(b *kernel.Buffer, t types.Type) error {
		if b.DType != t.DType || b.Len != t.Shape.Size() {
			return fmt.Errorf("%s buffer %q is %v[%d] in the program and %s in the graph", b.Kind, b.Name, b.DType, b.Len, t)
		}
		return nil
	}
	for _, i := range prog.Of(kernel.InputBuffer) {
		b := &prog.Buffers[i]
		n := slices.IndexFunc(p.src.inputs, func(in input) bool { return in.name == b.Name })
		if n < 0 {
			return fmt.Errorf("the program has an input %q that the graph has not", b.Name)
		}
		if err := check(b, p.types[n]); err != nil {
			return err
		}
		p.feeds = append(p.feeds, n)
	}
	number := map[int]*variable{}
	for _, i := range prog.Of(kernel.VariableBuffer) {
		b := &prog.Buffers[i]
		v := vars[b.Name]
		if v == nil {
			return fmt.Errorf("the program has a variable %q that the graph has not", b.Name)
		}
		if err := check(b, v.typ); err != nil {
			return err
		}
		number[i] = v
		p.vars = append(p.vars, v)
	}
	for _, i := range prog.Of(kernel.OutputBuffer) {
		b := &prog.Buffers[i]
		n := slices.IndexFunc(declared, func(o output) bool { return o.name == b.Name })
		if n < 0 {
			return fmt.Errorf("the program has an output %q that the graph has not", b.Name)
		}
		if err := check(b, declared[n].typ); err != nil {
			return err
		}
		p.outs = append(p.outs, declared[n])
	}
	if len(p.outs) != len(declared) {
		return fmt.Errorf("the program has %d outputs, the graph %d", len(p.outs), len(declared))
	}
	p.writes = written(prog, number)
	return nil
}

// written returns the variables that a program assigns.
func written(prog *kernel.Program, number map[int]*variable) []*variable {
	var out []*variable
	add := func(buffer int) {
		if v := number[buffer]; v != nil && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	for i := range prog.Launches {
		l := &prog.Launches[i]
		for j, q := range l.Kernel.Params {
			if q.Out {
				add(l.Args[j])
			}
		}
	}
	for _, u := range prog.Updates {
		add(u.Variable)
	}
	return out
}

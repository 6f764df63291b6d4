package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"dumbtorch/examples/models"
	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/transform"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// maxText bounds the bytes of a program's text: a mistaken argument, such as a
// disk image or an endless pipe, must not fill the memory.
const maxText = 1 << 30

// A program is what a command works on.
type program struct {
	name    string // as it was given
	graph   *ir.Graph
	kernels *kernel.Program // instead of the graph, of a file in the text form of ir/kernel
	// model is the graph of an example, which knows the first values of
	// variables; nil for a file.
	model *graph.Graph
	// feeds are an example's own; nil for a file, and where dimensions were
	// chosen on the command line.
	feeds func(seed uint64) map[string]*tensor.Tensor
}

// programFlags adds the flags that change the program itself.
func (a *app) programFlags(cmd *cobra.Command, dims *[]string) {
	cmd.Flags().StringArrayVar(dims, "dim", nil, "bind a named dimension of an example: `NAME=SIZE`")
	cmd.Flags().StringVar(&a.precision, "precision", "", "mixed precision: products and what follows them in this `TYPE`, bf16 or f16, the rest in f32")
	complete(cmd, "precision", func() []string { return []string{types.BF16.String(), types.F16.String()} })
}

// low returns the type that --precision names, Invalid if it is not given.
func (a *app) low() (types.DType, error) {
	if a.precision == "" {
		return types.Invalid, nil
	}
	d, err := types.ParseDType(a.precision)
	if err != nil || !d.IsHalf() {
		return d, misusef("flag --precision: %q is neither bf16 nor f16", a.precision)
	}
	return d, nil
}

// parseDims reads the values of --dim.
func parseDims(list []string) (map[string]int, error) {
	dims := map[string]int{}
	for _, s := range list {
		name, size, ok := strings.Cut(s, "=")
		n, err := strconv.Atoi(size)
		if !ok || name == "" || err != nil || n < 0 {
			return nil, misusef("flag --dim: %q is not of the form batch=4", s)
		}
		if _, twice := dims[name]; twice {
			return nil, misusef("flag --dim: %q is bound twice", name)
		}
		dims[name] = n
	}
	return dims, nil
}

// loadGraph reads the program that arg names, which must be a graph.
func (a *app) loadGraph(arg string, dims []string) (*program, error) {
	p, err := a.load(arg, dims)
	if err == nil && p.graph == nil {
		err = fmt.Errorf("%s holds kernels, in the text form of ir/kernel; only dump and draw read them, this command wants a graph", arg)
	}
	return p, err
}

// load reads the program that arg names, a graph or kernels.
func (a *app) load(arg string, dims []string) (*program, error) {
	bind, err := parseDims(dims)
	if err != nil {
		return nil, err
	}
	low, err := a.low()
	if err != nil {
		return nil, err
	}
	if slices.Contains(exampleNames(), arg) {
		return loadExample(arg, bind, low)
	}
	text, err := a.readText(arg)
	if err != nil {
		return nil, err
	}
	name := arg
	if arg == "-" {
		name = "<stdin>"
	}
	if len(bind) > 0 {
		return nil, misusef("flag --dim: %s is a file, whose sizes are fixed; named dimensions are those of examples", name)
	}
	if firstWord(text) == "program" {
		if low != types.Invalid {
			return nil, misusef("flag --precision: %s holds kernels, whose types are fixed", name)
		}
		k, err := kernel.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
		return &program{name: arg, kernels: k}, nil
	}
	g, err := ir.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	place(g, text, strings.Trim(filepath.Base(name), "<>"))
	if low != types.Invalid {
		if err := transform.Autocast(g, 0, low, nil); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return &program{name: arg, graph: g}, nil
}

// firstWord returns the word with which a text begins, after comments.
func firstWord(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			word, _, _ := strings.Cut(line, " ")
			return word
		}
	}
	return ""
}

// place gives nodes without a source line the line of the text that they stand
// in, so that errors and explanations can name it.
func place(g *ir.Graph, text, file string) {
	var at []int
	line := 0
	for s := range strings.Lines(text) {
		line++
		if strings.HasPrefix(strings.TrimSpace(s), "%") {
			at = append(at, line)
		}
	}
	if len(at) != len(g.Nodes) {
		return // several nodes in one line
	}
	for i, n := range g.Nodes {
		if n.Pos == (ir.Pos{}) {
			n.Pos = ir.Pos{File: file, Line: at[i]}
		}
	}
}

// readText reads a file or standard input.
func (a *app) readText(arg string) (string, error) {
	r := a.in
	if arg != "-" {
		f, err := os.Open(arg)
		if errors.Is(err, fs.ErrNotExist) && filepath.Base(arg) == arg && filepath.Ext(arg) == "" {
			return "", misusef("no file and no example is named %q%s", arg, didYouMean(arg, exampleNames()))
		}
		if err != nil {
			return "", err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxText:
		return "", fmt.Errorf("%s: longer than %d bytes: not a program", arg, maxText)
	}
	return string(b), nil
}

// loadExample builds an example with the sizes of its own feeds, or those given,
// in mixed precision if low is a type.
func loadExample(name string, bind map[string]int, low types.DType) (*program, error) {
	e, err := models.Get(name)
	if err != nil {
		return nil, err
	}
	var opts []graph.Option
	if low != types.Invalid {
		opts = append(opts, graph.Autocast(low))
	}
	g, err := e.Build(opts...)
	if err != nil {
		return nil, fmt.Errorf("example %s: %w", name, err)
	}
	p := &program{name: name, model: g}
	names := g.DimNames()
	for _, d := range slices.Sorted(maps.Keys(bind)) {
		if !slices.Contains(names, d) {
			if len(names) == 0 {
				return nil, misusef("flag --dim: example %s has no named dimensions", name)
			}
			return nil, misusef("flag --dim: example %s has no dimension %q%s", name, d, didYouMean(d, names))
		}
	}
	sizes := map[string]int{}
	if len(names) > len(bind) {
		sizes = sizesOf(g, e.Feeds(0))
	}
	if len(bind) == 0 {
		p.feeds = e.Feeds
	}
	maps.Copy(sizes, bind)
	if p.graph, err = g.Bind(sizes); err != nil {
		return nil, fmt.Errorf("example %s: %w", name, err)
	}
	return p, nil
}

// sizesOf returns the sizes that feeds give to the named dimensions of a graph.
func sizesOf(g *graph.Graph, feeds map[string]*tensor.Tensor) map[string]int {
	sizes := map[string]int{}
	for _, in := range g.Inputs() {
		t := feeds[in.Name]
		for i, d := range in.DimNames {
			if d != "" && t != nil && i < len(t.Shape()) {
				sizes[d] = t.Shape()[i]
			}
		}
	}
	return sizes
}

// variables returns the first values of an example's variables; none for a
// file, whose variables start at zero.
func (p *program) variables(seed uint64) (map[string]*tensor.Tensor, error) {
	vars := map[string]*tensor.Tensor{}
	if p.model == nil {
		return vars, nil
	}
	for i, n := range p.model.IR().Variables() {
		v := p.model.Variables()[i]
		t, err := tensor.New(v.Type())
		if err == nil {
			err = v.Initialize(t, seed)
		}
		if err != nil {
			return nil, fmt.Errorf("example %s: %w", p.name, err)
		}
		vars[n.Attr.Name] = t
	}
	return vars, nil
}

package proof

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

var (
	opdbBase     = flag.String("opdb", "", "run the cases of `BASE`.npz and .jsonl, made by testdata/opdb/draw.py")
	opdbTable    = flag.Bool("opdb-table", false, "write testdata/PARITY.md about the cases of -opdb")
	opdbPrograms = flag.String("opdb-programs", "", "write the text form of every case to this `DIRECTORY`")
	opdbEntries  = flag.Bool("opdb-entries", false, "write testdata/opdb/entries.txt: what there is to draw")
)

// entries are the entries of op_db that have a counterpart.
var entries = func() map[string]entry {
	all := map[string]entry{}
	for _, m := range []map[string]entry{pointwise, folds, created, arrangements, products, networks(), layers} {
		maps.Copy(all, m)
	}
	return all
}()

// compareOpDB is the comparison of torch.testing.assert_close, with its tolerances
// for f32 and f64, and besides for sums in another order 64 units of the last
// place of the largest element.
func compareOpDB(got, want *tensor.Tensor) error {
	if !want.DType().IsFloat() || !got.Type().Equal(want.Type()) {
		return exact.compare(got, want)
	}
	absolute, relative := 1e-5, 1.3e-6
	if want.DType() == graph.F64 {
		absolute, relative = 1e-7, 1e-7
	}
	g, w := floats(got), floats(want)
	scale := 0.0
	for _, v := range w {
		if a := math.Abs(v); a > scale && !math.IsInf(a, 0) {
			scale = a
		}
	}
	for i, v := range w {
		if v == g[i] || v != v && g[i] != g[i] {
			continue
		}
		if d := math.Abs(v - g[i]); !(d <= absolute+relative*math.Abs(v)+64*eps(want.DType())*scale) || math.IsInf(v, 0) {
			return fmt.Errorf("element %d is %v, wants %v\ngot %v\nwant %v", i, g[i], v, got, want)
		}
	}
	return nil
}

// A drawn is one line of the cases: a sample that PyTorch takes, one that it
// refuses, or one that is left out.
type drawn struct {
	Op       string
	Args     []json.RawMessage
	KW       map[string]json.RawMessage
	Out      []string
	CT       []string
	Grad     []string
	Error    string
	Skip     string
	operands []*operand
	bound    map[string]any
	number   int
}

// verdict is what became of a case.
type verdict struct {
	passed, refused, accepted bool
	left                      string
}

// readDrawn reads the cases of a file.
func readDrawn(t *testing.T, base string) (*suite, []*drawn) {
	t.Helper()
	flat, err := tensor.ReadNPZ(base + ".npz")
	require.NoError(t, err)
	f, err := os.Open(base + ".jsonl")
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	require.True(t, lines.Scan(), "%s.jsonl is empty", base)
	var list []*drawn
	for lines.Scan() {
		d := &drawn{number: len(list)}
		require.NoError(t, json.Unmarshal(lines.Bytes(), d), "line %d", len(list)+2)
		list = append(list, d)
	}
	require.NoError(t, lines.Err())
	return &suite{flat: flat}, list
}

// decode makes the arguments of a case, with tensors for the operands.
func (d *drawn) decode(t *testing.T, s *suite) {
	put := func(ref string, wanted bool) *operand {
		o := &operand{value: s.tensor(t, ref), wanted: wanted}
		d.operands = append(d.operands, o)
		return o
	}
	var args []any
	kw := map[string]any{}
	for _, raw := range d.Args {
		v, err := decode(raw, put)
		require.NoError(t, err, d.Op)
		args = append(args, v)
	}
	for _, k := range slices.Sorted(maps.Keys(d.KW)) {
		v, err := decode(d.KW[k], put)
		require.NoError(t, err, d.Op)
		kw[k] = v
	}
	d.bound = bind(entries[d.Op].params, args, kw)
}

// program builds the graph of a case, gradients included, and its feeds.
func (d *drawn) program(t *testing.T, s *suite) (g *ir.Graph, feeds session.Feeds, left string, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case leftOut:
			left = string(r)
		default:
			if d.Error == "" {
				panic(r)
			}
			left = "arguments that no call here can have"
		}
	}()
	d.operands = nil
	d.decode(t, s)
	feeds = session.Feeds{}
	built, err := graph.Build(d.Op, func(g *graph.Graph) {
		c := &call{g: g, args: d.bound}
		for i, o := range d.operands {
			name := fmt.Sprint("x", i)
			o.x = g.Input(name, o.value.DType(), o.value.Shape()...)
			feeds[name] = o.value
		}
		ys := entries[d.Op].f(c)
		if d.Error == "" && len(ys) != len(d.Out) {
			graph.Fail("opdb", "%d results, PyTorch has %d", len(ys), len(d.Out))
		}
		for i, y := range ys {
			if y != nil {
				g.Output(fmt.Sprint("y", i), y)
			}
		}
		d.differentiate(t, s, g, ys, feeds)
	})
	if err != nil {
		return nil, nil, "", err
	}
	return built.IR(), feeds, "", nil
}

// differentiate outputs the gradients of the operands that have one. A gradient
// of zeros is added, so that each is reached.
func (d *drawn) differentiate(t *testing.T, s *suite, g *graph.Graph, ys []*node, feeds session.Feeds) {
	var outs, cts, wrt []*node
	for _, o := range d.operands {
		if o.wanted {
			wrt = append(wrt, o.x)
			outs, cts = append(outs, o.x), append(cts, graph.Zeros(g, o.x.DType(), o.value.Shape()...))
		}
	}
	if d.Grad == nil || len(wrt) == 0 {
		return
	}
	for i, ref := range d.CT {
		if ref == "" {
			continue
		}
		if ys[i] == nil {
			leave("a gradient through a result that has no counterpart")
		}
		name := fmt.Sprint("ct", i)
		v := s.tensor(t, ref)
		outs, cts = append(outs, ys[i]), append(cts, g.Input(name, v.DType(), v.Shape()...))
		feeds[name] = v
	}
	for i, dx := range graph.VJP(outs, cts, wrt) {
		g.Output(fmt.Sprint("d", i), dx)
	}
}

// run runs a case as a program in text form and compares it with PyTorch.
func (d *drawn) run(t *testing.T, s *suite, ses *session.Session) (verdict, error) {
	g, feeds, left, err := d.program(t, s)
	if left != "" {
		return verdict{left: left}, nil
	}
	var mistake *graph.Error
	if d.Error != "" && errors.As(err, &mistake) {
		return verdict{refused: true}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	text := g.String()
	if *opdbPrograms != "" {
		name := fmt.Sprintf("%05d_%s.dt", d.number, strings.ReplaceAll(d.Op, "/", "_"))
		require.NoError(t, os.WriteFile(filepath.Join(*opdbPrograms, name), []byte(text), 0o644))
	}
	parsed, err := ir.Parse(text)
	if err != nil {
		return verdict{}, err
	}
	step, err := ses.CompileIR(parsed)
	if err != nil {
		return verdict{}, err
	}
	defer step.Close()
	res, err := step.Run(t.Context(), feeds)
	var check *device.CheckError
	if d.Error != "" && errors.As(err, &check) {
		return verdict{refused: true}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	defer res.Release()
	if d.Error != "" {
		return verdict{accepted: true}, nil
	}
	for prefix, refs := range map[string][]string{"y": d.Out, "d": d.Grad} {
		for i, ref := range refs {
			name := fmt.Sprint(prefix, i)
			if !slices.ContainsFunc(parsed.Outputs, func(o ir.Output) bool { return o.Name == name }) {
				continue
			}
			got, err := res.Tensor(name)
			if err != nil {
				return verdict{}, err
			}
			if err := compareOpDB(got, s.tensor(t, ref)); err != nil {
				return verdict{}, fmt.Errorf("%s %w\n%s", name, err, text)
			}
		}
	}
	return verdict{passed: true}, nil
}

// Samples that PyTorch's authors wrote give PyTorch's values and gradients.
// Without -opdb it is a small set of them that runs.
func TestOpDB(t *testing.T) {
	base := *opdbBase
	if base == "" {
		base = filepath.Join("..", "testdata", "opdb", "sample")
	}
	s, list := readDrawn(t, base)
	table := newTally(list)
	for _, dev := range devices {
		t.Run(dev.name, func(t *testing.T) {
			d := dev.open()
			defer d.Close()
			ses := session.New(d)
			defer ses.Close()
			for _, c := range list {
				if _, ok := entries[c.Op]; !ok || c.Skip != "" {
					continue
				}
				v, err := c.run(t, s, ses)
				if err != nil {
					t.Errorf("case %d, %s %s %s: %v", c.number, c.Op, c.Args, c.KW, err)
				}
				table.add(c, v)
			}
		})
	}
	if *opdbBase == "" {
		for n := range entries {
			require.True(t, table.rows[n] != nil && table.rows[n].passed > 0, "no sample of %s passes", n)
		}
	}
	if *opdbTable {
		require.NotEmpty(t, *opdbBase, "the table is about the cases of -opdb")
		require.NoError(t, os.WriteFile(filepath.Join("..", "testdata", "PARITY.md"), []byte(table.markdown(t, base)), 0o644))
	}
}

// Every entry that is mapped is drawn and stands in the table.
func TestOpDBEntries(t *testing.T) {
	names := slices.Sorted(maps.Keys(entries))
	file := filepath.Join("..", "testdata", "opdb", "entries.txt")
	if *opdbEntries {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(names, "\n")+"\n"), 0o644))
	}
	drawn, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, names, strings.Fields(string(drawn)), "run with -opdb-entries, then draw again")
	require.GreaterOrEqual(t, len(names), 120)
	table, err := os.ReadFile(filepath.Join("..", "testdata", "PARITY.md"))
	require.NoError(t, err)
	for _, n := range names {
		require.Contains(t, string(table), "| "+n+" |", "testdata/PARITY.md is older than the entries: see testdata/opdb/README.md")
	}
}

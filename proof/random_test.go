package proof

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/proof/randgraph"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// results are the outputs of every step and the variables after the last.
type results map[string]*tensor.Tensor

// execute runs two steps of a graph.
func execute(dev device.Device, g *ir.Graph, c passes.Config) (r results, err error) {
	s := session.New(dev, session.WithPasses(c))
	defer func() { err = errors.Join(err, s.Close()) }()
	step, err := s.CompileIR(g)
	if err != nil {
		return nil, err
	}
	feeds := session.Feeds{}
	for _, n := range g.Inputs() {
		if feeds[n.Attr.Name], err = randgraph.Feed(n.Attr.Name, n.Type); err != nil {
			return nil, err
		}
	}
	for _, name := range s.Names() {
		t, err := s.Type(name)
		if err != nil {
			return nil, err
		}
		v, err := randgraph.Feed(name, t)
		if err != nil {
			return nil, err
		}
		if err := s.Set(name, v); err != nil {
			return nil, err
		}
	}
	r = results{}
	for i := range 2 {
		res, err := step.Run(context.Background(), feeds)
		if err != nil {
			return nil, err
		}
		for _, name := range res.Names() {
			if r[fmt.Sprintf("step %d, %s", i, name)], err = res.Tensor(name); err != nil {
				return nil, err
			}
		}
		res.Release()
	}
	for _, name := range s.Names() {
		if r["variable "+name], err = s.Get(name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// agree returns an error unless got is as close to want as rounding allows: the
// same bits (but for the payload of NaN) if bits is set, the same values if they
// are exact, else as close as want is to wide, what it is in f64.
func (want results) agree(got, wide results, bits bool) error {
	for name, w := range want {
		g := got[name]
		if g == nil || !g.Type().Equal(w.Type()) {
			return fmt.Errorf("%s: is %v, wants %v", name, g, w)
		}
		var err error
		switch {
		case bits:
			err = exact.compare(g, w)
		case !w.DType().IsFloat() || randgraph.Exact(name):
			err = selects.compare(g, w)
		default:
			err = near(g, w, wide[name])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// near compares what rounding changes. But in f64 the error of want, known from
// wide, tells how well the value is conditioned. What reaches a large part of
// f16's small range is not compared: there overflow comes and goes.
func near(got, want, wide *tensor.Tensor) error {
	g, w := floats(got), floats(want)
	scale, noise := 1.0, 0.0
	var true64 []float64
	if wide != nil && want.DType() != types.F64 {
		true64 = floats(wide)
	}
	finite := func(v float64) bool { return math.Abs(v) < 1e30 }
	infinite := func(v float64) bool { return !finite(v) }
	for i := range w {
		if finite(w[i]) {
			scale = max(scale, math.Abs(w[i]))
			if true64 != nil && finite(true64[i]) {
				noise = max(noise, math.Abs(w[i]-true64[i]))
			}
		}
	}
	bound := 1e-9 * scale
	if true64 != nil {
		bound = 16*eps(want.DType())*scale + 20*noise
	}
	if want.DType() == types.F16 && (noise > 1 || scale > 1<<10 || slices.ContainsFunc(w, infinite) || slices.ContainsFunc(g, infinite)) {
		return nil
	}
	for i := range w {
		switch {
		case w[i] != w[i] && g[i] != g[i], w[i] == g[i], math.Abs(g[i]-w[i]) <= bound:
		case math.Abs(w[i]) >= 1e30 || true64 != nil && (finite(true64[i]) != finite(w[i])):
			// overflow, which comes and goes with rounding
		default:
			return fmt.Errorf("element %d is %v, wants %v; allowed %.3g\ngot %v\nwant %v", i, g[i], w[i], bound, got, want)
		}
	}
	return nil
}

// withoutPasses are the settings that leave out one pass or switch, and all.
func withoutPasses() (each []passes.Config, none passes.Config) {
	none = passes.Config{Off: map[string]bool{}, Check: true}
	for _, p := range passes.Passes() {
		if p.CanBeOff && !none.Off[p.Name] {
			none.Off[p.Name] = true
			each = append(each, passes.Config{Off: map[string]bool{p.Name: true}, Check: true})
		}
	}
	return each, none
}

// differs returns an error if the results of a graph depend on what they must
// not depend on: passes, the memory plan, the order of independent nodes, the
// device, the number of threads. Of the settings that leave out one pass it
// tries every thorough-th.
func differs(g *ir.Graph, seed uint64, all bool) error {
	ref := interp.New(interp.WithPoison())
	defer ref.Close()
	each, none := withoutPasses()
	want, err := execute(ref, g, none)
	if err != nil {
		return fmt.Errorf("all passes off: %w", err)
	}
	wide, err := execute(ref, randgraph.Widen(g), none)
	if err != nil {
		return fmt.Errorf("in f64: %w", err)
	}
	try := func(name string, dev device.Device, c passes.Config, like results, bits bool) (results, error) {
		got, err := execute(dev, g, c)
		if err == nil {
			err = like.agree(got, wide, bits)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return got, nil
	}
	planned, err := try("all passes on", ref, passes.Config{Check: true}, want, false)
	if err != nil {
		return err
	}
	for i, c := range each {
		if !all && uint64(i) != seed%uint64(len(each)) {
			continue
		}
		if _, err := try(fmt.Sprint("without ", c.Off), ref, c, want, false); err != nil {
			return err
		}
	}
	// One buffer per value, and nothing poisoned: the same bits.
	plain := interp.New()
	defer plain.Close()
	if _, err := try("one buffer per value", plain, passes.Config{Off: map[string]bool{"memplan-reuse": true}, Check: true}, planned, true); err != nil {
		return err
	}
	if _, err := try("shuffled", ref, passes.Config{Check: true, Seed: seed + 1}, want, false); err != nil {
		return err
	}
	for _, d := range devices[1:] {
		dev := d.open()
		defer dev.Close()
		one, err := try(d.name, dev, passes.Config{Check: true}, want, false)
		if err != nil {
			return err
		}
		if d.threads != nil {
			many := d.threads(7)
			defer many.Close()
			if _, err := try(d.name+" with 7 threads", many, passes.Config{Check: true}, one, true); err != nil {
				return err
			}
		}
		if all {
			if _, err := try(d.name+", all passes off", dev, none, want, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBytes checks the graph of data, and shows a smaller one if it fails.
func checkBytes(t interface {
	Fatalf(format string, args ...any)
}, data []byte, all bool) {
	g, err := randgraph.Build(data)
	if err != nil {
		t.Fatalf("the generator made an ill-typed graph: %v", err)
	}
	var seed uint64
	for _, b := range data {
		seed = seed*31 + uint64(b)
	}
	if err := differs(g, seed, all); err != nil {
		t.Fatalf("%v\n%s", err, shrunk(g, seed, all))
	}
}

// shrunk returns the text of a small graph that fails as g does.
func shrunk(g *ir.Graph, seed uint64, all bool) string {
	tries, want := 0, kind(differs(g, seed, all))
	small := randgraph.Reduce(g, func(h *ir.Graph) bool {
		tries++
		return tries < 2000 && kind(differs(h, seed, all)) == want
	})
	return fmt.Sprintf("keep this graph in proof/testdata/graphs:\n%s%v", small, differs(small, seed, all))
}

// kind tells failures apart: the pass at fault, or the setting that differs.
func kind(err error) string {
	if err == nil {
		return ""
	}
	if _, bug, ok := strings.Cut(err.Error(), "compiler bug in "); ok {
		pass, _, _ := strings.Cut(bug, ":")
		return pass
	}
	setting, _, _ := strings.Cut(err.Error(), ":")
	return setting
}

// Random graphs mean the same under every setting and on every device.
func TestRandomGraphs(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		checkBytes(rt, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "data"), false)
	})
}

// The same graphs at every run, under all settings.
func TestFixedRandomGraphs(t *testing.T) {
	count := 100
	if testing.Short() {
		count = 10
	}
	for seed := range count {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			checkBytes(t, randomBytes(uint64(seed)), true)
		})
	}
}

func randomBytes(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	data := make([]byte, 20+r.IntN(200))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

func FuzzGraph(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(randomBytes(1000 + seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= 600 {
			checkBytes(t, data, false)
		}
	})
}

// Graphs that once failed, made small.
func TestGraphsThatFailedOnce(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "graphs", "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			g, err := ir.Parse(string(text))
			require.NoError(t, err)
			for seed := range uint64(3) {
				require.NoError(t, differs(g, seed, true))
			}
		})
	}
}

// The generator makes every operation, graphs of many sizes, and text that
// parses back.
func TestGeneratorIsBroad(t *testing.T) {
	met := map[ir.Op]int{}
	products := map[types.DType]int{}
	var nodes []int
	for seed := range uint64(400) {
		g, err := randgraph.Build(randomBytes(seed))
		require.NoError(t, err, "%d", seed)
		require.NoError(t, g.Verify())
		for _, n := range g.Nodes {
			met[n.Op]++
			if n.Op == ir.OpContract {
				products[n.DType()]++
			}
		}
		nodes = append(nodes, len(g.Nodes))
		back, err := ir.Parse(g.String())
		require.NoError(t, err)
		require.Equal(t, g.String(), back.String())
	}
	for _, d := range ir.Ops() {
		if d.Op != ir.OpCustomVJP && d.Op != ir.OpLiteral {
			require.NotZero(t, met[d.Op], "no random graph has %s", d.Name)
		}
	}
	for _, d := range []types.DType{types.F16, types.BF16, types.F32, types.F64} {
		require.Greater(t, products[d], 20, d)
	}
	slices.Sort(nodes)
	require.Greater(t, nodes[len(nodes)/2], 25)
}

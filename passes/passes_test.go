package passes_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/interp"
)

// Every pass has goldens: testdata/passes/<pass>/*.txt, a graph in, and what
// the pass makes of it out: a graph, or a program for the passes from lower on.
func TestPassGoldens(t *testing.T) {
	for _, name := range passes.PassNames() {
		files, err := filepath.Glob(filepath.Join("testdata", "passes", name, "*.txt"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(files), 3, "pass %s has too few goldens", name)
		for _, f := range files {
			t.Run(name+"/"+strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
				text, err := os.ReadFile(f)
				require.NoError(t, err)
				a := txtar.Parse([]byte(strings.ReplaceAll(string(text), "\r\n", "\n")))
				require.NotEmpty(t, a.Files)
				require.Equal(t, "in", a.Files[0].Name)
				g, err := ir.Parse(string(a.Files[0].Data))
				require.NoError(t, err)
				out, err := passes.RunPass(name, g)
				require.NoError(t, err)
				if *update {
					a.Files = append(a.Files[:1], txtar.File{Name: "out", Data: []byte(out)})
					require.NoError(t, os.WriteFile(f, txtar.Format(a), 0o644))
					return
				}
				require.Len(t, a.Files, 2)
				require.Equal(t, string(a.Files[1].Data), out)
				if after, err := ir.Parse(out); err == nil {
					fill, tolerance := special, 0.0
					if finite[name+"/"+strings.TrimSuffix(filepath.Base(f), ".txt")] {
						fill, tolerance = feed, 1e-6
					}
					requireSameGraphs(t, string(a.Files[0].Data), after, fill, tolerance)
					again, err := passes.RunPass(name, after)
					require.NoError(t, err)
					require.Equal(t, out, again, "a second run finds nothing to do")
				}
			})
		}
	}
}

func TestPassTable(t *testing.T) {
	require.NoError(t, passes.CheckOrder())
	for _, p := range passes.Passes() {
		require.NotEmpty(t, p.Doc, p.Name)
		require.Regexp(t, `^[a-z]+(-[a-z]+)*$`, p.Name)
	}
	dirs, err := os.ReadDir(filepath.Join("testdata", "passes"))
	require.NoError(t, err)
	for _, d := range dirs {
		require.Contains(t, passes.PassNames(), d.Name(), "goldens of a pass that is gone")
	}
}

// finite are the goldens of rules whose line says that they add in another order
// and do not hold for infinities and NaN.
var finite = map[string]bool{"canonicalize/unwindow_of_contraction": true, "canonicalize/unwindow_strided": true, "canonicalize/unwindow_dilated": true}

// requireSameGraphs runs a graph before and after a pass on values of fill:
// mostly such as rules of real numbers do not hold for.
func requireSameGraphs(t *testing.T, before string, after *ir.Graph, fill feeder, tolerance float64) {
	off := offs()["all"]
	g, err := ir.Parse(before)
	require.NoError(t, err)
	dev := interp.New(interp.WithPoison())
	want, err := execute(t, dev, compile(t, g, passes.Config{Off: off}).Program, fill)
	got, err2 := execute(t, dev, compile(t, after, passes.Config{Off: off}).Program, fill)
	if err != nil {
		require.Error(t, err2, "the graph before the pass fails: %v", err)
		return
	}
	require.NoError(t, err2)
	requireSame(t, want, got, tolerance)
}

// special makes elements that are often at the edge of their type.
func special(name string, d types.DType, n int) []byte {
	b := feed(name, d, n)
	floats := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), -1, 1e-45, math.MaxFloat32}
	ints := []int64{0, -1, math.MaxInt64, math.MinInt64, math.MinInt32}
	for i := range n {
		at := b[i*d.Size():]
		f, k := floats[(i+len(name))%len(floats)], ints[(i+len(name))%len(ints)]
		switch d {
		case types.F32:
			binary.LittleEndian.PutUint32(at, math.Float32bits(float32(f)))
		case types.F64:
			binary.LittleEndian.PutUint64(at, math.Float64bits(f))
		case types.I32:
			if name != "i" {
				binary.LittleEndian.PutUint32(at, uint32(k))
			}
		case types.I64:
			binary.LittleEndian.PutUint64(at, uint64(k))
		}
	}
	return b
}

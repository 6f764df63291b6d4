package transform

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

var update = flag.Bool("update", false, "write the golden files anew")

// In testdata/autocast a file is a graph, a line "---", and the graph in mixed
// precision with bf16. Nodes of the file "keep.go" are kept in f32.
func TestAutocast(t *testing.T) {
	files, err := filepath.Glob("testdata/autocast/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			in, want, _ := strings.Cut(string(text), "\n---\n")
			g, err := ir.Parse(in)
			require.NoError(t, err)
			old := g.String()
			typ := map[*ir.Node]types.Type{}
			for _, n := range g.Nodes {
				typ[n] = n.Type
			}
			keep := func(n *ir.Node) bool { return strings.HasPrefix(n.Pos.File, "keep") }
			require.NoError(t, Autocast(g, 0, types.BF16, keep))
			require.NoError(t, g.Verify())
			for n, was := range typ {
				require.True(t, n.Type.Equal(was), "a node keeps its type")
			}
			got := g.String()
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(in+"\n---\n"+got), 0o666))
			} else {
				require.Equal(t, want, got)
			}
			require.NoError(t, Autocast(g, 0, types.BF16, keep))
			require.Equal(t, got, g.String(), "twice is once")
			back, err := ir.Parse(old)
			require.NoError(t, err)
			require.NoError(t, Autocast(back, len(back.Nodes), types.BF16, nil))
			require.Equal(t, old, back.String(), "no nodes")
		})
	}
}

func TestAutocastRefuses(t *testing.T) {
	for _, d := range []types.DType{types.F32, types.F64, types.I32, types.Invalid} {
		require.EqualError(t, Autocast(&ir.Graph{}, 0, d, nil), "precision "+d.String()+": mixed precision is f16 or bf16 beside f32")
	}
}

// The table names operations, and none twice over.
func TestTable(t *testing.T) {
	for op, p := range precisions {
		require.NotNil(t, op.Def())
		require.NotEqual(t, full, p, "%v: what is full is not listed", op)
	}
}

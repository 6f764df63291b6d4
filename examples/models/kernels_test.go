package models

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
	"dumbtorch/passes"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What becomes of the examples: how many kernels of which form a step launches,
// and that what trains is updated in place, in an arena hardly larger than the
// values that are alive at once. A wrong choice of fusion stays correct and is
// merely slow.
func TestKernels(t *testing.T) {
	most := map[string]int{"train_mlp_mnist_b128": 12, "train_cnn_mnist_b128": 20, "train_gpt_d128_l4_t64_b16": 92}
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %8s %s\n", "example", "launches", "of these")
	for _, d := range definitions {
		g, err := d.at(d.full).Build()
		require.NoError(t, err)
		c, err := passes.Compile(g.IR(), &passes.Config{})
		require.NoError(t, err)
		forms := map[kernel.Form]int{}
		for _, l := range c.Program.Launches {
			forms[l.Kernel.Sched.Form]++
		}
		var list []string
		for f, n := range forms {
			list = append(list, fmt.Sprintf("%d %s", n, f))
		}
		slices.Sort(list)
		fmt.Fprintf(&b, "%-26s %8d %s\n", d.name, len(c.Program.Launches), strings.Join(list, ", "))
		require.LessOrEqual(t, float64(c.Memory.Peak), 1.05*float64(c.Memory.LowerBound), d.name)
		if n, ok := most[d.name]; ok {
			require.LessOrEqual(t, len(c.Program.Launches), n, d.name)
			delete(most, d.name)
		}
		if strings.Contains(d.name, "train") {
			require.Zero(t, c.Memory.CopiedVariables, d.name)
		}
	}
	require.Empty(t, most)
	path := filepath.Join("testdata", "kernels.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), b.String(), "run with -update if the change is meant")
}

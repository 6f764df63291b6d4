package passes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/passes"
)

// Softmax whose input is scaled: everything but the result stays inside.
const scaledSoftmax = `graph softmax version=1 {
  %0 = input {name="x"} : f32[8,16]
  %1 = const {value=0.5} : f32[8,16]
  %2 = mul %0, %1 : f32[8,16]
  %3 = reduce_max %2 {axes=[1]} : f32[8]
  %4 = broadcast %3 {dims=[8,16], axes=[0]} : f32[8,16]
  %5 = sub %2, %4 : f32[8,16]
  %6 = exp %5 : f32[8,16]
  %7 = sum %6 {axes=[1]} : f32[8]
  %8 = broadcast %7 {dims=[8,16], axes=[0]} : f32[8,16]
  %9 = div %6, %8 : f32[8,16]
  output "y" = %9
}
`

func TestFate(t *testing.T) {
	g, err := ir.Parse(scaledSoftmax)
	require.NoError(t, err)
	c, err := passes.Compile(g, &passes.Config{Check: true})
	require.NoError(t, err)
	require.Len(t, c.Program.Launches, 1)
	require.Len(t, c.Program.Launches[0].Clusters, 1)
	for _, n := range c.Graph.Nodes {
		want := passes.Inside
		switch n.Op {
		case ir.OpInput, ir.OpConst, ir.OpBroadcast:
			want = passes.SeenThrough
		case ir.OpDiv:
			want = passes.Stored
		}
		require.Equal(t, want, c.Fate(n), n.String())
		if want != passes.SeenThrough {
			require.Equal(t, c.Program.Launches[0].Clusters[0], n.Cluster)
		}
	}
}

// Without fusion every operation is stored by a launch of its own, which knows
// its cluster also after launches were merged.
func TestLaunchesKnowTheirClusters(t *testing.T) {
	g, err := ir.Parse(scaledSoftmax)
	require.NoError(t, err)
	c, err := passes.Compile(g, &passes.Config{Check: true, Off: map[string]bool{"fuse": true}})
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, l := range c.Program.Launches {
		for _, k := range l.Clusters {
			require.False(t, seen[k])
			seen[k] = true
		}
	}
	for _, n := range c.Graph.Nodes {
		if c.Fate(n) != passes.SeenThrough {
			require.Equal(t, passes.Stored, c.Fate(n), n.String())
			require.True(t, seen[n.Cluster], n.String())
		}
	}
}

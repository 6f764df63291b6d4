package passes

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir"
	"dumbtorch/ir/types"
)

func chain(n int) *ir.Graph {
	b := ir.NewBuilder("chain")
	x := b.Input("x", types.Of(types.F32, 4))
	for range n {
		x = b.Un(ir.OpExp, x)
	}
	b.G.Outputs = []ir.Output{{Name: "y", Node: x}}
	return b.G
}

// A pass that fails or panics is named, and the graph around the node that it
// worked on is shown.
func TestPassError(t *testing.T) {
	g := chain(40)
	broken := errors.New("broken")
	old := graphPasses
	defer func() { graphPasses = old }()
	for name, run := range map[string]func(*Config, *ir.Graph) error{
		"returns": func(c *Config, g *ir.Graph) error { c.at = g.Nodes[20]; return broken },
		"panics":  func(c *Config, g *ir.Graph) error { c.at = g.Nodes[20]; panic(broken) },
		"leaves a bad graph": func(c *Config, g *ir.Graph) error {
			g.Nodes[20], g.Nodes[21] = g.Nodes[21], g.Nodes[20]
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			graphPasses = []Pass[*ir.Graph]{{"bad-pass", "Fails.", run, false}, old[len(old)-1]}
			_, err := Compile(g, &Config{Check: true})
			var pe *PassError
			require.ErrorAs(t, err, &pe)
			require.Equal(t, "bad-pass", pe.Pass)
			require.ErrorContains(t, err, "compiler bug in pass bad-pass: ")
			if name == "leaves a bad graph" {
				return
			}
			require.ErrorIs(t, err, broken)
			require.Contains(t, pe.IR, "%20 = exp %19")
			require.NotContains(t, pe.IR, "%30")
			require.Equal(t, name == "panics", pe.Stack != nil)
		})
	}
}

func TestCompileRejectsNames(t *testing.T) {
	for _, c := range []Config{{Off: map[string]bool{"x": true}}, {Off: map[string]bool{"memplan": true}}, {DumpAfter: map[string]bool{"x": true}}} {
		_, err := Compile(chain(1), &c)
		require.Error(t, err)
		var pe *PassError
		require.False(t, errors.As(err, &pe), "not a compiler bug: %v", err)
	}
}

// Compile leaves the graph that it is given as it was.
func TestCompileKeepsGraph(t *testing.T) {
	g := chain(5)
	before := g.String()
	_, err := Compile(g, &Config{Check: true, Seed: 3})
	require.NoError(t, err)
	require.Equal(t, before, g.String())
}

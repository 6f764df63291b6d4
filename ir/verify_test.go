package ir

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

// Damage that no text can have, done to a good graph by hand.
func TestVerifyFindsDamage(t *testing.T) {
	for want, damage := range map[string]func(g *Graph){
		"node 3 is nil":                             func(g *Graph) { g.Nodes[3] = nil },
		"node 8 has the number 9":                   func(g *Graph) { g.Nodes[8].ID = 9 },
		"operation 200 does not exist":              func(g *Graph) { g.Nodes[8].Op = 200 },
		"operand 0, %10, is not a node before it":   func(g *Graph) { g.Nodes[8].Args = []*Node{g.Nodes[10]} },
		"operand 0, %0, is not a node before it":    func(g *Graph) { g.Nodes[8].Args = []*Node{{Op: OpInput, Type: g.Nodes[0].Type}} },
		"operand 0, %nil, is not a node before it":  func(g *Graph) { g.Nodes[8].Args = []*Node{nil} },
		"takes one operand, got none":               func(g *Graph) { g.Nodes[8].Args = nil },
		"has type f64[], but its operands":          func(g *Graph) { g.Nodes[8].Type = types.Of(types.F64) },
		"has the attribute axes, which neg does":    func(g *Graph) { g.Nodes[8].Attr.Axes = []int{0} },
		"has the attribute value, which neg":        func(g *Graph) { g.Nodes[8].Attr.Value = math.Copysign(0, -1) },
		"cluster -2":                                func(g *Graph) { g.Nodes[8].Cluster = -2 },
		`output "loss" is %nil, which is not in`:    func(g *Graph) { g.Outputs[0].Node = nil },
		`output "loss" is the assignment %6`:        func(g *Graph) { g.Outputs[0].Node = g.Nodes[6] },
		"an output has no name":                     func(g *Graph) { g.Outputs[0].Name = "" },
		`dimension "a" of size -1: wants a size`:    func(g *Graph) { g.Dims = map[int]string{-1: "a"} },
		"%1 = input: another input is called \"x\"": func(g *Graph) { g.Nodes[1].Attr.Name = "x"; g.Nodes[1].Pos = Pos{} },
		"model.go:31: %1 = input: another input":    func(g *Graph) { g.Nodes[1].Attr.Name = "x" },
	} {
		g := everyOp()
		damage(g)
		err := g.Verify()
		require.ErrorContains(t, err, want)
		require.IsType(t, &VerifyError{}, err)
		_, near, found := strings.Cut(err.Error(), "\nnear\n")
		require.True(t, found)
		require.LessOrEqual(t, strings.Count(near, "\n"), 2*nearLines)
		require.NotPanics(t, func() { _ = g.String() })
	}
}

func TestConstantsConvert(t *testing.T) {
	b := NewBuilder("g")
	require.Equal(t, int64(3), b.Const(types.Of(types.I32), 3.9).Attr.Int)
	require.Equal(t, int64(255), b.Const(types.Of(types.U8), 1e9).Attr.Int)
	require.Equal(t, int64(1), b.Const(types.Of(types.Bool), 0.5).Attr.Int)
	require.Equal(t, 7.0, b.ConstInt(types.Of(types.F32), 7).Attr.Value)
	require.NoError(t, b.G.Verify())
}

// A long chain of nodes is walked without recursion.
func TestDeepGraphs(t *testing.T) {
	b := NewBuilder("deep")
	b.At = Pos{"m.go", 1}
	n := b.Input("x", types.Of(types.F32))
	for range 200_000 {
		n = b.Neg(n)
	}
	b.G.Outputs = []Output{{"y", n}}
	require.Len(t, b.G.Live(), len(b.G.Nodes))
}

package ir

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

// everyOp returns a graph with at least one node of every operation.
func everyOp() *Graph {
	b := NewBuilder("every op")
	b.At = Pos{"model.go", 31}
	f := func(dims ...int) types.Type { return types.Of(types.F32, dims...) }
	x, y := b.Input("x", f(2, 3)), b.Input("y", f(2, 3))
	p, q := b.Input("p", types.Of(types.I32, 3)), b.Input("q", types.Of(types.I32, 3))
	v := b.Variable("fc1.weight", f(2, 3))
	b.Assign(v, b.Add(x, y))
	b.At = Pos{}
	c := b.Bin(OpLt, x, y)
	for _, d := range Ops() {
		switch {
		case d.Arity == 1 && len(d.Attrs) == 0 && d.Op == OpNot:
			b.Un(d.Op, c)
		case d.Arity == 1 && len(d.Attrs) == 0:
			b.Un(d.Op, x)
		case d.Arity == 2 && len(d.Attrs) == 0 && (d.Op == OpAnd || d.Op == OpOr || d.Op == OpXor):
			b.Bin(d.Op, p, q)
		case d.Arity == 2 && len(d.Attrs) == 0 && d.Op != OpAssign:
			b.Bin(d.Op, x, y)
		}
	}
	b.Const(f(), 0)
	b.Const(types.Of(types.F64, 2), math.Copysign(0, -1))
	b.ConstInt(types.Of(types.Bool), 1)
	b.Literal(types.Of(types.U8, 5), []byte{0, 1, 254, 255, 10})
	b.Literal(types.Of(types.F64, 0), nil)
	b.Iota(types.Of(types.I64, 4, 2), 1)
	b.Cast(x, types.I64)
	b.Where(c, x, y)
	b.Broadcast(p, []int{2, 3}, []int{1})
	b.Reshape(x, 3, 1, 2)
	b.Reshape(b.Slice(p, []int{1}, []int{1}, []int{1}))
	b.Transpose(x, 1, 0)
	b.Slice(x, []int{1, 2}, []int{2, 2}, []int{-1, -2})
	b.Pad(x, math.Inf(-1), []int{-1, 2}, []int{4, 5}, []int{2, 1})
	b.Concat(1, x, y, v)
	b.Unwindow(b.Window(x, math.NaN(), []int{1}, []int{2}, []int{1}, []int{1}, []int{1}), []int{2, 3}, []int{1}, []int{2}, []int{1}, []int{1})
	b.Sum(x, 0, 1)
	b.Reduce(OpProd, x, 1)
	b.Reduce(OpReduceMax, x, 0)
	b.ReduceFirst(OpReduceMin, x, 1)
	b.Contract("mk,nk->mn", x, y)
	i := b.Literal(types.Of(types.I64, 2), make([]byte, 16))
	b.Gather("vd,n->nd", x, i)
	b.ScatterAdd("n,nd->vd", []int{7, 3}, i, y)
	b.Uniform(f(4), i, 3)
	b.Normal(f(4), i, 0)
	b.CustomVJP(x, func(*Builder, *Node, *Node) []*Node { return nil }, y)
	loss := b.Sum(b.Mul(x, x), 0, 1)
	for _, n := range b.G.Nodes {
		if n.Pos.File != "model.go" {
			n.Pos = Pos{}
		}
	}
	loss.Cluster, loss.Pos = 3, Pos{`a "b".go`, 7}
	b.G.Outputs = []Output{{"loss", loss}, {"a \"strange\"\nname \xff", x}}
	return b.G
}

func TestEveryOpPrintsAndParses(t *testing.T) {
	g := everyOp()
	seen := map[Op]bool{}
	for _, n := range g.Nodes {
		seen[n.Op] = true
	}
	for _, d := range Ops() {
		require.True(t, seen[d.Op], "no node of %s: add one to everyOp", d.Name)
	}
	require.NoError(t, g.Verify())
	text := g.String()
	parsed, err := Parse(text)
	require.NoError(t, err)
	require.NoError(t, parsed.Verify())
	require.Equal(t, text, parsed.String())
	golden(t, "every.dt", text)
	require.Len(t, parsed.Nodes, len(g.Nodes))
	for i, n := range g.Nodes {
		sameNode(t, n, parsed.Nodes[i])
	}
	for i, o := range g.Outputs {
		require.Equal(t, o.Name, parsed.Outputs[i].Name)
		require.Equal(t, o.Node.ID, parsed.Outputs[i].Node.ID)
	}
}

// sameNode checks that two nodes of two graphs are equal in all but custom
// gradients.
func sameNode(t require.TestingT, a, b *Node) {
	require.Equal(t, a.Op, b.Op)
	require.Equal(t, a.ID, b.ID)
	require.Equal(t, a.Cluster, b.Cluster)
	require.Equal(t, a.Pos, b.Pos)
	require.True(t, a.Type.Equal(b.Type))
	require.Len(t, b.Args, len(a.Args))
	for i := range a.Args {
		require.Equal(t, a.Args[i].ID, b.Args[i].ID)
	}
	require.Equal(t, math.Float64bits(a.Attr.Value), math.Float64bits(b.Attr.Value))
	for _, f := range attrFields {
		if f.name != "value" && !(isZero(f.field(&a.Attr)) && isZero(f.field(&b.Attr))) {
			require.Equal(t, f.field(&a.Attr), f.field(&b.Attr), "%s of %s", f.name, a.Op)
		}
	}
}

func TestNamedDimensionsPrintByName(t *testing.T) {
	b := NewBuilder("dims")
	x := b.Input("x", types.Of(types.F32, 6720, 784))
	b.Broadcast(x, []int{10560, 6720, 784}, []int{1, 2})
	b.Slice(x, []int{0, 1}, []int{6720, 2}, []int{1, 1})
	b.G.Dims = map[int]string{6720: "batch", 10560: "my time"}
	text := b.G.String()
	require.Equal(t, `graph dims version=1 {
  dim batch = 6720
  dim "my time" = 10560
`, text[:strings.Index(text, "  %0")])
	require.Contains(t, text, `{dims=["my time",batch,784], axes=[1,2]} : f32["my time",batch,784]`)
	require.Contains(t, text, `{start=[0,1], dims=[batch,2], step=[1,1]} : f32[batch,2]`)
	g, err := Parse(text)
	require.NoError(t, err)
	require.Equal(t, text, g.String())
	require.Equal(t, b.G.Dims, g.Dims)
}

func TestConstantsKeepTheirBits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		bits := rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1 << 63, 0x7ff0000000000000, 0xfff0000000000000,
			0x7ff8000000000000, 0x7ff8000000000001, 0xfff8000000000001, 0x7ff0000000000001, 1, 0x3ff0000000000000})).Draw(rt, "bits")
		d := rapid.SampledFrom([]types.DType{types.F32, types.F64}).Draw(rt, "type")
		b := NewBuilder("g")
		b.Const(types.Of(d), math.Float64frombits(bits))
		g, err := Parse(b.G.String())
		require.NoError(rt, err)
		require.Equal(rt, bits, math.Float64bits(g.Nodes[0].Attr.Value))
	})
}

func TestNamesOfAnyBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.Custom(func(t *rapid.T) string {
			return string(rapid.SliceOfN(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("a\"\\\n:/# "))), 1, 8).Draw(t, "bytes"))
		})
		b := NewBuilder(text.Draw(rt, "graph"))
		b.At = Pos{text.Draw(rt, "file"), rapid.IntRange(1, math.MaxInt32).Draw(rt, "line")}
		x := b.Input(text.Draw(rt, "input"), types.Of(types.F32, 5))
		b.G.Dims = map[int]string{5: text.Draw(rt, "dim")}
		b.G.Outputs = []Output{{text.Draw(rt, "output"), x}}
		g, err := Parse(b.G.String())
		require.NoError(rt, err)
		require.Equal(rt, b.G.String(), g.String())
		require.Equal(rt, b.G.Name, g.Name)
		require.Equal(rt, b.G.Dims, g.Dims)
		require.Equal(rt, b.G.Outputs[0].Name, g.Outputs[0].Name)
		sameNode(rt, x, g.Nodes[0])
	})
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

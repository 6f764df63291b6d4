package kernel

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/types"
)

var update = flag.Bool("update", false, "write the golden files anew")

// everyKernel returns a kernel with every kind of expression and operation.
func everyKernel() *Kernel {
	b := NewBuilder()
	i, j := b.NewAxis("i", 8), b.NewAxis("my axis", 4)
	j2 := b.NewAxis("i", 5) // of an equal name
	k := &Kernel{Name: "every/kernel", Sites: []string{"gather", "a \"site\""}}
	for _, d := range []types.DType{types.F32, types.I32, types.Bool, types.U32, types.F64, types.F16, types.BF16} {
		k.Params = append(k.Params, Param{DType: d, Len: 64})
	}
	at := b.IAdd(b.IMul(b.Var(i), 8), b.Var(j))
	f, n, c, u := b.Load(0, at, types.F32), b.Load(1, at, types.I32), b.Load(2, at, types.Bool), b.Load(3, at, types.U32)
	var vs []*Expr
	add := func(es ...*Expr) { vs = append(vs, es...) }
	for _, o := range Ops() {
		x := f
		switch o {
		case Not, And, Or, Xor:
			x = c
		case Shl, Shr:
			x = u
		case Bitcast:
			add(b.Bitcast(f, types.U32))
			continue
		}
		if o.Info().Arity == 1 {
			add(b.Un(o, x))
		} else {
			add(b.Bin(o, x, b.Load(map[*Expr]int{f: 0, c: 2, u: 3}[x], b.Int(3), x.DType)))
		}
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 0.1, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff8000020000001), 1e-45} {
		add(b.Cast(b.Bin(Add, f, b.Const(types.F32, v)), types.F64), b.Bin(Mul, b.Cast(f, types.F64), b.Const(types.F64, v)))
	}
	for i, d := range []types.DType{types.F16, types.BF16} {
		h := b.Load(5+i, at, d)
		add(b.Bin(Add, h, b.Const(d, 0.1)), b.Select(c, h, b.Const(d, math.NaN())), b.Const(d, 1e-7))
	}
	check := b.CheckIndex(n, 8, 1)
	ix := b.IAdd(b.ISub(b.IDiv(b.IAdd(check, b.Var(i)), 3), b.IMul(b.IMod(b.IAdd(b.Var(j), check), 3), 5)), b.Int(20))
	guard := b.AllOf(b.Ge0(b.ISub(b.Var(i), b.Var(j))), b.Eq0(b.IMod(b.ISub(check, b.Var(i)), 2)))
	add(
		b.Select(c, f, b.Const(types.F32, 1)), b.If(guard, b.Load(0, b.IAdd(at, b.Int(-5)), types.F32), f),
		b.FromIndex(ix, types.I64), b.FromIndex(b.ISub(b.Int(7), b.Var(i)), types.U8), b.FromPred(guard),
		b.ConstInt(types.I64, math.MinInt64), b.ConstInt(types.U32, math.MaxUint32), b.ConstInt(types.Bool, 1),
		b.FromPred(b.Ge0(ix)),
		b.FoldAxes(Add, []*Axis{j2}, b.Load(0, b.IAdd(at, b.Var(j2)), types.F32)),
		b.FoldAxes(Mul, []*Axis{j2, j}, f), b.FoldAxes(Max, []*Axis{j}, n), b.FoldAxes(Min, []*Axis{j}, c),
	)
	flat := b.IAdd(b.IMul(b.Var(i), 4), b.Var(j))
	for _, v := range vs {
		k.Stores = append(k.Stores, Store{Axes: []*Axis{i, j}, Param: len(k.Params), Index: flat, Value: v})
		k.Params = append(k.Params, Param{DType: v.DType, Len: 32, Out: true})
	}
	k.Axes = b.Axes()
	return k
}

func TestEveryExpressionPrintsAndParses(t *testing.T) {
	k := everyKernel()
	ops, kinds := map[Op]bool{}, map[Kind]bool{True: true, False: true} // which normal forms do not contain
	Walk(k.Roots(), func(e *Expr) { ops[e.Op], kinds[e.Kind] = true, true })
	for _, o := range Ops() {
		require.True(t, ops[o], o)
	}
	for kind := Int; kind < kindEnd; kind++ {
		require.True(t, kinds[kind], "no expression of kind %d", kind)
	}
	require.NoError(t, k.Verify())
	text := k.String()
	golden(t, "every.txt", text)
	parsed, err := ParseKernel(text)
	require.NoError(t, err)
	require.Equal(t, text, parsed.String())
	require.Equal(t, k.Params, parsed.Params)
	require.Equal(t, k.Sites, parsed.Sites)
	require.Equal(t, "i_2", parsed.Axes[2].Name, "axes have names of their own")
}

// The values of a kernel are the same after it was printed and parsed.
func TestTextKeepsTheMeaning(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := NewBuilder()
		axes := drawAxes(rt, b)
		k := &Kernel{Name: "k", Params: []Param{{DType: types.I32, Len: 7}}, Sites: []string{"s"}}
		mem := make([]Scalar, 7)
		for i := range mem {
			mem[i] = IntScalar(types.I32, rapid.Int64Range(-3, 9).Draw(rt, "element"))
		}
		flat, size := b.Int(0), 1
		for _, a := range axes {
			flat = b.IAdd(b.IMul(flat, int64(a.Extent)), b.Var(a))
			size *= a.Extent
		}
		for range rapid.IntRange(1, 4).Draw(rt, "stores") {
			v := drawData(rt, b, axes)
			k.Stores = append(k.Stores, Store{Axes: axes, Param: len(k.Params), Index: flat, Value: v})
			k.Params = append(k.Params, Param{DType: v.DType, Len: size, Out: true})
		}
		k.Axes = b.Axes()
		require.NoError(rt, k.Verify())
		text := k.String()
		parsed, err := ParseKernel(text)
		require.NoError(rt, err)
		require.Equal(rt, text, parsed.String())
		for s := range k.Stores {
			want, got := values(k, s, mem), values(parsed, s, mem)
			require.Equal(rt, want, got, text)
		}
		// Another builder with the axes in another order changes names alone.
		c, m := NewBuilder(), &Mapping{Axes: map[*Axis]*Axis{}, Param: func(p int) int { return p }, Site: func(s int) int { return s }}
		for i := len(k.Axes) - 1; i >= 0; i-- {
			m.Axes[k.Axes[i]] = c.NewAxis(k.Axes[i].Name, k.Axes[i].Extent)
		}
		for s := range k.Stores {
			moved := Kernel{Stores: []Store{{Value: c.Import(k.Stores[s].Value, m)}}}
			for _, a := range k.Stores[s].Axes {
				moved.Stores[0].Axes = append(moved.Stores[0].Axes, m.Axes[a])
			}
			require.Equal(rt, values(k, s, mem), values(&moved, 0, mem))
		}
	})
}

// values returns the values of a store at all points, parameter 0 being mem.
func values(k *Kernel, store int, mem []Scalar) []Scalar {
	var vs []Scalar
	m := &machine{axes: map[*Axis]int64{}, mem: [][]Scalar{mem}}
	points(k.Stores[store].Axes, m.axes, func() { vs = append(vs, m.data(k.Stores[store].Value)) })
	return vs
}

// drawData draws integer data over the axes with loads from parameter 0 of 7
// elements.
func drawData(rt *rapid.T, b *Builder, axes []*Axis) *Expr {
	load := func(ix *Expr) *Expr { return b.Load(0, b.IMod(ix, 7), types.I32) }
	vs := []*Expr{load(drawIndex(rt, b, axes).e)}
	pick := func() *Expr { return vs[rapid.IntRange(0, len(vs)-1).Draw(rt, "operand")] }
	for range rapid.IntRange(1, 8).Draw(rt, "steps") {
		x, y := pick(), pick()
		ix := drawIndex(rt, b, axes).e
		switch rapid.IntRange(0, 8).Draw(rt, "data") {
		case 0:
			vs = append(vs, load(ix))
		case 1, 2:
			op := rapid.SampledFrom([]Op{Add, Sub, Mul, Div, Rem, Max, Min, And, Xor}).Draw(rt, "op")
			vs = append(vs, b.Bin(op, x, y))
		case 3:
			vs = append(vs, b.Cast(b.FromIndex(ix, types.I64), types.I32))
		case 4:
			vs = append(vs, b.If(b.AllOf(b.Ge0(ix), b.Eq0(b.IMod(ix, 2))), x, y))
		case 5:
			vs = append(vs, b.Select(b.Bin(Lt, x, y), x, y))
		case 6:
			op := rapid.SampledFrom([]Op{Add, Mul, Max, Min}).Draw(rt, "fold")
			vs = append(vs, b.FoldAxes(op, axes[rapid.IntRange(0, len(axes)-1).Draw(rt, "from"):], x))
		case 7:
			vs = append(vs, load(b.IAdd(ix, b.CheckIndex(x, 5, 0))))
		case 8:
			vs = append(vs, b.Bin(Add, x, b.ConstInt(types.I32, rapid.Int64Range(-3, 3).Draw(rt, "constant"))))
		}
	}
	return vs[len(vs)-1]
}

// exampleProgram returns a planned program with buffers of every role.
func exampleProgram() *Program {
	b := NewBuilder()
	i, c := b.NewAxis("i", 4), b.NewAxis("c", 3)
	at := b.IAdd(b.IMul(b.Var(i), 3), b.Var(c))
	x := b.Load(0, at, types.F32)
	w := b.Load(1, b.CheckIndex(b.Load(2, b.Var(i), types.I64), 2, 0), types.F32)
	rows := &Kernel{
		Name: "rows0", Axes: []*Axis{i, c}, Sites: []string{"gather"},
		Params: []Param{{types.F32, 12, false}, {types.F32, 2, false}, {types.I64, 4, false}, {types.F32, 12, true}, {types.F32, 4, true}},
		Stores: []Store{
			{Axes: []*Axis{i, c}, Param: 3, Index: at, Value: b.Bin(Mul, x, w)},
			{Axes: []*Axis{i}, Param: 4, Index: b.Var(i), Value: b.FoldAxes(Add, []*Axis{c}, x)},
		},
		Sched: Schedule{Form: Rows, Outer: []*Axis{i}, Inner: []*Axis{c}},
	}
	return &Program{
		Name: "a program", ArenaSize: 128,
		Buffers: []Buffer{
			{Name: "x", Kind: InputBuffer, DType: types.F32, Len: 12},
			{Kind: ConstBuffer, DType: types.F32, Len: 2, Data: []byte{0, 0, 128, 63, 0, 0, 192, 127}},
			{Name: "labels", Kind: InputBuffer, DType: types.I64, Len: 4},
			{Kind: TempBuffer, DType: types.F32, Len: 12, Offset: 0},
			{Kind: TempBuffer, DType: types.F32, Len: 4, Offset: 64},
			{Name: "fc1.weight", Kind: VariableBuffer, DType: types.F32, Len: 12},
			{Name: "sums", Kind: OutputBuffer, DType: types.F32, Len: 4},
			{Kind: TempBuffer, DType: types.F32, Len: 0},
		},
		Launches: []Launch{
			{Kernel: rows, Args: []int{0, 1, 2, 3, 6}, Pos: []string{"m.go:7: gather"}, Label: "mul sum m.go:7", Nodes: 3, Clusters: []int{0, 4}},
			{Kernel: rows, Args: []int{0, 1, 2, 3, 4}, Pos: []string{""}},
		},
		Updates: []Update{{Variable: 5, Value: 3}},
	}
}

func TestProgramPrintsAndParses(t *testing.T) {
	p := exampleProgram()
	text := p.String()
	golden(t, "program.txt", text)
	parsed, err := Parse(text)
	require.NoError(t, err)
	require.Equal(t, text, parsed.String())
	require.Equal(t, p.Buffers, parsed.Buffers)
	require.Equal(t, p.Updates, parsed.Updates)
	require.Equal(t, p.ArenaSize, parsed.ArenaSize)
	require.Same(t, parsed.Launches[0].Kernel, parsed.Launches[1].Kernel)
	for i := range p.Launches {
		a, b := p.Launches[i], parsed.Launches[i]
		a.Kernel, b.Kernel = nil, nil
		require.Equal(t, a, b)
	}
	require.Equal(t, p.Launches[0].Kernel.Sites, parsed.Launches[0].Kernel.Sites)
	require.Equal(t, p.Launches[0].Kernel.Params, parsed.Launches[0].Kernel.Params)
}

// A tile program prints as the text that it is parsed from.
func TestTileProgramPrintsAndParses(t *testing.T) {
	text, err := os.ReadFile("testdata/tiles.txt")
	require.NoError(t, err)
	k, err := ParseKernel(string(text))
	require.NoError(t, err)
	require.Equal(t, string(text), k.String())
	require.Equal(t, 2, k.Sched.Blocks)
	require.Equal(t, 1, k.Steps())
	require.Equal(t, []Param{{types.F32, 8, false}}, k.Locals)
	require.Equal(t, [][]int{{0, 2}, {2, 1}}, [][]int{k.Stages[0].Args, k.Stages[1].Args})

	for _, broken := range []func(k *Kernel){
		func(k *Kernel) { k.Stages[0].Kernel = nil },
		func(k *Kernel) { k.Stages[0].Args[0] = -1 },
		func(k *Kernel) { k.Stages[0].Args[0] = 3 },
		func(k *Kernel) { tiles := *k; k.Stages[0].Kernel = &tiles; tiles.Stages = nil },
		func(k *Kernel) { k.Locals[0].Out = true },
		func(k *Kernel) { k.Sites = []string{"gather"} },
		func(k *Kernel) { k.Stores = k.Stages[0].Kernel.Stores },
		func(k *Kernel) { k.Sched.Blocks = 0 },
		func(k *Kernel) { k.Sched.Form = General },
	} {
		k, err := ParseKernel(string(text))
		require.NoError(t, err)
		broken(k)
		require.Error(t, k.Verify())
	}

	text, err = os.ReadFile("testdata/tiles_sum.txt")
	require.NoError(t, err)
	k, err = ParseKernel(string(text))
	require.NoError(t, err)
	require.Equal(t, string(text), k.String())
	require.Equal(t, 2, k.Steps())
	require.Equal(t, k.Stages[1].Kernel.Sched.Block, k.Stages[1].Summed())
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text)
}

package ir

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
)

// attrNames are the attributes that a record may name.
var attrNames = []string{"name", "labels", "axes", "dims", "start", "step", "size", "value", "int", "data", "mode"}

func TestEveryOpHasARecord(t *testing.T) {
	names := map[string]bool{}
	for op := OpInvalid + 1; op < opEnd; op++ {
		d := op.Def()
		require.NotNil(t, d, "operation %d has no record", op)
		require.Equal(t, op, d.Op)
		require.Regexp(t, `^[a-z][a-z0-9_]*$`, d.Name)
		require.False(t, names[d.Name], "two operations are called %s", d.Name)
		names[d.Name] = true
		found, ok := OpByName(d.Name)
		require.True(t, ok)
		require.Equal(t, op, found)
		require.True(t, strings.HasSuffix(d.Doc, "."), "%s: doc %q is no sentence", d.Name, d.Doc)
		require.NotNil(t, d.Infer, "%s has no inference", d.Name)
		require.Equal(t, d.Body == nil, d.Has(Leaf) || d.Has(Effect), "%s: all but leaves and effects have a body", d.Name)
		if !d.Has(Leaf) {
			require.NotEqual(t, d.VJP == nil, !d.Has(NoGrad), "%s has either a gradient or the flag NoGrad", d.Name)
		}
		if d.Has(Leaf) || d.Has(Generator) {
			require.Zero(t, d.Arity, d.Name)
		} else {
			require.NotZero(t, d.Arity, d.Name)
		}
		require.Subset(t, attrNames, d.Attrs, d.Name)
	}
	_, ok := OpByName("frobnicate")
	require.False(t, ok)
}

// arbitrary integers, small ones more often.
func ints() *rapid.Generator[int] {
	return rapid.OneOf(
		rapid.IntRange(-1, 4), rapid.IntRange(-1, 4), rapid.IntRange(-1, 4),
		rapid.SampledFrom([]int{math.MaxInt, math.MinInt, 1 << 48, 1<<48 + 1, -1 << 48, 1 << 62, 1 << 31, -7}))
}

func intLists() *rapid.Generator[[]int] { return rapid.SliceOfN(ints(), 0, 4) }

func shapes(maxRank, maxDim int) *rapid.Generator[[]int] {
	return rapid.SliceOfN(rapid.IntRange(0, maxDim), 0, maxRank)
}

var publicTypes = append(types.DTypes(), types.F64, types.F64)

// drawArray draws elements of type d; those of small integer types are often
// usable as indices.
func drawArray(rt *rapid.T, d types.DType, n int) array {
	a := make(array, n)
	for i := range a {
		if d.IsFloat() {
			a[i] = kernel.FloatScalar(d, rapid.SampledFrom([]float64{0, 1, -1, 0.5, 2, -3, math.Inf(1), math.NaN()}).Draw(rt, "v"))
		} else {
			a[i] = kernel.IntScalar(d, int64(rapid.IntRange(-2, 4).Draw(rt, "v")))
		}
	}
	return a
}

// Whatever types and attributes a hostile text gives: inference returns, and
// what it accepts has a value and cotangents of the right types.
func TestAnyAttributes(t *testing.T) {
	accepted := map[Op]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		for _, op := range Ops() {
			if tryAny(rt, op) {
				accepted[op.Op] = true
			}
		}
	})
	require.Greater(t, len(accepted), len(Ops())-10)
}

func tryAny(rt *rapid.T, op *OpDef) bool {
	b := NewBuilder("hostile")
	vs := newValues(rt, rapid.Bool().Draw(rt, "deep"))
	args := anyOperands(rt, b, vs, op)
	a := Attr{
		Name:   rapid.SampledFrom([]string{"", "n"}).Draw(rt, "name"),
		Labels: rapid.OneOf(rapid.StringMatching(`[abc]{0,3},[abc]{0,3}->[abc]{0,3}`), rapid.String()).Draw(rt, "labels"),
		Axes:   intLists().Draw(rt, "axes"), Dims: intLists().Draw(rt, "dims"), Start: intLists().Draw(rt, "start"),
		Step: intLists().Draw(rt, "step"), Size: intLists().Draw(rt, "size"),
		Value: rapid.Float64().Draw(rt, "value"), Int: rapid.Int64().Draw(rt, "int"),
		Data: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(rt, "data"),
		Mode: rapid.SampledFrom([]string{"", "f32", "f64", "i64", "u8", "bool", "u32", "first", "x"}).Draw(rt, "mode"),
	}
	var n *Node
	if err := mistake(func() { n = b.New(op.Op, a, args...) }); n == nil {
		require.NotEmpty(rt, err.Error())
		return false
	}
	require.NoError(rt, n.Shape().Check())
	const most = 300
	if op.Body != nil && n.Shape().Size() <= most {
		require.Len(rt, vs.compute(n), n.Shape().Size())
	}
	if op.VJP != nil && n.DType().IsFloat() && op.Op != OpCustomVJP {
		for i, c := range op.VJP(b, n, b.Input("g", n.Type)) {
			require.True(rt, c == nil || c.Type.Equal(args[i].Type), "cotangent %d of %s", i, op.Name)
		}
	}
	return true
}

// anyOperands makes operands of the right number with data, often of one type.
func anyOperands(rt *rapid.T, b *Builder, vs *values, op *OpDef) []*Node {
	arity := op.Arity
	if arity < 0 {
		arity = rapid.IntRange(1, 3).Draw(rt, "arity")
	}
	dt := rapid.SampledFrom(publicTypes).Draw(rt, "dtype")
	dims := shapes(3, 3).Draw(rt, "shape")
	var args []*Node
	for range arity {
		if rapid.IntRange(0, 3).Draw(rt, "other") == 0 {
			dims = shapes(3, 3).Draw(rt, "shape")
		}
		if rapid.IntRange(0, 3).Draw(rt, "other") == 0 {
			dt = rapid.SampledFrom(publicTypes).Draw(rt, "dtype")
		}
		if op.Op == OpUniform || op.Op == OpNormal {
			dt, dims = types.I64, []int{2}
		}
		x := b.Input("x", types.Of(dt, dims...))
		vs.of[x] = drawArray(rt, dt, x.Shape().Size())
		args = append(args, x)
	}
	return args
}

package autodiff_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/autodiff"
	"dumbtorch/ir"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// values runs the graph on the interpreter and returns nodes' elements. Inputs
// are f64.
func values(t *testing.T, b *ir.Builder, feeds map[string][]float64, nodes ...*ir.Node) [][]float64 {
	t.Helper()
	b.G.Outputs = nil
	for i, n := range nodes {
		b.G.Outputs = append(b.G.Outputs, ir.Output{Name: string(rune('a' + i)), Node: n})
	}
	fed := session.Feeds{}
	for _, n := range b.G.Nodes {
		if n.Op == ir.OpInput {
			x, err := tensor.From(feeds[n.Attr.Name], n.Shape()...)
			require.NoError(t, err)
			fed[n.Attr.Name] = x
		}
	}
	dev := interp.New()
	defer dev.Close()
	s := session.New(dev)
	defer s.Close()
	step, err := s.CompileIR(b.G)
	require.NoError(t, err)
	res, err := step.Run(t.Context(), fed)
	require.NoError(t, err)
	defer res.Release()
	var out [][]float64
	for _, o := range b.G.Outputs {
		x, err := res.Tensor(o.Name)
		require.NoError(t, err)
		data, err := tensor.Data[float64](x)
		require.NoError(t, err)
		out = append(out, data)
	}
	return out
}

func input(b *ir.Builder, name string, dims ...int) *ir.Node {
	return b.Input(name, types.Of(types.F64, dims...))
}

func grad(t *testing.T, b *ir.Builder, loss *ir.Node, wrt ...*ir.Node) []*ir.Node {
	t.Helper()
	gs, err := autodiff.Grad(b, loss, wrt)
	require.NoError(t, err)
	require.Len(t, gs, len(wrt))
	for i, g := range gs {
		require.True(t, g.Type.Equal(wrt[i].Type))
	}
	return gs
}

func TestCotangentsOfAValueUsedTwiceAddUp(t *testing.T) {
	b := ir.NewBuilder("twice")
	x, y := input(b, "x"), input(b, "y")
	u := b.Mul(x, y)              // used three times
	z := b.Add(b.Mul(u, u), u)    // xxyy + xy
	loss := b.Add(z, b.Mul(x, x)) // + xx
	gs := grad(t, b, loss, x, y, u, x)
	got := values(t, b, map[string][]float64{"x": {3}, "y": {5}}, gs...)
	require.Equal(t, [][]float64{{2*3*25 + 5 + 6}, {2*9*5 + 3}, {31}, {161}}, got)
}

// One operand in both places of an operation counts twice.
func TestAnOperandUsedTwiceByOneNode(t *testing.T) {
	b := ir.NewBuilder("square")
	x := input(b, "x", 2)
	loss := b.Contract("i,i->", x, x)
	require.Equal(t, [][]float64{{6, -10}}, values(t, b, map[string][]float64{"x": {3, -5}}, grad(t, b, loss, x)...))
}

func TestUnreachedParametersAreNamed(t *testing.T) {
	b := ir.NewBuilder("lost")
	x := input(b, "x")
	w, v := b.Variable("fc1.weight", types.Of(types.F64, 2)), b.Variable("fc1.bias", types.Of(types.F64))
	loss := b.Mul(x, x)
	_, err := autodiff.Grad(b, loss, []*ir.Node{x, w})
	var e *ir.Error
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, "parameter fc1.weight does not reach the loss")
	_, err = autodiff.Grad(b, loss, []*ir.Node{w, v, w})
	require.ErrorContains(t, err, "parameter fc1.weight, parameter fc1.bias do not reach the loss")
	y := b.Neg(v)
	_, err = autodiff.VJP(b, []*ir.Node{loss}, []*ir.Node{b.Like(loss, 1)}, []*ir.Node{y})
	require.ErrorContains(t, err, "the neg of autodiff_test.go:")
	require.ErrorContains(t, err, "does not reach the outputs")
}

// Behind operations without a gradient a parameter is reached, with gradient 0.
func TestGradientsAreZeroBehindWhatHasNone(t *testing.T) {
	b := ir.NewBuilder("zero")
	x, y := input(b, "x", 2), input(b, "y", 2)
	stopped := b.StopGradient(x)
	steps := b.Cast(b.Bin(ir.OpLt, x, y), types.F64)
	whole := b.Cast(b.Cast(x, types.I64), types.F64)
	loss := b.Sum(b.Add(b.Mul(b.Add(stopped, steps), y), b.Add(whole, b.Un(ir.OpFloor, x))), 0)
	gs := grad(t, b, loss, x, y)
	got := values(t, b, map[string][]float64{"x": {1.5, 4}, "y": {2, 3}}, gs...)
	require.Equal(t, [][]float64{{0, 0}, {2.5, 4}}, got)
}

func TestMissingGradientsAreErrors(t *testing.T) {
	def := ir.OpSin.Def()
	vjp := def.VJP
	defer func() { def.VJP = vjp }()
	def.VJP = nil
	b := ir.NewBuilder("missing")
	x, y := input(b, "x"), input(b, "y")
	s := b.Un(ir.OpSin, x)
	loss := b.Add(s, y)
	_, err := autodiff.Grad(b, loss, []*ir.Node{x})
	require.ErrorContains(t, err, "sin: the operation has no gradient")
	require.ErrorContains(t, err, "autodiff_test.go:")
	_, err = autodiff.Grad(b, loss, []*ir.Node{y})
	require.NoError(t, err, "the operation is on no path to y")

	def.VJP = func(b *ir.Builder, n, g *ir.Node) []*ir.Node { return []*ir.Node{g, g} }
	_, err = autodiff.Grad(b, loss, []*ir.Node{x})
	require.ErrorContains(t, err, "bug in the gradient: 2 cotangents for 1 operands")
	def.VJP = func(b *ir.Builder, n, g *ir.Node) []*ir.Node { return []*ir.Node{b.Cast(g, types.F32)} }
	_, err = autodiff.Grad(b, loss, []*ir.Node{x})
	require.ErrorContains(t, err, "bug in the gradient: operand 0 is f64[], its cotangent f32[]")
	def.VJP = func(b *ir.Builder, n, g *ir.Node) []*ir.Node {
		return []*ir.Node{b.Add(g, b.Const(types.Of(types.F64, 3), 1))}
	}
	_, err = autodiff.Grad(b, loss, []*ir.Node{x})
	require.ErrorContains(t, err, "sin: bug in the gradient: ")
	def.VJP = func(b *ir.Builder, n, g *ir.Node) []*ir.Node { panic("other") }
	require.PanicsWithValue(t, "other", func() { autodiff.Grad(b, loss, []*ir.Node{x}) })
}

func TestCustomGradients(t *testing.T) {
	b := ir.NewBuilder("custom")
	x, y := input(b, "x"), input(b, "y")
	// x*y, with ten times the gradient of x and none of y.
	z := b.CustomVJP(b.Mul(x, y), func(b *ir.Builder, n, g *ir.Node) []*ir.Node {
		return []*ir.Node{b.Scale(b.Mul(g, n.Args[2]), 10), nil}
	}, x, y)
	loss := b.Mul(z, z)
	gs := grad(t, b, loss, x, y)
	require.Equal(t, [][]float64{{36}, {2 * 6 * 10 * 3}, {0}}, values(t, b, map[string][]float64{"x": {2}, "y": {3}}, append([]*ir.Node{loss}, gs...)...))
	parsed := b.New(ir.OpCustomVJP, ir.Attr{}, x, x)
	_, err := autodiff.Grad(b, parsed, []*ir.Node{x})
	require.ErrorContains(t, err, "custom gradient is not available in a graph read from text")
}

// The derivatives of exp(2x) of orders 1 to 5 are 2^n*exp(2x).
func TestDerivativesOfAnyOrder(t *testing.T) {
	b := ir.NewBuilder("orders")
	x := input(b, "x")
	y := b.Un(ir.OpExp, b.Scale(x, 2))
	var ys []*ir.Node
	for range 5 {
		y = grad(t, b, y, x)[0]
		ys = append(ys, y)
	}
	for i, v := range values(t, b, map[string][]float64{"x": {0.3}}, ys...) {
		require.InEpsilon(t, math.Pow(2, float64(i+1))*math.Exp(0.6), v[0], 1e-14)
	}
}

// A gradient may be taken of a gradient with respect to a node between.
func TestMixedDerivatives(t *testing.T) {
	b := ir.NewBuilder("mixed")
	x, y := input(b, "x"), input(b, "y")
	u := b.Mul(x, x)
	loss := b.Mul(b.Mul(u, u), y) // uuy
	du := grad(t, b, loss, u)[0]  // 2uy
	dx := grad(t, b, du, x, y)    // 4xy, 2u
	require.Equal(t, [][]float64{{2 * 9 * 5}, {4 * 3 * 5}, {18}}, values(t, b, map[string][]float64{"x": {3}, "y": {5}}, du, dx[0], dx[1]))
}

func TestVJPOfSeveralOutputs(t *testing.T) {
	b := ir.NewBuilder("several")
	x, c, d := input(b, "x", 2), input(b, "c", 2), input(b, "d")
	sq, sum := b.Mul(x, x), b.Sum(x, 0)
	gs, err := autodiff.VJP(b, []*ir.Node{sq, sum, sq}, []*ir.Node{c, d, c}, []*ir.Node{x, sq, c, sum}[:2])
	require.NoError(t, err)
	require.Equal(t, [][]float64{{2*2*3*10 + 7, 2*2*4*20 + 7}, {20, 40}},
		values(t, b, map[string][]float64{"x": {3, 4}, "c": {10, 20}, "d": {7}}, gs...))
	// An output that is itself differentiated for has its cotangent as gradient.
	gs, err = autodiff.VJP(b, []*ir.Node{x}, []*ir.Node{c}, []*ir.Node{x})
	require.NoError(t, err)
	require.Equal(t, [][]float64{{10, 20}}, values(t, b, map[string][]float64{"x": {3, 4}, "c": {10, 20}, "d": {7}}, gs...))
	// No outputs reach anything, and nothing is asked for.
	gs, err = autodiff.VJP(b, nil, nil, nil)
	require.NoError(t, err)
	require.Empty(t, gs)
}

func TestIntegerOperandsHaveNoGradient(t *testing.T) {
	b := ir.NewBuilder("integers")
	x := input(b, "x", 3, 2)
	i := b.Literal(types.Of(types.I32, 2), []byte{2, 0, 0, 0, 2, 0, 0, 0})
	loss := b.Sum(b.Gather("vd,n->nd", x, i), 0, 1)
	require.Equal(t, [][]float64{{0, 0, 0, 0, 2, 2}}, values(t, b, map[string][]float64{"x": make([]float64, 6)}, grad(t, b, loss, x)...))
	_, err := autodiff.Grad(b, loss, []*ir.Node{i})
	require.ErrorContains(t, err, "is i32[2]: only floating-point values have gradients")
}

func TestMistakes(t *testing.T) {
	b, other := ir.NewBuilder("one"), ir.NewBuilder("other")
	x, far := input(b, "x", 2), input(other, "x")
	loss := b.Sum(x, 0)
	n := b.Const(types.Of(types.I64), 1)
	for want, f := range map[string]func() ([]*ir.Node, error){
		"grad: the loss is nil": func() ([]*ir.Node, error) { return autodiff.Grad(b, nil, nil) },
		"grad: the loss must be a floating-point scalar, got f64[2] (Sum or Mean make one)": func() ([]*ir.Node, error) { return autodiff.Grad(b, x, []*ir.Node{x}) },
		"grad: the loss must be a floating-point scalar, got i64[]":                         func() ([]*ir.Node, error) { return autodiff.Grad(b, n, []*ir.Node{x}) },
		"grad: a node is nil":                    func() ([]*ir.Node, error) { return autodiff.Grad(b, loss, []*ir.Node{nil}) },
		"input x is not a node of graph \"one\"": func() ([]*ir.Node, error) { return autodiff.Grad(b, loss, []*ir.Node{far}) },
		"is not a node of graph \"other\"":       func() ([]*ir.Node, error) { return autodiff.Grad(other, loss, []*ir.Node{x}) },
		"vjp: 1 outputs, but 0 cotangents":       func() ([]*ir.Node, error) { return autodiff.VJP(b, []*ir.Node{x}, nil, nil) },
		"vjp: the cotangent of output 0 is f64[], the output f64[2]": func() ([]*ir.Node, error) {
			return autodiff.VJP(b, []*ir.Node{x}, []*ir.Node{loss}, []*ir.Node{x})
		},
		"vjp: output 0 is i64[]: only floating-point values have gradients": func() ([]*ir.Node, error) {
			return autodiff.VJP(b, []*ir.Node{n}, []*ir.Node{n}, []*ir.Node{x})
		},
	} {
		gs, err := f()
		require.ErrorContains(t, err, want)
		require.Nil(t, gs)
		var e *ir.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "autodiff_test.go", e.Pos.File)
	}
}

// A gradient's nodes carry the line of the node that they belong to, and the
// builder goes on with its own.
func TestGradientsCarryTheLineOfTheirNode(t *testing.T) {
	b := ir.NewBuilder("lines")
	x := input(b, "x")
	y := b.Un(ir.OpSin, x)
	loss := b.Mul(y, y)
	before := len(b.G.Nodes)
	grad(t, b, loss, x)
	lines := map[string]int{}
	for _, n := range b.G.Nodes[before:] {
		lines[n.Op.String()] = n.Pos.Line
	}
	require.Equal(t, y.Pos.Line, lines["cos"])
	require.Equal(t, loss.Pos.Line, y.Pos.Line+1)
	require.False(t, b.At.Line != 0, "the builder's position is restored")
}

// Work is done only for what is asked: no node for operands without gradient.
func TestNoNodesForWhatIsNotAsked(t *testing.T) {
	b := ir.NewBuilder("few")
	x, y := input(b, "x"), input(b, "y")
	deep := y
	for range 50 {
		deep = b.Un(ir.OpTanh, deep)
	}
	loss := b.Add(b.Un(ir.OpExp, x), deep)
	before := len(b.G.Nodes)
	grad(t, b, loss, x)
	require.Less(t, len(b.G.Nodes)-before, 5)
}

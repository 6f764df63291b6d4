package proof

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// points calls f for every index below dims.
func points(dims []int, f func(at []int)) {
	at := make([]int, len(dims))
	for n := types.Shape(dims).Size(); n > 0; n-- {
		f(at)
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < dims[i] {
				break
			}
			at[i] = 0
		}
	}
}

// flat is the row-major position of an index; false outside.
func flat(dims, at []int) (int, bool) {
	p := 0
	for i, d := range dims {
		if at[i] < 0 || at[i] >= d {
			return 0, false
		}
		p = p*d + at[i]
	}
	return p, true
}

// convolution is a drawn one, with everything that it takes and gives: integers,
// so that every sum is exact.
type convolution struct {
	conv       graph.Conv
	xs, ws, ys []int
	x, w, y    []float64
	ct, dx, dw []float64
	batched    bool
}

// drawConv draws a convolution and computes it by its definition.
func drawConv(t *rapid.T) *convolution {
	nd := rapid.IntRange(1, 3).Draw(t, "dims")
	draw := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	groups, in, out := draw("groups", 1, 3), draw("in", 1, 3), draw("out", 1, 3)
	c := &convolution{xs: []int{draw("batch", 1, 3), groups * in}, ws: []int{groups * out, in}, batched: draw("batched", 0, 3) > 0}
	if !c.batched {
		c.xs[0] = 1
	}
	c.ys = []int{c.xs[0], groups * out}
	c.conv.Groups = groups
	for range nd {
		k, d, s, low, high := draw("kernel", 1, 4), draw("dilation", 1, 3), draw("stride", 1, 3), draw("low", 0, 4), draw("high", 0, 4)
		span := (k-1)*d + 1
		size := max(1, span-low-high) + draw("size", 0, 9-2*nd)
		c.conv.Stride, c.conv.Dilation = append(c.conv.Stride, s), append(c.conv.Dilation, d)
		c.conv.Low, c.conv.High = append(c.conv.Low, low), append(c.conv.High, high)
		c.xs, c.ws = append(c.xs, size), append(c.ws, k)
		c.ys = append(c.ys, (size+low+high-span)/s+1)
	}
	fill := func(dims []int, salt int) []float64 {
		v := make([]float64, types.Shape(dims).Size())
		for i := range v {
			v[i] = float64((i*7+salt)*(i+3*salt)%11 - 5)
		}
		return v
	}
	c.x, c.w, c.ct = fill(c.xs, 1), fill(c.ws, 2), fill(c.ys, 3)
	c.y, c.dx, c.dw = make([]float64, len(c.ct)), make([]float64, len(c.x)), make([]float64, len(c.w))
	points(c.ys, func(p []int) {
		iy, _ := flat(c.ys, p)
		points(c.ws[1:], func(u []int) {
			from := []int{p[0], p[1]/out*in + u[0]}
			for i, v := range u[1:] {
				from = append(from, p[2+i]*c.conv.Stride[i]+v*c.conv.Dilation[i]-c.conv.Low[i])
			}
			ix, inside := flat(c.xs, from)
			if !inside {
				return
			}
			iw, _ := flat(c.ws, append([]int{p[1]}, u...))
			c.y[iy] += c.x[ix] * c.w[iw]
			c.dx[ix] += c.ct[iy] * c.w[iw]
			c.dw[iw] += c.ct[iy] * c.x[ix]
		})
	})
	return c
}

// check runs the convolution and its gradients.
func (c *convolution) check(t require.TestingT, ses *session.Session) {
	feeds := session.Feeds{}
	feed := func(name string, v []float64, dims []int) {
		x, err := tensor.From(v, dims...)
		require.NoError(t, err)
		feeds[name] = x
	}
	xs, ys := c.xs, c.ys
	if !c.batched {
		xs, ys = xs[1:], ys[1:]
	}
	feed("x", c.x, xs)
	feed("w", c.w, c.ws)
	feed("ct", c.ct, ys)
	g, err := graph.Build("conv", func(g *graph.Graph) {
		x, w, ct := g.Input("x", graph.F64, xs...), g.Input("w", graph.F64, c.ws...), g.Input("ct", graph.F64, ys...)
		y := x.Conv(w, c.conv)
		g.Output("y", y)
		for i, d := range graph.VJP([]*node{y}, []*node{ct}, []*node{x, w}) {
			g.Output([]string{"dx", "dw"}[i], d)
		}
	})
	require.NoError(t, err)
	step, err := ses.Compile(g)
	require.NoError(t, err)
	defer step.Close()
	res, err := step.Run(context.Background(), feeds)
	require.NoError(t, err)
	defer res.Release()
	for name, want := range map[string][]float64{"y": c.y, "dx": c.dx, "dw": c.dw} {
		got, err := res.Tensor(name)
		require.NoError(t, err)
		require.True(t, slices.Equal(want, floats(got)), "%s: got %v\nwant %v\nof %+v", name, floats(got), want, c)
	}
}

// Convolutions of any options are what their definition says, and so are their
// gradients, on every device, with and without the compiler's passes.
func TestConvolutions(t *testing.T) {
	off := map[string]bool{"canonicalize": true, "fuse": true}
	for _, d := range devices {
		for name, c := range map[string]passes.Config{"plain": {Off: off, Check: true}, "compiled": {Check: true}} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				dev := d.open()
				defer dev.Close()
				ses := session.New(dev, session.WithPasses(c))
				defer ses.Close()
				rapid.Check(t, func(t *rapid.T) { drawConv(t).check(t, ses) })
			})
		}
	}
}

package proof

import (
	"context"
	"math"
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

// pooling is a drawn one, with what it takes and gives.
type pooling struct {
	pool   graph.Pool
	maxima bool
	xs, ys []int
	x, y   []float64
	ct, dx []float64
}

// drawPool draws a pooling and computes it by its definition.
func drawPool(t *rapid.T) *pooling {
	draw := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, name) }
	p := &pooling{maxima: draw("maxima", 0, 1) == 1, xs: []int{draw("channels", 1, 3)}}
	p.ys = slices.Clone(p.xs)
	p.pool.Ceil, p.pool.ExcludePadding = draw("ceil", 0, 1) == 1, draw("exclude", 0, 1) == 1
	divisor := draw("divisor", 0, 3)
	if !p.maxima {
		p.pool.Divisor = divisor
	}
	for range draw("dims", 1, 2) {
		k, s, d := draw("size", 1, 4), draw("stride", 1, 4), 1
		if p.maxima {
			d = draw("dilation", 1, 2)
		}
		span := (k-1)*d + 1
		low, high := draw("low", 0, span/2), draw("high", 0, span/2)
		in := max(1, span-low-high) + draw("more", 0, 6)
		p.pool.Size, p.pool.Stride = append(p.pool.Size, k), append(p.pool.Stride, s)
		p.pool.Low, p.pool.High = append(p.pool.Low, low), append(p.pool.High, high)
		if p.maxima {
			p.pool.Dilation = append(p.pool.Dilation, d)
		}
		n := 0
		for start := -low; ; start += s { // positions, one after the other
			inside := start+span <= in+high
			if !inside && !(p.pool.Ceil && start < in && start+span < in+high+s) {
				break
			}
			n++
		}
		p.xs, p.ys = append(p.xs, in), append(p.ys, n)
	}
	p.x = make([]float64, types.Shape(p.xs).Size())
	for i := range p.x {
		p.x[i] = float64(draw("x", -3, 3))
	}
	p.ct = make([]float64, types.Shape(p.ys).Size())
	for i := range p.ct {
		p.ct[i] = float64(i%7 - 3)
	}
	p.compute()
	return p
}

// compute pools by the definition.
func (p *pooling) compute() {
	p.y, p.dx = make([]float64, len(p.ct)), make([]float64, len(p.x))
	points(p.ys, func(at []int) {
		iy, _ := flat(p.ys, at)
		best, bestAt, sum, counted := math.Inf(-1), -1, 0.0, 0
		var members []int
		points(p.pool.Size, func(u []int) {
			from, counts := []int{at[0]}, true
			for i := range u {
				d := 1
				if p.maxima {
					d = p.pool.Dilation[i]
				}
				v := at[1+i]*p.pool.Stride[i] + u[i]*d - p.pool.Low[i]
				from = append(from, v)
				counts = counts && v < p.xs[1+i]+p.pool.High[i]
			}
			ix, inside := flat(p.xs, from)
			if inside {
				members = append(members, ix)
				sum += p.x[ix]
				if p.x[ix] > best {
					best, bestAt = p.x[ix], ix
				}
			}
			if inside || counts && !p.pool.ExcludePadding {
				counted++
			}
		})
		if p.maxima {
			if p.y[iy] = best; bestAt >= 0 { // else the window, dilated, holds padding only
				p.dx[bestAt] += p.ct[iy]
			}
			return
		}
		by := float64(counted)
		if p.pool.Divisor != 0 {
			by = float64(p.pool.Divisor)
		}
		p.y[iy] = sum / by
		for _, ix := range members {
			p.dx[ix] += p.ct[iy] / by
		}
	})
}

// check runs the pooling and its gradient.
func (p *pooling) check(t require.TestingT, ses *session.Session) {
	feeds := session.Feeds{}
	for name, v := range map[string][]float64{"x": p.x, "ct": p.ct} {
		x, err := tensor.From(v, map[string][]int{"x": p.xs, "ct": p.ys}[name]...)
		require.NoError(t, err)
		feeds[name] = x
	}
	g, err := graph.Build("pool", func(g *graph.Graph) {
		x, ct := g.Input("x", graph.F64, p.xs...), g.Input("ct", graph.F64, p.ys...)
		var y *node
		if p.maxima {
			y = x.MaxPool(p.pool)
		} else {
			y = x.AvgPool(p.pool)
		}
		require.Equal(t, types.Shape(p.ys), y.Shape())
		g.Output("y", y)
		g.Output("dx", graph.VJP([]*node{y}, []*node{ct}, []*node{x})[0])
	})
	require.NoError(t, err)
	step, err := ses.Compile(g)
	require.NoError(t, err)
	defer step.Close()
	res, err := step.Run(context.Background(), feeds)
	require.NoError(t, err)
	defer res.Release()
	for name, want := range map[string][]float64{"y": p.y, "dx": p.dx} {
		got, err := res.Tensor(name)
		require.NoError(t, err)
		require.InDeltaSlice(t, want, floats(got), 1e-12, "%s of %+v", name, p)
	}
}

// Poolings of any options are what their definition says, ties included, and so
// are their gradients, on every device, with and without the compiler's passes.
func TestPoolings(t *testing.T) {
	off := map[string]bool{"canonicalize": true, "fuse": true}
	for _, d := range devices {
		for name, c := range map[string]passes.Config{"plain": {Off: off, Check: true}, "compiled": {Check: true}} {
			t.Run(d.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				dev := d.open()
				defer dev.Close()
				ses := session.New(dev, session.WithPasses(c))
				defer ses.Close()
				rapid.Check(t, func(t *rapid.T) { drawPool(t).check(t, ses) })
			})
		}
	}
}

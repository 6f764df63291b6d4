package proof

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"dumbtorch/graph"
	"dumbtorch/ir/kernel"
	"dumbtorch/ir/types"
	"dumbtorch/passes"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/interp"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// attentionSizes are batch, heads, queries, keys and the size of a head.
type attentionSizes [5]int

// An attentionCase is an attention whose heads of queries share those of keys.
type attentionCase struct {
	sizes  attentionSizes
	a      graph.Attention
	shared int
	masked bool // every seventh key of a batch is hidden
	dtype  types.DType
}

// attend returns value and gradients of an attention, and the text of its
// kernels.
func attend(t require.TestingT, dev device.Device, debug string, c attentionCase) ([]*tensor.Tensor, string) {
	b, h, l, s, e := c.sizes[0], c.sizes[1], c.sizes[2], c.sizes[3], c.sizes[4]
	shared, d := c.shared, c.dtype
	g, err := graph.Build("attention", func(g *graph.Graph) {
		q, k, v := g.Input("q", d, b, h, l, e), g.Input("k", d, b, shared, s, e), g.Input("v", d, b, shared, s, e)
		a := c.a
		a.Grouped = shared != h
		if c.masked {
			key := graph.Iota(g, graph.I32, 1, b, s).Add(graph.Iota(g, graph.I32, 0, b, s))
			a.Mask = key.Rem(graph.Scalar(g, graph.I32, 7)).NotEqual(graph.Scalar(g, graph.I32, 0)).Reshape(b, 1, 1, s)
		}
		y := q.Attention(k, v, a)
		g.Output("y", y)
		for i, d := range graph.VJP([]*node{y}, []*node{g.Input("ct", d, b, h, l, e)}, []*node{q, k, v}) {
			g.Output(fmt.Sprint("d", i), d)
		}
	}, graph.Training())
	require.NoError(t, err)
	ses := session.New(dev, session.WithDebug(debug))
	defer ses.Close()
	step, err := ses.Compile(g)
	require.NoError(t, err)
	feeds := session.Feeds{}
	for i, name := range []string{"q", "k", "v", "ct"} {
		heads, rows := h, l
		if name == "k" || name == "v" {
			heads, rows = shared, s
		}
		feeds[name], err = tensor.From(hashed(uint64(i), b*heads*rows*e), b, heads, rows, e)
		require.NoError(t, err)
		feeds[name], err = feeds[name].Convert(d)
		require.NoError(t, err)
	}
	res, err := step.Run(context.Background(), feeds)
	require.NoError(t, err)
	defer res.Release()
	var out []*tensor.Tensor
	for _, name := range res.Names() {
		x, err := res.Tensor(name)
		require.NoError(t, err)
		out = append(out, x.Clone())
	}
	config := &passes.Config{}
	require.NoError(t, passes.ParseDebug(debug, config))
	done, err := passes.Compile(g.IR(), config)
	require.NoError(t, err)
	return out, done.Program.String()
}

// listing returns what the cpu makes of a program in text form.
func listing(t *testing.T, text string) string {
	p, err := kernel.Parse(text)
	require.NoError(t, err)
	e, err := cpu.New().Compile(p)
	require.NoError(t, err)
	defer e.Close()
	return e.Source()
}

// Attention as tiled kernels gives the bits that it gives without them, on every
// device and with any number of threads, and the interpreter's values.
func TestAttentionTiles(t *testing.T) {
	tests := []struct {
		name   string
		sizes  attentionSizes
		a      graph.Attention
		shared int
		tiles  int // in the program
	}{
		{"causal", attentionSizes{2, 2, 48, 48, 8}, graph.Attention{Causal: true}, 2, 1},
		{"all", attentionSizes{1, 3, 33, 65, 5}, graph.Attention{}, 3, 2},
		{"grouped", attentionSizes{2, 4, 40, 40, 8}, graph.Attention{Causal: true}, 2, 1},
		{"dropout", attentionSizes{2, 2, 32, 64, 8}, graph.Attention{Dropout: 0.2}, 2, 1},
		{"split rows", attentionSizes{1, 2, 512, 512, 4}, graph.Attention{Causal: true}, 2, 2},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			at := attentionCase{sizes: c.sizes, a: c.a, shared: c.shared, dtype: types.F32}
			if testing.Short() && c.sizes[2] > 256 {
				t.Skip("the interpreter is slow")
			}
			want, text := attend(t, cpu.New(cpu.WithThreads(1)), "check,tile/off", at)
			require.NotContains(t, text, "tiles(")
			for _, threads := range []int{1, 3} {
				got, text := attend(t, cpu.New(cpu.WithThreads(threads)), "check", at)
				require.Equal(t, c.tiles, strings.Count(text, "tiles("))
				require.Equal(t, c.tiles, strings.Count(listing(t, text), "phase blocks: "), "each runs block by block")
				for i := range want {
					require.True(t, tensor.Equal(got[i], want[i]), "result %d with %d threads", i, threads)
				}
			}
			got, _ := attend(t, interp.New(interp.WithPoison()), "check", at)
			for i := range want {
				require.NoError(t, chains.compare(got[i], want[i]))
			}
		})
	}
}

// Attention of any size has the same bits as tiled kernels and without, with any
// number of threads.
func TestAttentionTilesOfAnySize(t *testing.T) {
	one, many := cpu.New(cpu.WithThreads(1)), cpu.New(cpu.WithThreads(3))
	tiled := 0
	rapid.Check(t, func(rt *rapid.T) {
		n := func(name string, from, to int) int { return rapid.IntRange(from, to).Draw(rt, name) }
		shared := n("shared heads", 1, 3)
		sizes := attentionSizes{n("batch", 1, 3), shared * n("group", 1, 3), n("queries", 1, 100), n("keys", 1, 100), n("size", 1, 12)}
		if n("long", 0, 7) == 0 { // blocks are parts of the queries
			sizes[0], sizes[1], shared = 1, 1, 1
			sizes[2], sizes[3] = 16*n("queries/16", 17, 70), 8*n("keys/8", 20, 140)
		}
		if rapid.Bool().Draw(rt, "square") {
			sizes[3] = sizes[2]
		}
		a := graph.Attention{Causal: rapid.Bool().Draw(rt, "causal")}
		if n("dropout", 0, 3) == 0 {
			a.Dropout = 0.3
		}
		c := attentionCase{sizes: sizes, a: a, shared: shared, masked: rapid.Bool().Draw(rt, "masked")}
		c.dtype = rapid.SampledFrom([]types.DType{types.F32, types.F32, types.F64, types.BF16, types.F16}).Draw(rt, "type")
		want, _ := attend(rt, one, "check,tile/off", c)
		for _, dev := range []device.Device{one, many} {
			got, text := attend(rt, dev, "check", c)
			tiled += strings.Count(text, "tiles(")
			for i := range want {
				require.True(rt, tensor.Equal(got[i], want[i]), "result %d", i)
			}
		}
	})
	require.NotZero(t, tiled)
}

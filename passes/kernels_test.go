package passes_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/kernel"
	"dumbtorch/nn"
	"dumbtorch/passes"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file under testdata, or writes it.
func golden(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join("testdata", filepath.FromSlash(path))
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), text, "%s; run with -update if the change is meant", path)
}

// kernelList describes every launch of a program by its structure and work.
func kernelList(p *kernel.Program) string {
	var b strings.Builder
	var sum passes.Work
	fmt.Fprintf(&b, "%-10s %5s %12s %12s %12s  %s\n", "form", "nodes", "load bytes", "store bytes", "ops", "label")
	for i := range p.Launches {
		l := &p.Launches[i]
		w := passes.WorkOf(l.Kernel)
		label := sourceLine.ReplaceAllString(l.Label, "")
		fmt.Fprintf(&b, "%-10s %5d %12d %12d %12d  %s%s\n", l.Kernel.Sched.Form, l.Nodes, w.LoadBytes, w.StoreBytes, w.Ops, label, structure(l.Kernel))
		sum.LoadBytes += w.LoadBytes
		sum.StoreBytes += w.StoreBytes
		sum.Ops += w.Ops
	}
	fmt.Fprintf(&b, "%-10d %5s %12d %12d %12d\n", len(p.Launches), "", sum.LoadBytes, sum.StoreBytes, sum.Ops)
	return b.String()
}

// sourceLine is a position, which changes with unrelated edits.
var sourceLine = regexp.MustCompile(` \S+\.go:\d+`)

// structure tells the extents of a kernel's schedule.
func structure(k *kernel.Kernel) string {
	list := func(as []*kernel.Axis) string {
		var s []string
		for _, a := range as {
			s = append(s, fmt.Sprint(a.Extent))
		}
		return strings.Join(s, ",")
	}
	switch c := k.Sched.Contract; {
	case c != nil:
		return fmt.Sprintf(" batch(%s) m(%s) n(%s) k(%s)", list(c.Batch), list(c.M), list(c.N), list(c.K))
	case k.Sched.Form == kernel.Rows:
		return fmt.Sprintf(" outer(%s) inner(%s)", list(k.Sched.Outer), list(k.Sched.Inner))
	}
	return ""
}

// A wrong choice of fusion stays correct and merely slow: the lists guard it.
// The arena is close to the largest set of values alive at one time, which no
// plan can undercut.
func TestKernelLists(t *testing.T) {
	for _, m := range models {
		t.Run(m.name, func(t *testing.T) {
			c, err := passes.Compile(build(t, m.model), &passes.Config{Check: true})
			require.NoError(t, err)
			golden(t, "kernels/"+m.name+".txt", kernelList(c.Program))
			require.LessOrEqual(t, float64(c.Memory.Peak), 1.05*float64(c.Memory.LowerBound))
			require.LessOrEqual(t, c.Memory.Peak, c.Memory.Sum)
		})
	}
}

// A training step of a transformer layer is few launches, whose attention is
// tiled.
func TestAttentionBlockLaunches(t *testing.T) {
	for _, model := range []func(g *graph.Graph){attentionBlock(16, 64, 128, 4), attentionBlock(1, 1024, 128, 4)} {
		c, err := passes.Compile(build(t, model), &passes.Config{})
		require.NoError(t, err)
		require.LessOrEqual(t, len(c.Program.Launches), 28)
		tiles := 0
		for _, l := range c.Program.Launches {
			if l.Kernel.Sched.Form == kernel.Tiles {
				tiles++
			}
		}
		require.Equal(t, 2, tiles, "forward and backward")
	}
}

// The memory of attention grows with the length, not with its square.
func TestAttentionMemoryIsLinear(t *testing.T) {
	for _, c := range []struct {
		name  string
		model func(length int) func(g *graph.Graph)
	}{
		{"forward", func(length int) func(g *graph.Graph) {
			return func(g *graph.Graph) {
				x := g.Input("x", graph.F32, 2, length, 32)
				g.Output("y", nn.NewMultiheadAttention(32, 2).Forward(x))
			}
		}},
		{"backward", func(length int) func(g *graph.Graph) {
			return func(g *graph.Graph) {
				x := g.Input("x", graph.F32, 2, length, 32)
				y := nn.NewMultiheadAttention(32, 2).Attend(x, x, x, graph.Attention{Causal: true})
				withGrads(g, y, x)
			}
		}},
		{"grouped", func(length int) func(g *graph.Graph) {
			return func(g *graph.Graph) {
				x := g.Input("x", graph.F32, 2, length, 32)
				m := nn.NewGroupedAttention(32, 4, 2, nn.WithRotary(&nn.Rotary{}))
				nn.Params(m)
				withGrads(g, m.Attend(x, graph.Attention{Causal: true}), x)
			}
		}},
		{"masked", func(length int) func(g *graph.Graph) {
			return func(g *graph.Graph) {
				q, seen := g.Input("q", graph.F32, 2, 2, length, 16), g.Input("seen", graph.Bool, 2, 1, 1, length)
				withGrads(g, q.Attention(q, q, graph.Attention{Mask: seen}), q)
			}
		}},
		{"training", func(length int) func(g *graph.Graph) { return attentionBlock(2, length, 32, 2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var peak [2]int64
			for i, length := range []int{1024, 2048} {
				done, err := passes.Compile(build(t, c.model(length)), &passes.Config{})
				require.NoError(t, err)
				peak[i] = done.Memory.Peak
			}
			require.LessOrEqual(t, float64(peak[1]), 2.1*float64(peak[0]), "%d and %d bytes", peak[0], peak[1])
		})
	}
}

// A convolution and its gradients are one kernel each, whose operands are views:
// no windows in memory.
func TestConvolutionsHaveNoWindowsInMemory(t *testing.T) {
	c, err := passes.Compile(build(t, cnnStep(128, 28, 32, 64, 128, 10)), &passes.Config{Check: true})
	require.NoError(t, err)
	require.LessOrEqual(t, len(c.Program.Launches), 18)
	largest := 0
	for i := range c.Program.Buffers {
		largest = max(largest, c.Program.Buffers[i].Len)
	}
	require.Equal(t, 128*32*28*28, largest, "the result of the first convolution")
	for _, l := range c.Program.Launches {
		require.NotContains(t, l.Label, "unwindow")
	}
	require.Equal(t, 16, c.Memory.InPlaceVariables, "eight parameters and their momentum")
}

// A training step runs in few kernels and updates all its state in place.
func TestTrainingStepStaysSmall(t *testing.T) {
	c, err := passes.Compile(build(t, mlpStep(128, 784, 512, 256, 10)), &passes.Config{Check: true})
	require.NoError(t, err)
	require.LessOrEqual(t, len(c.Program.Launches), 12)
	require.Equal(t, 12, c.Memory.InPlaceVariables, "six parameters and their momentum")
	require.Zero(t, c.Memory.CopiedVariables)
	contractions := 0
	for _, l := range c.Program.Launches {
		if l.Kernel.Sched.Form == kernel.Contract {
			contractions++
		}
	}
	require.Equal(t, 8, contractions)
}

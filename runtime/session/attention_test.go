package session_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/passes"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// attentionStep is a training step of a transformer layer, with tiled kernels.
func attentionStep(t *testing.T) *graph.Graph {
	const batch, length, size = 2, 64, 16
	layer := nn.NewTransformerEncoderLayer(size, 2, 32, nn.PreNorm())
	g, err := graph.Build("train", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, batch, length, size), g.Input("y", graph.F32, batch, length, size)
		loss := nn.MSE(layer.Attend(x, graph.Attention{Causal: true}), y)
		optim.AdamW{LR: 1e-2}.Minimize(loss, nn.Params(layer))
		g.Output("loss", loss)
	}, graph.Training())
	require.NoError(t, err)
	c, err := passes.Compile(g.IR(), &passes.Config{})
	require.NoError(t, err)
	require.Contains(t, c.Program.String(), "tiles(")
	return g
}

// attentionFeeds is a batch for attentionStep.
func attentionFeeds(t *testing.T) session.Feeds {
	const n = 2 * 64 * 16
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(i%13)/7 - 1
		y[i] = float32(i%5)/3 - 1
	}
	fx, err := tensor.From(x, 2, 64, 16)
	require.NoError(t, err)
	fy, err := tensor.From(y, 2, 64, 16)
	require.NoError(t, err)
	return session.Feeds{"x": fx, "y": fy}
}

func TestAStepWithTiledKernelsAllocatesNothing(t *testing.T) {
	g, feeds := attentionStep(t), attentionFeeds(t)
	for _, threads := range []int{1, 2} {
		dev := cpu.New(cpu.WithThreads(threads))
		s := session.New(dev)
		train, err := s.Compile(g)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var res session.Results
		require.NoError(t, train.RunInto(ctx, feeds, &res))
		first, err := res.Scalar("loss")
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			if err := train.RunInto(ctx, feeds, &res); err != nil {
				panic(err)
			}
		}), "with %d threads", threads)
		last, err := res.Scalar("loss")
		require.NoError(t, err)
		require.Less(t, last, first/2)
		cancel()
		require.NoError(t, s.Close())
		require.NoError(t, dev.Close())
	}
}

// Sessions that share a device train at the same time, each as if alone.
func TestTiledKernelsRunConcurrently(t *testing.T) {
	g, feeds := attentionStep(t), attentionFeeds(t)
	dev := cpu.New(cpu.WithThreads(3))
	losses := make([]string, 4)
	var wg sync.WaitGroup
	for i := range losses {
		s := session.New(dev)
		defer s.Close()
		train, err := s.Compile(g)
		require.NoError(t, err)
		wg.Go(func() {
			for range 5 {
				res, err := train.Run(t.Context(), feeds)
				if err != nil {
					losses[i] = err.Error()
					return
				}
				loss, err := res.Scalar("loss")
				losses[i] += fmt.Sprint(loss, err, " ")
				res.Release()
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, losses[0])
	for _, l := range losses {
		require.Equal(t, losses[0], l)
	}
}

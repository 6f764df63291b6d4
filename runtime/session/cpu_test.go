package session_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
)

func init() {
	devices["cpu"] = func() device.Device { return cpu.New(cpu.WithThreads(3), cpu.WithMemoryLimit(1<<24)) }
}

func TestATrainingStepAllocatesNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		dev := cpu.New(cpu.WithThreads(threads))
		s := session.New(dev)
		train, err := s.Compile(newMLP().train(t))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		feeds := points(t, 32, 1)
		var res session.Results
		lowest := 0.0
		allocs := testing.AllocsPerRun(50, func() {
			if err := train.RunInto(ctx, feeds, &res); err != nil {
				panic(err)
			}
			if lowest, err = res.Scalar("loss"); err != nil {
				panic(err)
			}
		})
		require.Zero(t, allocs, "with %d threads", threads)
		require.Less(t, lowest, 0.5)
		cancel()
		require.NoError(t, s.Close())
		require.NoError(t, dev.Close())
	}
}

// Bits do not depend on the number of threads.
func TestThreadsDoNotChangeBits(t *testing.T) {
	weights := func(threads int) any {
		dev := cpu.New(cpu.WithThreads(threads))
		s := session.New(dev)
		train, err := s.Compile(newMLP().train(t))
		require.NoError(t, err)
		for i := range uint64(5) {
			scalar(t, train, points(t, 3000, i), "loss")
		}
		state, err := s.State()
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, dev.Close())
		return state
	}
	one := weights(1)
	for _, n := range []int{2, 5} {
		require.Equal(t, one, weights(n), "%d threads", n)
	}
}

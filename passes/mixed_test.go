package passes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/passes"
)

// In mixed precision a training step has the kernels that it has in f32 and one
// for each parameter, input or gradient that is cast by itself: all other casts
// are part of the kernels that make or take the values, and what is stored
// between two products is bf16.
func TestKernelListInMixedPrecision(t *testing.T) {
	g, err := graph.Build("mlp", mlpStep(128, 784, 512, 256, 10), graph.Autocast(graph.BF16))
	require.NoError(t, err)
	c, err := passes.Compile(g.IR(), &passes.Config{Check: true})
	require.NoError(t, err)
	golden(t, "kernels/mlp_bf16.txt", kernelList(c.Program))
	require.LessOrEqual(t, float64(c.Memory.Peak), 1.05*float64(c.Memory.LowerBound))
}

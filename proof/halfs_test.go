package proof

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// of returns the tolerance for results of type d. What PyTorch computes of halves
// it computes in f32 and rounds, and so is it here: exact operations are exact,
// and all others may round to a neighbour. Gradients are rounded once more at
// each of their operations, which PyTorch has in one kernel.
func (tol tolerance) of(d types.DType, grad bool) tolerance {
	switch {
	case !d.IsHalf() || tol == exact || tol == selects:
		return tol
	case grad:
		return tolerance{2, 0.5, "gradients of halfs, rounded at every operation"}
	}
	return tolerance{1, 0, "the same half or its neighbour"}
}

// Operations on f16 and bf16 give PyTorch's values and gradients, on every
// device.
func TestHalfsAgreeWithPyTorch(t *testing.T) {
	s := &suite{flat: map[string]*tensor.Tensor{}}
	require.NoError(t, s.read(filepath.Join("..", "testdata", "ops", "halfs")))
	require.Greater(t, len(s.cases), 200)
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			dev := d.open()
			defer dev.Close()
			ses := session.New(dev)
			defer ses.Close()
			for _, c := range s.cases {
				c := *c // the attributes hold what is fed
				c.run(t, s, ses)
			}
		})
	}
}

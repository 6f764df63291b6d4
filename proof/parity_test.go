package proof

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// hashed returns n numbers in [-1, 1): uniform of testdata/parity/mlp.py.
func hashed(seed uint64, n int) []float32 {
	xs := make([]float32, n)
	for i := range xs {
		h := uint32(uint64(i) + seed*0x9E3779B9)
		h *= 2654435761
		h ^= h >> 16
		h *= 0x85EBCA6B
		h ^= h >> 13
		xs[i] = float32(float64(h>>8)/(1<<23) - 1)
	}
	return xs
}

// A perceptron of three layers.
type perceptron struct{ FC1, FC2, FC3 *nn.Linear }

func (m *perceptron) Forward(x *node) *node {
	return m.FC3.Forward(m.FC2.Forward(m.FC1.Forward(x).ReLU()).ReLU())
}

// parity trains for 50 steps and compares every loss with PyTorch's.
func parity(t *testing.T, dev device.Device, sizes [4]int, batch int, want []float64, tolerance float64, opts ...graph.Option) {
	m := &perceptron{nn.NewLinear(sizes[0], sizes[1]), nn.NewLinear(sizes[1], sizes[2]), nn.NewLinear(sizes[2], sizes[3])}
	params := nn.Params(m)
	g, err := graph.Build("parity", func(g *graph.Graph) {
		x, y := g.Input("x", graph.F32, batch, sizes[0]), g.Input("y", graph.I64, batch)
		loss := nn.CrossEntropy(m.Forward(x), y)
		(&optim.SGD{LR: 0.1, Momentum: 0.9}).Minimize(loss, params)
		g.Output("loss", loss)
	}, append(opts, graph.Training())...)
	require.NoError(t, err)
	ses := session.New(dev)
	defer ses.Close()
	step, err := ses.Compile(g)
	require.NoError(t, err)
	for i, p := range params {
		bound := float32(1 / math.Sqrt(float64(sizes[i/2])))
		w := hashed(uint64(1+i), p.Type().Shape.Size())
		for k := range w {
			w[k] *= bound
		}
		value, err := tensor.From(w, p.Type().Shape...)
		require.NoError(t, err)
		require.NoError(t, ses.Set(p.Name(), value))
	}
	for i := range want {
		x := hashed(uint64(1000+i), batch*sizes[0])
		y := make([]int64, batch)
		for r := range y { // the largest of the first ten inputs
			row := x[r*sizes[0]:][:10]
			for k, v := range row {
				if v > row[y[r]] {
					y[r] = int64(k)
				}
			}
		}
		tx, err := tensor.From(x, batch, sizes[0])
		require.NoError(t, err)
		ty, err := tensor.From(y, batch)
		require.NoError(t, err)
		res, err := step.Run(t.Context(), session.Feeds{"x": tx, "y": ty})
		require.NoError(t, err)
		loss, err := res.Scalar("loss")
		require.NoError(t, err)
		res.Release()
		require.InEpsilon(t, want[i], loss, tolerance, "loss of step %d", i)
	}
}

// parityLosses reads the losses of PyTorch in a file of testdata/parity: of the
// MNIST model and of a small one.
func parityLosses(t *testing.T, name string) (mnist, small []float64) {
	f, err := os.Open(filepath.Join("..", "testdata", "parity", name))
	require.NoError(t, err)
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var a, b float64
		_, err := fmt.Sscan(sc.Text(), &a, &b)
		require.NoError(t, err)
		mnist, small = append(mnist, a), append(small, b)
	}
	require.Len(t, mnist, 50)
	return mnist, small
}

// From the same weights, on the same batches, 50 steps of training have the
// losses that PyTorch has.
func TestTrainingAgreesWithPyTorch(t *testing.T) {
	mnist, small := parityLosses(t, "mlp_losses.txt")
	for _, d := range devices {
		t.Run("small/"+d.name, func(t *testing.T) {
			t.Parallel()
			dev := d.open()
			defer dev.Close()
			parity(t, dev, [4]int{30, 24, 16, 10}, 16, small, 1e-5)
		})
		if d.name == "interp" {
			continue // minutes
		}
		t.Run("mnist/"+d.name, func(t *testing.T) {
			t.Parallel()
			dev := d.open()
			defer dev.Close()
			parity(t, dev, [4]int{784, 512, 256, 10}, 128, mnist, 1e-5)
		})
	}
}

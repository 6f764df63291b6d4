package proof

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/examples/models"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/device"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
)

// cnnParity trains a convolutional classifier for 50 steps and compares every
// loss with PyTorch's.
func cnnParity(t *testing.T, dev device.Device, m *models.CNN, side, batch int, lr float64, want []float64) {
	g, err := models.TrainClassifier("cnn", m, side*side, optim.SGD{LR: lr, Momentum: 0.9})
	require.NoError(t, err)
	ses := session.New(dev)
	defer ses.Close()
	step, err := ses.Compile(g)
	require.NoError(t, err)
	var bound float32
	for i, p := range nn.Params(m) {
		shape := p.Type().Shape
		if i%2 == 0 {
			bound = float32(1 / math.Sqrt(float64(shape[1:].Size())))
		}
		w := hashed(uint64(1+i), shape.Size())
		for k := range w {
			w[k] *= bound
		}
		value, err := tensor.From(w, shape...)
		require.NoError(t, err)
		require.NoError(t, ses.Set(p.Name(), value))
	}
	for i := range want {
		x := hashed(uint64(1000+i), batch*side*side)
		y := make([]int32, batch)
		for r := range y { // a bright row at the height that the label tells
			y[r] = int32((r*7 + i) % 10)
			for k := range side {
				x[(r*side+int(y[r])*side/10)*side+k]++
			}
		}
		tx, err := tensor.From(x, batch, side*side)
		require.NoError(t, err)
		ty, err := tensor.From(y, batch)
		require.NoError(t, err)
		res, err := step.Run(t.Context(), session.Feeds{"image": tx, "label": ty})
		require.NoError(t, err)
		loss, err := res.Scalar("loss")
		require.NoError(t, err)
		res.Release()
		require.InEpsilon(t, want[i], loss, 1e-4, "loss of step %d", i)
	}
}

// From the same weights, on the same batches, 50 steps of training a
// convolutional network have the losses that PyTorch has.
func TestCNNTrainingAgreesWithPyTorch(t *testing.T) {
	mnist, small := parityLosses(t, "cnn_losses.txt")
	for _, d := range devices {
		t.Run("small/"+d.name, func(t *testing.T) {
			t.Parallel()
			dev := d.open()
			defer dev.Close()
			cnnParity(t, dev, models.NewCNN(8, 3, 4, 8, 10), 8, 8, 0.1, small)
		})
		if d.name == "interp" {
			continue // minutes
		}
		t.Run("mnist/"+d.name, func(t *testing.T) {
			t.Parallel()
			dev := d.open()
			defer dev.Close()
			cnnParity(t, dev, models.NewMNISTCNN(), 28, 16, 0.02, mnist)
		})
	}
}

package proof

import (
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/examples/models"
	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/nn"
	"dumbtorch/nn/data"
	"dumbtorch/nn/data/digits"
	"dumbtorch/nn/optim"
	"dumbtorch/nn/train"
	"dumbtorch/runtime/cpu"
	"dumbtorch/runtime/session"
)

// The classifier of digits learns in mixed precision what it learns in f32, from
// the same weights and batches.
func TestTrainingInMixedPrecision(t *testing.T) {
	flat := func(n int, seed uint64) data.Dataset {
		d, err := digits.Dataset(n, seed)
		require.NoError(t, err)
		x, err := d.Reshape(models.MNISTPixels)
		require.NoError(t, err)
		return x
	}
	training, test := flat(4000, 1), flat(1000, 2)
	accuracy := map[types.DType]float64{}
	for _, d := range []types.DType{types.F32, types.BF16, types.F16} {
		dev := cpu.New()
		defer dev.Close()
		s := session.New(dev, session.WithSeed(3))
		defer s.Close()
		model := models.NewMLP(models.MNISTPixels, 64, 32, models.MNISTClasses)
		mixed := []graph.Option{graph.Training()}
		var opts []optim.Option
		if d != types.F32 {
			mixed = append(mixed, graph.Autocast(d))
		}
		if d == types.F16 {
			opts = append(opts, optim.ScaleLoss(optim.GradScaler{}))
		}
		g, err := graph.Build("train", func(g *graph.Graph) {
			loss := nn.CrossEntropy(models.Classify(g, model, models.MNISTPixels))
			optim.SGD{LR: 0.1, Momentum: 0.9}.Minimize(loss, nn.Params(model), opts...)
			g.Output("loss", loss)
		}, mixed...)
		require.NoError(t, err)
		step, err := s.Compile(g)
		require.NoError(t, err)
		loader, err := data.NewLoader(training, data.Options{Batch: 64, Shuffle: true, Seed: 4})
		require.NoError(t, err)
		defer loader.Close()
		const epochs, rate = 5, 0.1
		steps := float64(epochs * loader.Batches())
		_, err = train.Run(t.Context(), train.Config{
			Session: s, Step: step, Data: loader, Epochs: epochs,
			Rate: func(step int) float64 { return rate * (1 - float64(step)/steps) },
		})
		require.NoError(t, err)

		g, err = models.EvalClassifier("eval", model, models.MNISTPixels)
		require.NoError(t, err)
		eval, err := s.Compile(g)
		require.NoError(t, err)
		tests, err := data.NewLoader(test, data.Options{Batch: 500})
		require.NoError(t, err)
		defer tests.Close()
		m, _, err := train.Evaluate(t.Context(), eval, tests, nil)
		require.NoError(t, err)
		accuracy[d], _ = m.Get("accuracy")
	}
	t.Log(accuracy)
	require.Greater(t, accuracy[types.F32], 0.9)
	require.InDelta(t, accuracy[types.F32], accuracy[types.BF16], 0.02)
	require.InDelta(t, accuracy[types.F32], accuracy[types.F16], 0.02)
}

// The losses of 50 steps in mixed precision are those of torch.autocast, as near
// as rounding to 8 bits allows.
func TestMixedPrecisionAgreesWithPyTorch(t *testing.T) {
	mnist, small := parityLosses(t, "mlp_bf16_losses.txt")
	dev := cpu.New()
	defer dev.Close()
	parity(t, dev, [4]int{30, 24, 16, 10}, 16, small, 5e-3, graph.Autocast(graph.BF16))
	parity(t, dev, [4]int{784, 512, 256, 10}, 128, mnist, 5e-3, graph.Autocast(graph.BF16))
}

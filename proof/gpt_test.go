package proof

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/examples/models"
	"dumbtorch/graph"
	"dumbtorch/nn"
	"dumbtorch/nn/optim"
	"dumbtorch/runtime/session"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

// hash is hashed of testdata/parity/gpt.py.
func hash(i int) int {
	h := uint32(i) * 2654435761
	h ^= h >> 16
	h *= 0x85EBCA6B
	return int(h ^ h>>13)
}

// text makes a batch of texts in which a token mostly tells the next one:
// small_batch of testdata/parity/gpt.py.
func text(step, batch, context, vocabulary int) (ids, labels []int32) {
	for r := range batch {
		t := hash(1000*step+r) % vocabulary
		for i := range context {
			ids = append(ids, int32(t))
			t = (5*t + hash(100000+10000*step+100*r+i)%3) % vocabulary
			labels = append(labels, int32(t))
		}
	}
	return ids, labels
}

// From PyTorch's first weights, on the same batches, 50 steps of training a GPT
// have the losses that PyTorch has: AdamW without decay of biases and norms,
// clipping, warm-up and cosine.
func TestGPTAgreesWithPyTorch(t *testing.T) {
	dir := filepath.Join("..", "testdata", "parity")
	file, err := safetensors.Open(filepath.Join(dir, "gpt_init.safetensors"))
	require.NoError(t, err)
	defer file.Close()
	first := map[string]*tensor.Tensor{}
	for _, a := range file.Arrays() {
		first[a.Name], err = file.Read(a.Name)
		require.NoError(t, err)
	}
	f, err := os.Open(filepath.Join(dir, "gpt_losses.txt"))
	require.NoError(t, err)
	defer f.Close()
	var want []float64
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var loss float64
		_, err := fmt.Sscan(sc.Text(), &loss)
		require.NoError(t, err)
		want = append(want, loss)
	}
	require.Len(t, want, 50)

	const batch = 4
	c := models.GPTConfig{Vocabulary: 24, Context: 16, Width: 16, Heads: 2, Layers: 2}
	for _, d := range devices {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			dev := d.open()
			defer dev.Close()
			m := models.NewGPT(c)
			g, err := graph.Build("gpt", models.TrainGPT(m, batch, optim.AdamW{LR: 0.01, WeightDecay: 0.1}, models.GPTOptions(5, 50)...), graph.Training())
			require.NoError(t, err)
			ses := session.New(dev)
			defer ses.Close()
			step, err := ses.Compile(g)
			require.NoError(t, err)
			require.Len(t, first, len(nn.Params(m)), "the state_dict has the names of the model")
			require.NoError(t, ses.SetState(first, session.KeepMissing()))
			steps := want
			if d.name == "interp" {
				steps = want[:3] // it takes half a second for each
			}
			for i, w := range steps {
				ids, labels := text(i, batch, c.Context, c.Vocabulary)
				x, err := tensor.From(ids, batch, c.Context)
				require.NoError(t, err)
				y, err := tensor.From(labels, batch, c.Context)
				require.NoError(t, err)
				res, err := step.Run(t.Context(), session.Feeds{"ids": x, "labels": y})
				require.NoError(t, err)
				loss, err := res.Scalar("loss")
				require.NoError(t, err)
				res.Release()
				require.InEpsilon(t, w, loss, 1e-4, "loss of step %d", i)
			}
		})
	}
}

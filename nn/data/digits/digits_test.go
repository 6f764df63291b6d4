package digits

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"image"
	"image/png"
	"math"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/nn/internal/splitmix"
	"dumbtorch/runtime/tensor"
)

var sheet = flag.String("sheet", "", "write a contact sheet of digits to this PNG file")

func generate(t require.TestingT, n int, seed uint64) (pixels []byte, labels []int32) {
	x, y, err := Generate(n, seed)
	require.NoError(t, err)
	require.Equal(t, types.Of(types.U8, n, Side, Side), x.Type())
	require.Equal(t, types.Of(types.I32, n), y.Type())
	labels, err = tensor.Data[int32](y)
	require.NoError(t, err)
	return x.Bytes(), labels
}

// The images are part of the promise: same seed, same bits, everywhere.
func TestGolden(t *testing.T) {
	for seed, want := range map[uint64]string{
		0: "a809fbf57f9520f8fc488a4cc9b468668fca3948d417c919db935f819b082f6c",
		1: "14d174fc7954071c1739d424be59632589a94ca7e806fe12828625dd7d6ddcd6",
	} {
		pixels, labels := generate(t, 500, seed)
		h := sha256.New()
		h.Write(pixels)
		for _, l := range labels {
			h.Write([]byte{byte(l)})
		}
		require.Equal(t, want, hex.EncodeToString(h.Sum(nil)), "seed %d", seed)
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	const n = 333
	one, oneLabels := make([]byte, n*Side*Side), make([]int32, n)
	fill(one, oneLabels, 7, 1)
	for _, workers := range []int{2, 5, 100} {
		many, manyLabels := make([]byte, n*Side*Side), make([]int32, n)
		fill(many, manyLabels, 7, workers)
		require.Equal(t, oneLabels, manyLabels)
		require.True(t, string(one) == string(many), "%d workers", workers)
	}
}

func TestBalanced(t *testing.T) {
	_, labels := generate(t, 1003, 1)
	var count [Classes]int
	sorted := true
	for i, l := range labels {
		count[l]++
		sorted = sorted && (i == 0 || labels[i-1] <= l)
	}
	for digit, c := range count {
		want := 100
		if digit < 3 {
			want++
		}
		require.Equal(t, want, c, "digit %d", digit)
	}
	require.False(t, sorted)
}

func TestSeedsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(3) {
		pixels, _ := generate(t, 200, seed)
		for i := range 200 {
			seen[string(pixels[i*Side*Side:(i+1)*Side*Side])] = true
		}
	}
	require.Len(t, seen, 600)
}

// Every image has ink, most of it inside, and is mostly background.
func TestImagesAreWritten(t *testing.T) {
	pixels, labels := generate(t, 5000, 3)
	for i := range labels {
		img := pixels[i*Side*Side : (i+1)*Side*Side]
		ink, border, brightest := 0, 0, byte(0)
		for k, p := range img {
			brightest = max(brightest, p)
			if p < 96 {
				continue
			}
			ink++
			if x, y := k%Side, k/Side; x == 0 || y == 0 || x == Side-1 || y == Side-1 {
				border++
			}
		}
		require.Greater(t, ink, 12, "image %d, a %d", i, labels[i])
		require.Less(t, ink, 350, "image %d, a %d", i, labels[i])
		require.Less(t, 2*border, ink, "image %d, a %d", i, labels[i])
		require.Greater(t, brightest, byte(128), "image %d, a %d", i, labels[i])
	}
}

func TestEdgeCounts(t *testing.T) {
	pixels, labels := generate(t, 0, 1)
	require.Empty(t, pixels)
	require.Empty(t, labels)
	pixels, _ = generate(t, 1, 1)
	require.Len(t, pixels, Side*Side)
	_, _, err := Generate(-1, 0)
	require.EqualError(t, err, "digits: cannot draw -1 images (0 to 4194304)")
	_, _, err = Generate(MaxImages+1, 0)
	require.EqualError(t, err, "digits: cannot draw 4194305 images (0 to 4194304)")
	_, err = Dataset(-1, 0)
	require.Error(t, err)
}

func TestDataset(t *testing.T) {
	d, err := Dataset(50, 1)
	require.NoError(t, err)
	pixels, labels := generate(t, 50, 1)
	require.Equal(t, 50, d.Len())
	require.Equal(t, pixels, d.Pixels().Bytes())
	require.Equal(t, int(labels[49]), d.Label(49))
}

// The polynomials are close enough for every angle that can be drawn.
func TestSinCos(t *testing.T) {
	for x := -3.5 * rotation; x <= 3.5*rotation; x += .01 {
		require.InDelta(t, math.Sin(x), sin(x), 2e-7)
		require.InDelta(t, math.Cos(x), cos(x), 2e-7)
	}
}

func TestBell(t *testing.T) {
	r := splitmix.New(1)
	var sum, squares float64
	for range 100000 {
		v := bell(&r)
		require.LessOrEqual(t, math.Abs(v), 3.5)
		sum += v
		squares += v * v
	}
	require.InDelta(t, 0, sum/100000, .015)
	require.InDelta(t, 1, squares/100000, .015)
}

// A nearest-mean classifier, linear in the pixels, does better than chance and
// stays far from what an MLP reaches: the digits are neither noise nor trivial.
func TestDifficulty(t *testing.T) {
	const n = 2000
	train, trainLabels := generate(t, n, 1)
	test, testLabels := generate(t, n, 2)
	var mean [Classes][Side * Side]float64
	for i, l := range trainLabels {
		for k := range mean[l] {
			mean[l][k] += float64(train[i*Side*Side+k]) / (n / Classes)
		}
	}
	right := 0
	for i, l := range testLabels {
		best, at := math.Inf(1), 0
		for c := range mean {
			d := 0.0
			for k, m := range mean[c] {
				e := float64(test[i*Side*Side+k]) - m
				d += e * e
			}
			if d < best {
				best, at = d, c
			}
		}
		if at == int(l) {
			right++
		}
	}
	require.Greater(t, right, n*50/100)
	require.Less(t, right, n*90/100)
}

// go test -run Sheet -sheet digits.png
func TestSheet(t *testing.T) {
	if *sheet == "" {
		t.Skip("no -sheet FILE.png")
	}
	const columns = 24
	pixels, labels := generate(t, 1000, 1)
	img := image.NewGray(image.Rect(0, 0, columns*Side, Classes*Side))
	var count [Classes]int
	for i, l := range labels {
		if count[l] == columns {
			continue
		}
		for y := range Side {
			copy(img.Pix[(int(l)*Side+y)*img.Stride+count[l]*Side:], pixels[(i*Side+y)*Side:(i*Side+y+1)*Side])
		}
		count[l]++
	}
	f, err := os.Create(*sheet)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, img))
	require.NoError(t, f.Close())
}

func BenchmarkGenerate(b *testing.B) {
	const n = 1024
	pixels, labels := make([]byte, n*Side*Side), make([]int32, n)
	b.Run("one core", func(b *testing.B) {
		for b.Loop() {
			fill(pixels, labels, 1, 1)
		}
		b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "images/s")
	})
	b.Run("all cores", func(b *testing.B) {
		for b.Loop() {
			fill(pixels, labels, 1, runtime.GOMAXPROCS(0))
		}
		b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "images/s")
	})
}

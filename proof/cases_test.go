package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

// A record is one case of testdata/ops/ops.jsonl: an operation, its operands and
// attributes, and what PyTorch made of them. Tensors are named by their type and
// their place in ops.npz: "f32[2,3]@120".
type record struct {
	Name string
	Op   string
	Attr attrs
	View []string // per operand: how what is fed becomes the operand
	In   []string
	Out  []string
	CT   []string // cotangents of the outputs, "" for those that have none
	Grad []string // of the floating-point operands, in their order
}

// attrs are the attributes of a case.
type attrs struct {
	Axes, Dims, Perm, Sizes, Size, Stride, Low, High []int
	Axis, I, A, B, N                                 int
	Start, Stop, Step                                *float64
	End                                              int
	Keep                                             bool
	Pads                                             [][3]int
	Value, Fill, C                                   float64
	Bounds                                           []string
	To, Spec, Reduction                              string
	Smoothing                                        float64
	LR                                               float64 `json:"lr"`
	Momentum, Dampening                              float64
	WeightDecay                                      float64 `json:"weight_decay"`
	Nesterov, Frozen                                 bool
	ClipNorm                                         float64 `json:"clip_norm"`
	ClipValue                                        float64 `json:"clip_value"`
	Accumulate                                       int

	fed []*tensor.Tensor // the operands' values
}

// dtype returns the element type that the case converts to.
func (a attrs) dtype() types.DType {
	d, err := types.ParseDType(a.To)
	if err != nil {
		panic(err)
	}
	return d
}

// suite is what PyTorch made.
type suite struct {
	cases []*record
	flat  map[string]*tensor.Tensor
}

var loadSuite = sync.OnceValues(func() (*suite, error) {
	s := &suite{}
	dir := filepath.Join("..", "testdata", "ops")
	var err error
	if s.flat, err = tensor.ReadNPZ(filepath.Join(dir, "ops.npz")); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, "ops.jsonl"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var head struct {
		Cases int
		CRC32 map[string]uint32
	}
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
				return nil, err
			}
			continue
		}
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		c := &record{}
		if err := d.Decode(c); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
		s.cases = append(s.cases, c)
	}
	if len(s.cases) != head.Cases {
		return nil, fmt.Errorf("%d cases, the header says %d", len(s.cases), head.Cases)
	}
	for name, sum := range head.CRC32 {
		if got := crc32.ChecksumIEEE(s.flat[name].Bytes()); got != sum {
			return nil, fmt.Errorf("array %s is not the one that the index belongs to", name)
		}
	}
	return s, lines.Err()
})

func cases(t testing.TB) *suite {
	t.Helper()
	s, err := loadSuite()
	require.NoError(t, err)
	return s
}

// tensor returns the tensor that ref names.
func (s *suite) tensor(t testing.TB, ref string) *tensor.Tensor {
	t.Helper()
	typ, at, ok := strings.Cut(ref, "@")
	require.True(t, ok, ref)
	name, dims, ok := strings.Cut(strings.TrimSuffix(typ, "]"), "[")
	require.True(t, ok, ref)
	d, err := types.ParseDType(name)
	require.NoError(t, err)
	var shape types.Shape
	for f := range strings.FieldsFuncSeq(dims, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(f)
		require.NoError(t, err)
		shape = append(shape, n)
	}
	x, err := tensor.New(types.Of(d, shape...))
	require.NoError(t, err)
	from, err := strconv.Atoi(at)
	require.NoError(t, err)
	copy(x.Bytes(), s.flat[name].Bytes()[from*d.Size():])
	return x
}

func (s *suite) tensors(t testing.TB, refs []string) []*tensor.Tensor {
	t.Helper()
	var xs []*tensor.Tensor
	for _, r := range refs {
		if r == "" {
			xs = append(xs, nil)
		} else {
			xs = append(xs, s.tensor(t, r))
		}
	}
	return xs
}

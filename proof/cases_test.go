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
	Axis, I, A, B, N, K                              int
	Start, Stop, Step                                *float64
	End                                              int
	Keep                                             bool
	Pads                                             [][3]int
	Value, Fill, C, Correction                       float64
	Weights                                          []float64
	Bounds                                           []string
	To, Spec, Reduction, P                           string
	Smoothing                                        float64
	LR                                               float64 `json:"lr"`
	Momentum, Dampening                              float64
	WeightDecay                                      float64 `json:"weight_decay"`
	Nesterov, Frozen                                 bool
	ClipNorm                                         float64 `json:"clip_norm"`
	ClipValue                                        float64 `json:"clip_value"`
	Accumulate                                       int
	layerAttrs
	attentionAttrs

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

// suites are the files of testdata/ops.
var suites = []string{"ops", "layers", "attention"}

var loadSuite = sync.OnceValues(func() (*suite, error) {
	s := &suite{flat: map[string]*tensor.Tensor{}}
	for _, name := range suites {
		if err := s.read(filepath.Join("..", "testdata", "ops", name)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
})

// read adds the cases of one file and its elements.
func (s *suite) read(base string) error {
	flat, err := tensor.ReadNPZ(base + ".npz")
	if err != nil {
		return err
	}
	f, err := os.Open(base + ".jsonl")
	if err != nil {
		return err
	}
	defer f.Close()
	at := map[string]int{} // where the file's elements start
	for name, x := range s.flat {
		at[name] = x.Len()
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	var head struct {
		Cases int
		CRC32 map[string]uint32
	}
	read := 0
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
				return err
			}
			continue
		}
		d := json.NewDecoder(strings.NewReader(lines.Text()))
		d.DisallowUnknownFields()
		c := &record{}
		if err := d.Decode(c); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		for _, refs := range [][]string{c.In, c.Out, c.CT, c.Grad} {
			if err := moveRefs(refs, at); err != nil {
				return fmt.Errorf("line %d: %w", n+1, err)
			}
		}
		s.cases = append(s.cases, c)
		read++
	}
	if read != head.Cases {
		return fmt.Errorf("%d cases, the header says %d", read, head.Cases)
	}
	for name, sum := range head.CRC32 {
		if got := crc32.ChecksumIEEE(flat[name].Bytes()); got != sum {
			return fmt.Errorf("array %s is not the one that the index belongs to", name)
		}
	}
	for name, x := range flat {
		if s.flat[name], err = joined(s.flat[name], x); err != nil {
			return err
		}
	}
	return lines.Err()
}

// moveRefs makes refs count from where a file's elements start.
func moveRefs(refs []string, at map[string]int) error {
	for i, r := range refs {
		if r == "" {
			continue
		}
		typ, from, _ := strings.Cut(r, "@")
		n, err := strconv.Atoi(from)
		if err != nil {
			return err
		}
		d, _, _ := strings.Cut(typ, "[")
		refs[i] = fmt.Sprintf("%s@%d", typ, n+at[d])
	}
	return nil
}

// joined returns the elements of x, if there are any, and of y.
func joined(x, y *tensor.Tensor) (*tensor.Tensor, error) {
	if x == nil {
		return y, nil
	}
	z, err := tensor.New(types.Of(x.DType(), x.Len()+y.Len()))
	if err != nil {
		return nil, err
	}
	copy(z.Bytes()[copy(z.Bytes(), x.Bytes()):], y.Bytes())
	return z, nil
}

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
	if x.Len() > 0 {
		copy(x.Bytes(), s.flat[name].Bytes()[from*d.Size():])
	}
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

package session

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/graph"
	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
	"dumbtorch/runtime/tensor/safetensors"
)

func TestInitialValuesComeFromTheSeed(t *testing.T) {
	s, _ := open(t, WithSeed(7))
	require.EqualValues(t, 7, s.Seed())
	spec := weights("w")
	spec.init = func(dst *tensor.Tensor, seed uint64) error { return dst.Set(float64(seed), 0) }
	_, err := s.compile(evalSource(spec))
	require.NoError(t, err)
	require.NoError(t, s.Set("w", floats(t, 1, 1)))
	require.NoError(t, s.Reinit())
	got, err := s.Get("w")
	require.NoError(t, err)
	requireValues(t, got, 7, 0)
}

func TestSetStateListsAllMistakesAndChangesNothing(t *testing.T) {
	s, _ := open(t)
	for _, name := range []string{"a", "b", "c"} {
		_, err := s.compile(evalSource(weights(name)))
		require.NoError(t, err)
	}
	before, err := s.State()
	require.NoError(t, err)
	state := map[string]*tensor.Tensor{
		"a": floats(t, 9, 9), "b": floats(t, 1, 2, 3), "z": floats(t, 1), "y": floats(t, 1),
	}
	require.EqualError(t, s.SetState(state), `session: the values do not fit the variables; nothing was changed:
  wrong type: b is f32[2], given f32[3]
  missing: c f32[2]
  no such variable: y f32[1], z f32[1]`)
	after, err := s.State()
	require.NoError(t, err)
	require.Equal(t, before, after)
	state["b"] = floats(t, 8, 8)
	require.EqualError(t, s.SetState(state, KeepMissing()), `session: the values do not fit the variables; nothing was changed:
  no such variable: y f32[1], z f32[1]`)
	require.EqualError(t, s.SetState(state, IgnoreSurplus()), `session: the values do not fit the variables; nothing was changed:
  missing: c f32[2]`)
	require.NoError(t, s.SetState(state, KeepMissing(), IgnoreSurplus()))
	for name, want := range map[string][]float32{"a": {9, 9}, "b": {8, 8}, "c": {1, 2}} {
		got, err := s.Get(name)
		require.NoError(t, err)
		requireValues(t, got, want...)
	}
}

func TestSaveAndLoad(t *testing.T) {
	for _, name := range []string{"weights.npz", "weights.safetensors", "weights.SAFETENSORS"} {
		t.Run(name, func(t *testing.T) { testSaveAndLoad(t, filepath.Join(t.TempDir(), name)) })
	}
	s, _ := open(t)
	require.EqualError(t, s.Save("w.pth"), "write w.pth: a file of variables is named *.npz or *.safetensors, not *.pth")
	require.EqualError(t, s.Load("w"), "w: a file of variables is named *.npz or *.safetensors, not *")
}

func testSaveAndLoad(t *testing.T, path string) {
	s, _ := open(t)
	train, err := s.compile(trainSource(weights("w")))
	require.NoError(t, err)
	_, err = train.Run(t.Context(), batch(t, 2))
	require.NoError(t, err)
	require.NoError(t, s.Save(path))
	u, _ := open(t)
	_, err = u.compile(evalSource(weights("w")))
	require.NoError(t, err)
	require.NoError(t, u.Load(path))
	got, err := u.Get("w")
	require.NoError(t, err)
	requireValues(t, got, 3, 4)

	other, _ := open(t)
	_, err = other.compile(evalSource(weights("v")))
	require.NoError(t, err)
	require.EqualError(t, other.Load(path), path+`: session: the values do not fit the variables; nothing was changed:
  missing: v f32[2]
  no such variable: w f32[2]`)
	require.ErrorIs(t, other.Load(filepath.Join(t.TempDir(), "gone"+filepath.Ext(path))), fs.ErrNotExist)

	_, err = other.compile(evalSource(weights("w")))
	require.NoError(t, err)
	require.ErrorContains(t, other.Load(path), "missing: v f32[2]")
	require.NoError(t, other.Load(path, Only("w")))
	require.EqualError(t, other.Load(path, Only("v")), path+`: session: the values do not fit the variables; nothing was changed:
  missing: v f32[2]
  no such variable: w f32[2]`)
	require.EqualError(t, other.Load(path, Only("wt")), path+`: session: no variable is named "wt": did you mean "w"?`)
	require.NoError(t, other.Save(path, "v"))
	require.NoError(t, other.Load(path, Only("v")))
	require.ErrorContains(t, other.Save(path, "z"), `no variable is named "z"`)
}

// Types that differ are an error unless rounding is asked for; values that are no floats never are.
func TestConvertFloats(t *testing.T) {
	s, _ := open(t)
	_, err := s.compile(evalSource(weights("w")))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "w.safetensors")
	wide, err := tensor.From([]float64{0.1, 1e300}, 2)
	require.NoError(t, err)
	for _, c := range []struct {
		to   types.DType
		want []float32
	}{
		{types.F64, []float32{0.1, float32(math.Inf(1))}},
		{types.BF16, []float32{0.100097656, float32(math.Inf(1))}},
		{types.F16, []float32{0.099975586, float32(math.Inf(1))}},
	} {
		x, err := wide.Convert(c.to)
		require.NoError(t, err)
		require.NoError(t, safetensors.Write(path, []tensor.Named{{Name: "w", Tensor: x}}, nil))
		require.EqualError(t, s.Load(path), path+": session: the values do not fit the variables; nothing was changed:\n  wrong type: w is f32[2], given "+c.to.String()+"[2]")
		require.NoError(t, s.Load(path, ConvertFloats()))
		got, err := s.Get("w")
		require.NoError(t, err)
		requireValues(t, got, c.want...)
	}
	x, err := tensor.From([]int32{1, 2}, 2)
	require.NoError(t, err)
	require.ErrorContains(t, s.SetState(map[string]*tensor.Tensor{"w": x}, ConvertFloats()), "given i32[2]")
	require.ErrorContains(t, s.SetState(map[string]*tensor.Tensor{"w": tensor.Scalar(1.0)}, ConvertFloats()), "given f64[]")
	var b bytes.Buffer
	require.NoError(t, safetensors.WriteRaw(&b, []safetensors.Raw{{Name: "w", DType: safetensors.F6E2M3, Shape: types.Shape{4}, Data: make([]byte, 3)}}, nil))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	require.ErrorContains(t, s.Load(path, ConvertFloats()), "given F6_E2M3[4]")
}

func TestADeviceFaultWhileSettingIsNotSilent(t *testing.T) {
	s, _ := open(t)
	eval, err := s.compile(evalSource(weights("w")))
	require.NoError(t, err)
	buf := s.byName["w"].buf.(*fakeBuffer)
	buf.broken.Store(true)
	err = s.Set("w", floats(t, 1, 1))
	require.ErrorIs(t, err, errBroken)
	require.ErrorIs(t, err, ErrNeedsReload)
	_, err = eval.Run(t.Context(), nil)
	require.ErrorIs(t, err, ErrNeedsReload)
	require.ErrorIs(t, s.Reinit(), errBroken)
	buf.broken.Store(false)
	require.NoError(t, s.Reinit())
	_, err = eval.Run(t.Context(), nil)
	require.NoError(t, err)
}

func TestDecode(t *testing.T) {
	for d, raw := range map[types.DType][]byte{
		types.Bool: {1}, types.U8: {1}, types.I32: {1, 0, 0, 0}, types.I64: {1, 0, 0, 0, 0, 0, 0, 0},
		types.F32: {0, 0, 0x80, 0x3f}, types.F64: {0, 0, 0, 0, 0, 0, 0xf0, 0x3f},
	} {
		require.Equal(t, 1.0, decode(d, raw), d.String())
	}
	require.Equal(t, -1.0, decode(types.I32, []byte{255, 255, 255, 255}))
	require.Equal(t, 255.0, decode(types.U8, []byte{255}))
}

func TestDeclare(t *testing.T) {
	s, _ := open(t)
	v := graph.NewVariable("v", types.Of(types.F32, 2), func(dst *tensor.Tensor, _ uint64) error { return dst.Set(5, 1) })
	require.NoError(t, s.Declare(v))
	got, err := s.Get("v")
	require.NoError(t, err)
	requireValues(t, got, 0, 5)
	require.NoError(t, s.Set("v", floats(t, 1, 2)))
	require.NoError(t, s.Declare(v), "it is there already")
	got, err = s.Get("v")
	require.NoError(t, err)
	requireValues(t, got, 1, 2)

	failing := graph.NewVariable("f", types.Of(types.F32), func(*tensor.Tensor, uint64) error { return errBroken })
	require.ErrorIs(t, s.Declare(failing), errBroken)
	require.EqualError(t, s.Declare(graph.NewVariable("v", types.Of(types.F32), nil)), `session: two different variables are named "v": f32[] in this graph, f32[2] in one compiled before`)
	require.EqualError(t, s.Declare(nil), "session: a variable to declare is nil")
	require.Equal(t, []string{"v"}, s.Names())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Declare(v), ErrClosed)
}

// Of tied weights a file has one name, and says which other ones there were.
func TestTiedWeights(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	x := floats(t, 8, 9)
	meta := map[string]string{"emb.weight": "head.weight", "format": "pt", "head.weight": "gone", "other": "emb.weight"}
	require.NoError(t, safetensors.Write(path, []tensor.Named{{Name: "head.weight", Tensor: x}}, meta))
	for _, name := range []string{"emb.weight", "head.weight"} {
		s, _ := open(t)
		_, err := s.compile(evalSource(weights(name)))
		require.NoError(t, err)
		require.NoError(t, s.Load(path), name)
		got, err := s.Get(name)
		require.NoError(t, err)
		requireValues(t, got, 8, 9)
	}
	s, _ := open(t)
	_, err := s.compile(evalSource(weights("other")))
	require.NoError(t, err)
	require.EqualError(t, s.Load(path), path+`: session: the values do not fit the variables; nothing was changed:
  missing: other f32[2]
  no such variable: head.weight f32[2]`)
}

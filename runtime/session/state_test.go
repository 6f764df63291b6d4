package session

import (
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
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
  no such variable: y, z`)
	after, err := s.State()
	require.NoError(t, err)
	require.Equal(t, before, after)
	state["b"] = floats(t, 8, 8)
	require.EqualError(t, s.SetState(state, KeepMissing()), `session: the values do not fit the variables; nothing was changed:
  no such variable: y, z`)
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
	path := filepath.Join(t.TempDir(), "weights.npz")
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
  no such variable: w`)
	require.ErrorIs(t, other.Load(path+".gone"), fs.ErrNotExist)
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

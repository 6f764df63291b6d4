package data

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
	"dumbtorch/runtime/tensor"
)

func TestArrays(t *testing.T) {
	dir := t.TempDir()
	from := func(x *tensor.Tensor, err error) *tensor.Tensor {
		require.NoError(t, err)
		return x
	}
	x, y := from(tensor.From([]float32{1, 2, 3, 4}, 2, 2)), from(tensor.From([]int64{7, 8}, 2))
	npz := filepath.Join(dir, "a.npz")
	require.NoError(t, tensor.WriteNPZ(npz, []tensor.Named{{Name: "y", Tensor: y}, {Name: "x", Tensor: x}, {Name: "s", Tensor: tensor.Scalar(1.0)}}))
	d, err := ReadNPZ(npz, "y", "x")
	require.NoError(t, err)
	require.Equal(t, []Field{{"y", types.Of(types.I64)}, {"x", types.Of(types.F32, 2)}}, d.Fields())
	require.Equal(t, []float32{1, 2, 3, 4}, field[float32](t, d, "x"))
	_, err = ReadNPZ(npz)
	require.EqualError(t, err, npz+`: data: column "s" is a scalar, f64[]: a column needs a first dimension that counts samples`)
	_, err = ReadNPZ(npz, "z")
	require.EqualError(t, err, `data: `+npz+`: there is no array "z"; the arrays are ["s" "x" "y"]`)
	_, err = ReadNPZ(npz, "x", "x")
	require.ErrorContains(t, err, `two columns are called "x"`)

	px, py := filepath.Join(dir, "x.npy"), filepath.Join(dir, "y.npy")
	require.NoError(t, tensor.WriteNPYFile(px, x))
	require.NoError(t, tensor.WriteNPYFile(py, y))
	d, err = ReadNPY(NPYFile{"image", px}, NPYFile{"label", py})
	require.NoError(t, err)
	require.Equal(t, 2, d.Len())
	require.Equal(t, []int64{7, 8}, field[int64](t, d, "label"))
	_, err = ReadNPY()
	require.EqualError(t, err, "data: there are no files")
	_, err = ReadNPY(NPYFile{"x", npz})
	require.ErrorContains(t, err, "data: "+npz+": npy: not an npy file")
	_, err = ReadNPY(NPYFile{"x", px + ".none"})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, tensor.WriteNPYFile(py, from(tensor.From([]int64{7}, 1))))
	_, err = ReadNPY(NPYFile{"x", px}, NPYFile{"y", py})
	require.EqualError(t, err, `data: column "x" has 2 samples, column "y" has 1`)
}

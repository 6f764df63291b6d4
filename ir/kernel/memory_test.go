package kernel

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/types"
)

// Elements in memory are those that encoding/binary writes.
func TestScalarsInMemory(t *testing.T) {
	for d, v := range map[types.DType]any{
		types.Bool: true, types.U8: uint8(200), types.U32: uint32(math.MaxUint32), types.I32: int32(-7), types.I64: int64(math.MinInt64 + 3),
		types.F16: types.ToFloat16(-0.1), types.BF16: types.ToBFloat16(-0.1), types.F32: float32(-0.1), types.F64: -0.1,
	} {
		var want bytes.Buffer
		require.NoError(t, binary.Write(&want, binary.LittleEndian, v))
		s := ReadScalar(d, append(want.Bytes(), 0xee))
		switch {
		case d.IsFloat():
			require.Equal(t, d.Round(-0.1), s.Float())
		case d != types.Bool:
			require.Equal(t, v, map[types.DType]any{types.U8: uint8(s.Int()), types.U32: uint32(s.Int()), types.I32: int32(s.Int()), types.I64: s.Int()}[d])
		}
		mem := bytes.Repeat([]byte{0xee}, d.Size()+1)
		s.Write(mem)
		require.Equal(t, append(want.Bytes(), 0xee), mem, d)
		require.Equal(t, s, FromBits(d, s.Bits()))
	}
}

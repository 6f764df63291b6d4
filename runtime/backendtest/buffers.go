package backendtest

import (
	"bytes"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/runtime/device"
)

// testBuffers tests the contract of device.Buffer.
func testBuffers(t *testing.T, s *suite) {
	t.Run("sizes", func(t *testing.T) {
		for _, n := range []int64{0, 1, 3, 63, 64, 65, 4096, 1<<20 + 1} {
			b, err := s.dev.Alloc(n)
			require.NoError(t, err)
			require.GreaterOrEqual(t, b.Bytes(), n)
			want := bytes.Repeat([]byte{1, 2, 3}, int(b.Bytes())/3+1)[:b.Bytes()]
			require.NoError(t, b.CopyFrom(want))
			got := make([]byte, len(want))
			require.NoError(t, b.CopyTo(got))
			require.Equal(t, want, got)
			b.Release()
		}
	})
	t.Run("part", func(t *testing.T) {
		b, err := s.dev.Alloc(8)
		require.NoError(t, err)
		defer b.Release()
		require.NoError(t, b.CopyFrom([]byte{1, 2, 3, 4, 5, 6, 7, 8}))
		require.NoError(t, b.CopyFrom([]byte{9, 9}))
		require.NoError(t, b.CopyFrom(nil))
		got := make([]byte, 5)
		require.NoError(t, b.CopyTo(got))
		require.Equal(t, []byte{9, 9, 3, 4, 5}, got)
		require.NoError(t, b.CopyTo(nil))
	})
	t.Run("too long a copy", func(t *testing.T) {
		b, err := s.dev.Alloc(10)
		require.NoError(t, err)
		defer b.Release()
		long := make([]byte, b.Bytes()+1)
		require.Error(t, b.CopyFrom(long))
		require.Error(t, b.CopyTo(long))
	})
	t.Run("released", func(t *testing.T) {
		b, err := s.dev.Alloc(16)
		require.NoError(t, err)
		b.Release()
		require.ErrorIs(t, b.CopyFrom(make([]byte, 4)), device.ErrReleased)
		require.ErrorIs(t, b.CopyTo(make([]byte, 4)), device.ErrReleased)
		c, err := s.dev.Alloc(16) // may be the same memory
		require.NoError(t, err)
		defer c.Release()
		require.ErrorIs(t, b.CopyFrom(make([]byte, 4)), device.ErrReleased)
	})
	t.Run("released twice", func(t *testing.T) {
		a, err := s.dev.Alloc(256)
		require.NoError(t, err)
		a.Release()
		b, err := s.dev.Alloc(256)
		require.NoError(t, err)
		defer b.Release()
		require.NoError(t, b.CopyFrom([]byte("bbbb")))
		a.Release()
		c, err := s.dev.Alloc(256)
		require.NoError(t, err)
		defer c.Release()
		require.NoError(t, c.CopyFrom([]byte("cccc")))
		got := make([]byte, 4)
		require.NoError(t, b.CopyTo(got))
		require.Equal(t, "bbbb", string(got))
	})
	t.Run("impossible sizes", func(t *testing.T) {
		_, err := s.dev.Alloc(-1)
		require.Error(t, err)
		for _, n := range []int64{1 << 56, math.MaxInt64 - 64, math.MaxInt64} {
			_, err := s.dev.Alloc(n)
			require.ErrorIs(t, err, device.ErrOutOfMemory)
			require.Regexp(t, `\d`, err.Error(), "the error must tell the size")
		}
	})
	t.Run("at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				want := bytes.Repeat([]byte{byte(g + 1)}, 500)
				got := make([]byte, 500)
				for range 200 {
					b, err := s.dev.Alloc(500)
					if err != nil {
						t.Error(err)
						return
					}
					if b.CopyFrom(want) != nil || b.CopyTo(got) != nil || !bytes.Equal(got, want) {
						t.Error("buffers share memory")
					}
					b.Release()
				}
			})
		}
		wg.Wait()
	})
}

//go:build linux || darwin

package tensor

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteFileAtomicWritesPipesDirectly(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, want := range []error{nil, errWrite} {
		got := make(chan []byte)
		go func() {
			b, _ := os.ReadFile(pipe)
			got <- b
		}()
		err := WriteFileAtomic(pipe, func(w io.Writer) error {
			if err := put("through the pipe")(w); err != nil {
				return err
			}
			return want
		})
		require.ErrorIs(t, err, want)
		if b := <-got; want == nil {
			require.Equal(t, "through the pipe", string(b))
		}
		require.Equal(t, os.ModeNamedPipe, must(os.Stat(pipe)).Mode().Type(), "still a pipe")
	}
}

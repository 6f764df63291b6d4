package kernel

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Any text parses or is an error. What parses is well formed, and prints so
// that it parses to the same.
func FuzzParse(f *testing.F) {
	f.Add(exampleProgram().String())
	f.Add(everyKernel().String())
	for _, name := range []string{"tiles", "tiles_sum"} {
		text, err := os.ReadFile("testdata/" + name + ".txt")
		require.NoError(f, err)
		f.Add(string(text))
	}
	data, err := os.ReadFile("testdata/errors.txt")
	require.NoError(f, err)
	for part := range strings.SplitSeq(string(data), "\n=== ") {
		_, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n---\n")
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := ParseKernel(text); err == nil {
			require.NoError(t, k.Verify())
			printed := k.String()
			again, err := ParseKernel(printed)
			require.NoError(t, err, printed)
			require.Equal(t, printed, again.String())
		}
		p, err := Parse(text)
		if err != nil {
			require.IsType(t, &SyntaxError{}, err)
			return
		}
		require.NoError(t, p.Verify())
		printed := p.String()
		again, err := Parse(printed)
		require.NoError(t, err, printed)
		require.Equal(t, printed, again.String())
	})
}

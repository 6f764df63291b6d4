package kernel

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The texts stand in testdata/errors.txt: after a line "=== name" the text,
// after a line "---" the error.
func TestErrors(t *testing.T) {
	const path = "testdata/errors.txt"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var out strings.Builder
	cases := strings.Split("\n"+string(data), "\n=== ")[1:]
	require.Greater(t, len(cases), 40)
	for _, c := range cases {
		name, rest, _ := strings.Cut(c, "\n")
		text, want, _ := strings.Cut(rest, "\n---\n")
		got := errorOf(text)
		require.NotEmpty(t, got, name)
		fmt.Fprintf(&out, "=== %s\n%s\n---\n%s\n", name, text, got)
		if !*update {
			require.Equal(t, strings.TrimSpace(want), got, name)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(out.String()), 0o666))
	}
}

// errorOf returns the error of a kernel or program, its first line only.
func errorOf(text string) string {
	var err error
	if strings.HasPrefix(strings.TrimSpace(text), "kernel") {
		_, err = ParseKernel(text)
	} else {
		_, err = Parse(text)
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

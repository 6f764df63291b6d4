package ir

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The texts stand in testdata/errors.txt: after a line "=== name" the text,
// after a line "---" the error. A text without "graph" is the body of one.
func TestParseErrors(t *testing.T) {
	const path = "testdata/errors.txt"
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var out strings.Builder
	cases := strings.Split("\n"+string(data), "\n=== ")[1:]
	require.Greater(t, len(cases), 50)
	for _, c := range cases {
		name, rest, _ := strings.Cut(c, "\n")
		text, want, _ := strings.Cut(rest, "\n---\n")
		full := text
		if !strings.Contains(text, "graph") {
			full = "graph g version=1 {\n" + text + "\n}\n"
		}
		g, err := Parse(full)
		require.Error(t, err, name)
		require.Nil(t, g, name)
		require.IsType(t, &SyntaxError{}, err, name)
		fmt.Fprintf(&out, "=== %s\n%s\n---\n%s\n", name, text, err)
		if !*update {
			require.Equal(t, strings.TrimSpace(want), err.Error(), name)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(out.String()), 0o666))
	}
}

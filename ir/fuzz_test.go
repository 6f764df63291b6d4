package ir

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Any text parses or is an error. What parses is well formed, and prints so
// that it parses to the same.
func FuzzParse(f *testing.F) {
	f.Add(everyOp().String())
	for _, name := range []string{"testdata/errors.txt", "README.md"} {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		for part := range strings.SplitSeq(string(data), "\n=== ") {
			_, text, _ := strings.Cut(part, "\n")
			text, _, _ = strings.Cut(text, "\n---\n")
			f.Add("graph g version=1 {\n" + text + "\n}\n")
		}
		for _, block := range blocks(string(data)) {
			f.Add(block)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text)
		if err != nil {
			require.IsType(t, &SyntaxError{}, err)
			return
		}
		require.NoError(t, g.Verify())
		printed := g.String()
		again, err := Parse(printed)
		require.NoError(t, err, printed)
		require.Equal(t, printed, again.String())
		require.Len(t, again.Nodes, len(g.Nodes))
		for i := range g.Nodes {
			sameNode(t, g.Nodes[i], again.Nodes[i])
		}
		g.Live()
	})
}

// blocks returns the code blocks of a Markdown page.
func blocks(page string) []string {
	var bs []string
	parts := strings.Split(page, "\n```")
	for i := 1; i < len(parts); i += 2 {
		_, text, _ := strings.Cut(parts[i], "\n")
		bs = append(bs, text+"\n")
	}
	return bs
}

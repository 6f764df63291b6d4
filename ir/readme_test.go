package ir

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"dumbtorch/ir/kernel"
)

// The examples of the page parse and print as they stand there.
func TestReadmeExamples(t *testing.T) {
	page, err := os.ReadFile("README.md")
	require.NoError(t, err)
	graphs, programs := 0, 0
	for _, text := range blocks(string(page)) {
		switch {
		case strings.HasPrefix(text, "graph train version=1 {"):
			g, err := Parse(text)
			require.NoError(t, err)
			require.Equal(t, text, g.String())
			graphs++
		case strings.HasPrefix(text, "program softmax version=1 {"):
			p, err := kernel.Parse(text)
			require.NoError(t, err)
			require.Equal(t, text, p.String())
			programs++
			k := p.Launches[0].Kernel
			again, err := kernel.ParseKernel(k.String())
			require.NoError(t, err)
			require.Equal(t, k.String(), again.String())
		}
	}
	require.Equal(t, 1, graphs)
	require.Equal(t, 1, programs)
}
